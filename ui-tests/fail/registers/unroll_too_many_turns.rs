use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    #[unroll]
    for i in 0..1000000 {
        y[i] = 0.0;
    }
}

fn main() {}
