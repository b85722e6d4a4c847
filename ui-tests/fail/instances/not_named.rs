use firesteel::prelude::*;

#[gpu_kernel(block_size = 256, instances(N = [64, 128], SIGNED = [true]))]
fn kernel<const N: usize, const SIGNED: bool>(y: &mut [f32]) {
    y[thread_idx_x()] = if SIGNED { N as f32 } else { 0.0 };
}

fn main() {
    let device = Device::sim();
    let mut y = device.alloc_zeros::<f32>(1).unwrap();
    kernel::launch::<32, true>(&device, &mut y, (1, 1, 1)).unwrap();
}
