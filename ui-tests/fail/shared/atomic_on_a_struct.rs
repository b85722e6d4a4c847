use firesteel::prelude::*;

#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy)]
struct Cell {
    key: u32,
}

#[gpu_kernel(block_size = 256)]
fn kernel(y: &mut [u32]) {
    let tile = shared_mem![Cell; 256];
    atomic_add(&mut tile[0].key, 1);
    atomic_add(&mut tile[0], 1);
    y[thread_idx_x()] = tile[0].key;
}

fn main() {}
