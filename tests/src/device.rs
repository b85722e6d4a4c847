//! Device functions and a generic kernel of another crate, for the tests of the language.

use firesteel::prelude::*;

/// Rows and columns of a tile.
#[gpu_const]
pub const TILE: usize = 2 * HALF;

#[gpu_const]
const HALF: usize = 4;

/// `x` clamped to `low..=high`.
#[gpu_fn]
pub fn clamp(x: f32, low: f32, high: f32) -> f32 {
    below(above(x, low), high)
}

// Private: only `clamp` sees them.
#[gpu_fn]
fn above(x: f32, low: f32) -> f32 {
    if x < low {
        return low;
    }
    x
}

#[gpu_fn]
fn below(x: f32, high: f32) -> f32 {
    if x > high { high } else { x }
}

/// An element of slices.
#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Factor of `x`.
    pub slope: f32,
    /// Added.
    pub offset: f32,
}

/// Writes the sum of `N` elements of `x` from `i` on, through the line of `i` and clamped to
/// [`TILE`], to `y[i]`.
#[gpu_kernel(block_size = N * 32, instances(N = [1], T = [f32]))]
pub fn windows<const N: u32, T: Float>(x: &[T], lines: &[Line], y: &mut [T], n: u32) {
    let i = thread_idx_x() + block_idx_x() * block_dim_x();
    if i < n {
        let mut sum = T::ZERO;
        for k in 0..N {
            sum += x[i + k];
        }
        let line = lines[i];
        y[i] = T::from_f32(clamp(through(line, sum.to_f32()), 0.0, TILE as f32));
    }
}

// Private: only `windows` sees it.
#[gpu_fn]
fn through(line: Line, x: f32) -> f32 {
    line.slope * x + line.offset
}
