use firesteel::prelude::*;

#[gpu_fn]
fn zero<T: Number>(x: T) -> T {
    x * T
}

fn main() {}
