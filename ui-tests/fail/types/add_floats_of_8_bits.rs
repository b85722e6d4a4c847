use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, arch = "sm_89")]
fn kernel(x: &[e4m3], y: &mut [e4m3]) {
    y[0] = x[0] + x[1];
}

fn main() {}
