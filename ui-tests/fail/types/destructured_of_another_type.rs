use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let (mut a, mut b) = (0u32, 0.0f32);
    (b, a) = (a, b);
    y[a] = b;
}

fn main() {}
