use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    fn double(v: f32) -> f32 {
        v * 2.0
    }
    y[0] = x[0];
}

fn main() {}
