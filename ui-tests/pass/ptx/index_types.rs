//! Any integer may index; a negative one is out of bounds.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(y: &mut [f32], a: u32, b: i32, c: usize, d: i64, e: u16) {
    y[a] = 1.0;
    y[b] = 2.0;
    y[c] = 3.0;
    y[d] = 4.0;
    y[e] = 5.0;
}
