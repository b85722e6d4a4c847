use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let mut i = 0;
    #[unroll]
    while i < n {
        y[i] = 0.0;
        i += 1;
    }
}

fn main() {}
