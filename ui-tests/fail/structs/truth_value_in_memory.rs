use firesteel::prelude::*;

#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy)]
struct Block {
    d: f32,
    is_zero: [bool; 4],
}

fn main() {}
