use firesteel::prelude::*;

#[gpu_kernel(block_size = 64, arch = "sm_80")]
fn kernel(x: &[u8], y: &mut [u32]) {
    let policy = policy_evict_last(2.0);
    y[0] = load_policy(&x[0], policy) as u32;
}

fn main() {}
