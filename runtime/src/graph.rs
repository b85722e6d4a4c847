//! Graphs: work that is recorded once and launched as one.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::backend::Queue;
use crate::buffer::Memory;
use crate::channel::Channel;
use crate::cuda::{RawGraph, RawModule};
use crate::device::Device;
use crate::error::Result;
use crate::simulated::Op;
use crate::stream::{Stream, StreamState};

/// Recorded work, launched with one call: kernels, copies between buffers and fills.
///
/// It keeps the buffers and modules that it uses alive, and always works on the same ones: to feed
/// it, write to the buffers between launches.
///
/// ```
/// use firesteel::Device;
///
/// # fn main() -> firesteel::Result<()> {
/// let device = Device::sim();
/// let stream = device.stream();
/// let mut x = device.alloc_from(&[1, 2, 3])?;
/// let mut y = device.alloc_zeros::<i32>(3)?;
/// let graph = stream.capture(|| y.copy_from_buffer(&x))?;
/// assert_eq!(y.to_host(&device)?, [0, 0, 0]);
///
/// x.copy_from(&[4, 5, 6])?;
/// graph.launch(&stream)?;
/// assert_eq!(y.to_host(&device)?, [4, 5, 6]);
/// # Ok(())
/// # }
/// ```
pub struct Graph {
    device: Device,
    recorded: Recorded,
    memory: Vec<Arc<Memory>>,
    /// Held for their `Drop`: the recorded launches use their code.
    _modules: Vec<Arc<RawModule>>,
    channel: Option<Arc<Channel>>,
}

enum Recorded {
    /// None where nothing was captured.
    Cuda(Option<RawGraph>),
    Sim(Vec<Op>),
}

impl Graph {
    pub(crate) fn capture<E: From<crate::Error>>(
        stream: &Stream,
        work: impl FnOnce() -> Result<(), E>,
    ) -> Result<Self, E> {
        let state = stream.state()?;
        state.recording().get().forbid("a capture")?;
        let _capturing;
        if let Queue::Cuda(raw) = &state.queue {
            _capturing = raw.context().captures.begin();
            RawGraph::begin(raw)?;
        }
        let capture = Arc::new(Capture::default());
        capture.join(state);
        let running = Running { state, capture: &capture };
        let result = work();
        // Also where `work` panics must the stream leave the capture, hence the guard.
        std::mem::forget(running);
        let recorded = capture.finish(state, result.is_ok());
        result?;
        let recorded = recorded?;
        let kept = std::mem::take(&mut *capture.lock());
        Ok(Self {
            device: stream.device().clone(),
            recorded,
            memory: kept.memory,
            _modules: kept.modules,
            channel: capture.channel.get().cloned(),
        })
    }

    /// Puts the recorded work on a stream of the same device.
    ///
    /// # Errors
    /// [`OtherDevice`](crate::Error::OtherDevice), [`StreamDestroyed`](crate::Error::StreamDestroyed),
    /// [`Capture`](crate::Error::Capture) while the stream is
    /// captured, errors of the driver, and on the simulator those of the work itself.
    pub fn launch(&self, stream: &Stream) -> Result<()> {
        self.device.same(stream.device(), || "the stream of a graph's launch".to_owned())?;
        let state = stream.state()?;
        state.recording().get().forbid("the launch of a graph")?;
        for memory in &self.memory {
            memory.touch(state)?;
        }
        if let Some(channel) = &self.channel {
            state.replayed(channel);
        }
        match (&self.recorded, &state.queue) {
            (Recorded::Cuda(Some(graph)), Queue::Cuda(stream)) => graph.launch(stream),
            (Recorded::Cuda(None), Queue::Cuda(_)) => Ok(()),
            (Recorded::Sim(ops), Queue::Sim(sim)) => ops.iter().try_for_each(|op| sim.run(op)),
            (Recorded::Cuda(_), Queue::Sim(_)) | (Recorded::Sim(_), Queue::Cuda(_)) => {
                unreachable!("graph and stream are of one device, as compared above")
            }
        }
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("device", &self.device).finish_non_exhaustive()
    }
}

/// A capture under way.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    contents: Mutex<Contents>,
    /// The graph's own channel: its launches may run on any stream, any number of times.
    channel: OnceLock<Arc<Channel>>,
}

#[derive(Debug, Default)]
struct Contents {
    streams: Vec<Arc<StreamState>>,
    memory: Vec<Arc<Memory>>,
    modules: Vec<Arc<RawModule>>,
    /// The simulator's recording; the driver makes its own.
    ops: Vec<Op>,
    /// Memory dropped meanwhile, whose freeing would be captured too.
    freed: Vec<Freed>,
}

/// Memory to be freed.
#[derive(Debug)]
pub(crate) struct Freed {
    pub(crate) home: Arc<StreamState>,
    /// The other streams that used it.
    pub(crate) users: Vec<Arc<StreamState>>,
    pub(crate) address: u64,
}

impl Capture {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a stream part of the capture.
    pub(crate) fn join(self: &Arc<Self>, state: &Arc<StreamState>) {
        state.set_capture(Some(Arc::clone(self)));
        self.lock().streams.push(Arc::clone(state));
    }

    /// Records an operation of the simulator.
    pub(crate) fn record(&self, op: Op) {
        self.lock().ops.push(op);
    }

    /// Keeps memory alive as long as the graph.
    pub(crate) fn keep(&self, memory: &Arc<Memory>) {
        let mut contents = self.lock();
        if !contents.memory.iter().any(|it| Arc::ptr_eq(it, memory)) {
            contents.memory.push(Arc::clone(memory));
        }
    }

    /// Keeps a module alive as long as the graph.
    pub(crate) fn keep_module(&self, module: &Arc<RawModule>) {
        let mut contents = self.lock();
        if !contents.modules.iter().any(|it| Arc::ptr_eq(it, module)) {
            contents.modules.push(Arc::clone(module));
        }
    }

    /// Frees when the capture is over.
    pub(crate) fn free_later(&self, freed: Freed) {
        self.lock().freed.push(freed);
    }

    /// The channel of the captured kernels.
    pub(crate) fn channel(&self, queue: &Queue) -> Result<&Arc<Channel>> {
        match self.channel.get() {
            Some(channel) => Ok(channel),
            None => {
                let channel = Channel::new(queue)?;
                Ok(self.channel.get_or_init(|| Arc::new(channel)))
            }
        }
    }

    /// Ends the capture on its streams and makes the recording, if it is to be kept.
    fn finish(&self, origin: &StreamState, keep: bool) -> Result<Recorded> {
        let (streams, ops, freed) = {
            let mut contents = self.lock();
            (
                std::mem::take(&mut contents.streams),
                std::mem::take(&mut contents.ops),
                std::mem::take(&mut contents.freed),
            )
        };
        let recorded = match &origin.queue {
            Queue::Cuda(stream) => RawGraph::end(stream, keep).map(Recorded::Cuda),
            Queue::Sim(_) => Ok(Recorded::Sim(ops)),
        };
        for stream in &streams {
            stream.set_capture(None);
        }
        for memory in freed {
            memory.users.iter().try_for_each(|it| it.queue.synchronize())?;
            memory.home.queue.free(memory.address)?;
        }
        recorded
    }
}

/// Ends the capture if the recorded closure panics.
struct Running<'a> {
    state: &'a Arc<StreamState>,
    capture: &'a Capture,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // The panic is the error to report.
        let _ = self.capture.finish(self.state, false);
    }
}
