use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[u8], y: &mut [u32]) {
    y[0] = cast_slice::<u32>(x)[0];
}

fn main() {}
