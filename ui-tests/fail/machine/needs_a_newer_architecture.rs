use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [f32], n: u32) {
    let v = redux_add(n);
    y[v] = 0.0;
}

fn main() {}
