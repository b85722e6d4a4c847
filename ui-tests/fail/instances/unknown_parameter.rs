use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(WIDHT = [64, 128]))]
fn kernel<const WIDTH: usize>(y: &mut [f32]) {
    y[thread_idx_x()] = WIDTH as f32;
}

fn main() {}
