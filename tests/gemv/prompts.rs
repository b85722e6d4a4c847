//! Many vectors times quantised matrices, against sums in `f64` of what the blocks stand for.

use firesteel::half::bf16;
use firesteel::{Device, GpuBuffer};
use firesteel_examples::data;
use firesteel_kernels::gemv::{
    self, QuantMatrix, Routes, Workspace, quant_matmul, quant_matmul_experts,
    quant_matmul_experts_silu_mul, quant_matmul_in, quant_matmul_silu_mul,
};
use firesteel_kernels::quant::{
    Block, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K,
    BlockQ6K, BlockQ8_0, Format,
};
use firesteel_kernels::shape::{Error, Result};

use super::{blocks, products};

/// The largest relative error of a number rounded to `bf16`.
const HALF: f64 = 1.0 / 512.0;

fn upload<B: Block>(device: &Device, blocks: &[B]) -> Result<GpuBuffer<u8>> {
    Ok(device.alloc_from(bytemuck::cast_slice::<B, u8>(blocks))?)
}

fn vectors(seed: u64, len: usize) -> Vec<bf16> {
    data::floats(seed, len).into_iter().map(bf16::from_f32).collect()
}

fn exact(x: &[bf16]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// `got` is the product of a vector and blocks, times `factor`, each weight rounded to `bf16`, and
/// so is the result; sums have errors of `f32`.
fn demand<B: Block>(got: &[bf16], blocks: &[B], x: &[bf16], factor: f64, what: &str) {
    let want = products(blocks, &exact(x));
    assert_eq!(got.len(), want.len());
    for (row, (got, (want, size))) in got.iter().zip(want).enumerate() {
        let (want, size) = (want * factor, size * factor.abs());
        let of_sum = size * (HALF + x.len() as f64 / 8_388_608.0);
        let error = (got.to_f64() - want).abs();
        let most = of_sum + (want.abs() + of_sum) * HALF;
        assert!(error <= most, "{} {what} {row}: {got}, {want}, {most}", B::FORMAT);
    }
}

/// The same of `silu(gate) * up`.
fn demand_pair<B: Block>(got: &[bf16], (gate, up): (&[B], &[B]), x: &[bf16], what: &str) {
    let x = exact(x);
    let part = HALF + x.len() as f64 / 8_388_608.0;
    let all = products(gate, &x).into_iter().zip(products(up, &x));
    for (row, ((gate, of_gate), (up, of_up))) in all.enumerate() {
        let silu = gate / (1.0 + (-gate).exp());
        let want = silu * up;
        // The slope of SiLU is below 1.1.
        let (of_silu, of_up) = (1.1 * of_gate * part, of_up * part);
        let most = of_silu * (up.abs() + of_up) + silu.abs() * of_up;
        let most = most + (want.abs() + most) * HALF * 1.1;
        let error = (got[row].to_f64() - want).abs();
        assert!(error <= most, "{} {what} {row}: {}, {want}, {most}", B::FORMAT, got[row]);
    }
}

fn check<B: Block>(halves: &[usize], (m, n, k): (usize, usize, usize)) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let blocks = blocks::<B>(n as u64, n * k / B::LEN, halves);
    let w = QuantMatrix::repack(&stream, B::FORMAT, &upload(&device, &blocks)?, (n, k))?;
    let x = vectors(m as u64, m * k);
    let of_x = device.alloc_from(&x)?;
    let mut y = device.alloc_zeros::<bf16>(m * n)?;
    quant_matmul(&stream, &mut y, &of_x, &w, m)?;
    let first = y.to_host(&device)?;
    for (vector, (x, got)) in x.chunks(k).zip(first.chunks(n)).enumerate() {
        demand(got, &blocks, x, 1.0, &format!("{m}x{n}x{k} {vector}"));
    }
    // The same bits again, in memory that a product before has used.
    let mut workspace = Workspace::new(&stream, m, k)?;
    for _ in 0..2 {
        let mut y = device.alloc_zeros::<bf16>(m * n)?;
        quant_matmul_in(&stream, &mut workspace, &mut y, &of_x, &w, m)?;
        assert_eq!(y.to_host(&device)?, first, "{} {m}x{n}x{k}", B::FORMAT);
    }
    Ok(())
}

macro_rules! formats {
    ($($test:ident, $block:ident, $halves:expr;)*) => {$(
        #[test]
        fn $test() -> Result<()> {
            // Tiles of each width, not full; several panels for a team; parts of a tile.
            [(9, 40, 512), (33, 70, 1280), (130, 136, 256)]
                .into_iter()
                .try_for_each(|shape| check::<$block>($halves, shape))
        }
    )*};
}

formats! {
    q4_0_of_a_prompt, BlockQ4_0, &[0];
    q4_1_of_a_prompt, BlockQ4_1, &[0, 2];
    q5_0_of_a_prompt, BlockQ5_0, &[0];
    q5_1_of_a_prompt, BlockQ5_1, &[0, 2];
    q8_0_of_a_prompt, BlockQ8_0, &[0];
    q2_k_of_a_prompt, BlockQ2K, &[80, 82];
    q3_k_of_a_prompt, BlockQ3K, &[108];
    q4_k_of_a_prompt, BlockQ4K, &[0, 2];
    q5_k_of_a_prompt, BlockQ5K, &[0, 2];
    q6_k_of_a_prompt, BlockQ6K, &[208];
}

#[test]
fn long_and_ragged_rows_of_a_prompt() -> Result<()> {
    // More panels than there are places for them.
    check::<BlockQ4K>(&[0, 2], (20, 24, 5120))?;
    check::<BlockQ6K>(&[208], (129, 24, 2560))?;
    // Rows that do not end with 64 columns, nor with whole words of a result.
    check::<BlockQ8_0>(&[0], (17, 23, 288))?;
    check::<BlockQ4_0>(&[0], (140, 20, 96))
}

#[test]
fn gate_and_up_of_a_prompt() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for (m, n, k) in [(9, 24, 512), (70, 44, 768), (131, 72, 256)] {
        let [gate, up] = [1, 2].map(|seed| blocks::<BlockQ4K>(seed, n * k / 256, &[0, 2]));
        let (of_gate, of_up) = (upload(&device, &gate)?, upload(&device, &up)?);
        let w = QuantMatrix::repack_pair(&stream, Format::Q4K, &of_gate, &of_up, (n, k))?;
        let x = vectors(3, m * k);
        let of_x = device.alloc_from(&x)?;
        let mut y = device.alloc_zeros::<bf16>(m * n)?;
        let mut workspace = Workspace::new(&stream, m, k)?;
        quant_matmul_silu_mul(&stream, &mut workspace, &mut y, &of_x, &w, m)?;
        for (x, got) in x.chunks(k).zip(y.to_host(&device)?.chunks(n)) {
            demand_pair(got, (&gate, &up), x, "gate and up");
        }
    }
    Ok(())
}

/// Rows of each of 6 experts: of none, of some, of several tiles.
const COUNTS: [usize; 6] = [0, 5, 16, 0, 41, 3];

/// Where they begin, and where the last ones end.
fn offsets() -> Vec<u32> {
    (0..=6).map(|expert| COUNTS[..expert].iter().sum::<usize>() as u32).collect()
}

/// Six experts; rows that are any vectors, one of them none; results in any order, one without a
/// place; factors.
fn check_experts<B: Block>(halves: &[usize], pairs: bool, lists: bool) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (n, k) = (48, 768);
    let of_one = n * k / B::LEN;
    let (gate, up) = (blocks::<B>(1, 6 * of_one, halves), blocks::<B>(2, 6 * of_one, halves));
    let of_gate = upload(&device, &gate)?;
    let w = if pairs {
        let of_up = upload(&device, &up)?;
        QuantMatrix::repack_pair(&stream, B::FORMAT, &of_gate, &of_up, (6 * n, k))?
    } else {
        QuantMatrix::repack(&stream, B::FORMAT, &of_gate, (6 * n, k))?
    };
    let w = w.of_experts(6)?;
    let offsets = offsets();
    let rows = offsets[6] as usize;
    let tokens = if lists { 20 } else { rows };
    let x = vectors(8, tokens * k);
    let mut from: Vec<u32> = (0..rows as u32).map(|row| row * 7 % (3 * tokens as u32)).collect();
    let mut to: Vec<u32> = (0..rows as u32).map(|row| (row * 11 + 4) % rows as u32).collect();
    (from[9], to[12]) = (u32::MAX, rows as u32);
    let factors: Vec<f32> = (0..rows).map(|row| row as f32 * 0.1 - 1.0).collect();
    let (of_x, offsets) = (device.alloc_from(&x)?, device.alloc_from(&offsets)?);
    let (of_from, of_to) = (device.alloc_from(&from)?, device.alloc_from(&to)?);
    let of_factors = device.alloc_from(&factors)?;
    let mut routes = Routes::new(&offsets, rows);
    if lists {
        routes = routes.from(&of_from, 3).to(&of_to).times(&of_factors);
    }
    let mut y = device.alloc_from(&vec![bf16::from_f32(77.0); rows * n])?;
    let mut workspace = Workspace::for_experts(&stream, rows, 6, k)?;
    if pairs {
        quant_matmul_experts_silu_mul(&stream, &mut workspace, &mut y, &of_x, &w, routes)?;
    } else {
        quant_matmul_experts(&stream, &mut workspace, &mut y, &of_x, &w, routes)?;
    }
    let y = y.to_host(&device)?;
    let experts = COUNTS.iter().enumerate().flat_map(|(at, count)| [at].repeat(*count));
    for (row, expert) in experts.enumerate() {
        let what = format!("row {row} of expert {expert}");
        let place = if lists { to[row] as usize } else { row };
        let Some(got) = y.chunks(n).nth(place) else { continue };
        let vector = if lists { from[row] as usize / 3 } else { row };
        let none = vec![bf16::ZERO; k];
        let x = x.chunks(k).nth(vector).unwrap_or(&none);
        let part = |all: &[B]| all[expert * of_one..][..of_one].to_vec();
        if pairs {
            demand_pair(got, (&part(&gate), &part(&up)), x, &what);
        } else {
            let factor = if lists { f64::from(factors[row]) } else { 1.0 };
            demand(got, &part(&gate), x, factor, &what);
        }
    }
    // No row has this place.
    let left = (0..rows).find(|place| lists && !to.contains(&(*place as u32)));
    if let Some(left) = left {
        assert!(y[left * n..][..n].iter().all(|y| y.to_f32() == 77.0));
    }
    Ok(())
}

#[test]
fn experts_of_a_prompt() -> Result<()> {
    check_experts::<BlockQ4K>(&[0, 2], false, false)?;
    check_experts::<BlockQ6K>(&[208], false, true)
}

#[test]
fn gate_and_up_of_experts_of_a_prompt() -> Result<()> {
    check_experts::<BlockQ8_0>(&[0], true, false)
}

#[test]
fn what_does_not_fit_a_prompt_is_an_error() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let blocks = device.alloc_zeros::<u8>(16 * 144)?;
    let w = || QuantMatrix::repack(&stream, Format::Q4K, &blocks, (16, 256));
    let pair = QuantMatrix::repack_pair(&stream, Format::Q4K, &blocks, &blocks, (16, 256))?;
    let mut workspace = Workspace::new(&stream, 2, 256)?;
    let x = device.alloc_zeros::<bf16>(512)?;
    let mut y = device.alloc_from(&[bf16::ONE; 32])?;
    let layout = |what: &str, result: Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Layout { what: it, .. } if it == what), "{error}");
    };
    let space = &mut workspace;
    layout("quant_matmul_in", quant_matmul_in(&stream, space, &mut y, &x, &pair, 2));
    let plain = quant_matmul_silu_mul(&stream, space, &mut y, &x, &w()?, 2);
    layout("quant_matmul_silu_mul", plain);
    layout("quant_matmul", gemv::quant_matmul(&stream, &mut y, &x, &pair, 2));
    let error = quant_matmul_in(&stream, space, &mut y, &x, &w()?, 3).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "x", want: 768, got: 512 }), "{error}");
    let offsets = device.alloc_zeros::<u32>(3)?;
    let routes = Routes::new(&offsets, 2);
    let error = quant_matmul_experts(&stream, space, &mut y, &x, &w()?, routes).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "offsets", want: 2, got: 3 }), "{error}");
    let offsets = device.alloc_from(&[0u32, 2])?;
    let routes = Routes::new(&offsets, 2);
    let error = quant_matmul_experts(&stream, space, &mut y, &x, &w()?, routes).unwrap_err();
    let what = "words of the workspace";
    assert!(matches!(error, Error::Short { what: it, .. } if it == what), "{error}");
    let none = device.alloc_zeros::<f32>(1)?;
    let routes = routes.times(&none);
    let error = quant_matmul_experts(&stream, space, &mut y, &x, &w()?, routes).unwrap_err();
    let what = "factors of the routes";
    assert!(matches!(error, Error::Shape { what: it, want: 2, got: 1 } if it == what), "{error}");
    assert_eq!(y.to_host(&device)?, [bf16::ONE; 32]);
    Ok(())
}
