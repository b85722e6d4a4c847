use firesteel::prelude::*;

#[gpu_kernel(block_size = 64, arch = "sm_90")]
fn kernel(x: &[u8], y: &mut [u32]) {
    let tile = shared_mem![u8; 64];
    let bar = shared_mem![u64; 1];
    bulk_load(&mut tile[0], &x[0], 24, &mut bar[0]);
    y[0] = tile[0] as u32;
}

fn main() {}
