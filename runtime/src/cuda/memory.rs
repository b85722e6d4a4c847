//! Device memory, copies, and host memory that the device can reach.

use std::ffi::c_void;
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering};

use cudarc::driver::sys::{self, CUresult};

use super::driver::check;
use super::{Context, Handle, RawStream};
use crate::error::{Error, Result};

// Copies and allocation in the order of one stream. Addresses are of allocations that the caller
// keeps alive until the stream has passed; sizes are checked by the caller against them. Device
// addresses that break this are errors of the device, not accesses of the host.
impl RawStream {
    /// Allocates `bytes` bytes, at least one, for work on this stream.
    pub(crate) fn alloc(&self, bytes: u64) -> Result<u64> {
        self.context.bind()?;
        let mut address = 0;
        let code = match self.context.pools {
            // SAFETY: Current, Alive; `address` is a place for an address.
            true => unsafe { sys::cuMemAllocAsync(&mut address, bytes as usize, self.raw()) },
            // SAFETY: As above.
            false => unsafe { sys::cuMemAlloc_v2(&mut address, bytes as usize) },
        };
        if code == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            let (free, total) = self.context.memory()?;
            let device = self.context.info.name.clone();
            return Err(Error::OutOfMemory { device, want: bytes, free, total });
        }
        check("cuMemAllocAsync", code)?;
        Ok(address)
    }

    /// Frees after the work that the stream has.
    pub(crate) fn free(&self, address: u64) -> Result<()> {
        self.context.bind()?;
        let code = match self.context.pools {
            // SAFETY: Current, Alive; the address came from `alloc` and is freed once.
            true => unsafe { sys::cuMemFreeAsync(address, self.raw()) },
            // SAFETY: As above; this call waits for the device.
            false => unsafe { sys::cuMemFree_v2(address) },
        };
        check("cuMemFreeAsync", code)
    }

    /// Copies from the host and waits.
    pub(crate) fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive; the host reads `from` only, and the wait below keeps it alive
        // until the copy is done.
        let code =
            unsafe { sys::cuMemcpyHtoDAsync_v2(to, from.as_ptr().cast(), from.len(), self.raw()) };
        check("cuMemcpyHtoDAsync", code)?;
        self.synchronize()
    }

    /// Copies to the host and waits.
    pub(crate) fn download(&self, to: &mut [u8], from: u64) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive; the driver writes `to.len()` bytes into `to`, and the wait below
        // keeps it borrowed until the copy is done.
        let code = unsafe {
            sys::cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), from, to.len(), self.raw())
        };
        check("cuMemcpyDtoHAsync", code)?;
        self.synchronize()
    }

    /// Copies between buffers of this device.
    pub(crate) fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive; touches device memory only.
        let code = unsafe { sys::cuMemcpyDtoDAsync_v2(to, from, bytes as usize, self.raw()) };
        check("cuMemcpyDtoDAsync", code)
    }

    /// Copies from another device's memory.
    pub(crate) fn copy_from_peer(
        &self,
        to: u64,
        from: u64,
        peer: &Context,
        bytes: u64,
    ) -> Result<()> {
        self.context.bind()?;
        let (here, there) = (self.context.raw(), peer.raw());
        // SAFETY: Current, Alive; touches device memory only.
        let code =
            unsafe { sys::cuMemcpyPeerAsync(to, here, from, there, bytes as usize, self.raw()) };
        check("cuMemcpyPeerAsync", code)
    }

    /// Sets bytes to zero.
    pub(crate) fn clear(&self, address: u64, bytes: u64) -> Result<()> {
        self.context.bind()?;
        // SAFETY: Current, Alive; touches device memory only.
        let code = unsafe { sys::cuMemsetD8Async(address, 0, bytes as usize, self.raw()) };
        check("cuMemsetD8Async", code)
    }

    /// Starts a copy from pinned memory.
    pub(crate) fn upload_pinned(&self, to: u64, from: &HostMemory, bytes: u64) -> Result<()> {
        assert!(bytes <= from.bytes as u64, "the caller compares the lengths");
        if bytes == 0 {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: Current, Alive; in bounds by the assertion. `PinnedBuffer` waits for the copy
        // before it lends the memory out or frees it.
        let code =
            unsafe { sys::cuMemcpyHtoDAsync_v2(to, from.raw.0.cast(), bytes as usize, self.raw()) };
        check("cuMemcpyHtoDAsync", code)
    }

    /// Starts a copy to pinned memory.
    pub(crate) fn download_pinned(&self, to: &HostMemory, from: u64, bytes: u64) -> Result<()> {
        assert!(bytes <= to.bytes as u64, "the caller compares the lengths");
        if bytes == 0 {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: As in `upload_pinned`.
        let code =
            unsafe { sys::cuMemcpyDtoHAsync_v2(to.raw.0.cast(), from, bytes as usize, self.raw()) };
        check("cuMemcpyDtoHAsync", code)
    }
}

/// Page-locked host memory, mapped into the device's address space and zero at first.
#[derive(Debug)]
pub(crate) struct HostMemory {
    context: &'static Context,
    raw: Handle<u32>,
    bytes: usize,
}

impl HostMemory {
    /// Allocates `bytes` bytes, aligned to a page.
    pub(crate) fn new(context: &'static Context, bytes: usize) -> Result<Self> {
        context.bind()?;
        let mut raw: *mut c_void = ptr::null_mut();
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: Current; `raw` is a place for a pointer. An empty allocation is an error of the
        // driver, hence at least one byte.
        let code = unsafe { sys::cuMemHostAlloc(&mut raw, bytes.max(1), flags) };
        check("cuMemHostAlloc", code)?;
        // SAFETY: The driver allocated that many bytes, and nobody else has seen them.
        unsafe { ptr::write_bytes(raw.cast::<u8>(), 0, bytes.max(1)) };
        Ok(Self { context, raw: Handle(raw.cast()), bytes })
    }

    /// Where the device sees it.
    pub(crate) fn device_address(&self) -> Result<u64> {
        self.context.bind()?;
        let mut address = 0;
        // SAFETY: Current; the memory was allocated as mapped.
        let code = unsafe { sys::cuMemHostGetDevicePointer_v2(&mut address, self.raw.0.cast(), 0) };
        check("cuMemHostGetDevicePointer", code)?;
        Ok(address)
    }

    /// The bytes. The caller has waited for the device's writes, see `PinnedBuffer`.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: The allocation has that many bytes, initialised; the device does not write them,
        // since the only copies into this memory are `PinnedBuffer`'s, which waits for them first.
        unsafe { slice::from_raw_parts(self.raw.0.cast(), self.bytes) }
    }

    /// The bytes, to write. The caller has waited for the device's copies, see `PinnedBuffer`.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: As in `bytes`, and `self` is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.raw.0.cast(), self.bytes) }
    }

    /// A word that the device may write at the same time.
    pub(crate) fn word(&self, offset: u32) -> &AtomicU32 {
        let index = offset as usize / 4;
        assert!(offset.is_multiple_of(4) && index < self.bytes / 4, "a word of the memory");
        // SAFETY: In bounds by the assertion.
        let word = unsafe { self.raw.0.add(index) };
        // SAFETY: Aligned, alive as long as `self`, and used through atomics only.
        unsafe { AtomicU32::from_ptr(word) }
    }

    /// Reads a word.
    pub(crate) fn load(&self, offset: u32) -> u32 {
        self.word(offset).load(Ordering::Acquire)
    }

    /// Writes a word.
    pub(crate) fn store(&self, offset: u32, value: u32) {
        self.word(offset).store(value, Ordering::Release);
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: Current, and nobody else has the pointer. A failure leaves nothing to do.
            let _ = unsafe { sys::cuMemFreeHost(self.raw.0.cast()) };
        }
    }
}
