use firesteel::prelude::*;

#[gpu_fn]
fn copy((from, to): (&[f32], &mut [f32]), i: u32) {
    to[i] = from[i];
}

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32]) {
    copy(x, 0);
    copy((x, 1.0), 0);
    copy((y, x), 0);
}

fn main() {}
