use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Default for Point {
    fn default() -> Self {
        Point { x: 0.0, y: 0.0 }
    }
}

fn main() {}
