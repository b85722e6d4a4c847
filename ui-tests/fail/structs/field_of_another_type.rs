use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_kernel(block_size = 64)]
fn kernel(z: &mut [f32]) {
    let point = Point { x: 1.0, y: 2u32 };
    z[0] = point.x;
}

fn main() {}
