use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let v: f32;
    y[0] = v;
}

fn main() {}
