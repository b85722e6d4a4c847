use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[u8], y: &mut [u32]) {
    let bits = cast_slice::<bool>(x);
    y[0] = bits.len() as u32;
}

fn main() {}
