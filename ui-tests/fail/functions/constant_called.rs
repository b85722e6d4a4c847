use firesteel::prelude::*;

#[gpu_const]
const SIZE: usize = 4;

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [usize]) {
    y[0] = SIZE();
}

fn main() {}
