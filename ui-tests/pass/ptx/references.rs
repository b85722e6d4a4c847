//! Parameters that are references to registers.

use firesteel::prelude::*;

#[gpu_fn]
fn scale(values: &mut [f32; 2], by: &f32) {
    for i in 0..2 {
        double(&mut values[i], *by);
    }
}

#[gpu_fn]
fn double(value: &mut f32, by: f32) {
    *value *= by;
    *value += *value;
}

#[gpu_kernel(block_size = 128)]
pub fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_idx_x();
    if i < n {
        let mut values = [x[i], 1.0];
        scale(&mut values, &x[0]);
        y[i] = values[0] - values[1];
        double(&mut y[i], 2.0);
    }
}
