use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Point {
    fn sum(point: Point) -> f32 {
        point.x
    }
}

#[gpu_kernel(block_size = 64)]
fn kernel(z: &mut [f32]) {
    let point = Point { x: 1.0, y: 2.0 };
    z[0] = point.sum();
}

fn main() {}
