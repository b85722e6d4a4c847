//! The causal convolution before the recurrence, each channel alone.
//!
//! It moves memory and little else. A thread has eight neighbouring channels, and goes down the
//! tokens of a chunk with the last inputs in registers. States are `[slots, W - 1, C]`, the last
//! inputs of each sequence, oldest first.

use firesteel::prelude::*;

use super::sequences::{CHUNK, CHUNK_WORDS, SEQUENCE_WORDS, Sequences};
use super::{Rows, machine};
use crate::shape::{self, Error, Result};

/// Channels of a thread.
#[gpu_const]
const EACH: u32 = 8;
/// Threads of a block.
#[gpu_const]
const THREADS: u32 = 128;
/// Tokens of a block of a prompt.
#[gpu_const]
const RUN: u32 = 16;
/// Tokens whose loads are under way at once.
#[gpu_const]
const AHEAD: u32 = 8;

/// Eight neighbours as they lie in memory; of 16 bits, in the first vector.
#[gpu_fn]
fn load<T: Float>(x: &[T], at: u64) -> [u32x4; 2] {
    let words = cast_slice::<u32>(x);
    let mut raw = [u32x4::splat(0); 2];
    if T::BYTES == 2 {
        raw[0] = load_vec4(words, at / 2);
    } else {
        raw[0] = load_vec4(words, at);
        raw[1] = load_vec4(words, at + 4);
    }
    raw
}

/// They, as numbers.
#[gpu_fn]
fn numbers<T: Float>(raw: [u32x4; 2]) -> [f32; 8] {
    let mut x = [0.0f32; 8];
    #[unroll]
    for i in 0..4usize {
        if T::BYTES == 2 {
            x[i * 2] = f32::from_bits(raw[0][i] << 16);
            x[i * 2 + 1] = f32::from_bits(raw[0][i] & 0xffff_0000);
        } else {
            x[i] = f32::from_bits(raw[0][i]);
            x[i + 4] = f32::from_bits(raw[1][i]);
        }
    }
    x
}

#[gpu_fn]
fn store<T: Float>(y: &mut [T], at: u64, x: [f32; 8]) {
    let words = cast_slice::<u32>(y);
    let mut low = u32x4::splat(0);
    let mut high = u32x4::splat(0);
    #[unroll]
    for i in 0..4usize {
        if T::BYTES == 2 {
            low[i] = pack_bf16x2(x[i * 2], x[i * 2 + 1]);
        } else {
            low[i] = x[i].to_bits();
            high[i] = x[i + 4].to_bits();
        }
    }
    if T::BYTES == 2 {
        store_vec4(words, at / 2, low);
    } else {
        store_vec4(words, at, low);
        store_vec4(words, at + 4, high);
    }
}

/// The taps of a thread's channels.
#[gpu_fn]
fn taps<const W: usize, T: Float>(weight: &[T], channel: u32) -> [[f32; 8]; W] {
    let mut taps = [[0.0f32; 8]; W];
    #[unroll]
    for part in 0..W as u32 {
        let flat = numbers::<T>(load(weight, (channel * W as u32 + part * 8) as u64));
        #[unroll]
        for i in 0..8u32 {
            // Taps of a channel are neighbours.
            let at = part * 8 + i;
            taps[at % W as u32][at / W as u32] = flat[i];
        }
    }
    taps
}

/// What their sums begin with.
#[gpu_fn]
fn base<T: Float>(bias: &[T], channel: u32) -> [f32; 8] {
    let mut base = [0.0f32; 8];
    if bias.len() != 0 {
        base = numbers::<T>(load(bias, channel as u64));
    }
    base
}

/// `count` tokens of a thread's channels from row `from` of `x` on, to row `to` of `y`; `history` are
/// the inputs before, and in the end the last ones.
#[gpu_fn]
fn convolve<const W: usize, const OLD: usize, T: Float>(
    y: &mut [T],
    x: &[T],
    (taps, base): ([[f32; 8]; W], [f32; 8]),
    history: &mut [[f32; 8]; OLD],
    (from, x_stride): (u64, u32),
    (to, channels): (u64, u32),
    count: u32,
    silu: bool,
) {
    let mut done = 0u32;
    while done < count {
        let mut raw = [[u32x4::splat(0); 2]; AHEAD as usize];
        #[unroll]
        for i in 0..AHEAD {
            // Behind the last token the last one is read again.
            let token = (done + i).min(count - 1);
            raw[i] = load(x, from + token as u64 * x_stride as u64);
        }
        #[unroll]
        for i in 0..AHEAD {
            if done + i < count {
                let new = numbers::<T>(raw[i]);
                let mut sum = base;
                #[unroll]
                for e in 0..8usize {
                    #[unroll]
                    for tap in 0..OLD {
                        sum[e] = taps[tap][e].mul_add(history[tap][e], sum[e]);
                    }
                    sum[e] = taps[OLD][e].mul_add(new[e], sum[e]);
                    if silu {
                        sum[e] *= fast::recip(1.0 + fast::exp(-sum[e]));
                    }
                }
                #[unroll]
                for tap in 1..OLD {
                    history[tap - 1] = history[tap];
                }
                history[OLD - 1] = new;
                store(y, to + (done + i) as u64 * channels as u64, sum);
            }
        }
        done += AHEAD;
    }
}

/// A part of a chunk of 64 tokens and some of the channels for each block. The first part of a
/// sequence reads its state, and then writes it: no other block touches it.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_90",
    unchecked,
    instances((W = 2, OLD = 1), (W = 3, OLD = 2), (W = 4, OLD = 3), T = [f32, bf16])
)]
pub(super) fn full_kernel<const W: usize, const OLD: usize, T: Float>(
    x: &[T],
    y: &mut [T],
    state: &mut [T],
    weight: &[T],
    bias: &[T],
    chunks: &[u32],
    records: &[u32],
    slots: &[u32],
    x_first: u32,
    x_stride: u32,
    channels: u32,
    pool: u32,
    silu: bool,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    let columns = channels.div_ceil(EACH * THREADS);
    let channel = (block_idx_x() % columns * THREADS + thread_idx_x()) * EACH;
    let part = block_idx_x() / columns;
    let record = part / (CHUNK / RUN) * CHUNK_WORDS;
    let before = part % (CHUNK / RUN) * RUN;
    let (first, count) = (chunks[record] + before, chunks[record + 1]);
    let (sequence, index) = (chunks[record + 2], chunks[record + 3]);
    let slot = slots[sequence];
    if channel >= channels || slot >= pool || before >= count {
        return;
    }
    let count = (count - before).min(RUN);
    let from = x_first as u64 + channel as u64;
    let taps = taps::<W, T>(weight, channel);
    let base = base(bias, channel);
    let mut history = [[0.0f32; 8]; OLD];
    if index == 0 && before == 0 {
        let tokens = records[sequence * SEQUENCE_WORDS + 3];
        let fresh = records[sequence * SEQUENCE_WORDS + 4] != 0;
        let row0 = slot as u64 * OLD as u64;
        if !fresh {
            #[unroll]
            for i in 0..OLD {
                let at = (row0 + i as u64) * channels as u64 + channel as u64;
                history[i] = numbers::<T>(load(state, at));
            }
        }
        // The last inputs: of a short sequence, some are those of the state.
        #[unroll]
        for i in 0..OLD as u32 {
            let mut last = [0.0f32; 8];
            if tokens + i >= OLD as u32 {
                let token = first + tokens + i - OLD as u32;
                last = numbers::<T>(load(x, from + token as u64 * x_stride as u64));
            } else {
                #[unroll]
                for old in 0..OLD as u32 {
                    if old == tokens + i {
                        last = history[old];
                    }
                }
            }
            store(state, (row0 + i as u64) * channels as u64 + channel as u64, last);
        }
    } else {
        #[unroll]
        for i in 0..OLD as u32 {
            let token = first + i - OLD as u32;
            history[i] = numbers::<T>(load(x, from + token as u64 * x_stride as u64));
        }
    }
    convolve::<W, OLD, T>(
        y,
        x,
        (taps, base),
        &mut history,
        (from + first as u64 * x_stride as u64, x_stride),
        (first as u64 * channels as u64 + channel as u64, channels),
        count,
        silu,
    );
}

/// A sequence of `steps` tokens for each block of the grid's second dimension.
#[gpu_kernel(
    block_size = 128,
    arch = "sm_90",
    unchecked,
    instances((W = 2, OLD = 1), (W = 3, OLD = 2), (W = 4, OLD = 3), T = [f32, bf16])
)]
pub(super) fn update_kernel<const W: usize, const OLD: usize, T: Float>(
    x: &[T],
    y: &mut [T],
    state: &mut [T],
    weight: &[T],
    bias: &[T],
    slots: &[u32],
    x_first: u32,
    x_stride: u32,
    channels: u32,
    pool: u32,
    steps: u32,
    silu: bool,
    settled: bool,
) {
    grid_dependency_launch();
    if !settled {
        grid_dependency_wait();
    }
    let channel = (block_idx_x() * THREADS + thread_idx_x()) * EACH;
    let sequence = block_idx_y();
    let slot = slots[sequence];
    if channel >= channels || slot >= pool {
        return;
    }
    let at = slot as u64 * OLD as u64 * channels as u64 + channel as u64;
    let mut history = [[0.0f32; 8]; OLD];
    #[unroll]
    for i in 0..OLD {
        history[i] = numbers::<T>(load(state, at + i as u64 * channels as u64));
    }
    let taps = taps::<W, T>(weight, channel);
    let base = base(bias, channel);
    grid_dependency_wait();
    let first = (sequence * steps) as u64;
    convolve::<W, OLD, T>(
        y,
        x,
        (taps, base),
        &mut history,
        (x_first as u64 + channel as u64 + first * x_stride as u64, x_stride),
        (first * channels as u64 + channel as u64, channels),
        steps,
        silu,
    );
    #[unroll]
    for i in 0..OLD {
        store(state, at + i as u64 * channels as u64, history[i]);
    }
}

/// A convolution of each channel alone.
#[derive(Debug)]
pub struct Conv<'a, T> {
    /// Channels, `C`, a multiple of 8.
    pub channels: u32,
    /// `[C, W]` for 2 to 4 taps, the last of which meets the newest token.
    pub weight: &'a GpuBuffer<T>,
    /// `[C]`.
    pub bias: Option<&'a GpuBuffer<T>>,
    /// Outputs are `x sigmoid(x)` of the sums.
    pub silu: bool,
    /// No kernel that may still run on the stream writes these states, as in a model, where that was a
    /// token ago, nor slots and weights: then [`causal_conv1d_update`] reads them before the kernels
    /// before it end. If one does write them, it may see the values before.
    pub settled: bool,
    /// The slot of each sequence's state, all different; one beyond the pool is that of a sequence
    /// that takes no part.
    pub slots: &'a GpuBuffer<u32>,
}

impl<T> Clone for Conv<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Conv<'_, T> {}

impl<T> Conv<'_, T> {
    /// Taps and slots, if all lengths fit.
    fn check(
        &self,
        y: &GpuBuffer<T>,
        state: &GpuBuffer<T>,
        x: Rows<'_, T>,
        tokens: usize,
    ) -> Result<(u32, u32)> {
        let channels = self.channels as usize;
        if channels == 0 || !channels.is_multiple_of(8) {
            return Err(Error::Rows { what: "the convolution", multiple: 8, got: channels });
        }
        let taps = self.weight.len() / channels;
        shape::eq("weight", taps * channels, self.weight.len())?;
        if !(2..=4).contains(&taps) {
            return Err(Error::Taps { got: taps });
        }
        if let Some(bias) = self.bias {
            shape::eq("bias", channels, bias.len())?;
        }
        let slot = (taps - 1) * channels;
        if state.is_empty() || !state.len().is_multiple_of(slot) {
            return Err(Error::Pool { what: "state", got: state.len(), slot });
        }
        x.check("x", tokens, self.channels)?;
        shape::eq("y", tokens * channels, y.len())?;
        Ok((taps as u32, shape::count("slots", state.len() / slot)?))
    }
}

/// The types of a convolution: `f32` and `bf16`.
pub trait Convolves: Sized {
    #[doc(hidden)]
    fn full(
        stream: &Stream,
        y: &mut GpuBuffer<Self>,
        state: &mut GpuBuffer<Self>,
        x: Rows<'_, Self>,
        conv: &Conv<'_, Self>,
        sequences: &Sequences,
        of: (u32, u32),
    ) -> Result<()>;
    #[doc(hidden)]
    fn update(
        stream: &Stream,
        y: &mut GpuBuffer<Self>,
        state: &mut GpuBuffer<Self>,
        x: Rows<'_, Self>,
        conv: &Conv<'_, Self>,
        steps: u32,
        of: (u32, u32),
    ) -> Result<()>;
}

macro_rules! host {
    ($($name:ident)*) => {$(
        impl Convolves for $name {
            fn full(
                stream: &Stream,
                y: &mut GpuBuffer<Self>,
                state: &mut GpuBuffer<Self>,
                x: Rows<'_, Self>,
                conv: &Conv<'_, Self>,
                sequences: &Sequences,
                (taps, pool): (u32, u32),
            ) -> Result<()> {
                use full_kernel::launch_on;
                let &Conv { channels, weight, silu, slots, .. } = conv;
                let none = GpuBuffer::empty(stream)?;
                let bias = conv.bias.unwrap_or(&none);
                let (chunks, records) = (&sequences.chunks, &sequences.records);
                let parts = sequences.n_chunks * (CHUNK / RUN);
                let grid = [channels.div_ceil(EACH * THREADS) * parts, 1, 1];
                let config = LaunchConfig::new(grid).with_programmatic_dependent_launch();
                let (x, first, stride) = (x.buffer, x.first, x.stride);
                macro_rules! launch {
                    ($taps:literal, $old:literal) => {
                        // SAFETY: The lengths are those that `check` demands, channels are compared
                        // with their number, and slots with the pool's, which are all different.
                        unsafe {
                            launch_on::<$taps, $old, $name>(
                                stream, config, x, y, state, weight, bias, chunks, records, slots,
                                first, stride, channels, pool, silu,
                            )
                        }
                    };
                }
                match taps {
                    2 => launch!(2, 1),
                    3 => launch!(3, 2),
                    _ => launch!(4, 3),
                }?;
                Ok(())
            }

            fn update(
                stream: &Stream,
                y: &mut GpuBuffer<Self>,
                state: &mut GpuBuffer<Self>,
                x: Rows<'_, Self>,
                conv: &Conv<'_, Self>,
                steps: u32,
                (taps, pool): (u32, u32),
            ) -> Result<()> {
                use update_kernel::launch_on;
                let &Conv { channels, weight, silu, settled, slots, .. } = conv;
                let none = GpuBuffer::empty(stream)?;
                let bias = conv.bias.unwrap_or(&none);
                let grid = [channels.div_ceil(EACH * THREADS), slots.len() as u32, 1];
                let config = LaunchConfig::new(grid).with_programmatic_dependent_launch();
                let (x, first, stride) = (x.buffer, x.first, x.stride);
                macro_rules! launch {
                    ($taps:literal, $old:literal) => {
                        // SAFETY: As above.
                        unsafe {
                            launch_on::<$taps, $old, $name>(
                                stream, config, x, y, state, weight, bias, slots, first, stride,
                                channels, pool, steps, silu, settled,
                            )
                        }
                    };
                }
                match taps {
                    2 => launch!(2, 1),
                    3 => launch!(3, 2),
                    _ => launch!(4, 3),
                }?;
                Ok(())
            }
        }
    )*};
}

host!(f32 bf16);

/// The convolution of prompts: `y` `[T, C]` of `x`, one row a token, which begins with its slot's
/// state, or with zeros if it is fresh; the states become the last inputs.
///
/// Sums are `f32`; the exponential and the quotient of SiLU are the hardware's, within 1e-6.
///
/// # Errors
/// If a length does not fit, there are other than 2 to 4 taps, channels are no multiple of 8, the
/// device is older than compute capability 9, or it cannot.
pub fn causal_conv1d_full<T: Convolves>(
    stream: &Stream,
    y: &mut GpuBuffer<T>,
    state: &mut GpuBuffer<T>,
    x: Rows<'_, T>,
    conv: &Conv<'_, T>,
    sequences: &Sequences,
) -> Result<()> {
    machine(stream, "causal_conv1d_full")?;
    let of = conv.check(y, state, x, sequences.tokens())?;
    shape::eq("slots", sequences.len(), conv.slots.len())?;
    if sequences.tokens() == 0 {
        return Ok(());
    }
    T::full(stream, y, state, x, conv, sequences, of)
}

/// The convolution of sequences that go on by equally many tokens, as [`causal_conv1d_full`].
///
/// # Errors
/// As there, and if the tokens of `y` are no multiple of the slots.
pub fn causal_conv1d_update<T: Convolves>(
    stream: &Stream,
    y: &mut GpuBuffer<T>,
    state: &mut GpuBuffer<T>,
    x: Rows<'_, T>,
    conv: &Conv<'_, T>,
) -> Result<()> {
    machine(stream, "causal_conv1d_update")?;
    let (tokens, sequences) = (y.len() / conv.channels.max(1) as usize, conv.slots.len());
    let of = conv.check(y, state, x, tokens)?;
    if tokens == 0 && sequences == 0 {
        return Ok(());
    }
    if sequences == 0 || !tokens.is_multiple_of(sequences) {
        return Err(Error::Sequences { tokens, sequences });
    }
    T::update(stream, y, state, x, conv, shape::count("tokens", tokens / sequences)?, of)
}
