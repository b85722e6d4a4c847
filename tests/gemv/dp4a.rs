//! The path of machines before sm_90, on the simulator of one: the products of the other path, of the
//! same panels and vectors.

use firesteel::{Device, SimOptions};
use firesteel_examples::data;
use firesteel_kernels::gemv::{
    Activations, Epilogue, QuantMatrix, gemv, gemv_experts_silu_mul, gemv_with,
    quantize_activations,
};
use firesteel_kernels::quant::{
    Block, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K,
    BlockQ6K, BlockQ8_0, BlockQ8_1, BlockQ8K,
};
use firesteel_kernels::shape::Result;

use super::{blocks, products, quantized};

/// A machine without the other path.
fn old() -> Device {
    Device::sim_with(SimOptions { sm: 70, ..SimOptions::default() })
}

/// The product of a device: `bias + x wᵀ` added to what `y` held.
fn product<B: Block>(device: &Device, w: &[B], x: &[f32], k: usize) -> Result<Vec<f32>> {
    let stream = device.stream();
    let (n, batch) = (w.len() * B::LEN / k, x.len() / k);
    let bytes = device.alloc_from(bytemuck::cast_slice::<B, u8>(w))?;
    let w = QuantMatrix::repack(&stream, B::FORMAT, &bytes, (n, k))?;
    let mut vectors = Activations::new(&stream, batch, k)?;
    quantize_activations(&stream, &mut vectors, &device.alloc_from(x)?)?;
    let mut y = device.alloc_from(&data::floats(3, batch * n))?;
    let bias = device.alloc_from(&data::floats(4, n))?;
    gemv_with(&stream, &mut y, &vectors, &w, Epilogue::new().bias(&bias).add())?;
    Ok(y.to_host(device)?)
}

fn check<B: Block>(halves: &[usize]) -> Result<()> {
    let (n, k) = (37, 768);
    let w = blocks::<B>(5, n * k / B::LEN, halves);
    for batch in [1, 2, 3, 8] {
        let x = data::floats(batch as u64, batch * k);
        let want = product(&crate::device(), &w, &x, k)?;
        let sizes = x.chunks(k).flat_map(|x| products(&w, &quantized(x)));
        let sizes: Vec<f64> = sizes.map(|(_, size)| size).collect();
        let got = product(&old(), &w, &x, k)?;
        for (at, (got, want)) in got.iter().zip(&want).enumerate() {
            let error = f64::from((got - want).abs());
            // Rounding of the sums with the bias and with what `y` held, in both.
            let most = 1e-6 * sizes[at] + 1e-6;
            assert!(error <= most, "{} {batch} {at}: {got}, {want}", B::FORMAT);
        }
    }
    Ok(())
}

#[test]
fn blocks_of_32_are_multiplied_by_dp4a() -> Result<()> {
    check::<BlockQ4_0>(&[0])?;
    check::<BlockQ4_1>(&[0, 2])?;
    check::<BlockQ5_0>(&[0])?;
    check::<BlockQ5_1>(&[0, 2])?;
    check::<BlockQ8_0>(&[0])?;
    check::<BlockQ8_1>(&[0, 2])
}

#[test]
fn super_blocks_are_multiplied_by_dp4a() -> Result<()> {
    check::<BlockQ2K>(&[80, 82])?;
    check::<BlockQ3K>(&[108])?;
    check::<BlockQ4K>(&[0, 2])?;
    check::<BlockQ5K>(&[0, 2])?;
    check::<BlockQ6K>(&[208])?;
    check::<BlockQ8K>(&[])
}

/// `silu(gate) * up` of two experts of three, and of one that there is not.
fn experts(device: &Device) -> Result<Vec<f32>> {
    let stream = device.stream();
    let (n, k) = (24, 512);
    let part = |seed| {
        let blocks = blocks::<BlockQ6K>(seed, 3 * n * k / 256, &[208]);
        device.alloc_from(bytemuck::cast_slice::<BlockQ6K, u8>(&blocks))
    };
    let (gate, up) = (part(1)?, part(2)?);
    let w = QuantMatrix::repack_pair(&stream, BlockQ6K::FORMAT, &gate, &up, (3 * n, k))?;
    let w = w.of_experts(3)?;
    let mut vectors = Activations::apart(&stream, 1, k)?;
    let x: Vec<f32> = data::floats(6, k).iter().map(|x| x * 0.05).collect();
    quantize_activations(&stream, &mut vectors, &device.alloc_from(&x)?)?;
    let chosen = device.alloc_from(&[2u32, 3, 0])?;
    let mut y = device.alloc_zeros::<f32>(3 * n)?;
    gemv_experts_silu_mul(&stream, &mut y, &vectors, &w, &chosen, 3)?;
    Ok(y.to_host(device)?)
}

#[test]
fn experts_are_multiplied_by_dp4a() -> Result<()> {
    let want = experts(&crate::device())?;
    let most = want.iter().filter(|y| !y.is_nan()).fold(0.0f32, |most, y| most.max(y.abs()));
    assert!(most > 0.0);
    for (at, (got, want)) in experts(&old())?.iter().zip(&want).enumerate() {
        assert_eq!(want.is_nan(), (24..48).contains(&at));
        let same = got.is_nan() && want.is_nan() || (got - want).abs() <= 1e-5 * most;
        assert!(same, "{at}: {got}, {want}");
    }
    Ok(())
}

#[test]
fn results_of_dp4a_are_the_same_in_every_run() -> Result<()> {
    let device = old();
    let stream = device.stream();
    let (n, k) = (20, 4352);
    let w = blocks::<BlockQ5K>(3, n * k / 256, &[0, 2]);
    let bytes = device.alloc_from(bytemuck::cast_slice::<BlockQ5K, u8>(&w))?;
    let w = QuantMatrix::repack(&stream, BlockQ5K::FORMAT, &bytes, (n, k))?;
    let mut vectors = Activations::new(&stream, 1, k)?;
    quantize_activations(&stream, &mut vectors, &device.alloc_from(&data::floats(1, k))?)?;
    let run = || -> Result<Vec<u32>> {
        let mut y = device.alloc_zeros::<f32>(n)?;
        gemv(&stream, &mut y, &vectors, &w)?;
        Ok(y.to_host(&device)?.iter().map(|y| y.to_bits()).collect())
    };
    let first = run()?;
    assert!((0..3).all(|_| run().unwrap() == first));
    Ok(())
}
