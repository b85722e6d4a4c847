use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[u8], y: &mut [u32]) {
    let words = cast_slice::<u32>(x);
    words[0] = y[0];
}

fn main() {}
