use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(x: &[bf16], y: &mut [bf16]) {
    let pair = load_vec2(x, 0);
    y[0] = pair.x;
}

fn main() {}
