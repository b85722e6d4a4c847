//! Device functions of another crate, for the tests of the language.

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
