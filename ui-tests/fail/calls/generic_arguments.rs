use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let v = shfl_sync_idx::<f32, u32>(x[0], 0, 32);
}

fn main() {}
