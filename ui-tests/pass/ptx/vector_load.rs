//! Four elements in one access; the last of them is checked.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
pub fn kernel(x: &[f32], y: &mut [f32]) {
    let i = block_idx_x() * block_dim_x() + thread_idx_x();
    let v = load_vec4(x, i * 4);
    store_vec4(y, i * 4, f32x4::new(v.w, v.z, v.y, v.x));
}
