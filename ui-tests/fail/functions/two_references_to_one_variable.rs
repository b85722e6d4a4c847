use firesteel::prelude::*;

#[gpu_fn]
fn swap(a: &mut f32, b: &mut f32) {
    let old = *a;
    *a = *b;
    *b = old;
}

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let mut sum = 1.0;
    swap(&mut sum, &mut sum);
    y[0] = sum;
}

fn main() {}
