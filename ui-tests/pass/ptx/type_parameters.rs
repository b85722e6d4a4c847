use firesteel::prelude::*;

/// Accumulates in `f32`, whatever the type.
#[gpu_fn]
fn dot<const N: usize, T: Float>(a: [T; N], b: [T; N]) -> T {
    let mut sum = 0.0;
    for i in 0..N {
        sum = a[i].to_f32().mul_add(b[i].to_f32(), sum);
    }
    T::from_f32(sum)
}

#[gpu_kernel(block_size = 32)]
pub fn kernel(x: &[f16], y: &mut [f16]) {
    let i = thread_idx_x();
    y[i] = dot([x[i], f16::ONE], [f16::ONE, x[i]]);
}
