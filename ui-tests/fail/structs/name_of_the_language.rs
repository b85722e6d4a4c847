use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Number {
    x: f32,
}

fn main() {}
