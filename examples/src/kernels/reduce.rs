//! The sum of an array: each block reduces its part, the host adds the parts.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `partial[b]` is the sum of the elements `i < n` with `i / 256 % gridDim == b`.
#[gpu_kernel(block_size = 256)]
pub fn reduce(x: &[f32], partial: &mut [f32], n: u32) {
    let mut sum = 0.0;
    let mut i = thread_idx_x() + block_idx_x() * block_dim_x();
    while i < n {
        sum += x[i];
        i += block_dim_x() * grid_dim_x();
    }
    let sum = block_reduce_sum(sum);
    if thread_idx_x() == 0 {
        partial[block_idx_x()] = sum;
    }
}

/// Runs the kernel on 32 blocks, and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n, blocks) = (1_000_003, 32);
    let x = data::floats(14, n);
    let mut want = vec![0.0; blocks];
    for (i, x) in x.iter().enumerate() {
        want[i / 256 % blocks] += f64::from(*x);
    }
    let x = device.alloc_from(&x)?;
    let mut partial = device.alloc_zeros::<f32>(blocks)?;
    let config = LaunchConfig::new([blocks as u32, 1, 1]);
    reduce::launch_on(&device.stream(), config, &x, &mut partial, n as u32)?;
    // 123 additions a thread, of partial sums below 32, then 8 levels of sums below 512.
    let allowed = (123.0 * 32.0 * 256.0_f64.sqrt() + 8.0 * 512.0) * f64::from(f32::EPSILON) / 2.0;
    Ok(Outcome::close(&partial.to_host(device)?, &want, allowed))
}
