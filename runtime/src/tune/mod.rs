//! The fastest of several ways to do one thing, found on the user's own device.
//!
//! A kernel with tile sizes as parameters has a best choice for each shape and device. A [`Tuner`]
//! measures the configurations that a program names, once for each shape, and keeps the winner: in
//! memory, and in a file if it is given one, under the device's name, the driver's version and a
//! hash of the kernels' PTX, so that a choice outlives neither a new driver nor a changed kernel.
//!
//! ```
//! use firesteel::tune::{Configuration, Tuner};
//! use firesteel::prelude::*;
//!
//! #[gpu_kernel(block_size = 128)]
//! fn narrow(y: &mut [f32], n: u32) {
//!     let i = block_idx_x() * 128 + thread_idx_x();
//!     if i < n { y[i] = 1.0; }
//! }
//!
//! #[gpu_kernel(block_size = 512)]
//! fn wide(y: &mut [f32], n: u32) {
//!     let i = block_idx_x() * 512 + thread_idx_x();
//!     if i < n { y[i] = 1.0; }
//! }
//!
//! # fn main() -> Result<()> {
//! let (device, tuner) = (Device::new(0)?, Tuner::new());
//! let mut y = device.alloc_zeros(1000)?;
//! let configurations = [Configuration::new("128", narrow::PTX), Configuration::new("512", wide::PTX)];
//! let mut run = |chosen: usize, stream: &Stream| match chosen {
//!     0 => narrow::launch_on(stream, Grid::cover(1000, 128), &mut y, 1000),
//!     _ => wide::launch_on(stream, Grid::cover(1000, 512), &mut y, 1000),
//! };
//! let best = tuner.choose(&device.stream(), "fill", "1000", &configurations, &mut run)?;
//! run(best, &device.stream())?;
//! # Ok(())
//! # }
//! ```

mod cache;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cuda;
use crate::error::{Error, Result, TuneFailure};
use crate::stream::Stream;

/// What a batch should take: long enough for the clock of events.
const BATCH: Duration = Duration::from_millis(2);
/// Batches of each configuration; the fastest counts, since only disturbances make one slower.
const BATCHES: usize = 5;
/// Most runs of a batch.
const MOST_RUNS: u32 = 1000;

/// One way to do an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configuration<'a> {
    name: &'a str,
    ptx: &'a str,
}

impl<'a> Configuration<'a> {
    /// A name, unique among those of the operation, and the PTX of the kernel, in whose place any
    /// text may stand that changes when the kernel does.
    #[must_use]
    pub const fn new(name: &'a str, ptx: &'a str) -> Self {
        Self { name, ptx }
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }
}

/// What a choice is kept under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    device: String,
    driver: String,
    /// Of the names and texts of all configurations.
    hash: u64,
    operation: String,
    shape: String,
}

/// Measures configurations and remembers the fastest.
#[derive(Debug, Default)]
pub struct Tuner {
    /// Names of the winners.
    known: Mutex<HashMap<Key, String>>,
    file: Option<PathBuf>,
}

impl Tuner {
    /// A tuner that forgets at the end of the process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tuner that keeps its choices in a file, which need not be there yet. Lines of it that do
    /// not read as choices are passed over.
    ///
    /// # Errors
    /// [`Error::TuneCache`] if the file is there and cannot be read.
    pub fn with_cache(file: impl Into<PathBuf>) -> Result<Self> {
        let file = file.into();
        let known = cache::read(&file)?;
        Ok(Self { known: Mutex::new(known), file: Some(file) })
    }

    /// Where choices are kept by custom: `firesteel/tune.tsv` in the user's folder for caches.
    /// None where the system names no such folder.
    #[must_use]
    pub fn default_cache() -> Option<PathBuf> {
        cache::folder(|name| std::env::var_os(name)).map(|it| it.join("firesteel").join("tune.tsv"))
    }

    /// The file that choices are kept in.
    #[must_use]
    pub fn cache(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The position of the fastest configuration of an operation for a shape.
    ///
    /// The first time, `run` is called with each position to put that configuration's work on the
    /// stream, many times, and the stream is waited for; later the answer is at hand. A
    /// configuration that fails before it runs (for want of shared memory, say) is passed over.
    /// On the simulator, whose times say nothing of a GPU's, it is the first and none is run.
    ///
    /// # Errors
    /// [`Error::Tune`] if there is no configuration or all fail, [`Error::TuneCache`] if the choice
    /// cannot be written, and errors of the stream.
    ///
    /// # Panics
    /// Not by itself, but by `run`.
    pub fn choose(
        &self,
        stream: &Stream,
        operation: &str,
        shape: &str,
        configurations: &[Configuration<'_>],
        run: &mut dyn FnMut(usize, &Stream) -> Result<()>,
    ) -> Result<usize> {
        let fail = |reasons: Vec<String>| {
            let (operation, shape) = (operation.to_owned(), shape.to_owned());
            Error::Tune(Box::new(TuneFailure { operation, shape, reasons }))
        };
        if configurations.is_empty() {
            return Err(fail(vec!["there is none".to_owned()]));
        }
        if stream.device().is_sim() {
            return Ok(0);
        }
        let key = key(stream, operation, shape, configurations)?;
        let known = self.known().get(&key).cloned();
        if let Some(at) = known.and_then(|name| position(configurations, &name)) {
            return Ok(at);
        }
        let mut times = Vec::new();
        let mut reasons = Vec::new();
        for (at, configuration) in configurations.iter().enumerate() {
            match measure(stream, &mut |stream| run(at, stream)) {
                Ok(time) => times.push((time, at)),
                Err(error @ (Error::Fault(_) | Error::Stuck(_))) => return Err(error),
                Err(error) => reasons.push(format!("{}: {error}", configuration.name)),
            }
        }
        let (_, best) = times.into_iter().min().ok_or_else(|| fail(reasons))?;
        self.keep(key, configurations[best].name)?;
        Ok(best)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: Key, name: &str) -> Result<()> {
        let line = cache::line(&key, name);
        self.known().insert(key, name.to_owned());
        match &self.file {
            Some(file) => cache::append(file, &line),
            None => Ok(()),
        }
    }
}

fn position(configurations: &[Configuration<'_>], name: &str) -> Option<usize> {
    configurations.iter().position(|it| it.name == name)
}

fn key(
    stream: &Stream,
    operation: &str,
    shape: &str,
    configurations: &[Configuration<'_>],
) -> Result<Key> {
    let (major, minor) = cuda::version()?;
    Ok(Key {
        device: cache::field(&stream.device().info()?.name),
        driver: format!("{major}.{minor}"),
        hash: hash(configurations),
        operation: cache::field(operation),
        shape: cache::field(shape),
    })
}

/// FNV-1a of 64 bits: the same in every build, which Rust's own hashes do not promise.
///
/// Source: Fowler, Noll, Vo, Eastlake, "The FNV Non-Cryptographic Hash Algorithm".
fn hash(configurations: &[Configuration<'_>]) -> u64 {
    let texts = configurations.iter().flat_map(|it| [it.name, it.ptx]);
    // A byte that is in no text ends each.
    let bytes = texts.flat_map(|it| it.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The device's time of one run, after one that loads what must be loaded.
fn measure(stream: &Stream, run: &mut dyn FnMut(&Stream) -> Result<()>) -> Result<Duration> {
    run(stream)?;
    stream.synchronize()?;
    let one = batch(stream, run, 1)?.max(Duration::from_nanos(1));
    let count = (BATCH.as_nanos() / one.as_nanos()).clamp(1, MOST_RUNS.into()) as u32;
    let mut best = one;
    for _ in 0..BATCHES {
        best = best.min(batch(stream, run, count)?);
    }
    Ok(best)
}

fn batch(
    stream: &Stream,
    run: &mut dyn FnMut(&Stream) -> Result<()>,
    count: u32,
) -> Result<Duration> {
    let start = stream.record()?;
    for _ in 0..count {
        run(stream)?;
    }
    let end = stream.record()?;
    stream.synchronize()?;
    Ok(start.elapsed(&end)? / count)
}
