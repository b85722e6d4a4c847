//! Products that do more than one matrix and nothing else: fused ones, and those of experts.

use firesteel::{Device, GpuBuffer};
use firesteel_examples::data;
use firesteel_kernels::gemv::{
    self, Activations, Epilogue, QuantMatrix, gemv, gemv_experts, gemv_experts_silu_mul,
    gemv_silu_mul, gemv_with, quantize_activations,
};
use firesteel_kernels::quant::{
    Block, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K,
    BlockQ6K, BlockQ8_0, Format,
};
use firesteel_kernels::shape::{Error, Result};

use super::{blocks, products, quantized};

/// The bytes of blocks on the device.
fn upload<B: Block>(device: &Device, blocks: &[B]) -> Result<GpuBuffer<u8>> {
    Ok(device.alloc_from(bytemuck::cast_slice::<B, u8>(blocks))?)
}

/// Vectors quantised, together or apart.
fn vectors(device: &Device, x: &[f32], k: usize, apart: bool) -> Result<Activations> {
    let stream = device.stream();
    let make = if apart { Activations::apart } else { Activations::new };
    let mut to = make(&stream, x.len() / k, k)?;
    quantize_activations(&stream, &mut to, &device.alloc_from(x)?)?;
    Ok(to)
}

/// `got` is the product of a vector and blocks, or `silu(gate) * up` of it and both.
fn demand<B: Block>(got: &[f32], gate: &[B], up: Option<&[B]>, x: &[f32], what: &str) {
    let x = quantized(x);
    let gates = products(gate, &x);
    let ups = up.map(|up| products(up, &x));
    assert_eq!(got.len(), gates.len());
    for (row, (&got, &(gate, size))) in got.iter().zip(&gates).enumerate() {
        let mut want = gate;
        let mut most = 1e-5 * size;
        if let Some(ups) = &ups {
            let (up, size) = ups[row];
            let silu = gate / (1.0 + (-gate).exp());
            want = silu * up;
            let of_up = 1e-5 * size;
            // The slope of SiLU is below 1.1; the exponential is within 2 units in the last place,
            // and a rounding of its argument, as is the quotient.
            most = 1.1 * most * (up.abs() + of_up) + silu.abs() * of_up;
            most += (gate.abs() + 8.0) * f64::from(f32::EPSILON) * want.abs();
        }
        let error = (f64::from(got) - want).abs();
        assert!(error <= most, "{} {what} {row}: {got}, {want}", B::FORMAT);
    }
}

#[test]
fn bias_and_residual_are_added_to_sums() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (n, k) = (70, 1280);
    let blocks = blocks::<BlockQ4K>(2, n * k / 256, &[0, 2]);
    let w = QuantMatrix::repack(&stream, Format::Q4K, &upload(&device, &blocks)?, (n, k))?;
    let bias = data::floats(7, n);
    let of_bias = device.alloc_from(&bias)?;
    for batch in [1, 2, 3, 8] {
        let x = vectors(&device, &data::floats(3, batch * k), k, false)?;
        let mut y = device.alloc_zeros::<f32>(batch * n)?;
        gemv(&stream, &mut y, &x, &w)?;
        let plain = y.to_host(&device)?;
        let old = data::floats(9, batch * n);
        for (with_bias, add) in [(true, false), (false, true), (true, true)] {
            let mut y = device.alloc_from(&old)?;
            let mut epilogue = Epilogue::new();
            if with_bias {
                epilogue = epilogue.bias(&of_bias);
            }
            if add {
                epilogue = epilogue.add();
            }
            gemv_with(&stream, &mut y, &x, &w, epilogue)?;
            let want = plain.iter().zip(&old).enumerate().map(|(at, (plain, old))| {
                let sum = if with_bias { plain + bias[at % n] } else { *plain };
                if add { sum + old } else { sum }
            });
            assert_eq!(y.to_host(&device)?, want.collect::<Vec<_>>(), "{with_bias} {add} {batch}");
        }
    }
    Ok(())
}

fn check_pair<B: Block>(halves: &[usize]) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    for (n, k) in [(8, 256), (37, 768)] {
        let gate = blocks::<B>(1, n * k / B::LEN, halves);
        let up = blocks::<B>(2, n * k / B::LEN, halves);
        let (of_gate, of_up) = (upload(&device, &gate)?, upload(&device, &up)?);
        let w = QuantMatrix::repack_pair(&stream, B::FORMAT, &of_gate, &of_up, (n, k))?;
        for batch in [1, 2, 3, 8] {
            let x = data::floats(batch as u64, batch * k);
            let to = vectors(&device, &x, k, false)?;
            let mut y = device.alloc_zeros::<f32>(batch * n)?;
            gemv_silu_mul(&stream, &mut y, &to, &w)?;
            for (x, y) in x.chunks(k).zip(y.to_host(&device)?.chunks(n)) {
                demand(y, &gate, Some(&up), x, &format!("{n}x{k} {batch}"));
            }
        }
    }
    Ok(())
}

#[test]
fn gate_and_up_are_multiplied_in_one_launch() -> Result<()> {
    check_pair::<BlockQ4_0>(&[0])?;
    check_pair::<BlockQ4_1>(&[0, 2])?;
    check_pair::<BlockQ5_0>(&[0])?;
    check_pair::<BlockQ5_1>(&[0, 2])?;
    check_pair::<BlockQ8_0>(&[0])
}

#[test]
fn gate_and_up_of_super_blocks_are_multiplied_in_one_launch() -> Result<()> {
    check_pair::<BlockQ2K>(&[80, 82])?;
    check_pair::<BlockQ3K>(&[108])?;
    check_pair::<BlockQ4K>(&[0, 2])?;
    check_pair::<BlockQ5K>(&[0, 2])?;
    check_pair::<BlockQ6K>(&[208])
}

#[test]
fn matrices_are_stacked() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (k, rows) = (512, [32, 16, 21]);
    let all = blocks::<BlockQ6K>(4, rows.iter().sum::<usize>() * k / 256, &[208]);
    let mut rest = &all[..];
    let mut parts = Vec::new();
    for rows in rows {
        let (part, others) = rest.split_at(rows * k / 256);
        parts.push((upload(&device, part)?, rows));
        rest = others;
    }
    let parts: Vec<_> = parts.iter().map(|(blocks, rows)| (blocks, *rows)).collect();
    let w = QuantMatrix::stack(&stream, Format::Q6K, &parts, k)?;
    assert_eq!(w.shape(), (69, k));
    let x = data::floats(1, 2 * k);
    let to = vectors(&device, &x, k, false)?;
    let mut y = device.alloc_zeros::<f32>(2 * 69)?;
    gemv(&stream, &mut y, &to, &w)?;
    for (x, y) in x.chunks(k).zip(y.to_host(&device)?.chunks(69)) {
        demand(y, &all, None, x, "stacked");
    }
    Ok(())
}

/// Three vectors with two experts each, of five; without an index that is none, and with two.
const CHOSEN: [[u32; 6]; 2] = [[4, 0, 2, 2, 1, 3], [4, 5, 2, u32::MAX, 1, 3]];

fn check_experts<B: Block>(halves: &[usize], pairs: bool) -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let (n, k) = (48, 768);
    let of_one = n * k / B::LEN;
    let gate = blocks::<B>(1, 5 * of_one, halves);
    let up = blocks::<B>(2, 5 * of_one, halves);
    let (of_gate, of_up) = (upload(&device, &gate)?, upload(&device, &up)?);
    let w = if pairs {
        QuantMatrix::repack_pair(&stream, B::FORMAT, &of_gate, &of_up, (5 * n, k))?
    } else {
        QuantMatrix::repack(&stream, B::FORMAT, &of_gate, (5 * n, k))?
    };
    let w = w.of_experts(5)?;
    let x = data::floats(8, 3 * k);
    let to = vectors(&device, &x, k, true)?;
    for chosen in CHOSEN {
        let experts = device.alloc_from(&chosen)?;
        let mut y = device.alloc_zeros::<f32>(6 * n)?;
        if pairs {
            gemv_experts_silu_mul(&stream, &mut y, &to, &w, &experts, 2)?;
        } else {
            gemv_experts(&stream, &mut y, &to, &w, &experts, 2)?;
        }
        for (pair, got) in y.to_host(&device)?.chunks(n).enumerate() {
            let expert = chosen[pair] as usize;
            if expert >= 5 {
                assert!(got.iter().all(|y| y.is_nan()), "{} {pair}: {got:?}", B::FORMAT);
                continue;
            }
            let part = |all: &[B]| -> Vec<B> { all[expert * of_one..][..of_one].to_vec() };
            let up = pairs.then(|| part(&up));
            let x = &x[pair / 2 * k..][..k];
            demand(got, &part(&gate), up.as_deref(), x, &format!("pair {pair}"));
        }
    }
    Ok(())
}

#[test]
fn experts_are_chosen_by_index() -> Result<()> {
    check_experts::<BlockQ8_0>(&[0], false)?;
    check_experts::<BlockQ4K>(&[0, 2], false)?;
    check_experts::<BlockQ6K>(&[208], false)
}

#[test]
fn experts_have_gate_and_up() -> Result<()> {
    check_experts::<BlockQ4_0>(&[0], true)?;
    check_experts::<BlockQ2K>(&[80, 82], true)
}

#[test]
fn matrices_for_another_product_are_errors() -> Result<()> {
    let device = crate::device();
    let stream = device.stream();
    let blocks = device.alloc_zeros::<u8>(16 * 144)?;
    let w = || QuantMatrix::repack(&stream, Format::Q4K, &blocks, (16, 256));
    let pair = QuantMatrix::repack_pair(&stream, Format::Q4K, &blocks, &blocks, (16, 256))?;
    let mut y = device.alloc_from(&[3.0f32; 16])?;
    let x = Activations::new(&stream, 1, 256)?;
    let layout = |what: &str, result: Result<()>| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Layout { what: it, .. } if it == what), "{error}");
    };
    layout("gemv", gemv(&stream, &mut y, &x, &pair));
    layout("gemv_silu_mul", gemv_silu_mul(&stream, &mut y, &x, &w()?));
    let mut half = device.alloc_zeros::<firesteel::half::f16>(16 * 256)?;
    layout("dequantize", gemv::dequantize(&stream, &mut half, &pair));
    let apart = Activations::apart(&stream, 2, 256)?;
    layout("gemv", gemv(&stream, &mut y, &apart, &w()?));
    let experts = device.alloc_zeros::<u32>(2)?;
    let together = Activations::new(&stream, 2, 256)?;
    layout("gemv_experts", gemv_experts(&stream, &mut y, &together, &w()?, &experts, 1));
    layout("gemv_experts", gemv_experts(&stream, &mut y, &apart, &w()?, &experts, 0));
    layout("gemv_experts", gemv_experts(&stream, &mut y, &apart, &pair, &experts, 1));
    let error = gemv_experts(&stream, &mut y, &apart, &w()?, &experts, 2).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "experts", want: 4, got: 2 }), "{error}");
    let error = gemv_experts(&stream, &mut y, &apart, &w()?, &experts, 1).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "y", want: 32, got: 16 }), "{error}");
    for experts in [0, 2, 3, usize::MAX] {
        let error = w()?.of_experts(experts).unwrap_err();
        assert!(matches!(error, Error::Experts { rows: 16, multiple: 16, .. }), "{error}");
    }
    let parts = [(&blocks, 8), (&blocks, 16)];
    let error = QuantMatrix::stack(&stream, Format::Q4K, &parts, 256).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "blocks", want: 1152, .. }), "{error}");
    let short = device.alloc_zeros::<u8>(8 * 144)?;
    let parts = [(&short, 8), (&blocks, 16)];
    let error = QuantMatrix::stack(&stream, Format::Q4K, &parts, 256).unwrap_err();
    assert!(matches!(error, Error::Rows { multiple: 16, got: 8, .. }), "{error}");
    let error = QuantMatrix::stack(&stream, Format::Q4K, &[], 256).unwrap_err();
    assert!(matches!(error, Error::Blocks { n: 0, .. }), "{error}");
    let pair = QuantMatrix::repack_pair(&stream, Format::Q4K, &blocks, &short, (16, 256));
    let error = pair.unwrap_err();
    assert!(matches!(error, Error::Shape { what: "up", want: 2304, got: 1152 }), "{error}");
    let bias = device.alloc_zeros::<f32>(15)?;
    let error = gemv_with(&stream, &mut y, &x, &w()?, Epilogue::new().bias(&bias)).unwrap_err();
    assert!(matches!(error, Error::Shape { what: "bias", want: 16, got: 15 }), "{error}");
    assert_eq!(y.to_host(&device)?, [3.0; 16]);
    Ok(())
}
