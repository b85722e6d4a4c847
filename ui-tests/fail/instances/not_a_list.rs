use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(N = 64))]
fn kernel<const N: usize>(y: &mut [f32]) {
    y[thread_idx_x()] = N as f32;
}

fn main() {}
