use firesteel::prelude::*;

#[gpu_fn]
fn copy(slices: (&[f32], &mut [f32]), i: u32) {
    slices.1[i] = slices.0[i];
}

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32]) {
    copy((x, y), 0);
}

fn main() {}
