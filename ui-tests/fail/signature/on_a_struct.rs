use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
struct Kernel {
    x: f32,
}

fn main() {}
