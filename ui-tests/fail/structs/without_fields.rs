use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Nothing;

fn main() {}
