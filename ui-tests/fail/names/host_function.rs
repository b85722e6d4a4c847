use firesteel::prelude::*;

fn double(v: f32) -> f32 {
    v * 2.0
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[0] = double(y[1]);
}

fn main() {}
