//! What every launch goes through, whoever made the kernel: checks, then the queue.
//!
//! This path allocates nothing and takes no lock on a GPU, unless the stream is captured or a
//! buffer is on a stream other than its own for the first time.

use std::ffi::c_void;
use std::sync::Arc;

use crate::buffer::Memory;
use crate::cuda::{Function, RawStream};
use crate::device::Limits;
use crate::error::{Error, Result};
use crate::launch::LaunchConfig;
use crate::stream::{Recording, Stream, StreamState};
use crate::tensor_map::Map;

/// A launch, without its arguments' values.
pub(crate) struct Launch<'a> {
    pub(crate) name: &'a str,
    pub(crate) config: LaunchConfig,
    pub(crate) block: [u32; 3],
    /// Blocks of a cluster.
    pub(crate) cluster: [u32; 3],
    /// What is behind each argument.
    pub(crate) behind: &'a [Behind<'a>],
}

/// What is behind the value of an argument.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Behind<'a> {
    /// Nothing: a scalar.
    #[default]
    Nothing,
    /// Memory, whose address it is.
    Memory(&'a Arc<Memory>),
    /// A tensor map, which is passed instead of it.
    Map(&'a Map),
}

impl<'a> Behind<'a> {
    #[inline]
    fn memory(self) -> Option<&'a Arc<Memory>> {
        match self {
            Self::Nothing => None,
            Self::Memory(memory) => Some(memory),
            Self::Map(map) => Some(&map.memory),
        }
    }
}

/// The arguments as the simulator takes them: the words of each.
pub(crate) fn words(values: &[u64], behind: &[Behind<'_>]) -> Vec<u64> {
    let mut words = Vec::with_capacity(values.len());
    for (value, behind) in values.iter().zip(behind) {
        match behind {
            Behind::Nothing | Behind::Memory(_) => words.push(*value),
            Behind::Map(map) => words.extend(map.words.0),
        }
    }
    words
}

/// A stream that a launch may go to.
pub(crate) struct Ready<'a> {
    pub(crate) state: &'a Arc<StreamState>,
    pub(crate) recording: Recording,
}

impl Launch<'_> {
    /// Compares the buffers' devices with the stream's; nothing to do where the grid is empty.
    #[inline]
    pub(crate) fn prepare<'a>(
        &self,
        stream: &'a Stream,
        argument: impl Fn(usize) -> &'static str,
    ) -> Result<Option<Ready<'a>>> {
        let state = stream.state()?;
        for (at, behind) in self.behind.iter().enumerate() {
            if let Some(memory) = behind.memory() {
                stream.device().same(&memory.device, || match argument(at) {
                    "" => format!("argument {at} of kernel `{}`", self.name),
                    name => format!("argument `{name}` of kernel `{}`", self.name),
                })?;
            }
        }
        if self.config.grid.contains(&0) {
            return Ok(None);
        }
        for memory in self.behind.iter().filter_map(|it| it.memory()) {
            memory.touch(state)?;
        }
        Ok(Some(Ready { state, recording: state.recording() }))
    }

    /// Compares grid, block and shared memory with what device and kernel allow.
    #[inline]
    pub(crate) fn check(&self, limits: &Limits, threads: u32, static_shared: u32) -> Result<()> {
        let (grid, block) = (self.config.grid, self.block);
        let total = block.iter().map(|&axis| u64::from(axis)).product::<u64>();
        let fits = |got: [u32; 3], most: [u32; 3]| (0..3).all(|axis| got[axis] <= most[axis]);
        if total == 0 || total > u64::from(threads) || !fits(block, limits.block) {
            let (kernel, per_axis) = (self.name.to_owned(), limits.block);
            return Err(Error::BlockTooLarge { kernel, got: block, per_axis, threads });
        }
        if !fits(grid, limits.grid) {
            let kernel = self.name.to_owned();
            return Err(Error::GridTooLarge { kernel, got: grid, want: limits.grid });
        }
        if (0..3).any(|axis| !grid[axis].is_multiple_of(self.cluster[axis])) {
            let (kernel, want) = (self.name.to_owned(), self.cluster);
            return Err(Error::GridOfClusters { kernel, got: grid, want });
        }
        let dynamic = self.config.dynamic_shared;
        if u64::from(static_shared) + u64::from(dynamic) > u64::from(limits.shared_per_block) {
            return Err(Error::SharedMemory {
                kernel: self.name.to_owned(),
                fixed: static_shared,
                dynamic,
                limit: limits.shared_per_block,
            });
        }
        Ok(())
    }
}

impl Ready<'_> {
    /// Address of the channel for this launch's faults and prints.
    #[inline]
    pub(crate) fn channel(&self) -> Result<u64> {
        let channel = match self.recording.get().0 {
            Some(capture) => capture.channel(&self.state.queue)?,
            None => self.state.channel()?,
        };
        Ok(channel.address())
    }
}

/// Launches a function of the driver.
#[inline]
pub(crate) fn on_cuda(
    launch: &Launch<'_>,
    ready: &Ready<'_>,
    (function, queue): (&Function, &RawStream),
    values: &[u64],
    pointers: &mut [*mut c_void],
) -> Result<()> {
    let limits = &queue.context().info.limits;
    launch.check(limits, function.threads_per_block, function.static_shared)?;
    if let Some(capture) = ready.recording.get().0 {
        capture.keep_module(function.module());
    }
    function.launch(queue, &launch.config, launch.block, (values, launch.behind), pointers)
}
