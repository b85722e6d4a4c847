//! Products of few rows with a large matrix, for sm_90: as fast as the matrix can be read.
//!
//! The large matrix is the left factor of `mma`. One warp keeps its rows coming with tensor
//! copies, the others multiply a slab of each stage and add their sums at the end of a tile. Blocks
//! stay and take one tile of 32 rows after the other, so that the copies never pause.

use firesteel::prelude::*;

use super::{Order, Path, Product, boxes};
use crate::shape::Result;

/// Rows of the large matrix in a tile.
#[gpu_const]
pub(super) const ROWS: u32 = 32;
/// Elements along K of a slab: 128 bytes, the width of the swizzle.
#[gpu_const]
pub(super) const DEPTH: u32 = 64;

/// Where the piece of 8 elements at `row` and `piece` is in a slab.
#[gpu_fn]
fn swizzled(row: u32, piece: u32) -> u32 {
    row * DEPTH + (piece ^ row % 8) * 8
}

/// `c [m, n] = alpha a [m, k] b [n, k]ᵀ` for at most `TOKENS` rows of `a`.
#[gpu_kernel(
    block_size = SLABS * 32 + 32,
    arch = "sm_90",
    unchecked,
    instances(
        (TOKENS = 8, SLABS = 8, STAGES = 5),
        (TOKENS = 16, SLABS = 8, STAGES = 4),
        (TOKENS = 32, SLABS = 4, STAGES = 6),
        (TOKENS = 64, SLABS = 4, STAGES = 4),
        T = [f16, bf16]
    )
)]
pub(super) fn stream_kernel<const TOKENS: u32, const SLABS: u32, const STAGES: u32, T: Half>(
    a: &TensorMap<T, 2>,
    b: &TensorMap<T, 2>,
    c: &mut [T],
    m: u32,
    n: u32,
    k: u32,
    alpha: f32,
    fixed_b: u32,
) {
    let left = shared_mem![T; STAGES * SLABS * ROWS * DEPTH, align = 1024];
    let right = shared_mem![T; STAGES * SLABS * TOKENS * DEPTH, align = 1024];
    let partial = shared_mem![f32; SLABS * ROWS * TOKENS];
    let full = shared_mem![u64; STAGES];
    let empty = shared_mem![u64; STAGES];
    let thread = thread_idx_x();
    let (warp, lane) = (thread / 32, thread % 32);
    if thread == 0 {
        for stage in 0..STAGES {
            mbarrier_init(&mut full[stage], 1);
            mbarrier_init(&mut empty[stage], SLABS);
        }
        fence_mbarrier_init();
    }
    bar_sync();
    grid_dependency_launch();
    let tiles = n.div_ceil(ROWS);
    let steps = k.div_ceil(DEPTH * SLABS);
    let mut stage = 0u32;
    let mut phase = 0u32;
    let mut tile = block_idx_x();
    if warp == SLABS {
        if lane == 0 {
            // A large matrix that no kernel before this one writes is fetched while they end.
            if fixed_b == 0 {
                grid_dependency_wait();
            }
            let early = steps.min(STAGES);
            for step in 0..early {
                mbarrier_arrive_expect_tx(&mut full[step], SLABS * (ROWS + TOKENS) * (DEPTH * 2));
                for slab in 0..SLABS {
                    let at = [((step * SLABS + slab) * DEPTH) as i32, (tile * ROWS) as i32];
                    let to = (step * SLABS + slab) * (ROWS * DEPTH);
                    tma_load(&mut left[to], b, at, &mut full[step]);
                }
            }
            grid_dependency_wait();
            for step in 0..early {
                for slab in 0..SLABS {
                    let at = [((step * SLABS + slab) * DEPTH) as i32, 0];
                    let to = (step * SLABS + slab) * (TOKENS * DEPTH);
                    tma_load(&mut right[to], a, at, &mut full[step]);
                }
            }
            let mut first = early;
            stage = early % STAGES;
            if early == STAGES {
                phase = 1;
            }
            while tile < tiles {
                for step in first..steps {
                    mbarrier_wait(&mut empty[stage], phase ^ 1);
                    mbarrier_arrive_expect_tx(
                        &mut full[stage],
                        SLABS * (ROWS + TOKENS) * (DEPTH * 2),
                    );
                    for slab in 0..SLABS {
                        let at = ((step * SLABS + slab) * DEPTH) as i32;
                        let to = (stage * SLABS + slab) * DEPTH;
                        tma_load(
                            &mut left[to * ROWS],
                            b,
                            [at, (tile * ROWS) as i32],
                            &mut full[stage],
                        );
                        tma_load(&mut right[to * TOKENS], a, [at, 0], &mut full[stage]);
                    }
                    stage += 1;
                    if stage == STAGES {
                        stage = 0;
                        phase ^= 1;
                    }
                }
                first = 0;
                tile += grid_dim_x();
            }
        }
    } else {
        grid_dependency_wait();
        while tile < tiles {
            let mut sums = [[FragC::<f32>::zero(); TOKENS as usize / 8]; 2];
            for _ in 0..steps {
                mbarrier_wait(&mut full[stage], phase);
                let left_first = (stage * SLABS + warp) * (ROWS * DEPTH);
                let right_first = (stage * SLABS + warp) * (TOKENS * DEPTH);
                #[unroll]
                for i in 0..DEPTH / 16 {
                    let at = left_first + swizzled(lane % 16, i * 2 + lane / 16);
                    let x0 = ldmatrix_a(left, at);
                    let x1 = ldmatrix_a(left, at + 16 * DEPTH);
                    if TOKENS == 8 {
                        let at = right_first + swizzled(lane % 8, i * 2 + lane / 8 % 2);
                        let y = ldmatrix_b(right, at);
                        mma(&mut sums[0][0], x0, y);
                        mma(&mut sums[1][0], x1, y);
                    } else {
                        let row = lane % 8 + lane / 16 * 8;
                        let at = right_first + swizzled(row, i * 2 + lane / 8 % 2);
                        #[unroll]
                        for j in 0..TOKENS / 16 {
                            let (y0, y1) = ldmatrix_b2(right, at + j * (16 * DEPTH));
                            mma(&mut sums[0][j * 2], x0, y0);
                            mma(&mut sums[0][j * 2 + 1], x0, y1);
                            mma(&mut sums[1][j * 2], x1, y0);
                            mma(&mut sums[1][j * 2 + 1], x1, y1);
                        }
                    }
                }
                warp_sync();
                if lane == 0 {
                    mbarrier_arrive(&mut empty[stage]);
                }
                stage += 1;
                if stage == STAGES {
                    stage = 0;
                    phase ^= 1;
                }
            }
            #[unroll]
            for h in 0..2u32 {
                #[unroll]
                for j in 0..TOKENS / 8 {
                    #[unroll]
                    for i in 0..4u32 {
                        let row = h * 16 + i / 2 * 8 + lane / 4;
                        let token = j * 8 + lane % 4 * 2 + i % 2;
                        partial[(warp * TOKENS + token) * ROWS + row] = sums[h][j][i];
                    }
                }
            }
            bar_sync_named(1, SLABS * 32);
            #[unroll]
            for i in 0..ROWS * TOKENS / (SLABS * 32) {
                let at = i * (SLABS * 32) + thread;
                let (token, row) = (at / ROWS, tile * ROWS + at % ROWS);
                let mut total = 0.0f32;
                #[unroll]
                for slab in 0..SLABS {
                    total += partial[slab * (ROWS * TOKENS) + at];
                }
                if token < m && row < n {
                    c[token * n + row] = T::from_f32(total * alpha);
                }
            }
            bar_sync_named(1, SLABS * 32);
            tile += grid_dim_x();
        }
    }
}

/// What of a product the kernel does not take.
pub(super) fn takes(product: &Product) -> Option<&'static str> {
    if product.m > 64 {
        Some("`m` must be at most 64")
    } else if !product.k.is_multiple_of(8) {
        Some("`k` must be a multiple of 8")
    } else if product.order != Order::Nk {
        Some("B must be `[n, k]`")
    } else {
        None
    }
}

/// The host function of a type.
macro_rules! host {
    ($half:ident) => {
        pub(super) fn $half(
            stream: &Stream,
            c: &mut GpuBuffer<$half>,
            a: &GpuBuffer<$half>,
            b: &GpuBuffer<$half>,
            product: &Product,
        ) -> Result<()> {
            use stream_kernel::launch_on;
            let (info, &Product { m, n, k, alpha, .. }) = (stream.device().info()?, product);
            let old = (info.compute_capability.0 < 9).then_some("it needs compute capability 9");
            if let Some(why) = takes(product).or(old) {
                return Err(product.no(Path::Stream, why));
            }
            let tokens = m.next_power_of_two().max(8);
            let (a, b) = (boxes(a, [m, k], tokens)?, boxes(b, [n, k], ROWS)?);
            let blocks = info.multiprocessors.min(n.div_ceil(ROWS));
            let config = LaunchConfig::new([blocks, 1, 1]).with_programmatic_dependent_launch();
            let (a, b) = (&a, &b);
            let fixed_b = u32::from(product.fixed_b);
            // SAFETY: The maps have the product's shape, and copies do not leave their tensors;
            // every index of `c` is compared with `m` and `n`. The kernels before this one
            // are complete when A, B and C are touched; B earlier only if the caller says so.
            unsafe {
                match tokens {
                    8 => launch_on::<8, 8, 5, $half>(
                        stream, config, a, b, c, m, n, k, alpha, fixed_b,
                    )?,
                    16 => launch_on::<16, 8, 4, $half>(
                        stream, config, a, b, c, m, n, k, alpha, fixed_b,
                    )?,
                    32 => launch_on::<32, 4, 6, $half>(
                        stream, config, a, b, c, m, n, k, alpha, fixed_b,
                    )?,
                    _ => launch_on::<64, 4, 4, $half>(
                        stream, config, a, b, c, m, n, k, alpha, fixed_b,
                    )?,
                }
            }
            Ok(())
        }
    };
}

host!(f16);
host!(bf16);
