//! Counts of byte values: atomics in shared memory first, one global atomic a bin and block.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// Adds the number of bytes of each value among the first `n` to the 256 `counts`.
#[gpu_kernel(block_size = 256)]
pub fn histogram(bytes: &[u8], counts: &mut [u32], n: u32) {
    let bins = shared_mem![u32; 256];
    let tid = thread_idx_x();
    bins[tid] = 0;
    bar_sync();
    let mut i = tid + block_idx_x() * block_dim_x();
    while i < n {
        atomic_add(&mut bins[bytes[i]], 1);
        i += block_dim_x() * grid_dim_x();
    }
    bar_sync();
    atomic_add(&mut counts[tid], bins[tid]);
}

/// Runs the kernel on 16 blocks, and its reference.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let n = 300_000;
    let bytes: Vec<u8> = data::words(15, n).into_iter().map(|word| (word >> 24) as u8 & 0xAF).collect();
    let mut want = vec![0_u32; 256];
    for byte in &bytes {
        want[usize::from(*byte)] += 1;
    }
    let bytes = device.alloc_from(&bytes)?;
    let mut counts = device.alloc_zeros::<u32>(256)?;
    let config = LaunchConfig::new([16, 1, 1]);
    histogram::launch_on(&device.stream(), config, &bytes, &mut counts, n as u32)?;
    Ok(Outcome::equal(&counts.to_host(device)?, &want))
}
