use firesteel::prelude::*;

/// The branch that is not taken may be out of bounds.
#[gpu_fn]
fn last<const N: usize>(x: [f32; N]) -> f32 {
    if N == 4 { x[3] } else { x[1] }
}

#[gpu_kernel(block_size = 32)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = thread_idx_x();
    y[i] = last([x[i], 1.0]) * last::<4>([2.0, 3.0, 4.0, x[i]]);
}
