use firesteel::prelude::*;

#[gpu_fn]
fn thread_idx_x() -> u32 {
    0
}

fn main() {}
