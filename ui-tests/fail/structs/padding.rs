use firesteel::prelude::*;

#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy)]
struct Block {
    d: f16,
    sum: f32,
    q: [u8; 3],
}

fn main() {}
