use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    #[cfg(debug_assertions)]
    y[0] = 1.0;
    y[1] = 2.0;
}

fn main() {}
