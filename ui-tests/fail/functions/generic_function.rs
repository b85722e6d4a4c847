use firesteel::prelude::*;

#[gpu_fn]
fn same<T>(x: T) -> T {
    x
}

fn main() {}
