use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    #[unroll]
    #[no_unroll]
    for i in 0..4 {
        y[i] = 0.0;
    }
}

fn main() {}
