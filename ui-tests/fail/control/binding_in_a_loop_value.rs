use firesteel::prelude::*;

#[gpu_kernel(block_size = 256)]
fn kernel(x: &[f32], y: &mut [f32], n: u32) {
    let found = loop {
        break 1;
        break 2.0;
    };
}

fn main() {}
