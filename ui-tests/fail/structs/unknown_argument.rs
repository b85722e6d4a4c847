use firesteel::prelude::*;

#[gpu_struct(fields)]
#[derive(Clone, Copy)]
struct Point {
    x: f32,
}

fn main() {}
