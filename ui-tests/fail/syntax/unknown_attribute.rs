use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    #[simd]
    let a = 1.0;
    y[0] = a;
}

fn main() {}
