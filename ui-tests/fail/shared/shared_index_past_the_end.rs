use firesteel::prelude::*;

#[gpu_kernel(block_size = 64)]
fn kernel(y: &mut [f32]) {
    let tile = shared_mem![f32; 64];
    #[unroll]
    for k in 0..4 {
        tile[k * 32] = 1.0;
    }
    y[thread_idx_x()] = tile[thread_idx_x()];
}

fn main() {}
