use firesteel::prelude::*;

const GROUP: u32 = 8;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    y[GROUP] = 0.0;
}

fn main() {}
