use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    #[unroll]
    {
        y[0] = 1.0;
    }
}

fn main() {}
