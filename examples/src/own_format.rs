//! A block format of one's own: 6 bits around zero and a scale for 32 weights, 26 bytes.
//!
//! The block is a struct whose methods pack and unpack, on the host and in kernels. The product with
//! a vector takes four weights at a time: activations are rounded to bytes, and `dp4a` sums products
//! of bytes as integers.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// Weights of a block.
const LEN: usize = 32;

// ANCHOR: block
/// 32 weights: weight `i` is `d * (code - 32)`, with codes from 1 to 63.
///
/// Byte `b` of `low` has the low 4 bits of codes `b` and `b + 16`, byte `b` of `high` the upper 2 of
/// codes `b`, `b + 8`, `b + 16` and `b + 24`. So four neighbours are one mask away from being bytes
/// of a word.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// The scale.
    pub d: f16,
    /// Low bits. Two bytes at a time: a block begins at an even address, and no better one.
    pub low: [u16; 8],
    /// High bits.
    pub high: [u16; 4],
}
// ANCHOR_END: block

#[gpu_struct]
impl Block {
    // ANCHOR: pack
    /// The scale that weights want.
    pub fn scale(x: &[f32; 32]) -> f32 {
        let mut widest = 0.0f32;
        for i in 0..32 {
            widest = widest.max(x[i].abs());
        }
        widest / 31.0
    }

    /// Packs weights, which are divided by the scale as it is stored.
    pub fn pack(d: f16, x: &[f32; 32]) -> Self {
        let inverse = if d.to_f32() > 0.0 { 1.0 / d.to_f32() } else { 0.0 };
        let mut codes = [0u32; 32];
        for i in 0..32 {
            codes[i] = ((x[i] * inverse).round().max(-31.0).min(31.0) + 32.0) as u32;
        }
        let mut low = [0u16; 8];
        for i in 0..8 {
            let first = codes[2 * i] & 15 | (codes[2 * i + 16] & 15) << 4;
            let second = codes[2 * i + 1] & 15 | (codes[2 * i + 17] & 15) << 4;
            low[i] = (first | second << 8) as u16;
        }
        let mut high = [0u16; 4];
        for i in 0..4 {
            let mut both = 0u32;
            for k in 0..4 {
                let pair = codes[2 * i + 8 * k] >> 4 | codes[2 * i + 8 * k + 1] >> 4 << 8;
                both |= pair << (2 * k as u32);
            }
            high[i] = both as u16;
        }
        Self { d, low, high }
    }
    // ANCHOR_END: pack

    // ANCHOR: weight
    /// The code of weight `i`.
    pub fn code(&self, i: u32) -> u32 {
        let low = self.low[i % 16 / 2] as u32 >> (i % 2 * 8 + i / 16 * 4) & 15;
        let high = self.high[i % 8 / 2] as u32 >> (i % 2 * 8 + i / 8 * 2) & 3;
        low | high << 4
    }

    /// The weight `i`.
    pub fn weight(&self, i: u32) -> f32 {
        self.d.to_f32() * (self.code(i) as i32 - 32) as f32
    }

    /// The codes of weights `4 w` to `4 w + 3`, a byte each.
    pub fn word(&self, w: u32) -> u32 {
        let at = w % 4 * 2;
        let low = self.low[at] as u32 | (self.low[at + 1] as u32) << 16;
        let at = w % 2 * 2;
        let high = self.high[at] as u32 | (self.high[at + 1] as u32) << 16;
        low >> (w / 4 * 4) & 0x0f0f_0f0f | (high >> (w / 2 * 2) & 0x0303_0303) << 4
    }
    // ANCHOR_END: weight
}

// ANCHOR: activations
/// 32 activations as bytes: `d * code`.
#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activations {
    /// The scale.
    pub d: f32,
    /// The sum of the codes.
    pub sum: i32,
    /// Signed codes, four a word.
    pub codes: [u32; 8],
}

#[gpu_struct]
impl Activations {
    /// Packs activations.
    pub fn pack(x: &[f32; 32]) -> Self {
        let mut widest = 0.0f32;
        for i in 0..32 {
            widest = widest.max(x[i].abs());
        }
        let d = widest / 127.0;
        let inverse = if d > 0.0 { 1.0 / d } else { 0.0 };
        let mut codes = [0u32; 8];
        let mut sum = 0i32;
        for w in 0..8 {
            for k in 0..4 {
                let code = (x[4 * w + k] * inverse).round() as i32;
                sum += code;
                codes[w] |= (code as u32 & 255) << (8 * k as u32);
            }
        }
        Self { d, sum, codes }
    }
}
// ANCHOR_END: activations

// ANCHOR: pack_kernel
/// Packs weights: a thread has a block.
#[gpu_kernel(block_size = 128)]
pub fn pack_6bit(blocks: &mut [Block], x: &[f32], n_blocks: u32) {
    let block = thread_idx_x() + block_idx_x() * block_dim_x();
    if block < n_blocks {
        let mut own = [0.0f32; 32];
        for i in 0..32 {
            own[i] = x[block * 32 + i as u32];
        }
        let d = f16::from_f32(Block::scale(&own));
        blocks[block] = Block::pack(d, &own);
    }
}
// ANCHOR_END: pack_kernel

/// Unpacks weights: a thread has one.
#[gpu_kernel(block_size = 128)]
pub fn unpack_blocks(x: &mut [f32], blocks: &[Block], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        x[i] = blocks[i / 32].weight(i % 32);
    }
}

/// Packs activations: a thread has 32.
#[gpu_kernel(block_size = 128)]
pub fn pack_activations(to: &mut [Activations], x: &[f32], n: u32) {
    let at = thread_idx_x() + block_idx_x() * block_dim_x();
    if at < n {
        let mut own = [0.0f32; 32];
        for i in 0..32 {
            own[i] = x[at * 32 + i as u32];
        }
        to[at] = Activations::pack(&own);
    }
}

// ANCHOR: gemv
/// `y = W x`: a warp has a row, of `row_blocks` blocks, and each lane every 32nd block of it.
#[gpu_kernel(block_size = 128)]
pub fn gemv_6bit(y: &mut [f32], w: &[Block], x: &[Activations], row_blocks: u32, n_rows: u32) {
    let row = block_idx_x() * 4 + thread_idx_x() / 32;
    if row >= n_rows {
        return; // All lanes of a warp leave, so that `warp_reduce_sum` has all of them or none.
    }
    let mut sum = 0.0f32;
    let mut b = thread_idx_x() % 32;
    while b < row_blocks {
        let at = row * row_blocks + b;
        let mut dot = 0i32;
        for k in 0..8 {
            dot = dp4a_us(w[at].word(k as u32), x[b].codes[k], dot);
        }
        // What the codes are too large by, for all 32 at once.
        dot -= 32 * x[b].sum;
        sum += w[at].d.to_f32() * x[b].d * dot as f32;
        b += 32;
    }
    let total = warp_reduce_sum(sum);
    if thread_idx_x() % 32 == 0 {
        y[row] = total;
    }
}
// ANCHOR_END: gemv

/// What a run of the format found.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Weights that kernel and host unpack to different bits, and blocks that they pack so.
    pub differences: usize,
    /// How the product compares with the reference.
    pub product: Outcome,
    /// The root of the mean square of what packing changes, over that of the weights.
    pub loss: f64,
    /// Bytes of the weights: packed, and as `f32`.
    pub bytes: (usize, usize),
}

/// The kernels as PTX.
pub const PTX: [&str; 4] =
    [pack_6bit::PTX, unpack_blocks::PTX, pack_activations::PTX, gemv_6bit::PTX];

/// Packs a matrix, unpacks it and multiplies it, by the kernels and on the host.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Report> {
    // The last rows leave warps of the last block idle, and the last blocks of a row lanes.
    let (rows, cols) = (70, 1376);
    let (weights, x) = (data::floats(21, rows * cols), data::floats(22, cols));
    let (row_blocks, n_blocks) = (cols / LEN, rows * cols / LEN);

    let weights_there = device.alloc_from(&weights)?;
    let mut w = device.alloc_zeros::<Block>(n_blocks)?;
    pack_6bit::launch(device, &mut w, &weights_there, n_blocks as u32)?;
    let mut unpacked = device.alloc_zeros::<f32>(rows * cols)?;
    unpack_blocks::launch(device, &mut unpacked, &w, (rows * cols) as u32)?;
    let x_there = device.alloc_from(&x)?;
    let mut codes = device.alloc_zeros::<Activations>(row_blocks)?;
    pack_activations::launch(device, &mut codes, &x_there, row_blocks as u32)?;
    let mut y = device.alloc_zeros::<f32>(rows)?;
    let config = LaunchConfig::new([rows.div_ceil(4) as u32, 1, 1]);
    let stream = device.stream();
    gemv_6bit::launch_on(&stream, config, &mut y, &w, &codes, row_blocks as u32, rows as u32)?;

    let pack = |x: &[f32; LEN]| Block::pack(f16::from_f32(Block::scale(x)), x);
    let blocks: Vec<Block> = weights.as_chunks().0.iter().map(pack).collect();
    let activations: Vec<_> = x.as_chunks::<LEN>().0.iter().map(Activations::pack).collect();
    let of_block = |block: &Block| std::array::from_fn::<f32, LEN, _>(|i| block.weight(i as u32));
    let on_host: Vec<f32> = blocks.iter().flat_map(of_block).collect();
    let unpacked = unpacked.to_host(device)?;
    let differences = count(&w.to_host(device)?, &blocks)
        + count(&codes.to_host(device)?, &activations)
        + unpacked.iter().zip(&on_host).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    let error = weights.iter().zip(&on_host).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
    let all = weights.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    Ok(Report {
        differences,
        product: product(&y.to_host(device)?, &on_host, &activations),
        loss: (error / all).sqrt(),
        bytes: (n_blocks * size_of::<Block>(), rows * cols * size_of::<f32>()),
    })
}

fn count<T: PartialEq>(got: &[T], want: &[T]) -> usize {
    got.iter().zip(want).filter(|(got, want)| got != want).count()
}

/// The product of the same codes in `f64`: what is left is the rounding of sums in `f32`.
fn product(y: &[f32], weights: &[f32], activations: &[Activations]) -> Outcome {
    let of = |it: &Activations| {
        let bytes = it.codes.into_iter().flat_map(u32::to_le_bytes);
        let d = f64::from(it.d);
        bytes.map(|code| d * f64::from(code as i8)).collect::<Vec<_>>()
    };
    let x: Vec<f64> = activations.iter().flat_map(of).collect();
    let terms = |row: &[f32]| row.iter().zip(&x).map(|(w, x)| f64::from(*w) * x).collect();
    let rows: Vec<Vec<f64>> = weights.chunks_exact(x.len()).map(terms).collect();
    let want: Vec<f64> = rows.iter().map(|row| row.iter().sum()).collect();
    let sizes = rows.iter().map(|row| row.iter().map(|term| term.abs()).sum());
    let largest: f64 = sizes.fold(0.0, f64::max);
    // A term is rounded by two products and the scale's, and its sum in a lane and across lanes.
    let roundings = 3.0 + activations.len().div_ceil(32) as f64 + 5.0;
    Outcome::close(y, &want, roundings * f64::from(f32::EPSILON / 2.0) * largest)
}
