//! Host memory for copies that run beside other work.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use crate::backend::{Backend, Queue};
use crate::buffer::{GpuBuffer, same_length};
use crate::cuda::{HostMemory, RawEvent};
use crate::device::Device;
use crate::element::{Plain, bytes_of};
use crate::error::Result;
use crate::stream::{Stream, StreamState};

/// `len` elements of host memory that the system does not move, so that the device copies them
/// while the host does something else.
///
/// Access waits for the copies that were started with it.
///
/// ```
/// use firesteel::Device;
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::sim();
/// let stream = device.stream();
/// let mut host = device.alloc_pinned::<u32>(3)?;
/// host.as_mut_slice()?.copy_from_slice(&[1, 2, 3]);
/// let mut x = device.alloc_uninit(3)?;
/// x.copy_from_pinned(&stream, &host)?;
/// assert_eq!(x.to_host(&device)?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub struct PinnedBuffer<T> {
    memory: HostSide,
    len: usize,
    /// The ends of copies that may still run.
    copies: Mutex<Vec<RawEvent>>,
    element: PhantomData<T>,
}

#[derive(Debug)]
enum HostSide {
    Cuda(HostMemory),
    /// Words, so that elements of up to 8 bytes are aligned.
    Sim(Vec<u64>),
}

impl<T: Plain> PinnedBuffer<T> {
    pub(crate) fn new(device: &Device, len: usize) -> Result<Self> {
        let bytes = bytes_of::<T>(len)? as usize;
        let memory = match device.backend() {
            Backend::Cuda(context) => HostSide::Cuda(HostMemory::new(context, bytes)?),
            Backend::Sim(_) => HostSide::Sim(vec![0; bytes.div_ceil(8)]),
        };
        Ok(Self { memory, len, copies: Mutex::default(), element: PhantomData })
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements, once the copies that use them are done.
    ///
    /// # Errors
    /// Errors of the driver, also of the work that the copies waited for.
    pub fn as_slice(&self) -> Result<&[T]> {
        self.wait()?;
        let bytes: &[u8] = match &self.memory {
            HostSide::Cuda(memory) => memory.bytes(),
            HostSide::Sim(words) => bytemuck::must_cast_slice(words),
        };
        Ok(bytemuck::cast_slice(&bytes[..self.len * size_of::<T>()]))
    }

    /// The elements, to write, once the copies that use them are done.
    ///
    /// # Errors
    /// As [`PinnedBuffer::as_slice`].
    pub fn as_mut_slice(&mut self) -> Result<&mut [T]> {
        self.wait()?;
        let bytes: &mut [u8] = match &mut self.memory {
            HostSide::Cuda(memory) => memory.bytes_mut(),
            HostSide::Sim(words) => bytemuck::must_cast_slice_mut(words),
        };
        Ok(bytemuck::cast_slice_mut(&mut bytes[..self.len * size_of::<T>()]))
    }
}

impl<T> PinnedBuffer<T> {
    fn wait(&self) -> Result<()> {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(copy) = copies.last() {
            copy.synchronize()?;
            copies.pop();
        }
        Ok(())
    }

    /// Notes that a copy was started on a stream.
    fn started(&self, state: &StreamState) -> Result<()> {
        if let Queue::Cuda(stream) = &state.queue {
            let Ok(event) = RawEvent::record(stream, false) else {
                // Without a mark nobody could wait for the copy later.
                return stream.synchronize();
            };
            let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
            copies.retain(|it| !matches!(it.is_reached(), Ok(true)));
            copies.push(event);
        }
        Ok(())
    }
}

impl<T: Plain> GpuBuffer<T> {
    /// Starts to copy all elements from pinned memory, in the order of a stream.
    ///
    /// # Errors
    /// [`Error::Length`](crate::Error::Length), [`Error::OtherDevice`](crate::Error::OtherDevice),
    /// errors of the driver.
    pub fn copy_from_pinned(&mut self, stream: &Stream, from: &PinnedBuffer<T>) -> Result<()> {
        same_length("a copy from pinned memory", self.len(), from.len)?;
        let state = self.enter(stream, "a copy from the host")?;
        self.memory().touch(state)?;
        match (&state.queue, &from.memory) {
            (Queue::Cuda(stream), HostSide::Cuda(memory)) => {
                stream.upload_pinned(self.address(), memory, bytes_of::<T>(self.len())?)?;
                from.started(state)
            }
            (Queue::Cuda(_) | Queue::Sim(_), HostSide::Cuda(_) | HostSide::Sim(_)) => {
                state.queue.upload(self.address(), T::bytes(from.as_slice()?))
            }
        }
    }

    /// Starts to copy all elements to pinned memory, in the order of a stream.
    ///
    /// # Errors
    /// As [`GpuBuffer::copy_from_pinned`].
    pub fn copy_to_pinned(&self, stream: &Stream, to: &mut PinnedBuffer<T>) -> Result<()> {
        same_length("a copy to pinned memory", self.len(), to.len)?;
        let state = self.enter(stream, "a copy to the host")?;
        self.memory().touch(state)?;
        match (&state.queue, &to.memory) {
            (Queue::Cuda(stream), HostSide::Cuda(memory)) => {
                stream.download_pinned(memory, self.address(), bytes_of::<T>(self.len())?)?;
                to.started(state)
            }
            (Queue::Cuda(_) | Queue::Sim(_), HostSide::Cuda(_) | HostSide::Sim(_)) => {
                let values = to.as_mut_slice()?;
                T::fill(values, |bytes| state.queue.download(bytes, self.address()))
            }
        }
    }
}

impl<T> Drop for PinnedBuffer<T> {
    fn drop(&mut self) {
        // The device may still use the memory. An error means that the context is lost and that
        // nothing runs on it any more.
        let _ = self.wait();
    }
}

impl<T> fmt::Debug for PinnedBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PinnedBuffer").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_memory_goes_both_ways() {
        let device = Device::new(0).unwrap();
        let stream = device.create_stream().unwrap();
        let mut host = device.alloc_pinned::<f64>(3).unwrap();
        assert_eq!(host.as_slice().unwrap(), [0.0; 3]);
        host.as_mut_slice().unwrap().copy_from_slice(&[1.0, 2.0, 3.0]);
        let mut x = device.alloc_uninit(3).unwrap();
        x.copy_from_pinned(&stream, &host).unwrap();
        host.as_mut_slice().unwrap().fill(0.0);
        x.copy_to_pinned(&stream, &mut host).unwrap();
        assert_eq!(host.as_slice().unwrap(), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn copies_from_the_host_are_not_captured() {
        let device = Device::new(0).unwrap();
        let stream = device.create_stream().unwrap();
        let host = device.alloc_pinned::<u8>(1).unwrap();
        let mut x = device.alloc_zeros(1).unwrap();
        let error = stream.capture(|| x.copy_from_pinned(&stream, &host)).unwrap_err();
        assert!(matches!(error, crate::Error::Capture { .. }), "{error}");
        stream.synchronize().unwrap();
    }
}
