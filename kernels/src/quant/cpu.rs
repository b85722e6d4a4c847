//! Packing and unpacking on the host's cores, to the same bytes.

use rayon::prelude::*;

use super::format::Visitor;
use super::{Block, Element, Format, launch};
use crate::shape::{self, Error, Result};

/// Blocks that a core takes at a time.
const PIECE: usize = 256;

/// Packs rows of `cols` weights each, as [`quantize`](super::quantize) does.
///
/// # Errors
/// If a row is no multiple of a block, a length does not fit, or a weight is not finite. Then nothing
/// was written.
pub fn quantize<T: Element>(format: Format, blocks: &mut [u8], x: &[T], cols: usize) -> Result<()> {
    let count = launch::count(format, x.len(), cols)?;
    shape::eq("blocks", count * format.block_bytes(), blocks.len())?;
    if let Some(index) = x.par_iter().position_first(|&x| !Into::<f32>::into(x).is_finite()) {
        return Err(Error::NotFinite { what: "x", index });
    }
    format.visit(Pack { blocks, x });
    Ok(())
}

/// Unpacks blocks, as [`dequantize`](super::dequantize) does.
///
/// # Errors
/// If `y` does not end with a block, or a length does not fit.
pub fn dequantize<T: Element>(format: Format, y: &mut [T], blocks: &[u8]) -> Result<()> {
    let count = y.len() / format.block_len();
    shape::eq("y", count * format.block_len(), y.len())?;
    shape::eq("blocks", count * format.block_bytes(), blocks.len())?;
    format.visit(Unpack { y, blocks });
    Ok(())
}

struct Pack<'a, T> {
    blocks: &'a mut [u8],
    x: &'a [T],
}

impl<T: Element> Visitor for Pack<'_, T> {
    type Output = ();

    fn visit<B: Block>(self) {
        let bytes = size_of::<B>();
        let pieces = self.blocks.par_chunks_mut(PIECE * bytes);
        pieces.zip(self.x.par_chunks(PIECE * B::LEN)).for_each(|(to, x)| {
            let mut weights = [0.0; 256];
            for (to, x) in to.chunks_exact_mut(bytes).zip(x.chunks_exact(B::LEN)) {
                for (weight, &x) in weights.iter_mut().zip(x) {
                    *weight = x.into();
                }
                to.copy_from_slice(B::bytes(&[B::pack(&weights[..B::LEN])]));
            }
        });
    }
}

struct Unpack<'a, T> {
    y: &'a mut [T],
    blocks: &'a [u8],
}

impl<T: Element> Visitor for Unpack<'_, T> {
    type Output = ();

    fn visit<B: Block>(self) {
        let bytes = size_of::<B>();
        let pieces = self.y.par_chunks_mut(PIECE * B::LEN);
        pieces.zip(self.blocks.par_chunks(PIECE * bytes)).for_each(|(y, from)| {
            for (y, from) in y.chunks_exact_mut(B::LEN).zip(from.chunks_exact(bytes)) {
                let block = B::from_bytes(from);
                for (y, i) in y.iter_mut().zip(0..) {
                    *y = T::nearest(block.weight(i));
                }
            }
        });
    }
}
