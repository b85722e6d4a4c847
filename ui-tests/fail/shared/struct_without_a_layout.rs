use firesteel::prelude::*;

#[gpu_struct]
#[derive(Clone, Copy)]
struct Cell {
    key: u32,
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [u32]) {
    let tile = shared_mem![Cell; 256];
    tile[thread_idx_x()] = Cell { key: 1 };
    y[thread_idx_x()] = tile[0].key;
}

fn main() {}
