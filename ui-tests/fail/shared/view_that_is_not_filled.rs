use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[u8], y: &mut [u32]) {
    let bytes = shared_mem![u8; 30];
    let words = cast_slice::<u32>(bytes);
    y[0] = words[x[0] as u32];
}

fn main() {}
