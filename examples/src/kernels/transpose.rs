//! Transpose through a tile in shared memory, so that reads and writes are both contiguous.

use firesteel::prelude::*;

use crate::{Outcome, data};

/// `out[c, r] = x[r, c]` of a matrix of `n_rows` by `n_columns`; a block of 32 by 8 threads moves
/// a tile of 32 by 32.
#[gpu_kernel(block_size = (32, 8))]
pub fn transpose(x: &[f32], out: &mut [f32], n_rows: u32, n_columns: u32) {
    // Rows of 33, so that a column of the tile lies in 32 different banks.
    let tile = shared_mem![f32; 1056];
    let (tx, ty) = (thread_idx_x(), thread_idx_y());
    let column = block_idx_x() * 32 + tx;
    for step in 0..4 {
        let row = block_idx_y() * 32 + ty + step * 8;
        if row < n_rows && column < n_columns {
            tile[(ty + step * 8) * 33 + tx] = x[row * n_columns + column];
        }
    }
    bar_sync();
    let row = block_idx_y() * 32 + tx;
    for step in 0..4 {
        let column = block_idx_x() * 32 + ty + step * 8;
        if row < n_rows && column < n_columns {
            out[column * n_rows + row] = tile[tx * 33 + ty + step * 8];
        }
    }
}

/// Runs the kernel and its reference on a matrix that tiles do not divide.
///
/// # Errors
/// If the device cannot.
pub fn run(device: &Device) -> Result<Outcome> {
    let (n_rows, n_columns) = (300, 533);
    let x = data::floats(16, n_rows * n_columns);
    let at = |i: usize| x[i % n_rows * n_columns + i / n_rows].to_bits();
    let want: Vec<u32> = (0..x.len()).map(at).collect();
    let x = device.alloc_from(&x)?;
    let mut out = device.alloc_zeros::<f32>(n_rows * n_columns)?;
    let grid = (n_columns.div_ceil(32) as u32, n_rows.div_ceil(32) as u32, 1);
    transpose::launch(device, &x, &mut out, n_rows as u32, n_columns as u32, grid)?;
    let got: Vec<u32> = out.to_host(device)?.into_iter().map(f32::to_bits).collect();
    Ok(Outcome::equal(&got, &want))
}
