use firesteel::prelude::*;

#[gpu_fn]
fn same<T: Copy>(x: T) -> T {
    x
}

fn main() {}
