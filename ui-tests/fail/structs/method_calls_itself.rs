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
        self.other()
    }

    fn other(&self) -> f32 {
        self.sum()
    }
}

fn main() {}
