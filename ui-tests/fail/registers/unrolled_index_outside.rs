use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32]) {
    let a = [1.0, 2.0];
    for i in 0..3 {
        y[i] = a[i];
    }
}

fn main() {}
