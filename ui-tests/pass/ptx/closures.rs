use firesteel::prelude::*;

/// Stores a value after an epilogue.
#[gpu_fn]
fn store(y: &mut [f32], i: u32, v: f32, epilogue: impl Fn(f32, u32) -> f32) {
    y[i] = epilogue(v, i);
}

#[gpu_kernel(block_size = 32, unchecked)]
pub fn kernel(x: &[f32], bias: &[f32], y: &mut [f32], alpha: f32) {
    let i = thread_idx_x();
    store(y, i, x[i], |v, column| v.mul_add(alpha, bias[column]));
}
