use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let i = thread_id_x();
    y[i] = x[i] + n;
    let v: u8 = 300;
    y[0] = i;
}

fn main() {}
