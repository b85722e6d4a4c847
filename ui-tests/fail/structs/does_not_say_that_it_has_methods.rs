use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Point {
    fn sum(&self) -> f32 {
        self.x + self.y
    }
}

fn main() {}
