//! Structs in memory.

use firesteel::prelude::*;

#[gpu_struct(methods)]
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Block {
    q: [u8; 4],
    scale: f16,
}

#[gpu_struct]
impl Block {
    fn value(&self, i: u32) -> f32 {
        self.q[i] as f32 * self.scale.to_f32()
    }
}

#[gpu_kernel(block_size = 128)]
pub(super) fn kernel(x: &[Block], y: &mut [Block], n: u32) {
    let i = thread_idx_x();
    if i < n {
        y[i].q[1] = x[i].value(n - i) as u8;
        y[i].scale = x[i].scale;
    }
}
