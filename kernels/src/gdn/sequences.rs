//! Sequences of a batch of prompts, and their chunks.

use firesteel::prelude::*;

use crate::shape::{self, Error, Result};

/// Tokens of a chunk.
#[gpu_const]
pub const CHUNK: u32 = 64;
/// Words of a chunk's record: its first token, its tokens, its sequence, its number in it.
#[gpu_const]
pub(super) const CHUNK_WORDS: u32 = 4;
/// Words of a sequence's record: its first chunk, its chunks, its first token, its tokens, whether
/// it is fresh.
#[gpu_const]
pub(super) const SEQUENCE_WORDS: u32 = 8;

/// A sequence of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prompt {
    /// Its tokens in this batch.
    pub tokens: u32,
    /// It begins with a state of zeros, whatever its slot holds.
    pub fresh: bool,
}

/// Where sequences and their chunks are in a batch, on the device: made once for all layers.
#[derive(Debug)]
pub struct Sequences {
    pub(super) chunks: GpuBuffer<u32>,
    pub(super) records: GpuBuffer<u32>,
    pub(super) n_chunks: u32,
    prompts: Vec<Prompt>,
    tokens: usize,
}

impl Sequences {
    /// Sequences whose tokens lie one behind the other.
    ///
    /// # Errors
    /// If there are more tokens than 32 bits count, and those of the device.
    pub fn new(stream: &Stream, prompts: &[Prompt]) -> Result<Self> {
        let (mut chunks, mut records) = (Vec::new(), Vec::new());
        let mut tokens = 0usize;
        for (sequence, prompt) in prompts.iter().enumerate() {
            let first = shape::count("tokens", tokens)?;
            let n_chunks = prompt.tokens.div_ceil(CHUNK);
            let first_chunk = chunks.len() as u32 / CHUNK_WORDS;
            let fresh = u32::from(prompt.fresh);
            records.extend([first_chunk, n_chunks, first, prompt.tokens, fresh, 0, 0, 0]);
            for chunk in 0..n_chunks {
                let count = (prompt.tokens - chunk * CHUNK).min(CHUNK);
                chunks.extend([first + chunk * CHUNK, count, sequence as u32, chunk]);
            }
            tokens += prompt.tokens as usize;
        }
        shape::count("tokens", tokens)?;
        let n_chunks = chunks.len() as u32 / CHUNK_WORDS;
        let (chunks, records) = (stream.alloc_from(&chunks)?, stream.alloc_from(&records)?);
        Ok(Self { chunks, records, n_chunks, prompts: prompts.to_vec(), tokens })
    }

    /// How many sequences there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }

    /// The tokens of all.
    #[must_use]
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// The chunks of all, in order: of each sequence, 64 tokens at a time.
    #[must_use]
    pub const fn chunks(&self) -> usize {
        self.n_chunks as usize
    }

    pub(super) fn check(&self, tokens: usize) -> Result<()> {
        if tokens == self.tokens {
            return Ok(());
        }
        Err(Error::Sequences { tokens, sequences: self.len() })
    }
}
