//! Vectors times quantised matrices, against sums in `f64` of what the blocks stand for.

use firesteel::half::f16;
use firesteel_examples::data;
use firesteel_kernels::gemv::{self, Activations, QuantMatrix, gemv, quantize_activations};
use firesteel_kernels::matmul::{Product, matmul};
use firesteel_kernels::quant::{
    self, Block, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1,
    BlockQ5K, BlockQ6K, BlockQ8_0, BlockQ8_1, BlockQ8K, Format,
};
use firesteel_kernels::shape::{Error, Result};
use firesteel_tests::ptxas;

mod dp4a;
mod prompts;
mod variants;

#[test]
fn products_stay_in_registers() {
    for text in gemv::ptx() {
        // Blocks of 640 threads begin with 96 registers each: where units begin, a few are wanted more.
        let most = if text.contains("prompt_kernel") { 24 } else { 0 };
        ptxas::demand_within(text, &[], most);
    }
}

/// Blocks with any codes and scales, and moderate scales of scales. `halves` are where those are.
fn blocks<B: Block>(seed: u64, count: usize, halves: &[usize]) -> Vec<B> {
    let size = size_of::<B>();
    let words = data::floats(seed, count * size);
    let mut bytes: Vec<u8> = words.iter().map(|x| (x.to_bits() >> 3) as u8).collect();
    for (at, block) in bytes.chunks_exact_mut(size).enumerate() {
        for &half in halves {
            let d = f16::from_f32(0.01 * words[(at * 7 + half) % words.len()]);
            block[half..half + 2].copy_from_slice(&d.to_le_bytes());
        }
        if B::FORMAT == Format::Q8K {
            block[..4].copy_from_slice(&(0.01 * words[at]).to_le_bytes());
        }
    }
    bytes.chunks_exact(size).map(bytemuck::pod_read_unaligned).collect()
}

/// What Q8_1 makes of a vector.
fn quantized(x: &[f32]) -> Vec<f64> {
    let group = |x: &[f32]| -> Vec<f64> {
        let d = x.iter().fold(0.0f32, |max, x| max.max(x.abs())) / 127.0;
        let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
        let rounded = f16::from_f32(d).to_f64();
        x.iter().map(|x| f64::from((x * inverse).round()) * rounded).collect()
    };
    x.chunks(32).flat_map(group).collect()
}

/// The product of each row and a vector, and the sum of the absolute values.
fn products<B: Block>(blocks: &[B], x: &[f64]) -> Vec<(f64, f64)> {
    let row = |row: &[B]| {
        let weights = x.iter().enumerate().map(|(column, x)| {
            f64::from(row[column / B::LEN].weight((column % B::LEN) as u32)) * x
        });
        weights.fold((0.0, 0.0), |(sum, size), it| (sum + it, size + it.abs()))
    };
    blocks.chunks(x.len() / B::LEN).map(row).collect()
}

/// Weights of the panels are those of the blocks, to the bit, and so is a product with them.
fn check_unpacked<B: Block>(halves: &[usize], (n, k): (usize, usize)) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let blocks = blocks::<B>(n as u64, n * k / B::LEN, halves);
    let bytes = device.alloc_from(bytemuck::cast_slice::<B, u8>(&blocks))?;
    let w = QuantMatrix::repack(&stream, B::FORMAT, &bytes, (n, k))?;
    let (mut got, mut want) =
        (device.alloc_zeros::<f16>(n * k)?, device.alloc_zeros::<f16>(n * k)?);
    gemv::dequantize(&stream, &mut got, &w)?;
    quant::dequantize(&stream, B::FORMAT, &mut want, &bytes)?;
    assert_eq!(got.to_host(&device)?, want.to_host(&device)?, "{} {n}x{k}", B::FORMAT);
    let m = 9;
    let x: Vec<f16> = data::floats(2, m * k).into_iter().map(f16::from_f32).collect();
    let x = device.alloc_from(&x)?;
    let (mut y, mut z) = (device.alloc_zeros::<f16>(m * n)?, device.alloc_zeros::<f16>(m * n)?);
    gemv::quant_matmul(&stream, &mut y, &x, &w, m)?;
    matmul(&stream, &mut z, &x, &want, &Product::new(m as u32, n as u32, k as u32))?;
    assert_eq!(y.to_host(&device)?, z.to_host(&device)?, "{} {n}x{k}", B::FORMAT);
    Ok(())
}

fn check<B: Block>(halves: &[usize], shapes: &[(usize, usize)], batches: &[usize]) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for &(n, k) in shapes {
        let blocks = blocks::<B>(n as u64, n * k / B::LEN, halves);
        let bytes = device.alloc_from(bytemuck::cast_slice::<B, u8>(&blocks))?;
        let w = QuantMatrix::repack(&stream, B::FORMAT, &bytes, (n, k))?;
        for &batch in batches {
            let x = data::floats(batch as u64 + 5, batch * k);
            let from = device.alloc_from(&x)?;
            let mut to = Activations::new(&stream, batch, k)?;
            quantize_activations(&stream, &mut to, &from)?;
            let mut y = device.alloc_zeros::<f32>(batch * n)?;
            gemv(&stream, &mut y, &to, &w)?;
            let y = y.to_host(&device)?;
            for (vector, got) in x.chunks(k).zip(y.chunks(n)) {
                let x = quantized(vector);
                for (row, (got, (want, size))) in got.iter().zip(products(&blocks, &x)).enumerate()
                {
                    let error = (f64::from(*got) - want).abs();
                    let name = B::FORMAT;
                    assert!(error <= 1e-5 * size, "{name} {n}x{k} {batch}: {row}: {got}, {want}");
                }
            }
        }
    }
    Ok(())
}

/// Less than a tile of rows and of columns; several panels for a warp; several tiles for a block.
const SMALL: &[(usize, usize)] = &[(1, 256), (17, 512), (70, 1280)];
const LONG: &[(usize, usize)] = &[(33, 4864)];
/// A group for a block of 18 warps, beside which multiprocessors are idle.
const ALONE: &[(usize, usize)] = &[(9, 4608)];
const BATCHES: &[usize] = &[1, 2, 3, 8];

macro_rules! formats {
    ($($test:ident, $block:ident, $halves:expr;)*) => {$(
        #[test]
        fn $test() -> Result<()> {
            check::<$block>($halves, SMALL, BATCHES)?;
            check::<$block>($halves, LONG, &[1])?;
            check::<$block>($halves, ALONE, &[1, 2])?;
            check_unpacked::<$block>($halves, (37, 512))
        }
    )*};
}

formats! {
    q4_0_is_multiplied, BlockQ4_0, &[0];
    q4_1_is_multiplied, BlockQ4_1, &[0, 2];
    q5_0_is_multiplied, BlockQ5_0, &[0];
    q5_1_is_multiplied, BlockQ5_1, &[0, 2];
    q8_0_is_multiplied, BlockQ8_0, &[0];
    q8_1_is_multiplied, BlockQ8_1, &[0, 2];
    q2_k_is_multiplied, BlockQ2K, &[80, 82];
    q3_k_is_multiplied, BlockQ3K, &[108];
    q4_k_is_multiplied, BlockQ4K, &[0, 2];
    q5_k_is_multiplied, BlockQ5K, &[0, 2];
    q6_k_is_multiplied, BlockQ6K, &[208];
    q8_k_is_multiplied, BlockQ8K, &[];
}

#[test]
fn rows_need_not_be_whole_panels() -> Result<()> {
    check::<BlockQ8_0>(&[0], &[(20, 32), (20, 288)], &[1, 4])
}

#[test]
fn golden_matrices_are_multiplied() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/quant/gemv.safetensors"));
    let file = file.unwrap();
    let (length, rest) = file.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&rest[..length]).unwrap();
    let tensor = |name: &str| {
        let offsets = &header[name]["data_offsets"];
        let [begin, end] = [0, 1].map(|i| offsets[i].as_u64().unwrap() as usize);
        &rest[length..][begin..end]
    };
    let floats = |bytes: &[u8]| bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
    let x: Vec<f32> = floats(tensor("17x1024.x"));
    let (n, k) = (17, 1024);
    let from = device.alloc_from(&x)?;
    let mut vectors = Activations::new(&stream, 1, k)?;
    quantize_activations(&stream, &mut vectors, &from)?;
    for format in ["q4_0", "q5_0", "q8_0", "q2_K", "q3_K", "q4_K", "q5_K", "q6_K"] {
        let blocks = device.alloc_from(tensor(&format!("17x1024.{format}.w")))?;
        let w = QuantMatrix::repack(&stream, format.parse().unwrap(), &blocks, (n, k))?;
        let mut y = device.alloc_zeros::<f32>(n)?;
        gemv(&stream, &mut y, &vectors, &w)?;
        let want = tensor(&format!("17x1024.{format}.y_q8_1_f64"));
        let want: Vec<f64> = want.chunks_exact(8).map(bytemuck::pod_read_unaligned).collect();
        let most = want.iter().fold(0.0f64, |most, y| most.max(y.abs()));
        for (got, want) in y.to_host(&device)?.iter().zip(&want) {
            assert!((f64::from(*got) - want).abs() <= 1e-5 * most, "{format}: {got}, {want}");
        }
    }
    Ok(())
}

#[test]
fn results_are_the_same_in_every_run() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (n, k) = (300, 1536);
    let blocks = blocks::<BlockQ4K>(3, n * k / 256, &[0, 2]);
    let bytes = device.alloc_from(bytemuck::cast_slice::<BlockQ4K, u8>(&blocks))?;
    let w = QuantMatrix::repack(&stream, BlockQ4K::FORMAT, &bytes, (n, k))?;
    let x = device.alloc_from(&data::floats(1, 3 * k))?;
    let mut vectors = Activations::new(&stream, 3, k)?;
    quantize_activations(&stream, &mut vectors, &x)?;
    let run = || -> Result<Vec<u32>> {
        let mut y = device.alloc_zeros::<f32>(3 * n)?;
        gemv(&stream, &mut y, &vectors, &w)?;
        Ok(y.to_host(&device)?.iter().map(|y| y.to_bits()).collect())
    };
    let first = run()?;
    assert!((0..3).all(|_| run().unwrap() == first));
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let blocks = device.alloc_zeros::<u8>(144)?;
    let repack = |format, shape| QuantMatrix::repack(&stream, format, &blocks, shape).unwrap_err();
    let error = repack(Format::Q4K, (1, 200));
    assert!(matches!(error, Error::Blocks { n: 1, k: 200, len: 256, .. }), "{error}");
    let error = repack(Format::Q4K, (2, 256));
    assert!(matches!(error, Error::Shape { what: "blocks", want: 288, got: 144 }), "{error}");
    for vectors in [0, 9] {
        let error = Activations::new(&stream, vectors, 256).unwrap_err();
        assert!(matches!(error, Error::Vectors { got } if got == vectors), "{error}");
    }
    let w = QuantMatrix::repack(&stream, Format::Q4K, &blocks, (1, 256))?;
    let mut y = device.alloc_zeros::<f32>(1)?;
    let error = gemv(&stream, &mut y, &Activations::new(&stream, 1, 512)?, &w).unwrap_err();
    assert!(matches!(error, Error::Shape { want: 256, got: 512, .. }), "{error}");
    let error = gemv(&stream, &mut y, &Activations::new(&stream, 2, 256)?, &w).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "y", want: 2, got: 1 }), "{error}");
    Ok(())
}
