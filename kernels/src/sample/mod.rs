//! The choice of the next token, on the device: a row of logits for each sequence, with parameters
//! of its own, in one launch.
//!
//! `R` rows of `V` tokens. In this order, each neutral by its default: the repetition penalty, the
//! presence and frequency penalties, biases, a mask; the temperature; `top_k`, `top_p`, `min_p`; one
//! draw. That is the order of transformers' logits processors.
//!
//! A draw is of Philox4x32-10 (Salmon and others, 2011): block `step` of the key `seed`. It depends
//! on nothing else, so a sequence that was put aside goes on as it would have.
//!
//! Weights are integers (`2^40 exp((x - max) / temperature)`, of an exponential in `f32`), whose
//! sums are exact. So a choice is the same in every run and in every batch, and that of
//! [`sample_reference`] to the bit; against probabilities in `f64`, each weight is off by
//! `(2 + |x - max| / temperature) * 2^-23` of itself and by `2^-40`.

mod cpu;
mod history;
mod kernel;
mod load;
mod params;
mod philox;
mod rank;
mod select;
mod weight;

use firesteel::prelude::*;

pub use cpu::{
    RowContext, exact_reference, probabilities_reference, processed_reference, sample_reference,
    uniform_reference, weight_reference,
};
pub use history::{History, Source};
pub use params::{Params, upload_params};
pub use philox::philox_reference;
pub use rank::{RankLogit, argmax, logprobs, top_k};

use self::kernel::sample_kernel;
use self::load::Bias;
use crate::shape::{self, Error, Result};

/// The largest vocabulary that one block takes.
const SMALL: usize = 4096;

/// What is added to the logits of single tokens, for each row.
#[derive(Debug)]
pub struct Biases {
    starts: GpuBuffer<u32>,
    entries: GpuBuffer<Bias>,
    rows: usize,
}

impl Biases {
    /// Puts the biases of each row, pairs of a token and what is added, into device memory.
    ///
    /// # Errors
    /// [`Error::Repeated`] if a row has two for a token, and those of the device.
    pub fn upload(stream: &Stream, rows: &[&[(u32, f32)]]) -> Result<Self> {
        let (mut starts, mut entries) = (vec![0], Vec::new());
        for (row, biases) in rows.iter().enumerate() {
            let mut ids: Vec<u32> = biases.iter().map(|it| it.0).collect();
            ids.sort_unstable();
            if let Some(pair) = ids.windows(2).find(|it| it[0] == it[1]) {
                return Err(Error::Repeated { what: "bias", row, got: pair[0] });
            }
            entries.extend(biases.iter().map(|&(id, value)| Bias { id, value }));
            starts.push(shape::count("biases", entries.len())?);
        }
        let (starts, entries) = (stream.alloc_from(&starts)?, stream.alloc_from(&entries)?);
        Ok(Self { starts, entries, rows: rows.len() })
    }
}

/// What changes the logits before the choice, besides the parameters of each row.
#[derive(Debug, Default)]
pub struct Context<'a> {
    /// What the penalties count; each choice is added to it. Without it there are none.
    pub history: Option<&'a mut History>,
    /// `[R, V.div_ceil(32)]`, words of 32 tokens each, the first in the lowest bit: those that may be
    /// chosen, as a grammar says.
    pub mask: Option<&'a GpuBuffer<u32>>,
    /// Biases.
    pub biases: Option<&'a Biases>,
}

/// `ids [R]`: the token chosen for each row of `logits [R, V]`, by `params [R]`, whose steps each go
/// up by 1.
///
/// A logit that is NaN counts as negative infinity, an infinite one as the largest number. The
/// largest logit is always possible; where all are negative infinity, token 0 is chosen.
///
/// Needs compute capability 9.0.
///
/// # Errors
/// [`Error::Range`] for a vocabulary that is empty or too large for the shared memory of 8 blocks
/// (on an H200, more than 367,000), [`Error::Shape`] if an operand has another length,
/// [`Error::Machine`] for an older device, and those of the device.
pub fn sample<T: Logit>(
    stream: &Stream,
    ids: &mut GpuBuffer<u32>,
    params: &mut GpuBuffer<Params>,
    logits: &GpuBuffer<T>,
    context: Context<'_>,
) -> Result<()> {
    let rows = params.len();
    if rows == 0 {
        shape::eq("ids", 0, ids.len())?;
        return shape::eq("logits", 0, logits.len());
    }
    let vocabulary = logits.len() / rows;
    shape::eq("logits", rows * vocabulary, logits.len())?;
    shape::count("logits", logits.len())?;
    shape::eq("ids", rows, ids.len())?;
    if let Some(history) = &context.history {
        shape::eq("vocabulary of the history", vocabulary, history.vocabulary)?;
        shape::at_least("rows of the history", rows, history.rows)?;
    }
    if let Some(mask) = context.mask {
        shape::eq("mask", rows * vocabulary.div_ceil(32), mask.len())?;
    }
    if let Some(biases) = context.biases {
        shape::eq("rows of the biases", rows, biases.rows)?;
    }
    T::launch(stream, (ids, params), logits, context, vocabulary)
}

/// Tokens of a warp's run, and the bytes of a block's runs.
fn runs(vocabulary: usize, (blocks, warps): (usize, usize)) -> (usize, usize) {
    let per = vocabulary.div_ceil(blocks * warps).next_multiple_of(4);
    (per, per * warps * 4)
}

/// The types that logits have.
pub trait Logit: sealed::Launch {}

mod sealed {
    use super::{Context, GpuBuffer, Params, Result, Stream};

    /// What a type's kernel is.
    pub trait Launch: firesteel::DeviceCopy + Sized {
        /// Chooses; lengths are right, and there is a row.
        fn launch(
            stream: &Stream,
            to: (&mut GpuBuffer<u32>, &mut GpuBuffer<Params>),
            logits: &GpuBuffer<Self>,
            context: Context<'_>,
            vocabulary: usize,
        ) -> Result<()>;
    }
}

macro_rules! launches {
    ($($type:ident)*) => { $(
        impl Logit for $type {}

        impl sealed::Launch for $type {
            fn launch(
                stream: &Stream,
                (ids, params): (&mut GpuBuffer<u32>, &mut GpuBuffer<Params>),
                logits: &GpuBuffer<Self>,
                context: Context<'_>,
                vocabulary: usize,
            ) -> Result<()> {
                let info = stream.device().info()?;
                if info.compute_capability.0 < 9 {
                    let got = info.compute_capability;
                    return Err(Error::Machine { what: "sample", needs: (9, 0), got });
                }
                let small = vocabulary <= SMALL;
                let (blocks, warps) = if small { (1, 8) } else { (8, 32) };
                let (per, shared) = runs(vocabulary, (blocks, warps));
                let free = (info.limits.shared_per_block as usize).saturating_sub(STATIC);
                let most = free / (warps * 16) * (warps * 4) * blocks;
                shape::range("vocabulary", (1, most), vocabulary)?;
                let rows = params.len() as u32;
                let config = LaunchConfig::new([rows * blocks as u32, 1, 1])
                    .with_dynamic_shared(shared as u32)
                    .with_programmatic_dependent_launch();
                let (per, size) = (per as u32, vocabulary as u32);
                let mut no_counts = GpuBuffer::empty(stream)?;
                let (none, no_entries) = (GpuBuffer::empty(stream)?, GpuBuffer::empty(stream)?);
                let counts = context.history.map_or(&mut no_counts, |it| &mut it.counts);
                let mask = context.mask.unwrap_or(&none);
                let (starts, entries) =
                    context.biases.map_or((&none, &no_entries), |it| (&it.starts, &it.entries));
                macro_rules! launch {
                    ($blocks:literal, $warps:literal) => {
                        // SAFETY: Each row has its id, parameters, `vocabulary` logits, counts and
                        // words of the mask (or there are none of these), and a range of biases,
                        // whose tokens the kernel compares with its own; dynamic shared memory
                        // holds `per` tokens of each warp. Tokens that are chosen come from the
                        // row.
                        unsafe {
                            sample_kernel::launch_on::<$blocks, $warps, $type>(
                                stream, config, ids, params, logits, counts, mask, starts,
                                entries, size, per,
                            )
                        }
                    };
                }
                if small { launch!(1, 8) } else { launch!(8, 32) }?;
                Ok(())
            }
        }
    )* };
}

launches!(bf16 f32);

/// Bytes of shared memory that the kernel has besides the logits, at most.
const STATIC: usize = 48 * 1024;

/// The PTX of every instance of every kernel of this module.
pub fn ptx() -> impl Iterator<Item = &'static str> {
    let instances = sample_kernel::INSTANCES.iter().map(|it| it.ptx());
    let ranks = rank::rank_kernel::INSTANCES.iter().map(|it| it.ptx());
    instances.chain(ranks).chain([history::remember_kernel::PTX, history::forget_kernel::PTX])
}
