use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel<const N: usize>(y: &mut [f32]) {
    y[thread_idx_x()] = 0.0;
}

fn main() {
    let _ = kernel::kernel::<4>();
}
