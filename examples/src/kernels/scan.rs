//! Running sums within each block: a scan of each warp by shuffles, then one of the warps' totals.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `out[i] = x[256 b] + … + x[i]` for each `i < n` in block `b`, wrapping.
#[gpu_kernel(block_size = 256)]
pub fn scan(x: &[u32], out: &mut [u32], n: u32) {
    let totals = shared_mem![u32; 8];
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    let mut sum = if i < n { x[i] } else { 0 };
    for step in 0..5 {
        let below = shfl_sync_up(sum, 1 << step, 32);
        if lane_id() >= 1 << step {
            sum += below;
        }
    }
    if lane_id() == 31 {
        totals[warp_id()] = sum;
    }
    bar_sync();
    for warp in 0..8 {
        if warp < warp_id() {
            sum += totals[warp];
        }
    }
    if i < n {
        out[i] = sum;
    }
}

/// Runs the kernel and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let n = 100_001;
    let x = data::words(19, n);
    let running = |chunk: &[u32]| {
        let step = |sum: &mut u32, x: &u32| {
            *sum = sum.wrapping_add(*x);
            Some(*sum)
        };
        chunk.iter().scan(0, step).collect::<Vec<u32>>()
    };
    let want: Vec<u32> = x.chunks(256).flat_map(running).collect();
    let x = device.alloc_from(&x)?;
    let mut out = device.alloc_zeros::<u32>(n)?;
    scan::launch(device, &x, &mut out, n as u32)?;
    Ok(Outcome::equal(&out.to_host(device)?, &want))
}
