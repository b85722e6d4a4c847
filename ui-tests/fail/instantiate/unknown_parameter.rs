use firesteel::prelude::*;

mod sums {
    use firesteel::prelude::*;

    #[gpu_kernel(block_size = 256, instances(N = [64], T = [f32]))]
    pub fn sum<const N: usize, T: Float>(y: &mut [T]) {
        let tile = shared_mem![f32; N * 64];
        tile[thread_idx_x()] = 1.0;
        bar_sync();
        y[thread_idx_x()] = T::from_f32(tile[0]);
    }

    #[gpu_fn]
    pub fn double(x: f32) -> f32 {
        x * 2.0
    }
}

gpu_instantiate!(pub mod wide = sums::sum, instances(M = [32], T = [f32]));

fn main() {}
