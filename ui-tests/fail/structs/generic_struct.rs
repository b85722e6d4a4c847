use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Point<T> {
    x: T,
}

fn main() {}
