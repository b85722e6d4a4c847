use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, arch = "sm_80")]
fn kernel(x: &[e4m3], y: &mut [f32]) {
    y[0] = x[0] as f32;
}

fn main() {}
