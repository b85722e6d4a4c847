use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Point {
    fn sum(&self) -> f32 {
        self.x as u32
    }
}

fn main() {}
