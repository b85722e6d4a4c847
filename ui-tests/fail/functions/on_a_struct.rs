use firesteel::prelude::*;

#[gpu_fn]
struct Pair {
    a: f32,
}

fn main() {}
