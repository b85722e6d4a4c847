use firesteel::prelude::*;

#[derive(Clone, Copy)]
struct Point {
    x: f32,
}

#[gpu_kernel(block_size = 64)]
fn kernel(z: &mut [f32]) {
    let point = Point { x: 1.0 };
    z[0] = point.x;
}

fn main() {}
