//! A device's primary context.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use cudarc::driver::sys::{self, CUctx_st, CUdevice, CUdevice_attribute as Attribute, CUmod_st};

use super::Handle;
use super::captures::Captures;
use super::driver::{check, count, open};
use crate::device::{DeviceInfo, Limits};
use crate::error::{Error, Result};

/// Most devices that one process uses: each kernel keeps a slot for each.
pub(crate) const MAX_DEVICES: usize = 16;

/// The primary context of one device.
///
/// It is retained at first use and never released, as in NVIDIA's own runtime: functions, buffers
/// and streams that hold its handles then never outlive it.
#[derive(Debug)]
pub(crate) struct Context {
    /// The device's ordinal, below [`MAX_DEVICES`].
    pub(crate) ordinal: usize,
    /// What the device is and can do.
    pub(crate) info: DeviceInfo,
    device: CUdevice,
    raw: Handle<CUctx_st>,
    /// Whether the device has stream-ordered allocation; virtual GPUs may not.
    pub(super) pools: bool,
    /// Held while a kernel is loaded, so that two threads do not compile it twice.
    pub(super) loading: Mutex<()>,
    /// The captures under way, which a wait for the whole device would break.
    pub(crate) captures: Captures,
    /// Modules that were dropped inside a capture.
    pub(super) unneeded: Mutex<Vec<Handle<CUmod_st>>>,
}

impl Context {
    /// The context of the device `ordinal`.
    pub(crate) fn get(ordinal: usize) -> Result<&'static Context> {
        static CONTEXTS: [OnceLock<Context>; MAX_DEVICES] =
            [const { OnceLock::new() }; MAX_DEVICES];
        static CREATION: Mutex<()> = Mutex::new(());
        let count = count()?;
        let slot = CONTEXTS.get(ordinal).filter(|_| ordinal < count);
        let slot = slot.ok_or(Error::NoDevice { ordinal, count })?;
        if let Some(context) = slot.get() {
            return Ok(context);
        }
        let _creation = CREATION.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.get() {
            Some(context) => Ok(context),
            None => {
                let context = Context::retain(ordinal)?;
                Ok(slot.get_or_init(|| context))
            }
        }
    }

    fn retain(ordinal: usize) -> Result<Self> {
        let device = device(ordinal)?;
        let info = describe(device)?;
        let mut raw = ptr::null_mut();
        // SAFETY: Loaded: `device` is a device that the driver named.
        let code = unsafe { sys::cuDevicePrimaryCtxRetain(&mut raw, device) };
        check("cuDevicePrimaryCtxRetain", code)?;
        let pools = attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? != 0;
        let raw = Handle(raw);
        let context = Self {
            ordinal,
            info,
            device,
            raw,
            pools,
            loading: Mutex::default(),
            captures: Captures::default(),
            unneeded: Mutex::default(),
        };
        context.bind()?;
        if pools {
            context.keep_freed_memory()?;
        }
        Ok(context)
    }

    /// Makes the context current on this thread.
    ///
    /// It asks rather than remembering, because other users of the driver in this thread may have
    /// changed it; the question costs a few nanoseconds.
    #[inline]
    pub(crate) fn bind(&self) -> Result<()> {
        let mut current = ptr::null_mut();
        // SAFETY: Loaded: `current` is a place for a context.
        let code = unsafe { sys::cuCtxGetCurrent(&mut current) };
        check("cuCtxGetCurrent", code)?;
        if current == self.raw.0 {
            return Ok(());
        }
        // SAFETY: Alive: the context is retained for the rest of the process.
        let code = unsafe { sys::cuCtxSetCurrent(self.raw.0) };
        check("cuCtxSetCurrent", code)
    }

    /// Waits for all work on the device, and for captures of other threads to end.
    pub(crate) fn synchronize(&self) -> Result<()> {
        self.bind()?;
        let _none = self.captures.ended()?;
        // Before the wait: what is dropped after it may still run.
        let unneeded = {
            let mut unneeded = self.unneeded.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *unneeded)
        };
        // SAFETY: Current.
        let code = unsafe { sys::cuCtxSynchronize() };
        check("cuCtxSynchronize", code)?;
        for module in unneeded {
            // SAFETY: Current; the module's owner is gone and its kernels are done. A failure leaves
            // nothing to do.
            let _ = unsafe { sys::cuModuleUnload(module.0) };
        }
        Ok(())
    }

    /// Free and total bytes of memory.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        self.bind()?;
        let (mut free, mut total) = (0, 0);
        // SAFETY: Current; both are places for a size.
        let code = unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) };
        check("cuMemGetInfo", code)?;
        Ok((free as u64, total as u64))
    }

    /// Threads that a multiprocessor has room for.
    pub(crate) fn threads_per_multiprocessor(&self) -> Result<u32> {
        attribute(self.device, Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)
    }

    /// The raw handle, for copies between contexts.
    pub(super) fn raw(&self) -> sys::CUcontext {
        self.raw.0
    }

    /// Keeps freed memory in the device's pool: by default the pool returns it to the system at
    /// each synchronisation, which makes the next allocation slow.
    fn keep_freed_memory(&self) -> Result<()> {
        let mut pool = ptr::null_mut();
        // SAFETY: Loaded: the device is valid and has memory pools.
        let code = unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, self.device) };
        check("cuDeviceGetDefaultMemPool", code)?;
        let mut threshold = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: The pool is the device's own; this attribute takes a u64.
        let code = unsafe {
            sys::cuMemPoolSetAttribute(pool, attribute, ptr::from_mut(&mut threshold).cast())
        };
        check("cuMemPoolSetAttribute", code)
    }
}

fn device(ordinal: usize) -> Result<CUdevice> {
    open()?;
    let mut device = 0;
    // SAFETY: Loaded; the driver checks the ordinal.
    let code = unsafe { sys::cuDeviceGet(&mut device, i32::try_from(ordinal).unwrap_or(i32::MAX)) };
    check("cuDeviceGet", code)?;
    Ok(device)
}

/// What the device `ordinal` is, without making a context on it.
pub(crate) fn info(ordinal: usize) -> Result<DeviceInfo> {
    describe(device(ordinal)?)
}

fn attribute(device: CUdevice, attribute: Attribute) -> Result<u32> {
    let mut value = 0;
    // SAFETY: Loaded: `device` is a device that the driver named.
    let code = unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) };
    check("cuDeviceGetAttribute", code)?;
    Ok(u32::try_from(value).unwrap_or(0))
}

fn name(device: CUdevice) -> Result<String> {
    let mut text = [0u8; 256];
    // SAFETY: Loaded; the driver writes at most the 256 bytes that `text` has.
    let code = unsafe { sys::cuDeviceGetName(text.as_mut_ptr().cast::<c_char>(), 256, device) };
    check("cuDeviceGetName", code)?;
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    Ok(String::from_utf8_lossy(&text[..end]).into_owned())
}

fn total_memory(device: CUdevice) -> Result<usize> {
    let mut bytes = MaybeUninit::uninit();
    // SAFETY: Loaded: `device` is a device that the driver named.
    let code = unsafe { sys::cuDeviceTotalMem_v2(bytes.as_mut_ptr(), device) };
    check("cuDeviceTotalMem", code)?;
    // SAFETY: The call succeeded, so it wrote the size.
    Ok(unsafe { bytes.assume_init() })
}

fn describe(device: CUdevice) -> Result<DeviceInfo> {
    use Attribute as A;
    let get = |it| attribute(device, it);
    let axes = |[x, y, z]: [A; 3]| -> Result<[u32; 3]> { Ok([get(x)?, get(y)?, get(z)?]) };
    Ok(DeviceInfo {
        name: name(device)?,
        compute_capability: (
            get(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            get(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        total_memory: total_memory(device)?,
        multiprocessors: get(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        warp_size: get(A::CU_DEVICE_ATTRIBUTE_WARP_SIZE)?,
        limits: Limits {
            threads_per_block: get(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            block: axes([
                A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X,
                A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y,
                A::CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z,
            ])?,
            grid: axes([
                A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X,
                A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y,
                A::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z,
            ])?,
            shared_per_block: get(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            registers_per_block: get(A::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK)?,
        },
    })
}
