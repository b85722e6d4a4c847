//! What occurred before, for the penalties.

use firesteel::prelude::*;

use super::load::PROMPT;
use crate::shape::{self, Result};

/// A thread a token; tokens outside of the vocabulary are passed over.
#[gpu_kernel(block_size = 256, unchecked)]
pub(super) fn remember_kernel(
    counts: &mut [u32],
    ids: &[u32],
    row: u32,
    vocabulary: u32,
    prompt: bool,
    n: u32,
) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < n && ids[i] < vocabulary {
        let at = row * vocabulary + ids[i];
        if prompt {
            atomic_or(&mut counts[at], PROMPT);
        } else {
            atomic_add(&mut counts[at], 1);
        }
    }
}

/// Forgets a row.
#[gpu_kernel(block_size = 256, unchecked)]
pub(super) fn forget_kernel(counts: &mut [u32], row: u32, vocabulary: u32) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    if i < vocabulary {
        counts[row * vocabulary + i] = 0;
    }
}

/// Where tokens come from: the repetition penalty is for both, the others are for generated ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The prompt.
    Prompt,
    /// What was generated after it.
    Generated,
}

/// The tokens that occurred before, of each row: how often each was generated, and whether it is in
/// the prompt. Takes 4 bytes for each token of the vocabulary and row.
#[derive(Debug)]
pub struct History {
    pub(super) counts: GpuBuffer<u32>,
    pub(super) rows: usize,
    pub(super) vocabulary: usize,
}

impl History {
    /// One of `rows` rows without any token.
    ///
    /// # Errors
    /// [`Error::Range`](shape::Error::Range) for none, [`Error::TooLong`](shape::Error::TooLong) for
    /// too many, and those of the device.
    pub fn new(stream: &Stream, rows: usize, vocabulary: usize) -> Result<Self> {
        shape::range("rows", (1, u32::MAX as usize), rows)?;
        shape::range("vocabulary", (1, u32::MAX as usize), vocabulary)?;
        shape::count("counts", rows * vocabulary)?;
        Ok(Self { counts: stream.alloc_zeros(rows * vocabulary)?, rows, vocabulary })
    }

    /// Adds tokens to a row; those outside of the vocabulary are passed over. What
    /// [`sample`](super::sample()) chooses, it adds itself.
    ///
    /// # Errors
    /// [`Error::Range`](shape::Error::Range) for a row that is not there, and those of the device.
    pub fn remember(
        &mut self,
        stream: &Stream,
        row: usize,
        ids: &GpuBuffer<u32>,
        source: Source,
    ) -> Result<()> {
        let row = self.row(row)?;
        let n = shape::count("ids", ids.len())?;
        let config = LaunchConfig::new([n.div_ceil(256), 1, 1]);
        let (counts, size, prompt) =
            (&mut self.counts, self.vocabulary as u32, source == Source::Prompt);
        // SAFETY: There are `n` ids, and the row has a count for each that is below `size`.
        unsafe { remember_kernel::launch_on(stream, config, counts, ids, row, size, prompt, n)? };
        Ok(())
    }

    /// Forgets the tokens of a row.
    ///
    /// # Errors
    /// As [`History::remember`].
    pub fn forget(&mut self, stream: &Stream, row: usize) -> Result<()> {
        let (row, size) = (self.row(row)?, self.vocabulary as u32);
        let config = LaunchConfig::new([size.div_ceil(256), 1, 1]);
        // SAFETY: The row has `size` counts.
        unsafe { forget_kernel::launch_on(stream, config, &mut self.counts, row, size)? };
        Ok(())
    }

    fn row(&self, row: usize) -> Result<u32> {
        shape::range("row", (0, self.rows - 1), row)?;
        shape::count("row", row)
    }
}
