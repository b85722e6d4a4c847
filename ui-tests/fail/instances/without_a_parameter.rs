use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(M = [64, 128]))]
fn kernel<const M: usize, const N: usize>(y: &mut [f32]) {
    y[thread_idx_x()] = (M * N) as f32;
}

fn main() {}
