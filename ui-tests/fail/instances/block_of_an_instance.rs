use firesteel::prelude::*;

#[gpu_kernel(block_size = N * 32, instances(N = [8, 64]))]
fn kernel<const N: u32>(y: &mut [f32]) {
    y[thread_idx_x()] = N as f32;
}

fn main() {}
