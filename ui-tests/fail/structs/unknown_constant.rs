use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Point {
    const SIZE: u32 = 2;

    fn sum(&self) -> f32 {
        self.x + self.y
    }

    fn clear(&mut self) {
        self.x = 0.0;
    }
}

#[gpu_kernel(block_size = 64)]
fn kernel(z: &mut [f32]) {
    z[0] = Point::SIZES as f32;
}

fn main() {}
