//! Vectors where tensor copies cannot bring them: those that experts have, wherever they are, and
//! rows that do not end with 64 columns.
//!
//! The layout is, for each panel, that of each tile: 4 pieces `[slots][64]`, a slot a vector; its parts
//! of 16 bytes are exchanged as a tensor copy swizzles them. Where there is no vector, or no column,
//! there are zeros.

use firesteel::prelude::*;

use super::units::{run_of, slots_of};

/// A thread 8 columns of a slot, two values a word. Slots are those of the vectors, or, if there are
/// offsets, of the experts' rows, as [`run_of`] says. `from` has the pair of each row of the
/// experts, of which a vector has `top_k`, or is empty: then the rows are the vectors.
#[gpu_kernel(block_size = 256, arch = "sm_90", unchecked)]
pub(super) fn arrange_kernel(
    x: &[u32],
    arranged: &mut [u32],
    offsets: &[u32],
    from: &[u32],
    top_k: u32,
    vectors: u32,
    rows: u32,
    slots: u32,
    panels: u32,
    tokens: u32,
    k: u32,
) {
    grid_dependency_launch();
    grid_dependency_wait();
    let at = block_idx_x() * 256 + thread_idx_x();
    let (slot, part) = (at / (panels * 32), at % (panels * 32));
    // The tile's first slot, and how many it has.
    let mut first = slot / tokens * tokens;
    let mut count = slots_of(vectors - first.min(vectors), tokens);
    let mut vector = slot;
    if offsets.len() > 0 {
        let run = run_of(offsets, rows, 8, slot / 8);
        let before = run.before / tokens * tokens;
        let row = run.before + slot % 8;
        first = run.slot + before;
        count = slots_of(run.count - before.min(run.count), tokens);
        vector = vectors;
        if row < run.count {
            vector = if from.len() > 0 { from[run.first + row] / top_k } else { run.first + row };
        }
    }
    if slot < slots && slot < first + count {
        let mut four = u32x4::new(0, 0, 0, 0);
        if vector < vectors && part * 8 < k {
            four = load_vec4(x, vector as usize * (k / 2) as usize + (part * 4) as usize);
        }
        let panel = (part / 32) as usize * slots as usize * 128;
        let piece = part / 8 % 4 * (count * 32);
        let in_piece = (slot - first) * 32 + ((part % 8) ^ (slot % 8)) * 4;
        store_vec4(arranged, panel + (first * 128 + piece + in_piece) as usize, four);
    }
}
