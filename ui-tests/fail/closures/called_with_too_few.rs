use firesteel::prelude::*;

#[gpu_fn]
fn apply(x: f32, f: impl Fn(f32, u32) -> f32) -> f32 {
    f(x)
}

fn main() {}
