//! Prompts in chunks of 64 tokens, on the tensor cores.
//!
//! [`prepare`](super::prepare) has computed what does not depend on states. Here a warpgroup keeps
//! the state of 64 rows of a head in its registers, and takes one chunk after the other (Yang, Kautz,
//! Hatamizadeh, 2024, section 3.3). All is transposed, so that a warp has the same 16 rows of `V`
//! throughout, and what one product leaves in registers is the left factor of the next:
//!
//! ```text
//! Rᵀ = Vᵀ - (S Kᵀ) diag(exp(G) r_k)          64 rows of V by 64 tokens
//! Uᵀ = Rᵀ Tᵀ
//! Oᵀ = (S Qᵀ) diag(exp(G) r_q / sqrt(K)) + Uᵀ Pᵀ
//! S' = exp(G_63) S + Uᵀ diag(exp(G_63 - G) r_k) K
//! ```
//!
//! Only tiles that tensor copies bring are shared between warps, which meet once a chunk.

use firesteel::prelude::*;
use firesteel::{Swizzle, TensorMap, Tiling};

use super::prepare::{PANEL, RESULT, in_panel, prepare_kernel};
use super::recurrence::{NORMALISE, RAW};
use super::sequences::{CHUNK, SEQUENCE_WORDS, Sequences};
use super::{Gates, Heads, Rows, Tokens, machine, slots_of};
use crate::shape::{self, Result};

/// Chunks on their way at once.
#[gpu_const]
const STAGES: u32 = 3;

/// Begins to copy a chunk's tiles to a stage.
#[gpu_fn]
fn feed<const KEY: u32, const GROUPS: u32>(
    (q, k, v): (&TensorMap<bf16, 3>, &TensorMap<bf16, 3>, &TensorMap<bf16, 3>),
    results: &[bf16],
    (queries, keys): (&mut [bf16], &mut [bf16]),
    (values, prepared): (&mut [bf16], &mut [bf16]),
    full: &mut [u64],
    stage: u32,
    token: u32,
    (key_head, head, first_row): (u32, u32, u32),
    result: usize,
) {
    const PANELS: u32 = KEY / 64;
    mbarrier_arrive_expect_tx(&mut full[stage], ((2 * PANELS + GROUPS) * PANEL + RESULT) * 2);
    #[unroll]
    for panel in 0..PANELS {
        let at = [(panel * 64) as i32, key_head as i32, token as i32];
        tma_load(&mut keys[(stage * PANELS + panel) * PANEL], k, at, &mut full[stage]);
    }
    #[unroll]
    for group in 0..GROUPS {
        let at = [(first_row + group * 64) as i32, head as i32, token as i32];
        tma_load(&mut values[(stage * GROUPS + group) * PANEL], v, at, &mut full[stage]);
    }
    bulk_load(&mut prepared[stage * RESULT], &results[result], RESULT, &mut full[stage]);
    #[unroll]
    for panel in 0..PANELS {
        let at = [(panel * 64) as i32, key_head as i32, token as i32];
        tma_load(&mut queries[(stage * PANELS + panel) * PANEL], q, at, &mut full[stage]);
    }
}

/// Where two neighbours of a warpgroup's state are: the row, and the column, for sum `i`.
#[gpu_fn]
fn place(i: u32) -> (u32, u32) {
    let (warp, lane) = (thread_idx_x() / 32 % 4, lane_id());
    (warp * 16 + lane / 4 + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2)
}

/// A warpgroup's rows of a state, those of `base` on.
#[gpu_fn]
fn write_state<const KEY: u32, S: Float>(
    state: &mut [S],
    sums: &mut WarpgroupC<f32, KEY>,
    base: usize,
) {
    let words = cast_slice::<u32>(state);
    #[unroll]
    for pair in 0..KEY / 4 {
        let (row, column) = place(pair * 2);
        let at = base + (row * KEY + column) as usize;
        let (x, y) = (sums[pair * 2], sums[pair * 2 + 1]);
        if S::BYTES == 4 {
            store_vec2(words, at, u32x2::new(x.to_bits(), y.to_bits()));
        } else {
            words[at / 2] = pack_bf16x2(x, y);
        }
    }
}

/// The rows of a tile behind the last token of a sequence, which are another's, become zero.
#[gpu_fn]
fn clear<const PANELS: u32, const THREADS: u32>(tile: &mut [bf16], first: u32, count: u32) {
    let words = cast_slice::<u32>(tile);
    let mut at = count * 8 + thread_idx_x();
    while at < CHUNK * 8 {
        #[unroll]
        for panel in 0..PANELS {
            store_vec4(words, first / 2 + panel * (PANEL / 2) + at * 4, u32x4::splat(0));
        }
        at += THREADS;
    }
}

/// One sequence, one value head and `GROUPS * 64` rows of its state for each block.
#[gpu_kernel(
    block_size = GROUPS * 128,
    arch = "sm_90",
    min_blocks = 1,
    unchecked,
    instances(KEY = [64, 128], GROUPS = [1, 2], S = [f32, bf16])
)]
#[allow(clippy::too_many_arguments, reason = "the operands of a layer")]
pub(super) fn chunks_kernel<const KEY: u32, const GROUPS: u32, S: Float>(
    q: &TensorMap<bf16, 3>,
    k: &TensorMap<bf16, 3>,
    v: &TensorMap<bf16, 3>,
    results: &[bf16],
    out: &mut [bf16],
    state: &mut [S],
    slots: &[u32],
    records: &[u32],
    saves: &[u32],
    value_heads: u32,
    group: u32,
    value_dim: u32,
    pool: u32,
) {
    const PANELS: u32 = KEY / 64;
    let keys = shared_mem![bf16; STAGES * PANELS * PANEL, align = 1024];
    let queries = shared_mem![bf16; STAGES * PANELS * PANEL, align = 1024];
    let values = shared_mem![bf16; STAGES * GROUPS * PANEL, align = 1024];
    let prepared = shared_mem![bf16; STAGES * RESULT, align = 1024];
    let full = shared_mem![u64; STAGES];
    let factors = cast_slice::<f32>(prepared);
    let (thread, lane) = (thread_idx_x(), lane_id());
    let warp = thread / 32 % 4;
    let (head, sequence) = (block_idx_y(), block_idx_z());
    if thread == 0 {
        #[unroll]
        for stage in 0..STAGES {
            mbarrier_init(&mut full[stage], 1);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    grid_dependency_launch();
    grid_dependency_wait();
    let record = sequence * SEQUENCE_WORDS;
    let (first_chunk, n_chunks) = (records[record], records[record + 1]);
    let (first_token, n_tokens) = (records[record + 2], records[record + 3]);
    let slot = slots[sequence];
    if slot >= pool || n_chunks == 0 {
        return;
    }
    let key_head = head / group;
    let first_row = block_idx_x() * (GROUPS * 64);
    let place_of = (key_head, head, first_row);
    // The results of a chunk's heads lie together.
    let result0 = (first_chunk * value_heads + head) as usize * RESULT as usize;
    let result_step = value_heads as usize * RESULT as usize;
    if thread == 0 {
        for chunk in 0..n_chunks.min(STAGES) {
            feed::<KEY, GROUPS>(
                (q, k, v),
                results,
                (queries, keys),
                (values, prepared),
                full,
                chunk,
                first_token + chunk * CHUNK,
                place_of,
                result0 + chunk as usize * result_step,
            );
        }
    }
    let rows0 = head * value_dim + first_row + thread / 128 * 64;
    let state_stride = value_heads as usize * value_dim as usize * KEY as usize;
    let in_slot = rows0 as usize * KEY as usize;
    let mut sums = WarpgroupC::<f32, KEY>::zero();
    if records[record + 4] == 0 {
        let words = cast_slice::<u32>(state);
        #[unroll]
        for pair in 0..KEY / 4 {
            let (row, column) = place(pair * 2);
            let at = slot as usize * state_stride + in_slot + (row * KEY + column) as usize;
            if S::BYTES == 4 {
                let x = load_vec2(words, at);
                sums[pair * 2] = f32::from_bits(x.x);
                sums[pair * 2 + 1] = f32::from_bits(x.y);
            } else {
                let x = words[at / 2];
                sums[pair * 2] = f32::from_bits(x << 16);
                sums[pair * 2 + 1] = f32::from_bits(x & 0xffff_0000);
            }
        }
    }
    let mut by_key = WarpgroupC::<f32, 64>::zero();
    let mut by_query = WarpgroupC::<f32, 64>::zero();
    let mut written = WarpgroupC::<f32, 64>::zero();
    let mut stage = 0u32;
    let mut phase = 0u32;
    for chunk in 0..n_chunks {
        let of_keys = stage * (PANELS * PANEL);
        let of_values = (stage * GROUPS + thread / 128) * PANEL;
        let of_result = stage * RESULT;
        let of_factors = stage * (RESULT / 2) + PANEL;
        let first = first_token + chunk * CHUNK;
        let count = (n_tokens - chunk * CHUNK).min(CHUNK);
        mbarrier_wait(&mut full[stage], phase);
        if count < CHUNK {
            clear::<PANELS, { GROUPS * 128 }>(keys, of_keys, count);
            clear::<GROUPS, { GROUPS * 128 }>(values, stage * (GROUPS * PANEL), count);
            fence_proxy_async();
            bar_sync();
        }
        let mut parts = [frag_a::<bf16>([0u32; 4]); KEY as usize / 16];
        #[unroll]
        for step in 0..KEY / 16 {
            parts[step] = frag_a::<bf16>([
                pack_bf16x2(sums[step * 8], sums[step * 8 + 1]),
                pack_bf16x2(sums[step * 8 + 2], sums[step * 8 + 3]),
                pack_bf16x2(sums[step * 8 + 4], sums[step * 8 + 5]),
                pack_bf16x2(sums[step * 8 + 6], sums[step * 8 + 7]),
            ]);
        }
        wgmma_fence();
        #[unroll]
        for step in 0..KEY / 16 {
            let at = of_keys + step / 4 * PANEL + step % 4 * 16;
            wgmma_or_set(&mut by_key, parts[step], tile_k(keys, at, 128), step != 0);
        }
        wgmma_commit();
        #[unroll]
        for step in 0..KEY / 16 {
            let at = of_keys + step / 4 * PANEL + step % 4 * 16;
            wgmma_or_set(&mut by_query, parts[step], tile_k(queries, at, 128), step != 0);
        }
        wgmma_commit();
        // The lane's row of a matrix of 8 by 8, and its piece, where values are read transposed.
        let token = lane % 8 + lane / 16 * 8;
        let piece = warp * 2 + lane / 8 % 2;
        let mut v_words = [[0u32; 4]; 4];
        #[unroll]
        for part in 0..4u32 {
            let at = of_values + in_panel(part * 16 + token, piece);
            v_words[part] = frag_a_words(ldmatrix_a_trans(values, at));
        }
        wgmma_wait(1);
        let mut rest = [frag_a::<bf16>([0u32; 4]); 4];
        #[unroll]
        for part in 0..4u32 {
            let mut words = [0u32; 4];
            #[unroll]
            for half in 0..2u32 {
                let column = part * 16 + half * 8 + lane % 4 * 2;
                let factor = load_vec2(factors, of_factors + column);
                #[unroll]
                for row in 0..2u32 {
                    let word = v_words[part][half * 2 + row];
                    let from = part * 8 + half * 4 + row * 2;
                    let low = f32::from_bits(word << 16) - factor.x * by_key[from];
                    let high = f32::from_bits(word & 0xffff_0000) - factor.y * by_key[from + 1];
                    words[half * 2 + row] = pack_bf16x2(low, high);
                }
            }
            rest[part] = frag_a::<bf16>(words);
        }
        wgmma_fence();
        #[unroll]
        for part in 0..4u32 {
            let right = tile_k(prepared, of_result + part * 16, 128);
            wgmma_or_set(&mut written, rest[part], right, part != 0);
        }
        wgmma_commit();
        let total = factors[of_factors + 3 * CHUNK];
        #[unroll]
        for i in 0..KEY / 2 {
            sums[i] = sums[i] * total;
        }
        wgmma_wait(0);
        let mut outputs = [frag_a::<bf16>([0u32; 4]); 4];
        let mut kept = [frag_a::<bf16>([0u32; 4]); 4];
        #[unroll]
        for part in 0..4u32 {
            let mut words = [0u32; 4];
            let mut scaled = [0u32; 4];
            #[unroll]
            for half in 0..2u32 {
                let column = part * 16 + half * 8 + lane % 4 * 2;
                let of_query = load_vec2(factors, of_factors + CHUNK + column);
                let of_end = load_vec2(factors, of_factors + 2 * CHUNK + column);
                #[unroll]
                for row in 0..2u32 {
                    let at = part * 8 + half * 4 + row * 2;
                    by_query[at] = by_query[at] * of_query.x;
                    by_query[at + 1] = by_query[at + 1] * of_query.y;
                    let (x, y) = (written[at], written[at + 1]);
                    words[half * 2 + row] = pack_bf16x2(x, y);
                    scaled[half * 2 + row] = pack_bf16x2(x * of_end.x, y * of_end.y);
                }
            }
            outputs[part] = frag_a::<bf16>(words);
            kept[part] = frag_a::<bf16>(scaled);
        }
        wgmma_fence();
        #[unroll]
        for part in 0..4u32 {
            let right = tile_k(prepared, of_result + PANEL + part * 16, 128);
            wgmma(&mut by_query, outputs[part], right);
        }
        wgmma_commit();
        #[unroll]
        for part in 0..4u32 {
            let right = tile_mn(keys, of_keys + part * (16 * 64), 128, 8192);
            wgmma(&mut sums, kept[part], right);
        }
        wgmma_commit();
        wgmma_wait(1);
        // Outputs leave while the state is summed, through the tile of values, of which a warp reads
        // and writes its own part.
        #[unroll]
        for part in 0..4u32 {
            let at = of_values + in_panel(part * 16 + token, piece);
            let words = [
                pack_bf16x2(by_query[part * 8], by_query[part * 8 + 1]),
                pack_bf16x2(by_query[part * 8 + 2], by_query[part * 8 + 3]),
                pack_bf16x2(by_query[part * 8 + 4], by_query[part * 8 + 5]),
                pack_bf16x2(by_query[part * 8 + 6], by_query[part * 8 + 7]),
            ];
            stmatrix_x4_trans(values, at, words);
        }
        warp_sync();
        let from = cast_slice::<u32>(values);
        let to = cast_slice::<u32>(out);
        #[unroll]
        for part in 0..4u32 {
            let row = part * 16 + lane / 2;
            let words = load_vec4(from, (of_values + in_panel(row, warp * 2 + lane % 2)) / 2);
            let at = (first + row) * (value_heads * value_dim) + rows0 + warp * 16 + lane % 2 * 8;
            if row < count {
                store_vec4(to, at / 2, words);
            }
        }
        wgmma_wait(0);
        if saves.len() != 0 {
            let save = saves[first_chunk + chunk];
            if save < pool {
                write_state::<KEY, S>(state, &mut sums, save as usize * state_stride + in_slot);
            }
        }
        fence_proxy_async();
        bar_sync();
        if thread == 0 && chunk + STAGES < n_chunks {
            feed::<KEY, GROUPS>(
                (q, k, v),
                results,
                (queries, keys),
                (values, prepared),
                full,
                stage,
                first + STAGES * CHUNK,
                place_of,
                result0 + (chunk + STAGES) as usize * result_step,
            );
        }
        stage += 1;
        if stage == STAGES {
            stage = 0;
            phase ^= 1;
        }
    }
    write_state::<KEY, S>(state, &mut sums, slot as usize * state_stride + in_slot);
}

/// Memory of [`chunked_gated_delta_rule`] for what of chunks does not depend on states: 17 KiB for
/// each chunk and value head. One serves all layers in turn.
#[derive(Debug)]
pub struct Workspace {
    results: GpuBuffer<bf16>,
}

impl Workspace {
    /// For batches of up to so many chunks of 64 tokens, see [`Sequences::chunks`].
    ///
    /// # Errors
    /// Those of the device.
    pub fn new(stream: &Stream, heads: &Heads, chunks: usize) -> Result<Self> {
        let len = chunks * heads.value_heads as usize * RESULT as usize;
        Ok(Self { results: stream.alloc_uninit(len)? })
    }
}

/// What a prompt's layer is besides its operands.
#[derive(Debug, Clone, Copy)]
pub struct Chunked<'a> {
    /// Heads and their widths: `K` of 64 or 128.
    pub heads: Heads,
    /// The sequences of the batch.
    pub sequences: &'a Sequences,
    /// The slot of each sequence, all different; [`NO_SLOT`](super::NO_SLOT), or a slot beyond the
    /// pool, for one that takes no part.
    pub slots: &'a GpuBuffer<u32>,
    /// For each chunk the slot that takes the state behind it, none if it is beyond the pool: states
    /// that other prompts may begin with. No slot may be another's of this call.
    pub saves: Option<&'a GpuBuffer<u32>>,
    /// Queries and keys are divided by `sqrt(Σ x² + 1e-6)`.
    pub l2norm: bool,
}

impl<'a> Chunked<'a> {
    /// With normalised queries and keys, and no states but the last.
    #[must_use]
    pub const fn new(heads: Heads, sequences: &'a Sequences, slots: &'a GpuBuffer<u32>) -> Self {
        Self { heads, sequences, slots, saves: None, l2norm: true }
    }
}

/// The types of states that prompts take: `f32` and `bf16`.
pub trait ChunkState: Sized {
    #[doc(hidden)]
    fn launch(
        stream: &Stream,
        launch: (LaunchConfig, (u32, u32)),
        maps: [&TensorMap<'_, bf16, 3>; 3],
        results: &GpuBuffer<bf16>,
        out: &mut GpuBuffer<bf16>,
        state: &mut GpuBuffer<Self>,
        run: &Chunked<'_>,
    ) -> Result<()>;
}

macro_rules! host {
    ($($state:ident)*) => {$(
        impl ChunkState for $state {
            fn launch(
                stream: &Stream,
                (config, instance): (LaunchConfig, (u32, u32)),
                [q, k, v]: [&TensorMap<'_, bf16, 3>; 3],
                results: &GpuBuffer<bf16>,
                out: &mut GpuBuffer<bf16>,
                state: &mut GpuBuffer<Self>,
                run: &Chunked<'_>,
            ) -> Result<()> {
                use chunks_kernel::launch_on;
                let heads = run.heads;
                let (value_heads, group) = (heads.value_heads, heads.value_heads / heads.key_heads);
                let (value_dim, pool) = (heads.value_dim, (state.len() / heads.state_len()) as u32);
                let none = GpuBuffer::empty(stream)?;
                let (saves, records) = (run.saves.unwrap_or(&none), &run.sequences.records);
                macro_rules! launch {
                    ($key:literal, $groups:literal) => {
                        // SAFETY: The maps have the operands' shapes, and copies do not leave their
                        // tensors; `results` has a result for each chunk and head; outputs are
                        // written below the number of a sequence's tokens, and states in slots that
                        // are compared with the pool's number.
                        unsafe {
                            launch_on::<$key, $groups, $state>(
                                stream, config, q, k, v, results, out, state, run.slots, records,
                                saves, value_heads, group, value_dim, pool,
                            )
                        }
                    };
                }
                match instance {
                    (64, 1) => launch!(64, 1),
                    (64, _) => launch!(64, 2),
                    (_, 1) => launch!(128, 1),
                    _ => launch!(128, 2),
                }?;
                Ok(())
            }
        }
    )*};
}

host!(f32 bf16);

/// Rows of tokens as a tensor `[tokens, heads, width]`, in boxes of a chunk and 64 columns of a head.
fn boxes<'a>(
    rows: Rows<'a, bf16>,
    tokens: usize,
    heads: u32,
    width: u32,
) -> Result<TensorMap<'a, bf16, 3>> {
    let shape = [u64::from(width), u64::from(heads), tokens as u64];
    let tiling = Tiling::new(shape, [64, 1, CHUNK])
        .strides([1, u64::from(width), u64::from(rows.stride)])
        .offset(u64::from(rows.first))
        .swizzle(Swizzle::B128);
    Ok(TensorMap::tiled(rows.buffer, tiling)?)
}

fn prepare(
    stream: &Stream,
    workspace: &mut Workspace,
    [q, k]: [&TensorMap<'_, bf16, 3>; 2],
    gates: &Gates<'_, bf16>,
    multiprocessors: u32,
    run: &Chunked<'_>,
) -> Result<()> {
    use prepare_kernel::launch_on;
    let heads = run.heads;
    let (value_heads, group) = (heads.value_heads, heads.value_heads / heads.key_heads);
    let (no_numbers, no_gates) =
        (GpuBuffer::<bf16>::empty(stream)?, GpuBuffer::<f32>::empty(stream)?);
    let (a, b, a_log, dt_bias, g, beta, raw) = match *gates {
        Gates::Ready { g, beta } => (&no_numbers, &no_numbers, &no_gates, &no_gates, g, beta, 0),
        Gates::Raw { a, b, a_log, dt_bias } => (a, b, a_log, dt_bias, &no_gates, &no_gates, RAW),
    };
    let flags = raw | if run.l2norm { NORMALISE } else { 0 };
    // A block takes all value heads of a key head where there are enough blocks.
    let blocks = run.sequences.n_chunks * heads.key_heads;
    let each = if blocks >= 4 * multiprocessors { group } else { 1 };
    let grid = [run.sequences.n_chunks, heads.key_heads, group.div_ceil(each)];
    let config = LaunchConfig::new(grid).with_programmatic_dependent_launch();
    let (results, chunks) = (&mut workspace.results, &run.sequences.chunks);
    macro_rules! launch {
        ($key:literal) => {
            // SAFETY: The maps have the operands' shapes, gates a number for each token and head,
            // and `results` a result for each chunk and head, which one block writes.
            unsafe {
                launch_on::<$key>(
                    stream,
                    config,
                    q,
                    k,
                    results,
                    chunks,
                    a,
                    b,
                    a_log,
                    dt_bias,
                    g,
                    beta,
                    value_heads,
                    group,
                    each,
                    flags,
                )
            }
        };
    }
    if heads.key_dim == 64 { launch!(64) } else { launch!(128) }?;
    Ok(())
}

/// The gated delta rule of prompts: `out` `[T, H_v, V]`, and the states moved on.
///
/// Factors of products are `bf16`, sums and states in between `f32`. Against the definition in `f64`
/// ([`gated_delta_rule_reference`](super::reference::gated_delta_rule_reference)) the error is within
/// 2e-2 of the largest output and state. For `f32`, or heads of 256, there is
/// [`gated_delta_rule_recurrence`](super::gated_delta_rule_recurrence).
///
/// # Errors
/// If a length does not fit, keys are of another width than 64 and 128, the workspace is too small,
/// the device is older than compute capability 9, or it cannot.
pub fn chunked_gated_delta_rule<S: ChunkState>(
    stream: &Stream,
    out: &mut GpuBuffer<bf16>,
    state: &mut GpuBuffer<S>,
    tokens: &Tokens<'_, bf16>,
    gates: &Gates<'_, bf16>,
    workspace: &mut Workspace,
    run: &Chunked<'_>,
) -> Result<()> {
    let (heads, sequences) = (&run.heads, run.sequences);
    let info = machine(stream, "chunked_gated_delta_rule")?;
    tokens.check(heads)?;
    gates.check(tokens.count, heads)?;
    slots_of(state, heads)?;
    sequences.check(tokens.count)?;
    if heads.key_dim == 256 {
        return Err(heads.refused());
    }
    let values = tokens.count * heads.values() as usize;
    shape::eq("out", values, out.len())?;
    shape::count("out", values)?;
    shape::eq("slots", sequences.len(), run.slots.len())?;
    if let Some(saves) = run.saves {
        shape::eq("saves", sequences.chunks(), saves.len())?;
    }
    let results = sequences.chunks() * heads.value_heads as usize * RESULT as usize;
    shape::at_least("workspace", results, workspace.results.len())?;
    if tokens.count == 0 {
        return Ok(());
    }
    let (key_heads, key_dim) = (heads.key_heads, heads.key_dim);
    let q = boxes(tokens.q, tokens.count, key_heads, key_dim)?;
    let k = boxes(tokens.k, tokens.count, key_heads, key_dim)?;
    let v = boxes(tokens.v, tokens.count, heads.value_heads, heads.value_dim)?;
    prepare(stream, workspace, [&q, &k], gates, info.multiprocessors, run)?;
    // Blocks of two warpgroups share queries and keys, where that leaves enough blocks.
    let count = sequences.len() as u32;
    let pairs = count * heads.values() / 128;
    let groups = if heads.value_dim > 64 && pairs >= info.multiprocessors { 2 } else { 1 };
    let grid = [heads.value_dim / (64 * groups), heads.value_heads, count];
    let config = LaunchConfig::new(grid).with_programmatic_dependent_launch();
    let launch = (config, (key_dim, groups));
    S::launch(stream, launch, [&q, &k, &v], &workspace.results, out, state, run)
}
