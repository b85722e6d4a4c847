use firesteel::prelude::*;

#[gpu_kernel(block_size = 128, arch = "sm_100")]
fn kernel(x: &[u8], y: &mut [u32]) {
    wgmma_fence();
    y[0] = x[0] as u32;
}

fn main() {}
