use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, arch = "sm_89")]
fn kernel(x: &[e5m2], y: &mut [u32]) {
    y[0] = (x[0] < x[1]) as u32;
}

fn main() {}
