//! Streams and events: order of the work on a device.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::backend::{Queue, Record};
use crate::buffer::GpuBuffer;
use crate::channel::Channel;
use crate::cuda::RawEvent;
use crate::device::Device;
use crate::element::DeviceCopy;
use crate::error::{Error, Result};
use crate::graph::{Capture, Graph};
use crate::watch;

/// A queue of work on one device: what is put on one stream runs in that order.
///
/// Launches and copies between buffers return before they are done; [`Stream::synchronize`] waits
/// and reports the checks that failed in kernels. Work on different streams runs in any order
/// unless an [`Event`] orders it, with one exception: the first use of a buffer on a stream other
/// than the one it was allocated on waits for the latter.
///
/// A clone is the same stream. On the simulator work is done when the call returns.
///
/// ```
/// use firesteel::Device;
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::sim();
/// let stream = device.create_stream()?;
/// let zeros = stream.alloc_zeros::<f32>(4)?;
/// let done = stream.record()?;
/// device.stream().wait(&done)?;
/// assert_eq!(zeros.to_host(&device)?, [0.0; 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Stream {
    device: Device,
    state: Arc<StreamState>,
}

impl Stream {
    pub(crate) fn new(device: Device, state: Arc<StreamState>) -> Self {
        Self { device, state }
    }

    /// The device that the stream is on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The stream's state, unless it was destroyed.
    #[inline]
    pub(crate) fn state(&self) -> Result<&Arc<StreamState>> {
        match self.state.destroyed.load(Ordering::Relaxed) {
            false => Ok(&self.state),
            true => Err(Error::StreamDestroyed),
        }
    }

    /// Waits for all work on the stream, writes what its kernels printed, and reports the first
    /// check that failed in one of them.
    ///
    /// # Errors
    /// [`Error::Fault`] for a failed check, [`Error::Stuck`] if other threads wait for the one that
    /// failed; errors of the driver, also of earlier work.
    pub fn synchronize(&self) -> Result<()> {
        let state = self.state()?;
        state.recording().get().forbid("waiting for the stream")?;
        state.wait()?;
        state.drain(&self.device)
    }

    /// Whether all work on the stream is done.
    ///
    /// # Errors
    /// Errors of the driver, also of earlier work.
    pub fn is_idle(&self) -> Result<bool> {
        let state = self.state()?;
        state.recording().get().forbid("asking the stream")?;
        state.queue.is_idle()
    }

    /// Marks the point that the stream has come to.
    ///
    /// # Errors
    /// [`Error::StreamDestroyed`], and errors of the driver.
    pub fn record(&self) -> Result<Event> {
        let state = self.state()?;
        let capture = state.capture();
        let mark = match &state.queue {
            Queue::Cuda(stream) => Mark::Cuda(RawEvent::record(stream, true)?),
            Queue::Sim(_) => Mark::Sim(Instant::now()),
        };
        Ok(Event { device: self.device.clone(), mark, capture })
    }

    /// Lets later work on this stream wait for the event, which may be of another device.
    ///
    /// A stream that waits for an event of a captured stream joins the capture.
    ///
    /// # Errors
    /// [`Error::Capture`] where a captured stream would wait for one that is not; errors of the
    /// driver.
    pub fn wait(&self, event: &Event) -> Result<()> {
        let state = self.state()?;
        let own = state.capture();
        match (&event.capture, &own) {
            (None, Some(_)) => return Err(Error::Capture { what: "an event of another stream" }),
            (Some(theirs), Some(own)) if !Arc::ptr_eq(theirs, own) => {
                return Err(Error::Capture { what: "an event of another capture" });
            }
            (None, None) | (Some(_), _) => {}
        }
        match (&state.queue, &event.mark) {
            (Queue::Cuda(stream), Mark::Cuda(event)) => stream.wait(event)?,
            (Queue::Sim(_), Mark::Cuda(event)) => event.synchronize()?,
            (Queue::Cuda(_) | Queue::Sim(_), Mark::Sim(_)) => {}
        }
        if let (Some(theirs), None) = (&event.capture, &own) {
            theirs.join(state);
        }
        Ok(())
    }

    /// Records what `work` puts on this stream into a graph, instead of running it.
    ///
    /// Other threads may use the device meanwhile; their [`Device::synchronize`] waits for the end
    /// of the capture.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Capture`] for what cannot be captured (waiting, allocation,
    /// copies from and to the host).
    pub fn capture<E: From<Error>>(
        &self,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Graph, E> {
        Graph::capture(self, work)
    }

    /// Ends the stream: its clones return [`Error::StreamDestroyed`] from now on. Work that it was
    /// given is still done. Dropping the last clone does the same.
    pub fn destroy(self) {
        if !Arc::ptr_eq(&self.state, self.device.default_state()) {
            self.state.destroyed.store(true, Ordering::Relaxed);
        }
    }

    /// Allocates `len` elements of unspecified contents, for use on this stream first.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], and errors of the driver.
    pub fn alloc_uninit<T: DeviceCopy>(&self, len: usize) -> Result<GpuBuffer<T>> {
        GpuBuffer::alloc(self, len)
    }

    /// Allocates `len` zeros, for use on this stream first.
    ///
    /// # Errors
    /// As [`Stream::alloc_uninit`].
    pub fn alloc_zeros<T: DeviceCopy>(&self, len: usize) -> Result<GpuBuffer<T>> {
        let mut buffer = GpuBuffer::alloc(self, len)?;
        buffer.clear_on(self)?;
        Ok(buffer)
    }

    /// Allocates a copy of `values`, for use on this stream first.
    ///
    /// # Errors
    /// As [`Stream::alloc_uninit`].
    pub fn alloc_from<T: DeviceCopy>(&self, values: &[T]) -> Result<GpuBuffer<T>> {
        let mut buffer = GpuBuffer::alloc(self, values.len())?;
        buffer.copy_from_on(self, values)?;
        Ok(buffer)
    }

    /// The driver's handle (`CUstream`), for other users of the driver; none on the simulator. It
    /// is valid as long as a clone of this stream lives.
    #[must_use]
    pub fn cuda_handle(&self) -> Option<*mut std::ffi::c_void> {
        match &self.state.queue {
            Queue::Cuda(stream) => Some(stream.raw().cast()),
            Queue::Sim(_) => None,
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("device", &self.device).field("id", &self.state.id).finish()
    }
}

/// A point in the work of a stream, see [`Stream::record`].
#[derive(Debug)]
pub struct Event {
    device: Device,
    mark: Mark,
    /// The capture that the event is part of: it then never happens itself.
    capture: Option<Arc<Capture>>,
}

#[derive(Debug)]
enum Mark {
    Cuda(RawEvent),
    Sim(Instant),
}

impl Event {
    /// Waits until the point is reached.
    ///
    /// # Errors
    /// Errors of the driver, also of earlier work.
    pub fn synchronize(&self) -> Result<()> {
        match self.mark()? {
            Mark::Cuda(event) => event.synchronize(),
            Mark::Sim(_) => Ok(()),
        }
    }

    /// Whether the point is reached.
    ///
    /// # Errors
    /// Errors of the driver, also of earlier work.
    pub fn is_reached(&self) -> Result<bool> {
        match self.mark()? {
            Mark::Cuda(event) => event.is_reached(),
            Mark::Sim(_) => Ok(true),
        }
    }

    /// The time from this point to `later`: the device's own clock on a GPU, the host's on the
    /// simulator.
    ///
    /// # Errors
    /// [`Error::EventNotReached`] before both are reached; [`Error::OtherDevice`].
    pub fn elapsed(&self, later: &Event) -> Result<Duration> {
        self.device.same(&later.device, || "the later event".to_owned())?;
        match (self.mark()?, later.mark()?) {
            (Mark::Cuda(from), Mark::Cuda(to)) => {
                Ok(Duration::from_secs_f64(f64::from(from.elapsed_ms(to)?).max(0.0) / 1e3))
            }
            (Mark::Sim(from), Mark::Sim(to)) => Ok(to.saturating_duration_since(*from)),
            (Mark::Cuda(_), Mark::Sim(_)) | (Mark::Sim(_), Mark::Cuda(_)) => {
                unreachable!("both events are of one device, as compared above")
            }
        }
    }

    fn mark(&self) -> Result<&Mark> {
        match self.capture {
            Some(_) => Err(Error::Capture { what: "waiting for or timing an event" }),
            None => Ok(&self.mark),
        }
    }
}

/// What the clones of a stream share.
#[derive(Debug)]
pub(crate) struct StreamState {
    /// Unique in the process.
    pub(crate) id: u64,
    pub(crate) queue: Queue,
    destroyed: AtomicBool,
    /// Whether `capture` holds one, to be asked without its lock.
    capturing: AtomicBool,
    capture: Mutex<Option<Arc<Capture>>>,
    channel: OnceLock<Arc<Channel>>,
    /// Channels of the graphs that ran on this stream since it was last drained.
    replayed: Mutex<Vec<Arc<Channel>>>,
}

impl StreamState {
    pub(crate) fn new(queue: Queue) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            queue,
            destroyed: AtomicBool::new(false),
            capturing: AtomicBool::new(false),
            capture: Mutex::default(),
            channel: OnceLock::new(),
            replayed: Mutex::default(),
        }
    }

    /// The capture that the stream is part of.
    #[inline]
    pub(crate) fn capture(&self) -> Option<Arc<Capture>> {
        match self.capturing.load(Ordering::Acquire) {
            false => None,
            true => self.lock_capture().clone(),
        }
    }

    /// Enters or leaves a capture.
    pub(crate) fn set_capture(&self, capture: Option<Arc<Capture>>) {
        let mut guard = self.lock_capture();
        self.capturing.store(capture.is_some(), Ordering::Release);
        *guard = capture;
    }

    fn lock_capture(&self) -> MutexGuard<'_, Option<Arc<Capture>>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where work on this stream is recorded at the moment.
    #[inline]
    pub(crate) fn recording(&self) -> Recording {
        Recording(self.capture())
    }

    /// The channel of the stream's kernels, made at first use.
    #[inline]
    pub(crate) fn channel(&self) -> Result<&Arc<Channel>> {
        match self.channel.get() {
            Some(channel) => Ok(channel),
            None => {
                let channel = Channel::new(&self.queue)?;
                Ok(self.channel.get_or_init(|| Arc::new(channel)))
            }
        }
    }

    /// Makes the next drain read the channel of a graph too.
    pub(crate) fn replayed(&self, channel: &Arc<Channel>) {
        let mut replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        if !replayed.iter().any(|it| Arc::ptr_eq(it, channel)) {
            replayed.push(Arc::clone(channel));
        }
    }

    /// The channels that work on this stream may fail through.
    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        let replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
        self.channel.get().into_iter().chain(&*replayed).map(Arc::clone).collect()
    }

    /// Waits for all work on the stream, but not for ever after a failure.
    pub(crate) fn wait(&self) -> Result<()> {
        match &self.queue {
            Queue::Cuda(stream) => watch::wait(stream, &self.channels()),
            Queue::Sim(_) => Ok(()),
        }
    }

    /// Writes what was printed and reports the first fault. The stream's work is done.
    pub(crate) fn drain(&self, device: &Device) -> Result<()> {
        let replayed = {
            let mut replayed = self.replayed.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *replayed)
        };
        let mut result = Ok(());
        for channel in self.channel.get().into_iter().chain(&replayed) {
            channel.drain_prints(device);
            let fault = channel.take_fault();
            if result.is_ok() {
                result = fault;
            }
        }
        result
    }

    /// Reports a fault that has been recorded, while the stream may still work.
    pub(crate) fn peek_fault(&self) -> Result<()> {
        self.channel.get().map_or(Ok(()), |channel| channel.take_fault())
    }
}

/// A stream's capture, kept alive while work is recorded in it.
pub(crate) struct Recording(Option<Arc<Capture>>);

impl Recording {
    /// The capture as queues take it.
    pub(crate) fn get(&self) -> Record<'_> {
        Record(self.0.as_deref())
    }
}
