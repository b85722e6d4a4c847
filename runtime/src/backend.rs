//! The two executors behind one face.
//!
//! A [`Queue`] is where a stream's work goes: on a GPU a driver stream, on the simulator the
//! simulator itself, which does the work at once. Callers have checked that addresses and sizes are
//! of live memory of this device.

use std::sync::Arc;

use crate::cuda::{Context, RawStream};
use crate::error::{Error, Result};
use crate::simulated::{Op, Simulated};

/// What executes a device's work.
#[derive(Debug)]
pub(crate) enum Backend {
    Cuda(&'static Context),
    Sim(Arc<Simulated>),
}

impl Backend {
    /// A new queue.
    pub(crate) fn queue(&self) -> Result<Queue> {
        match self {
            Backend::Cuda(context) => Ok(Queue::Cuda(RawStream::new(context)?)),
            Backend::Sim(sim) => Ok(Queue::Sim(Arc::clone(sim))),
        }
    }

    /// Waits for all queues.
    pub(crate) fn synchronize(&self) -> Result<()> {
        match self {
            Backend::Cuda(context) => context.synchronize(),
            Backend::Sim(_) => Ok(()),
        }
    }
}

/// Where the work of one stream goes.
#[derive(Debug)]
pub(crate) enum Queue {
    Cuda(RawStream),
    Sim(Arc<Simulated>),
}

impl Queue {
    /// Allocates; nothing has address 0, where no kernel may read or write.
    pub(crate) fn alloc(&self, bytes: u64) -> Result<u64> {
        match self {
            _ if bytes == 0 => Ok(0),
            Queue::Cuda(stream) => stream.alloc(bytes),
            Queue::Sim(sim) => Ok(sim.alloc(bytes)),
        }
    }

    pub(crate) fn free(&self, address: u64) -> Result<()> {
        match self {
            _ if address == 0 => Ok(()),
            Queue::Cuda(stream) => stream.free(address),
            Queue::Sim(sim) => sim.free(address),
        }
    }

    pub(crate) fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        match self {
            _ if from.is_empty() => Ok(()),
            Queue::Cuda(stream) => stream.upload(to, from),
            Queue::Sim(sim) => sim.write(to, from),
        }
    }

    pub(crate) fn download(&self, to: &mut [u8], from: u64) -> Result<()> {
        match self {
            Queue::Cuda(stream) if to.is_empty() => stream.synchronize(),
            Queue::Cuda(stream) => stream.download(to, from),
            Queue::Sim(_) if to.is_empty() => Ok(()),
            Queue::Sim(sim) => sim.read(to, from),
        }
    }

    pub(crate) fn synchronize(&self) -> Result<()> {
        match self {
            Queue::Cuda(stream) => stream.synchronize(),
            Queue::Sim(_) => Ok(()),
        }
    }

    pub(crate) fn is_idle(&self) -> Result<bool> {
        match self {
            Queue::Cuda(stream) => stream.is_idle(),
            Queue::Sim(_) => Ok(true),
        }
    }

    /// Lets this queue wait for what `other` has been given.
    pub(crate) fn wait_for(&self, other: &Queue) -> Result<()> {
        match (self, other) {
            (Queue::Cuda(stream), Queue::Cuda(other)) => {
                stream.wait(&crate::cuda::RawEvent::record(other, false)?)
            }
            // The simulator has done its work when the call that gave it returns.
            (Queue::Cuda(_) | Queue::Sim(_), Queue::Sim(_)) => Ok(()),
            (Queue::Sim(_), Queue::Cuda(other)) => other.synchronize(),
        }
    }

    /// Copies within the device, or records the copy.
    pub(crate) fn copy(&self, to: u64, from: u64, bytes: u64, record: Record<'_>) -> Result<()> {
        match self {
            _ if bytes == 0 => Ok(()),
            Queue::Cuda(stream) => stream.copy(to, from, bytes),
            Queue::Sim(sim) => record.or_run(sim, Op::Copy { to, from, bytes }),
        }
    }

    /// Sets bytes to zero, or records that.
    pub(crate) fn clear(&self, address: u64, bytes: u64, record: Record<'_>) -> Result<()> {
        match self {
            _ if bytes == 0 => Ok(()),
            Queue::Cuda(stream) => stream.clear(address, bytes),
            Queue::Sim(sim) => record.or_run(sim, Op::Clear { address, bytes }),
        }
    }

    /// Copies from the memory of another device, whose queue is `other`.
    pub(crate) fn copy_from_peer(
        &self,
        to: u64,
        (other, from): (&Queue, u64),
        bytes: u64,
    ) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        match (self, other) {
            (Queue::Cuda(stream), Queue::Cuda(peer)) => {
                self.wait_for(other)?;
                stream.copy_from_peer(to, from, peer.context(), bytes)
            }
            (Queue::Cuda(_), Queue::Sim(_)) | (Queue::Sim(_), Queue::Cuda(_) | Queue::Sim(_)) => {
                let mut data = vec![0; bytes as usize];
                other.download(&mut data, from)?;
                self.upload(to, &data)
            }
        }
    }
}

/// Where a capture on the simulator records; nowhere where the stream is not captured. A captured
/// stream of the driver records by itself.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a>(pub(crate) Option<&'a crate::graph::Capture>);

impl Record<'_> {
    /// Records an operation, or does it.
    pub(crate) fn or_run(self, sim: &Simulated, op: Op) -> Result<()> {
        match self.0 {
            Some(capture) => {
                capture.record(op);
                Ok(())
            }
            None => sim.run(&op),
        }
    }

    /// An error where the stream is captured.
    pub(crate) fn forbid(self, what: &'static str) -> Result<()> {
        match self.0 {
            Some(_) => Err(Error::Capture { what }),
            None => Ok(()),
        }
    }
}
