//! Floats of 8 bits are converted in pairs, by way of `f16`.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 32, arch = "sm_89", unchecked)]
pub fn kernel(x: &[e4m3], scale: e5m2, words: &mut [u16], y: &mut [f32]) {
    let lanes = load_vec4(x, 0);
    words[0] = pack_e5m2x2(lanes.x as f32, lanes.w as f32 * f32::from(scale));
    y[0] = (y[1] as e4m3) as f32;
}
