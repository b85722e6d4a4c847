//! Products with `wgmma` and tensor copies, for sm_90a.
//!
//! Blocks stay and take one tile after the other. One warpgroup copies the factors, two multiply
//! 64 rows each; what they finish leaves through shared memory while the copies of the next tile
//! are under way.

use firesteel::prelude::*;
use firesteel::{L2Promotion, Swizzle, TensorElement, TensorMap, TensorMapMut, Tiling};

use super::product::Matrix;
use super::tiles::tile_at;
use super::{Order, OrderA, Path, Product};
use crate::shape::Result;

/// Rows of a block's tile, two warpgroups of 64.
#[gpu_const]
pub(super) const ROWS: u32 = 128;
/// Bytes along K of a stage, the width of the swizzle, and of the chunks that leave.
#[gpu_const]
pub(super) const SPAN: u32 = 128;
/// Rows of tiles that are computed next to each other, so that their factors stay in the L2 cache.
#[gpu_const]
const GROUP: u32 = 16;

/// Two elements of the result as a word.
#[gpu_fn]
fn pair<const BF16: bool>(low: f32, high: f32) -> u32 {
    if BF16 { pack_bf16x2(low, high) } else { pack_f16x2(low, high) }
}

/// They, as `f32`.
#[gpu_fn]
fn unpaired<const BF16: bool>(word: u32) -> (f32, f32) {
    if BF16 {
        (f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000))
    } else {
        (f16::from_bits(word as u16).to_f32(), f16::from_bits((word >> 16) as u16).to_f32())
    }
}

/// Where an element of 4 bytes is in a chunk, whose rows of 128 bytes are swizzled.
#[gpu_fn]
fn place_in_chunk<O: Scalar>(row: u32, col: u32) -> u32 {
    const PIECE: u32 = 16 / O::BYTES;
    row * (PIECE * 8) + ((col / PIECE) ^ (row % 8)) * PIECE + col % PIECE
}

/// `c = epilogue(a b) + beta c`, by blocks of 384 threads of which there may be any number, in
/// tiles of 128 rows and `COLS` columns.
///
/// `epilogue` takes a sum, its row and its column, which are those of an element of the product
/// even where a tile ends behind it; what it gives there is dropped. C is not read if `beta` is 0.
///
/// A is row-major `[k, m]` if `KM` says so, B `[k, n]` if `KN` does, both only of 16-bit types.
/// `O` is `f32`, `f16`, or `bf16`, which `BF16` says. `batches` are the number of products; what
/// the next one adds to A's and B's last coordinate, 0 or 1; and how much of K each takes, 0 for
/// all, else a multiple of 128 bytes' elements: then each product takes the next part.
///
/// [`WgmmaArguments`] makes the maps.
#[gpu_fn]
#[allow(clippy::too_many_arguments, reason = "the factors, the result, and what is done with them")]
pub fn wgmma_product<
    const COLS: u32,
    const KM: bool,
    const KN: bool,
    const BF16: bool,
    T: WgmmaFactor + MmaFactor + Lane,
    O: Number + MatrixElem + Lane,
>(
    a: &TensorMap<T, 3>,
    b: &TensorMap<T, 3>,
    c: &mut TensorMap<O, 3>,
    (m, n, k): (u32, u32, u32),
    batches: (u32, u32, u32, u32),
    beta: f32,
    epilogue: impl Fn(f32, u32, u32) -> f32,
) {
    product_in_pieces::<COLS, KM, KN, BF16, T, O>(
        a,
        b,
        c,
        (m, n, k),
        batches,
        beta,
        |sums, row, col| {
            let mut y = [0.0f32; 8];
            #[unroll]
            for i in 0..8u32 {
                let at_row = (row + i / 2 % 2 * 8).min(m - 1);
                let at_col = (col + i / 4 * 8 + i % 2).min(n - 1);
                y[i] = epilogue(sums[i], at_row, at_col);
            }
            y
        },
    );
}

/// [`wgmma_product`] whose epilogue takes what a thread has of 16 by 16 elements: those of the row
/// and, in the other pairs, of the row 8 further down, in the column, the next one, and those 8
/// further on. Neither need be in the product.
#[gpu_fn]
#[allow(clippy::too_many_arguments, reason = "the factors, the result, and what is done with them")]
fn product_in_pieces<
    const COLS: u32,
    const KM: bool,
    const KN: bool,
    const BF16: bool,
    T: WgmmaFactor + MmaFactor + Lane,
    O: Number + MatrixElem + Lane,
>(
    a: &TensorMap<T, 3>,
    b: &TensorMap<T, 3>,
    c: &mut TensorMap<O, 3>,
    (m, n, k): (u32, u32, u32),
    batches: (u32, u32, u32, u32),
    beta: f32,
    epilogue: impl Fn([f32; 8], u32, u32) -> [f32; 8],
) {
    // Elements along K of a stage, and of a product of 32 bytes.
    const DEPTH: u32 = SPAN / T::BYTES;
    const STEP: u32 = 32 / T::BYTES;
    // As many as shared memory has room for.
    const STAGES: u32 = if COLS == 256 { 4 } else { 6 };
    // Columns that leave a warpgroup at once.
    const CHUNK: u32 = SPAN / O::BYTES;
    let left = shared_mem![T; STAGES * ROWS * DEPTH, align = 1024];
    let right = shared_mem![T; STAGES * COLS * DEPTH, align = 1024];
    let out = shared_mem![O; 4 * 64 * CHUNK, align = 1024];
    let full = shared_mem![u64; STAGES];
    let empty = shared_mem![u64; STAGES];
    // Whether a chunk of C is there, for each warpgroup.
    let old = shared_mem![u64; 2];
    let (count, a_next, b_next, share) = batches;
    let thread = thread_idx_x();
    if thread == 0 {
        for stage in 0..STAGES {
            mbarrier_init(&mut full[stage], 1);
            // Each warp that multiplies says that it is done with a stage.
            mbarrier_init(&mut empty[stage], 8);
        }
        mbarrier_init(&mut old[0], 1);
        mbarrier_init(&mut old[1], 1);
        fence_mbarrier_init();
    }
    bar_sync();
    let (row_tiles, col_tiles) = (m.div_ceil(ROWS), n.div_ceil(COLS));
    let tiles = row_tiles * col_tiles;
    let group = thread / 128;
    let mut stage = 0u32;
    let mut phase = 0u32;
    let mut number = block_idx_x();
    if group == 0 {
        setmaxnreg_dec(40);
        if thread == 0 {
            while number < tiles * count {
                let batch = number / tiles;
                let (row, col) = tile_at::<GROUP>(number % tiles, row_tiles, col_tiles);
                let from = batch * share;
                let depth = if share == 0 { k } else { (k - from).min(share) };
                let steps = depth.div_ceil(DEPTH);
                let (a_batch, b_batch) = ((batch * a_next) as i32, (batch * b_next) as i32);
                for step in 0..steps {
                    mbarrier_wait(&mut empty[stage], phase ^ 1);
                    mbarrier_arrive_expect_tx(&mut full[stage], (ROWS + COLS) * SPAN);
                    let at = (from + step * DEPTH) as i32;
                    let (to_left, to_right) = (stage * (ROWS * DEPTH), stage * (COLS * DEPTH));
                    let (first_row, first_col) = ((row * ROWS) as i32, (col * COLS) as i32);
                    if KM {
                        #[unroll]
                        for i in 0..ROWS / 64 {
                            let to = to_left + i * (64 * DEPTH);
                            let from = [first_row + (i * 64) as i32, at, a_batch];
                            tma_load(&mut left[to], a, from, &mut full[stage]);
                        }
                    } else {
                        let from = [at, first_row, a_batch];
                        tma_load(&mut left[to_left], a, from, &mut full[stage]);
                    }
                    if KN {
                        #[unroll]
                        for i in 0..COLS / 64 {
                            let to = to_right + i * (64 * DEPTH);
                            let from = [first_col + (i * 64) as i32, at, b_batch];
                            tma_load(&mut right[to], b, from, &mut full[stage]);
                        }
                    } else {
                        let from = [at, first_col, b_batch];
                        tma_load(&mut right[to_right], b, from, &mut full[stage]);
                    }
                    stage += 1;
                    if stage == STAGES {
                        stage = 0;
                        phase ^= 1;
                    }
                }
                number += grid_dim_x();
            }
        }
    } else {
        setmaxnreg_inc(232);
        let half = group - 1;
        let in_group = thread % 128;
        let lane = thread % 32;
        // Where this lane's row of a matrix of 8 by 8 is in a chunk, and its sums' first row.
        let out_row = in_group / 32 * 16 + lane / 8 % 2 * 8 + lane % 8;
        let sum_row = in_group / 32 * 16 + lane / 4;
        // Which of its two buffers the next chunk leaves through.
        let mut turn = 0u32;
        let out_first = half * (2 * 64 * CHUNK);
        while number < tiles * count {
            let batch = number / tiles;
            let (row, col) = tile_at::<GROUP>(number % tiles, row_tiles, col_tiles);
            let depth = if share == 0 { k } else { (k - batch * share).min(share) };
            let steps = depth.div_ceil(DEPTH);
            let mut sum = WarpgroupC::<_, COLS>::zero();
            let mut previous = 0u32;
            for step in 0..steps {
                mbarrier_wait(&mut full[stage], phase);
                wgmma_fence();
                #[unroll]
                for i in 0..4u32 {
                    // A step along K is further along the rows of a factor, or, in boxes of 64
                    // rows or columns, further rows.
                    let at_left = stage * (ROWS * DEPTH) + half * (64 * DEPTH);
                    let at_right = stage * (COLS * DEPTH);
                    let add = step != 0 || i != 0;
                    if KM {
                        let x = tile_mn(left, at_left + i * (STEP * 64), 128, 64 * SPAN);
                        if KN {
                            let y = tile_mn(right, at_right + i * (STEP * 64), 128, 64 * SPAN);
                            wgmma_or_set(&mut sum, x, y, add);
                        } else {
                            wgmma_or_set(&mut sum, x, tile_k(right, at_right + i * STEP, 128), add);
                        }
                    } else {
                        let x = tile_k(left, at_left + i * STEP, 128);
                        if KN {
                            let y = tile_mn(right, at_right + i * (STEP * 64), 128, 64 * SPAN);
                            wgmma_or_set(&mut sum, x, y, add);
                        } else {
                            wgmma_or_set(&mut sum, x, tile_k(right, at_right + i * STEP, 128), add);
                        }
                    }
                }
                wgmma_commit();
                wgmma_wait(1);
                if step != 0 && lane == 0 {
                    mbarrier_arrive(&mut empty[previous]);
                }
                previous = stage;
                stage += 1;
                if stage == STAGES {
                    stage = 0;
                    phase ^= 1;
                }
            }
            wgmma_wait(0);
            if lane == 0 {
                mbarrier_arrive(&mut empty[previous]);
            }
            #[unroll]
            for chunk in 0..COLS / CHUNK {
                let buffer = out_first + turn * (64 * CHUNK);
                let (first_row, first_col) = (row * ROWS + half * 64, col * COLS + chunk * CHUNK);
                let at = [first_col as i32, first_row as i32, batch as i32];
                // The copy of the chunk before the last has read its buffer.
                if in_group == 0 {
                    tma_wait_read(1);
                    if beta != 0.0 {
                        mbarrier_arrive_expect_tx(&mut old[half], 64 * SPAN);
                        tma_load(&mut out[buffer], c, at, &mut old[half]);
                    }
                }
                bar_sync_named(1 + half, 128);
                if beta != 0.0 {
                    mbarrier_wait(&mut old[half], turn);
                }
                #[unroll]
                for piece in 0..CHUNK / 16 {
                    let first = chunk * (CHUNK / 2) + piece * 8;
                    let mut y = [0.0f32; 8];
                    #[unroll]
                    for i in 0..8u32 {
                        y[i] = sum[first + i].to_f32();
                    }
                    let in_col = piece * 16 + lane % 4 * 2;
                    y = epilogue(y, first_row + sum_row, first_col + in_col);
                    if O::BYTES == 2 {
                        let swizzled = (piece * 2 + lane / 16) ^ (out_row % 8);
                        let at_row = buffer + out_row * CHUNK + swizzled * 8;
                        if beta != 0.0 {
                            let words = frag_a_words(ldmatrix_a(out, at_row));
                            #[unroll]
                            for i in 0..4u32 {
                                let (low, high) = unpaired::<BF16>(words[i]);
                                y[i * 2] += beta * low;
                                y[i * 2 + 1] += beta * high;
                            }
                            // The warp has read what it overwrites.
                            warp_sync();
                        }
                        let words = [
                            pair::<BF16>(y[0], y[1]),
                            pair::<BF16>(y[2], y[3]),
                            pair::<BF16>(y[4], y[5]),
                            pair::<BF16>(y[6], y[7]),
                        ];
                        stmatrix_x4(out, at_row, words);
                    } else {
                        #[unroll]
                        for i in 0..8u32 {
                            let (down, along) = (i / 2 % 2 * 8, i / 4 * 8 + i % 2);
                            let place = place_in_chunk::<O>(sum_row + down, in_col + along);
                            if beta != 0.0 {
                                y[i] += beta * out[buffer + place].to_f32();
                            }
                            out[buffer + place] = O::from_f32(y[i]);
                        }
                    }
                }
                fence_proxy_async();
                bar_sync_named(1 + half, 128);
                if in_group == 0 {
                    tma_store(c, at, &out[buffer]);
                    tma_commit();
                }
                turn ^= 1;
            }
            number += grid_dim_x();
        }
        if in_group == 0 {
            tma_wait(0);
        }
    }
}

/// `c = alpha a b + bias + beta c`, without a bias if it is empty. `KM` and `KN` say that A and B
/// are row-major `[k, m]` and `[k, n]`, `BF16` that `O` is `bf16`.
#[gpu_kernel(
    block_size = 384,
    arch = "sm_90",
    min_blocks = 1,
    unchecked,
    instances(
        (COLS = 256, KM = false, KN = false, T = bf16, O = bf16, BF16 = true),
        (COLS = 256, KM = false, KN = true, T = bf16, O = bf16, BF16 = true),
        (COLS = 128, KM = false, KN = false, T = bf16, O = bf16, BF16 = true),
        (COLS = 128, KM = false, KN = true, T = bf16, O = bf16, BF16 = true),
        (COLS = 64, KM = false, KN = false, T = bf16, O = bf16, BF16 = true),
        (COLS = 64, KM = false, KN = true, T = bf16, O = bf16, BF16 = true),
        (COLS = 128, KM = true, KN = false, T = bf16, O = bf16, BF16 = true),
        (COLS = 128, KM = true, KN = true, T = bf16, O = bf16, BF16 = true),
        (COLS = 256, KM = false, KN = false, T = f16, O = f16, BF16 = false),
        (COLS = 256, KM = false, KN = true, T = f16, O = f16, BF16 = false),
        (COLS = 128, KM = false, KN = false, T = f16, O = f16, BF16 = false),
        (COLS = 128, KM = false, KN = true, T = f16, O = f16, BF16 = false),
        (COLS = 64, KM = false, KN = false, T = f16, O = f16, BF16 = false),
        (COLS = 64, KM = false, KN = true, T = f16, O = f16, BF16 = false),
        (COLS = 128, KM = true, KN = false, T = f16, O = f16, BF16 = false),
        (COLS = 128, KM = true, KN = true, T = f16, O = f16, BF16 = false),
        (COLS = 256, KM = false, KN = false, T = e4m3, O = bf16, BF16 = true),
        (COLS = 128, KM = false, KN = false, T = e4m3, O = bf16, BF16 = true),
        (COLS = 64, KM = false, KN = false, T = e4m3, O = bf16, BF16 = true),
        (COLS = 256, KM = false, KN = false, T = i8, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = false, T = i8, O = f32, BF16 = false),
        (COLS = 64, KM = false, KN = false, T = i8, O = f32, BF16 = false),
        (COLS = 256, KM = false, KN = false, T = f32, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = false, T = f32, O = f32, BF16 = false),
        (COLS = 64, KM = false, KN = false, T = f32, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = false, T = bf16, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = true, T = bf16, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = false, T = f16, O = f32, BF16 = false),
        (COLS = 128, KM = false, KN = true, T = f16, O = f32, BF16 = false)
    )
)]
pub(super) fn wgmma_kernel<
    const COLS: u32,
    const KM: bool,
    const KN: bool,
    T: WgmmaFactor,
    O: Number,
    const BF16: bool,
>(
    a: &TensorMap<T, 3>,
    b: &TensorMap<T, 3>,
    c: &mut TensorMap<O, 3>,
    bias: &[O],
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    a_next: u32,
    b_next: u32,
    share: u32,
    alpha: f32,
    beta: f32,
) {
    let has_bias = bias.len() != 0;
    product_in_pieces::<COLS, KM, KN, BF16, T, O>(
        a,
        b,
        c,
        (m, n, k),
        (batch, a_next, b_next, share),
        beta,
        |sums, _, col| {
            let mut y = sums;
            #[unroll]
            for i in 0..8u32 {
                y[i] *= alpha;
            }
            if has_bias {
                let terms = [
                    bias[col.min(n - 1)].to_f32(),
                    bias[(col + 1).min(n - 1)].to_f32(),
                    bias[(col + 8).min(n - 1)].to_f32(),
                    bias[(col + 9).min(n - 1)].to_f32(),
                ];
                #[unroll]
                for i in 0..8u32 {
                    y[i] += terms[i / 4 * 2 + i % 2];
                }
            }
            y
        },
    );
}

/// The maps and the grid of a kernel that calls [`wgmma_product`] with tiles of `COLS` columns.
#[derive(Debug)]
pub struct WgmmaArguments<'a, T, O> {
    /// A.
    pub a: TensorMap<'a, T, 3>,
    /// B.
    pub b: TensorMap<'a, T, 3>,
    /// C.
    pub c: TensorMapMut<'a, O, 3>,
    /// As many blocks as run at once.
    pub config: LaunchConfig,
}

impl<'a, T: TensorElement, O: TensorElement> WgmmaArguments<'a, T, O> {
    /// Those of a product with tiles of `cols` columns.
    ///
    /// # Errors
    /// If a length differs from the shape, and [`Error::Path`](crate::shape::Error::Path) if `wgmma`
    /// does not take the product on this device.
    pub fn new(
        stream: &Stream,
        cols: u32,
        c: &'a mut GpuBuffer<O>,
        a: &'a GpuBuffer<T>,
        b: &'a GpuBuffer<T>,
        product: &Product,
    ) -> Result<Self> {
        product.check([a.len(), b.len(), c.len()])?;
        let info = stream.device().info()?;
        if let Some(why) = refusal::<T, O>(cols, product, info.compute_capability) {
            return Err(product.no(Path::Wgmma(cols), why));
        }
        let tiles = product.m.div_ceil(ROWS) * product.n.div_ceil(cols) * product.batch;
        let config = LaunchConfig::new([info.multiprocessors.min(tiles), 1, 1]);
        let a_rows = if product.order_a == OrderA::Mk { ROWS } else { 64 };
        let b_rows = if product.order == Order::Nk { cols } else { 64 };
        let (a, b) = (boxes(a, product.a(), a_rows)?, boxes(b, product.b(), b_rows)?);
        let c = TensorMapMut::tiled(c, tiling::<O>(product.c(), 64))?;
        Ok(Self { a, b, c, config })
    }
}

/// The map of row-major matrices, copied in swizzled boxes of 128 bytes a row.
pub(super) fn boxes<T: TensorElement>(
    buffer: &GpuBuffer<T>,
    matrix: Matrix,
    box_rows: u32,
) -> Result<TensorMap<'_, T, 3>> {
    let tiling = tiling::<T>(matrix, box_rows).l2_promotion(L2Promotion::B128);
    Ok(TensorMap::tiled(buffer, tiling)?)
}

fn tiling<T>(matrix: Matrix, box_rows: u32) -> Tiling<3> {
    let [columns, rows, count] = [matrix.columns, matrix.rows, matrix.count()].map(u64::from);
    let row_stride = u64::from(matrix.row_stride);
    // Of one matrix any stride will do.
    let stride = if count == 1 { rows * row_stride } else { matrix.stride };
    Tiling::new([columns, rows, count], [SPAN / size_of::<T>() as u32, box_rows, 1])
        .strides([1, row_stride, stride])
        .swizzle(Swizzle::B128)
}

/// What of a product the kernels do not take.
fn refusal<T, O>(cols: u32, product: &Product, capability: (u32, u32)) -> Option<&'static str> {
    let bytes = size_of::<T>() as u32;
    let piece = 16 / bytes;
    let why = if capability.0 != 9 {
        "it needs compute capability 9"
    } else if !matches!(cols, 64 | 128 | 256) {
        "a tile has 64, 128 or 256 columns"
    } else if bytes != 2 && product.order_a != OrderA::Mk {
        "A must be `[m, k]`"
    } else if bytes != 2 && product.order != Order::Nk {
        "B must be `[n, k]`"
    } else if !product.a().row_stride.is_multiple_of(piece) {
        "a row of A must have a multiple of 16 bytes"
    } else if !product.b().row_stride.is_multiple_of(piece) {
        "a row of B must have a multiple of 16 bytes"
    } else if !product.c().row_stride.is_multiple_of(16 / size_of::<O>() as u32) {
        "a row of C must have a multiple of 16 bytes"
    } else if !takes_batches::<T, O>(product) {
        "the matrices of a batch must begin at multiples of 16 bytes"
    } else {
        return None;
    };
    Some(why)
}

fn takes_batches<T, O>(product: &Product) -> bool {
    let aligned = |matrix: Matrix, bytes: usize| {
        matrix.count() == 1 || (matrix.stride * bytes as u64).is_multiple_of(16)
    };
    let (factor, result) = (size_of::<T>(), size_of::<O>());
    aligned(product.a(), factor) && aligned(product.b(), factor) && aligned(product.c(), result)
}

/// Whether a product of elements of so many bytes has what `wgmma` wants of its rows.
pub(super) fn takes<T, O>(product: &Product) -> bool {
    refusal::<T, O>(64, product, (9, 0)).is_none()
}

/// The host functions of the types.
macro_rules! host {
    ($name:ident, $factor:ident, $out:ident, $bf16:literal, [$($cols:literal $km:literal $kn:literal),+]) => {
        pub(super) fn $name(
            stream: &Stream,
            cols: u32,
            c: &mut GpuBuffer<$out>,
            a: &GpuBuffer<$factor>,
            b: &GpuBuffer<$factor>,
            bias: Option<&GpuBuffer<$out>>,
            product: &Product,
        ) -> Result<()> {
            use wgmma_kernel::launch_on;
            let &Product { m, n, k, alpha, beta, batch, share, .. } = product;
            let arguments = WgmmaArguments::new(stream, cols, c, a, b, product)?;
            let WgmmaArguments { a, b, mut c, config } = arguments;
            let next = |matrix: Matrix| u32::from(matrix.count() > 1);
            let (a_next, b_next) = (next(product.a()), next(product.b()));
            let (km, kn) = (product.order_a == OrderA::Km, product.order == Order::Kn);
            let (a, b, c) = (&a, &b, &mut c);
            let none = GpuBuffer::empty(stream)?;
            let bias = bias.unwrap_or(&none);
            // SAFETY: The maps have the product's shape; copies do not leave their tensors, `bias`
            // is empty or has a value a column, and the kernel's own indices follow from its
            // constants.
            unsafe {
                match (cols, km, kn) {
                    $(($cols, $km, $kn) => {
                        launch_on::<$cols, $km, $kn, $factor, $out, $bf16>(
                            stream, config, a, b, c, bias, m, n, k, batch, a_next, b_next, share,
                            alpha, beta,
                        )?;
                    })+
                    _ => {
                        let why = "of an A `[k, m]` a tile has 128 columns, and is not split";
                        return Err(product.no(Path::Wgmma(cols), why));
                    }
                }
            }
            Ok(())
        }
    };
}

host!(f16, f16, f16, false, [
    256 false false, 128 false false, 64 false false, 128 true false,
    256 false true, 128 false true, 64 false true, 128 true true
]);
host!(bf16, bf16, bf16, true, [
    256 false false, 128 false false, 64 false false, 128 true false,
    256 false true, 128 false true, 64 false true, 128 true true
]);
host!(e4m3, e4m3, bf16, true, [256 false false, 128 false false, 64 false false]);
host!(i8, i8, f32, false, [256 false false, 128 false false, 64 false false]);
host!(f32, f32, f32, false, [256 false false, 128 false false, 64 false false]);
host!(f16_sums, f16, f32, false, [128 false false, 128 false true]);
host!(bf16_sums, bf16, f32, false, [128 false false, 128 false true]);

/// Into how many parts K is split by itself: so many that every multiprocessor has a tile, of 1024
/// bytes along K at least, where whole tiles keep less than half of them busy and K is long.
pub(super) fn splits<T>(product: &Product, cols: u32, multiprocessors: u32) -> u32 {
    let tiles = product.m.div_ceil(ROWS) * product.n.div_ceil(cols);
    let spans = product.k / (SPAN / size_of::<T>() as u32);
    if product.can_be_split() && tiles * 2 < multiprocessors && spans >= 32 {
        (multiprocessors / tiles).min(spans / 8)
    } else {
        1
    }
}
