//! The recurrence, a token after the other: as fast as states can be read and written.
//!
//! Eight lanes share a row of the state, of which each keeps 16 bytes of every 128 in registers
//! through all tokens. Rows do not depend on each other, so warps never meet; only the norm of the
//! outputs, where it is wanted, is one of a whole head, whose blocks are a cluster then.

use firesteel::prelude::*;

use super::gates::{decay_of, fast_sigmoid, softplus};
use super::{Gates, Heads, L2_EPS, Rows, Tokens, machine, slots_of};
use crate::shape::{self, Error, Result};

/// Lanes that share a row.
#[gpu_const]
const LANES: u32 = 8;
/// Bits of the kernel's flags: queries and keys are normalised; gates come as projections; no kernel
/// that may still run writes states.
#[gpu_const]
pub(super) const NORMALISE: u32 = 1;
#[gpu_const]
pub(super) const RAW: u32 = 2;
#[gpu_const]
const SETTLED: u32 = 4;

/// 16 bytes of a state as numbers, in the first elements.
#[gpu_fn]
fn unpacked<S: Float>(words: u32x4) -> [f32; 8] {
    let mut x = [0.0f32; 8];
    #[unroll]
    for i in 0..4usize {
        if S::BYTES == 4 {
            x[i] = f32::from_bits(words[i]);
        } else {
            x[i * 2] = f32::from_bits(words[i] << 16);
            x[i * 2 + 1] = f32::from_bits(words[i] & 0xffff_0000);
        }
    }
    x
}

/// Numbers as 16 bytes of a state.
#[gpu_fn]
fn packed<S: Float>(x: [f32; 8]) -> u32x4 {
    let mut words = u32x4::splat(0);
    #[unroll]
    for i in 0..4usize {
        if S::BYTES == 4 {
            words[i] = x[i].to_bits();
        } else {
            words[i] = pack_bf16x2(x[i * 2], x[i * 2 + 1]);
        }
    }
    words
}

/// The sum over the lanes of a row.
#[gpu_fn]
fn row_sum(x: f32) -> f32 {
    let mut sum = x;
    sum += shfl_sync_bfly(sum, 4, 8);
    sum += shfl_sync_bfly(sum, 2, 8);
    sum += shfl_sync_bfly(sum, 1, 8);
    sum
}

/// A lane's part of a query or a key, in the order of its part of a row.
#[gpu_fn]
fn part<const MINE: usize, T: Float, S: Float>(x: &[T], first: u32) -> [f32; MINE] {
    const EACH: u32 = 16 / S::BYTES;
    let words = cast_slice::<u32>(x);
    let mut y = [0.0f32; MINE];
    #[unroll]
    for piece in 0..MINE as u32 / EACH {
        #[unroll]
        for four in 0..EACH / 4 {
            let at = first + (piece * LANES + lane_id() % LANES) * EACH + four * 4;
            let to = piece * EACH + four * 4;
            if T::BYTES == 4 {
                let x = load_vec4(words, at);
                #[unroll]
                for i in 0..4u32 {
                    y[to + i] = f32::from_bits(x[i]);
                }
            } else {
                let x = load_vec2(words, at / 2);
                #[unroll]
                for i in 0..2u32 {
                    y[to + i * 2] = f32::from_bits(x[i] << 16);
                    y[to + i * 2 + 1] = f32::from_bits(x[i] & 0xffff_0000);
                }
            }
        }
    }
    y
}

/// Writes a thread's part of the state.
#[gpu_fn]
fn write_back<const SETS: usize, const MINE: usize, S: Float>(
    words: &mut [u32],
    s: &mut [[f32; MINE]; SETS],
    first: u64,
) {
    const EACH: usize = 16 / S::BYTES as usize;
    const ROW: u64 = MINE as u64 * 2 * S::BYTES as u64;
    #[unroll]
    for set in 0..SETS {
        #[unroll]
        for piece in 0..MINE / EACH {
            let mut x = [0.0f32; 8];
            #[unroll]
            for i in 0..EACH {
                x[i] = s[set][piece * EACH + i];
            }
            let at = first + set as u64 * (4 * ROW) + piece as u64 * 32;
            store_vec4(words, at, packed::<S>(x));
        }
    }
}

/// One sequence, one value head and `WARPS * 4 * SETS` rows of its state for each block. With `NORM`
/// the blocks of a head are a cluster of `PARTS`, and outputs are normalised and gated by `z`.
#[gpu_kernel(
    block_size = WARPS * 32,
    cluster = PARTS,
    arch = "sm_90",
    unchecked,
    instances(
        (KEY = 64, WARPS = 1, SETS = 4, NORM = false, PARTS = 1),
        (KEY = 128, WARPS = 4, SETS = 1, NORM = false, PARTS = 1),
        (KEY = 128, WARPS = 1, SETS = 2, NORM = false, PARTS = 1),
        (KEY = 256, WARPS = 2, SETS = 1, NORM = false, PARTS = 1),
        (KEY = 64, WARPS = 4, SETS = 2, NORM = true, PARTS = 2),
        (KEY = 128, WARPS = 4, SETS = 2, NORM = true, PARTS = 4),
        (KEY = 128, WARPS = 8, SETS = 4, NORM = true, PARTS = 1),
        (KEY = 256, WARPS = 8, SETS = 1, NORM = true, PARTS = 8),
        T = [f32, bf16],
        S = [f32, bf16]
    )
)]
#[allow(clippy::too_many_arguments, reason = "the operands of a layer's step")]
pub(super) fn recurrence_kernel<
    const KEY: u32,
    const WARPS: u32,
    const SETS: u32,
    const NORM: bool,
    const PARTS: u32,
    T: Float,
    S: Float,
>(
    q: &[T],
    k: &[T],
    v: &[T],
    z: &[T],
    out: &mut [T],
    state: &mut [S],
    slots: &[u32],
    starts: &[u32],
    a: &[T],
    b: &[T],
    a_log: &[f32],
    dt_bias: &[f32],
    g: &[f32],
    beta: &[f32],
    weight: &[f32],
    q_first: u32,
    q_stride: u32,
    k_first: u32,
    k_stride: u32,
    v_first: u32,
    v_stride: u32,
    z_first: u32,
    z_stride: u32,
    value_heads: u32,
    group: u32,
    value_dim: u32,
    pool: u32,
    steps: u32,
    flags: u32,
    eps: f32,
) {
    const EACH: u32 = 16 / S::BYTES;
    const PIECES: u32 = KEY / (8 * EACH);
    const MINE: usize = KEY as usize / 8;
    const N: usize = SETS as usize;
    // Of all blocks of a head, for this token and the next.
    let squares = shared_mem![f32; 2 * PARTS * WARPS];
    grid_dependency_launch();
    if flags & SETTLED == 0 {
        grid_dependency_wait();
    }
    let (warp, lane) = (thread_idx_x() / 32, thread_idx_x() % 32);
    let (head, sequence) = (block_idx_y(), block_idx_z());
    let slot = slots[sequence];
    // All of a block leave together: a sequence that takes no part, or that names no slot.
    if slot >= pool {
        return;
    }
    let first_row = (block_idx_x() * WARPS + warp) * (4 * SETS) + lane / LANES;
    let words = cast_slice::<u32>(state);
    let row0 =
        (slot as u64 * value_heads as u64 + head as u64) * value_dim as u64 + first_row as u64;
    // In words of 4 bytes.
    const ROW: u64 = KEY as u64 * S::BYTES as u64 / 4;
    let at0 = row0 * ROW + (lane % LANES * 4) as u64;
    let mut s = [[0.0f32; MINE]; SETS as usize];
    #[unroll]
    for set in 0..SETS {
        #[unroll]
        for piece in 0..PIECES {
            let at = at0 + set as u64 * (4 * ROW) + piece as u64 * 32;
            let x = unpacked::<S>(load_vec4(words, at));
            #[unroll]
            for i in 0..EACH {
                s[set][piece * EACH + i] = x[i];
            }
        }
    }
    let mut token = sequence * steps;
    let mut end = token + steps;
    if starts.len() != 0 {
        token = starts[sequence];
        end = starts[sequence + 1];
    }
    let begin = token;
    let mut rate = 0.0f32;
    let mut bias = 0.0f32;
    if flags & RAW != 0 {
        rate = -a_log[head].exp();
        bias = dt_bias[head];
    }
    let mut weights = [0.0f32; SETS as usize];
    if NORM {
        // Blocks of a cluster must all be there before one writes to another.
        if PARTS != 1 {
            cluster_arrive();
        }
        #[unroll]
        for set in 0..SETS {
            weights[set] = weight[first_row + set * 4];
        }
        if PARTS != 1 {
            cluster_wait();
        }
    }
    grid_dependency_wait();
    let key_head = head / group;
    let scale = 1.0 / (KEY as f32).sqrt();
    while token < end {
        let mut kk = part::<MINE, T, S>(k, k_first + token * k_stride + key_head * KEY);
        let mut qq = part::<MINE, T, S>(q, q_first + token * q_stride + key_head * KEY);
        let mut values = [0.0f32; SETS as usize];
        #[unroll]
        for set in 0..SETS {
            let at = v_first + token * v_stride + head * value_dim + first_row + set * 4;
            values[set] = v[at].to_f32();
        }
        let of_head = token * value_heads + head;
        let (decay, strength) = if flags & RAW != 0 {
            let g = rate * softplus(a[of_head].to_f32() + bias);
            (decay_of(g), fast_sigmoid(b[of_head].to_f32()))
        } else {
            (decay_of(g[of_head]), beta[of_head])
        };
        let column = head * value_dim + first_row;
        let mut gate = [0.0f32; SETS as usize];
        if NORM {
            #[unroll]
            for set in 0..SETS {
                gate[set] = z[z_first + token * z_stride + column + set * 4].to_f32();
            }
        }
        let mut sums = [0.0f32; 3];
        #[unroll]
        for i in 0..MINE {
            sums[0] = qq[i].mul_add(qq[i], sums[0]);
            sums[1] = kk[i].mul_add(kk[i], sums[1]);
            sums[2] = qq[i].mul_add(kk[i], sums[2]);
        }
        let mut q_scale = scale;
        let mut k_scale = 1.0f32;
        if flags & NORMALISE != 0 {
            q_scale = scale * fast::rsqrt(row_sum(sums[0]) + L2_EPS as f32);
            k_scale = fast::rsqrt(row_sum(sums[1]) + L2_EPS as f32);
        }
        let both = row_sum(sums[2]) * q_scale * k_scale;
        #[unroll]
        for i in 0..MINE {
            qq[i] *= q_scale;
            kk[i] *= k_scale;
        }
        let mut outputs = [0.0f32; SETS as usize];
        let mut square = 0.0f32;
        #[unroll]
        for set in 0..SETS {
            let mut old = [0.0f32; 4];
            #[unroll]
            for i in 0..MINE {
                old[i % 2] = s[set][i].mul_add(kk[i], old[i % 2]);
                old[2 + i % 2] = s[set][i].mul_add(qq[i], old[2 + i % 2]);
            }
            let of_key = row_sum(old[0] + old[1]);
            let of_query = row_sum(old[2] + old[3]);
            let change = strength * (values[set] - decay * of_key);
            // What the query reads of the new state: of the decayed one, and of what is written.
            let output = decay * of_query + both * change;
            outputs[set] = output;
            square = output.mul_add(output, square);
            #[unroll]
            for i in 0..MINE {
                s[set][i] = change.mul_add(kk[i], decay * s[set][i]);
            }
        }
        let to = token * value_heads * value_dim + column;
        if NORM {
            square += shfl_sync_bfly(square, 8, 32);
            square += shfl_sync_bfly(square, 16, 32);
            let mine = (token - begin) % 2 * (PARTS * WARPS);
            if lane == 0 {
                if PARTS == 1 {
                    squares[mine + warp] = square;
                } else {
                    #[unroll]
                    for rank in 0..PARTS {
                        let place = mine + block_idx_x() * WARPS + warp;
                        cluster_store(&mut squares[place], rank, square);
                    }
                }
            }
            if PARTS != 1 {
                cluster_arrive();
            }
            // The state leaves while the others' sums come.
            if token + 1 == end {
                write_back::<N, MINE, S>(words, &mut s, at0);
            }
            if PARTS == 1 {
                bar_sync();
            } else {
                cluster_wait();
            }
            let mut total = 0.0f32;
            #[unroll]
            for i in 0..PARTS * WARPS {
                total += squares[mine + i];
            }
            let scale = fast::rsqrt(total / (PARTS * WARPS * SETS * 4) as f32 + eps);
            if lane % LANES == 0 {
                #[unroll]
                for set in 0..SETS {
                    let y = outputs[set] * scale * weights[set];
                    let y = y * gate[set] * fast_sigmoid(gate[set]);
                    out[to + set * 4] = T::from_f32(y);
                }
            }
        } else if lane % LANES == 0 {
            #[unroll]
            for set in 0..SETS {
                out[to + set * 4] = T::from_f32(outputs[set]);
            }
        }
        token += 1;
    }
    if !NORM {
        write_back::<N, MINE, S>(words, &mut s, at0);
    }
}

/// The norm of each head's output, times `silu(z)`.
#[derive(Debug)]
pub struct GatedNorm<'a, T> {
    /// `[T, H_v, V]`.
    pub z: Rows<'a, T>,
    /// `[V]`.
    pub weight: &'a GpuBuffer<f32>,
    /// Added to the mean of the squares.
    pub eps: f32,
}

impl<T> Clone for GatedNorm<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GatedNorm<'_, T> {}

/// What the recurrence is besides its operands.
#[derive(Debug)]
pub struct Recurrence<'a, T> {
    /// Heads and their widths.
    pub heads: Heads,
    /// The slot of each sequence, all different; [`NO_SLOT`](super::NO_SLOT) for one that takes no
    /// part, as does one of no slot of the pool: neither its outputs nor states are written.
    pub slots: &'a GpuBuffer<u32>,
    /// The first token of each sequence, and, behind the last, the number of tokens; `None` if all
    /// have equally many.
    pub starts: Option<&'a GpuBuffer<u32>>,
    /// Queries and keys are divided by `sqrt(Σ x² + 1e-6)`.
    pub l2norm: bool,
    /// No kernel that may still run on the stream writes these states, as in a model, where that was a
    /// token ago, nor slots, starts and weights: then they are read before the kernels before this one
    /// end. If one does write them, it may see the values before.
    pub settled: bool,
    /// The gated norm of the outputs, `None` for the outputs themselves.
    pub norm: Option<GatedNorm<'a, T>>,
}

impl<T> Clone for Recurrence<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Recurrence<'_, T> {}

impl<'a, T> Recurrence<'a, T> {
    /// Of sequences with equally many tokens each, with normalised queries and keys.
    #[must_use]
    pub const fn new(heads: Heads, slots: &'a GpuBuffer<u32>) -> Self {
        Self { heads, slots, starts: None, l2norm: true, settled: false, norm: None }
    }
}

/// The types of inputs and states that the recurrence takes: `f32` and `bf16` each.
pub trait Recurs<S>: Sized {
    #[doc(hidden)]
    fn launch(
        stream: &Stream,
        out: &mut GpuBuffer<Self>,
        state: &mut GpuBuffer<S>,
        tokens: &Tokens<'_, Self>,
        gates: &Gates<'_, Self>,
        run: &Recurrence<'_, Self>,
    ) -> Result<()>;
}

macro_rules! host {
    ($($input:ident $state:ident,)*) => {$(
        impl Recurs<$state> for $input {
            fn launch(
                stream: &Stream,
                out: &mut GpuBuffer<Self>,
                state: &mut GpuBuffer<$state>,
                tokens: &Tokens<'_, Self>,
                gates: &Gates<'_, Self>,
                run: &Recurrence<'_, Self>,
            ) -> Result<()> {
                use recurrence_kernel::launch_on;
                let info = machine(stream, "gated_delta_rule_recurrence")?;
                let Recurrence { heads, slots, l2norm, settled, .. } = *run;
                let count = slots.len() as u32;
                let (no_numbers, no_gates) =
                    (GpuBuffer::<Self>::empty(stream)?, GpuBuffer::<f32>::empty(stream)?);
                let no_words = GpuBuffer::<u32>::empty(stream)?;
                let (a, b, a_log, dt_bias, g, beta, raw) = match *gates {
                    Gates::Ready { g, beta } => {
                        (&no_numbers, &no_numbers, &no_gates, &no_gates, g, beta, 0)
                    }
                    Gates::Raw { a, b, a_log, dt_bias } => {
                        (a, b, a_log, dt_bias, &no_gates, &no_gates, RAW)
                    }
                };
                let (z, weight, eps) = match run.norm {
                    Some(GatedNorm { z, weight, eps }) => (z, weight, eps),
                    None => (Rows::dense(&no_numbers, 0), &no_gates, 0.0),
                };
                let starts = run.starts.unwrap_or(&no_words);
                let flags = raw
                    | if l2norm { NORMALISE } else { 0 }
                    | if settled { SETTLED } else { 0 };
                let (value_heads, value_dim) = (heads.value_heads, heads.value_dim);
                let group = value_heads / heads.key_heads;
                let steps = if run.starts.is_some() { 0 } else { tokens.count as u32 / count };
                let pool = (state.len() / heads.state_len()) as u32;
                let Tokens { q, k, v, .. } = *tokens;
                macro_rules! launch {
                    ($key:literal, $warps:literal, $sets:literal, $norm:literal, $parts:literal) => {{
                        let parts = value_dim / ($warps * 4 * $sets);
                        let config = LaunchConfig::new([parts, value_heads, count])
                            .with_programmatic_dependent_launch();
                        // SAFETY: The lengths are those that `check` demands; each block's slot is
                        // below the number of the pool's, and no two sequences have the same.
                        unsafe {
                            launch_on::<$key, $warps, $sets, $norm, $parts, Self, $state>(
                                stream, config, q.buffer, k.buffer, v.buffer, z.buffer, out, state,
                                slots, starts, a, b, a_log, dt_bias, g, beta, weight, q.first,
                                q.stride, k.first, k.stride, v.first, v.stride, z.first, z.stride,
                                value_heads, group, value_dim, pool, steps, flags, eps,
                            )
                        }
                    }};
                }
                // Few rows need many blocks; of many, more loads of a thread are under way.
                let few = count * value_heads <= info.multiprocessors;
                match (heads.key_dim, run.norm.is_some()) {
                    (64, false) => launch!(64, 1, 4, false, 1),
                    (128, false) if few => launch!(128, 4, 1, false, 1),
                    (128, false) => launch!(128, 1, 2, false, 1),
                    (_, false) => launch!(256, 2, 1, false, 1),
                    (64, true) => launch!(64, 4, 2, true, 2),
                    (128, true) if few => launch!(128, 4, 2, true, 4),
                    (128, true) => launch!(128, 8, 4, true, 1),
                    (_, true) => launch!(256, 8, 1, true, 8),
                }?;
                Ok(())
            }
        }
    )*};
}

host! {
    f32 f32,
    f32 bf16,
    bf16 f32,
    bf16 bf16,
}

/// The gated delta rule of sequences that continue from their slots' states, a token after the
/// other: `out` `[T, H_v, V]`, and the states moved on.
///
/// Every sum is an `f32`, and so are states between tokens; states of `bf16` are rounded once, at the
/// end. Against the definition in `f64`
/// ([`gated_delta_rule_reference`](super::reference::gated_delta_rule_reference)) the error is within
/// 1e-5 of the largest output and state. Meant for few tokens a sequence; any number is right.
///
/// # Errors
/// If a length does not fit, two slots are the same as far as that shows (a pool of fewer slots than
/// sequences), heads are of other widths than 64, 128 and 256 (with a norm: other than K = V), the
/// device is older than compute capability 9, or it cannot.
pub fn gated_delta_rule_recurrence<T: Recurs<S>, S>(
    stream: &Stream,
    out: &mut GpuBuffer<T>,
    state: &mut GpuBuffer<S>,
    tokens: &Tokens<'_, T>,
    gates: &Gates<'_, T>,
    run: &Recurrence<'_, T>,
) -> Result<()> {
    let heads = &run.heads;
    tokens.check(heads)?;
    gates.check(tokens.count, heads)?;
    slots_of(state, heads)?;
    let values = tokens.count * heads.values() as usize;
    shape::eq("out", values, out.len())?;
    shape::count("out", values)?;
    let count = run.slots.len();
    if let Some(starts) = run.starts {
        shape::eq("starts", count + 1, starts.len())?;
    } else if count == 0 || !tokens.count.is_multiple_of(count) {
        return Err(Error::Sequences { tokens: tokens.count, sequences: count });
    }
    if let Some(norm) = run.norm {
        norm.z.check("z", tokens.count, heads.values())?;
        shape::eq("weight", heads.value_dim as usize, norm.weight.len())?;
        if heads.key_dim != heads.value_dim {
            return Err(heads.refused());
        }
    }
    if count == 0 || tokens.count == 0 {
        return Ok(());
    }
    T::launch(stream, out, state, tokens, gates, run)
}
