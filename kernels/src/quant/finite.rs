//! Whether weights can be packed: none may be infinite or NaN.

use firesteel::prelude::*;

use super::stage::load8;

/// Puts the index of the first weight that is not finite into `found`, if there is one. A thread has
/// eight weights of each pass.
#[gpu_kernel(
    block_size = 256,
    unchecked,
    instances((KIND = 0, T = f32), (KIND = 1, T = f16), (KIND = 2, T = bf16))
)]
pub(super) fn find_kernel<const KIND: u32, T: Float>(found: &mut [u64], x: &[T]) {
    let mut at = (block_idx_x() as usize * 256 + thread_idx_x() as usize) * 8;
    while at < x.len() {
        let w = load8::<KIND, T>(x, at);
        let mut sum = 0.0f32;
        for i in 0..8 {
            // Not finite in the sum if it is not finite here, since it is 0 or NaN.
            sum += w[i] * 0.0;
        }
        if sum != 0.0 {
            let mut first = 8usize;
            for i in 0..8 {
                if first == 8 && !w[i].is_finite() {
                    first = i as usize;
                }
            }
            atomic_min(&mut found[0], (at + first) as u64);
        }
        at += grid_dim_x() as usize * 2048;
    }
}
