use firesteel::prelude::*;

#[gpu_kernel(block_size = 64, arch = "sm_90")]
fn kernel(x: &[f32], y: &mut [u32]) {
    let v = load_vec8(x, 0);
    y[0] = v[7] as u32;
}

fn main() {}
