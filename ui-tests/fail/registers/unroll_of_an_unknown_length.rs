use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    #[unroll]
    for i in 0..n {
        y[i] = 0.0;
    }
}

fn main() {}
