//! Memory of a device.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::Queue;
use crate::device::Device;
use crate::element::{DeviceCopy, bytes_of};
use crate::error::{Error, Result};
use crate::graph::Freed;
use crate::stream::{Stream, StreamState};
use crate::watch;

/// `len` elements in the memory of one device.
///
/// Dropping it frees the memory after the work that uses it, without waiting. It keeps its device
/// alive. Methods without a stream work in the order of the device's default stream.
///
/// ```
/// use firesteel::Device;
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::sim();
/// let x = device.alloc_from(&[1.0f32, 2.0, 3.0])?;
/// let mut y = device.alloc_zeros::<f32>(3)?;
/// y.copy_from_buffer(&x)?;
/// assert_eq!(y.to_host(&device)?, [1.0, 2.0, 3.0]);
/// # Ok(())
/// # }
/// ```
pub struct GpuBuffer<T> {
    memory: Arc<Memory>,
    len: usize,
    element: PhantomData<T>,
}

impl<T> GpuBuffer<T> {
    /// Number of elements.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The device whose memory it is.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.memory.device
    }

    /// The address on the device, 0 where there are no elements.
    #[must_use]
    #[inline]
    pub fn address(&self) -> u64 {
        self.memory.address
    }

    #[inline]
    pub(crate) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }
}

impl<T: DeviceCopy> GpuBuffer<T> {
    /// A buffer of no elements, for a slice of a kernel that has nothing to read. It takes nothing
    /// of the device, so work that is captured may make one too.
    ///
    /// # Errors
    /// [`Error::StreamDestroyed`].
    pub fn empty(stream: &Stream) -> Result<Self> {
        Self::wrap(stream, 0, 0, false)
    }

    pub(crate) fn alloc(stream: &Stream, len: usize) -> Result<Self> {
        let state = stream.state()?;
        let bytes = bytes_of::<T>(len)?;
        state.recording().get().forbid("an allocation")?;
        let address = state.queue.alloc(bytes)?;
        Self::wrap(stream, address, len, true)
    }

    fn wrap(stream: &Stream, address: u64, len: usize, owned: bool) -> Result<Self> {
        let (device, home) = (stream.device().clone(), Arc::clone(stream.state()?));
        let memory = Memory { device, address, home, guests: Mutex::default(), owned };
        Ok(Self { memory: Arc::new(memory), len, element: PhantomData })
    }

    /// Takes `len` elements at `address`, which another user of the device allocated, as a buffer,
    /// without copying. Dropping it does not free them.
    ///
    /// # Safety
    /// Until the buffer and all work given to it are gone: `address` must be aligned for `T` and
    /// have `len` elements of memory that `device` can reach, and no other work may use them
    /// except in an order that the caller enforces.
    ///
    /// # Errors
    /// [`Error::SizeOverflow`].
    pub unsafe fn from_raw(device: &Device, address: u64, len: usize) -> Result<Self> {
        bytes_of::<T>(len)?;
        Self::wrap(&device.stream(), address, len, false)
    }

    /// A copy of the elements on the host, after all work given to the buffer.
    ///
    /// It also reports a check that failed in a kernel, since the elements are then worth little.
    ///
    /// # Errors
    /// [`Error::OtherDevice`] if `device` is not the buffer's, [`Error::Fault`], errors of the
    /// driver.
    pub fn to_host(&self, device: &Device) -> Result<Vec<T>> {
        self.memory.device.same(device, || "a buffer read through a device".to_owned())?;
        let mut values = vec![T::zero(); self.len];
        self.copy_to(&mut values)?;
        Ok(values)
    }

    /// Copies all elements to the host, as [`GpuBuffer::to_host`] does.
    ///
    /// # Errors
    /// [`Error::Length`] if `values` has another length, and those of `to_host`.
    pub fn copy_to(&self, values: &mut [T]) -> Result<()> {
        same_length("a copy to the host", self.len, values.len())?;
        let device = self.device();
        let state = device.default_state();
        state.recording().get().forbid("a copy to the host")?;
        self.memory.order_before(state)?;
        let users = self.memory.users();
        if let Queue::Cuda(stream) = &state.queue {
            // The driver's copy would wait for ever with threads that wait for one that failed.
            let own = [state, &self.memory.home];
            let channels: Vec<_> = users.iter().chain(own).flat_map(|it| it.channels()).collect();
            if !channels.is_empty() {
                watch::wait(stream, &channels)?;
            }
        }
        T::fill(values, |bytes| state.queue.download(bytes, self.address()))?;
        state.drain(device)?;
        users.iter().try_for_each(|it| it.peek_fault())
    }

    /// Copies all elements from the host and waits for it.
    ///
    /// # Errors
    /// [`Error::Length`] if `values` has another length, errors of the driver.
    pub fn copy_from(&mut self, values: &[T]) -> Result<()> {
        let stream = self.device().stream();
        self.copy_from_on(&stream, values)
    }

    /// [`GpuBuffer::copy_from`] in the order of a stream.
    ///
    /// # Errors
    /// As `copy_from`, and [`Error::OtherDevice`].
    pub fn copy_from_on(&mut self, stream: &Stream, values: &[T]) -> Result<()> {
        same_length("a copy from the host", self.len, values.len())?;
        let state = self.enter(stream, "a copy from the host")?;
        self.memory.touch(state)?;
        state.queue.upload(self.address(), T::bytes(values))
    }

    /// Copies all elements of another buffer, which may be on another device. Does not wait.
    ///
    /// # Errors
    /// [`Error::Length`] if `from` has another length, errors of the driver.
    pub fn copy_from_buffer(&mut self, from: &GpuBuffer<T>) -> Result<()> {
        let stream = self.device().stream();
        self.copy_from_buffer_on(&stream, from)
    }

    /// [`GpuBuffer::copy_from_buffer`] in the order of a stream of this buffer's device.
    ///
    /// # Errors
    /// As `copy_from_buffer`, and [`Error::OtherDevice`].
    pub fn copy_from_buffer_on(&mut self, stream: &Stream, from: &GpuBuffer<T>) -> Result<()> {
        same_length("a copy between buffers", self.len, from.len)?;
        self.device().same(stream.device(), || "the stream of a copy".to_owned())?;
        let state = stream.state()?;
        let bytes = bytes_of::<T>(self.len)?;
        self.memory.touch(state)?;
        if self.device().is(from.device()) {
            from.memory.touch(state)?;
            let recording = state.recording();
            return state.queue.copy(self.address(), from.address(), bytes, recording.get());
        }
        state.recording().get().forbid("a copy between devices")?;
        from.memory.touch(state)?;
        let peer = (&from.memory.home.queue, from.address());
        state.queue.copy_from_peer(self.address(), peer, bytes)
    }

    /// Sets all bytes to zero, in the order of a stream. Does not wait.
    ///
    /// # Errors
    /// [`Error::OtherDevice`], errors of the driver.
    pub fn clear_on(&mut self, stream: &Stream) -> Result<()> {
        self.device().same(stream.device(), || "the stream of a fill".to_owned())?;
        let state = stream.state()?;
        self.memory.touch(state)?;
        state.queue.clear(self.address(), bytes_of::<T>(self.len)?, state.recording().get())
    }

    /// The stream's state, if it may copy from or to the host with this buffer.
    pub(crate) fn enter<'a>(
        &self,
        stream: &'a Stream,
        what: &'static str,
    ) -> Result<&'a Arc<StreamState>> {
        self.device().same(stream.device(), || "the stream of a copy".to_owned())?;
        let state = stream.state()?;
        state.recording().get().forbid(what)?;
        Ok(state)
    }
}

impl<T> fmt::Debug for GpuBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GpuBuffer")
            .field("device", self.device())
            .field("address", &format_args!("{:#x}", self.address()))
            .field("len", &self.len)
            .finish()
    }
}

pub(crate) fn same_length(what: &'static str, want: usize, got: usize) -> Result<()> {
    match want == got {
        true => Ok(()),
        false => Err(Error::Length { what, want, got }),
    }
}

/// One allocation, and the streams that have used it.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) device: Device,
    address: u64,
    /// The stream in whose order it was allocated and will be freed.
    home: Arc<StreamState>,
    /// Other streams that used it: freeing waits for them.
    guests: Mutex<Vec<Arc<StreamState>>>,
    /// Whether dropping frees it.
    owned: bool,
}

impl Memory {
    /// The stream in whose order it was allocated.
    pub(crate) fn home(&self) -> &Arc<StreamState> {
        &self.home
    }

    fn guests(&self) -> MutexGuard<'_, Vec<Arc<StreamState>>> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other streams that have used it.
    fn users(&self) -> Vec<Arc<StreamState>> {
        self.guests().clone()
    }

    /// Notes a use on a stream.
    ///
    /// In a capture it keeps the memory alive for the graph instead; the graph's launch notes the
    /// stream that it runs on.
    #[inline]
    pub(crate) fn touch(self: &Arc<Self>, state: &Arc<StreamState>) -> Result<()> {
        if let Some(capture) = state.capture() {
            capture.keep(self);
            return Ok(());
        }
        if state.id == self.home.id {
            return Ok(());
        }
        self.touch_as_guest(state)
    }

    /// The first use on a stream waits for the allocation and the first writes.
    fn touch_as_guest(&self, state: &Arc<StreamState>) -> Result<()> {
        let mut guests = self.guests();
        if guests.iter().any(|it| it.id == state.id) {
            return Ok(());
        }
        if self.home.capture().is_none() {
            state.queue.wait_for(&self.home.queue)?;
        }
        guests.push(Arc::clone(state));
        Ok(())
    }

    /// Lets a stream wait for all the work given to this memory on other streams.
    fn order_before(&self, state: &Arc<StreamState>) -> Result<()> {
        let users = self.users();
        users
            .iter()
            .chain([&self.home])
            .filter(|it| it.id != state.id && it.capture().is_none())
            .try_for_each(|it| state.queue.wait_for(&it.queue))
    }

    fn free(&mut self) -> Result<()> {
        let home = Arc::clone(&self.home);
        let users = std::mem::take(&mut *self.guests());
        let capture = home.capture().or_else(|| users.iter().find_map(|it| it.capture()));
        if let Some(capture) = capture {
            capture.free_later(Freed { home, users, address: self.address });
            return Ok(());
        }
        for user in &users {
            home.queue.wait_for(&user.queue)?;
        }
        home.queue.free(self.address)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.owned {
            // A destructor has nobody to tell; the next call on the device reports a lost context.
            let _ = self.free();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::new(0).unwrap()
    }

    #[test]
    fn elements_return_as_they_went() {
        let device = device();
        let values = [half::f16::from_f32(1.5), half::f16::from_f32(-2.0)];
        assert_eq!(device.alloc_from(&values).unwrap().to_host(&device).unwrap(), values);
        let flags = [true, false, true];
        assert_eq!(device.alloc_from(&flags).unwrap().to_host(&device).unwrap(), flags);
        assert_eq!(device.alloc_zeros::<u64>(5).unwrap().to_host(&device).unwrap(), [0; 5]);
    }

    #[test]
    fn an_empty_buffer_needs_no_memory() {
        let device = device();
        let mut empty = device.alloc_from::<f32>(&[]).unwrap();
        assert!(empty.is_empty());
        empty.copy_from(&[]).unwrap();
        assert!(empty.to_host(&device).unwrap().is_empty());
    }

    #[test]
    fn lengths_must_agree() {
        let device = device();
        let mut two = device.alloc_zeros::<i32>(2).unwrap();
        let three = device.alloc_zeros::<i32>(3).unwrap();
        let error = two.copy_from_buffer(&three).unwrap_err();
        assert!(matches!(error, Error::Length { want: 2, got: 3, .. }), "{error}");
        assert!(matches!(two.copy_from(&[1]), Err(Error::Length { want: 2, got: 1, .. })));
    }

    #[test]
    fn a_buffer_of_another_device_is_refused() {
        let (here, there) = (Device::sim(), Device::sim());
        let buffer = here.alloc_from(&[1u8]).unwrap();
        let error = buffer.to_host(&there).unwrap_err();
        assert!(matches!(error, Error::OtherDevice { .. }), "{error}");
    }

    #[test]
    fn buffers_copy_across_devices() {
        let (here, there) = (device(), Device::sim());
        let from = here.alloc_from(&[1i16, -2, 3]).unwrap();
        let mut to = there.alloc_zeros::<i16>(3).unwrap();
        to.copy_from_buffer(&from).unwrap();
        assert_eq!(to.to_host(&there).unwrap(), [1, -2, 3]);
    }

    #[test]
    fn a_buffer_outlives_the_stream_it_came_from() {
        let device = device();
        let stream = device.create_stream().unwrap();
        let buffer = stream.alloc_from(&[7u32]).unwrap();
        stream.clone().destroy();
        assert!(matches!(stream.synchronize(), Err(Error::StreamDestroyed)));
        assert_eq!(buffer.to_host(&device).unwrap(), [7]);
    }
}
