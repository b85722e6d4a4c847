use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_kernel(block_size = 64)]
fn kernel(z: &mut [f32]) {
    z[0] = Point;
}

fn main() {}
