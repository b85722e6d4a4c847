use firesteel::prelude::*;

#[gpu_fn]
fn apply(x: f32, f: impl FnMut(f32) -> f32) -> f32 {
    f(x)
}

fn main() {}
