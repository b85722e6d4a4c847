use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let mut a = 0.0;
    (a, ..) = (y[0], 1u32, 2u32);
    y[1] = a;
}

fn main() {}
