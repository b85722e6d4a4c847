use firesteel::prelude::*;

#[gpu_struct(methods)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
    y: f32,
}

#[gpu_struct]
impl Point {
    fn clear(&self) {
        self.x = 0.0;
    }
}

fn main() {}
