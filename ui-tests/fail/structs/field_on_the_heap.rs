use firesteel::prelude::*;

#[gpu_struct]
struct Point {
    x: Vec<f32>,
}

fn main() {}
