use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(N = [64, 2000]))]
fn kernel<const N: usize>(y: &mut [f32]) {
    let tile = shared_mem![f32; N * 64];
    tile[thread_idx_x()] = 1.0;
    bar_sync();
    y[thread_idx_x()] = tile[0];
}

fn main() {}
