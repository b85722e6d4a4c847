use firesteel::prelude::*;

#[gpu_fn]
fn softplus<T: Number>(x: T) -> T {
    (x.exp() + T::ONE).ln()
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = softplus(y[1]);
}

fn main() {}
