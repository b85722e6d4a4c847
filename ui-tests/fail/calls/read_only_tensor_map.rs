use firesteel::prelude::*;

#[gpu_fn]
fn fill(c: &mut TensorMap<f32, 2>) {
    prefetch_tensor_map(c);
}

#[gpu_kernel(block_size = 32, arch = "sm_90")]
fn kernel(c: &TensorMap<f32, 2>) {
    fill(c);
}

fn main() {}
