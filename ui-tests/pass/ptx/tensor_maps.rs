//! Tensor maps are parameters of 128 bytes, and known by their addresses.

use firesteel::prelude::*;

#[gpu_kernel(block_size = 32, arch = "sm_90")]
pub fn kernel(n: u32, a: &TensorMap<bf16, 2>, c: &mut TensorMap<f32, 3>, y: &mut [u32]) {
    prefetch_tensor_map(a);
    prefetch(c);
    y[0] = n;
}

#[gpu_fn]
pub fn prefetch(map: &mut TensorMap<f32, 3>) {
    prefetch_tensor_map(map);
}
