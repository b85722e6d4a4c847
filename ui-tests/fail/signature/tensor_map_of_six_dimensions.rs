use firesteel::prelude::*;

#[gpu_kernel(block_size = 32, arch = "sm_90")]
fn kernel(a: &TensorMap<f32, 6>) {
    prefetch_tensor_map(a);
}

fn main() {}
