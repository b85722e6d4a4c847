//! What the groups of a block share: the scale of their scales, and that of their minima.

use firesteel::prelude::*;

use super::round::nearest;

/// The scale of the scales of a block.
#[gpu_struct]
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// What scales are multiplied with for their codes.
    pub inverse: f32,
    /// The same of minima.
    pub inverse_min: f32,
    /// The scale of the codes of scales.
    pub d: f32,
    /// The same of minima.
    pub dmin: f32,
}

/// For scales and minima that are not negative, with codes up to `top`.
#[gpu_fn]
pub fn head_above(widest: f32, most: f32, top: f32) -> Head {
    Head {
        inverse: if widest > 0.0 { top / widest } else { 0.0 },
        inverse_min: if most > 0.0 { top / most } else { 0.0 },
        d: widest.max(0.0) / top,
        dmin: most.max(0.0) / top,
    }
}

/// For scales of both signs, whose widest has the code `-top`; all are 0 if it is below `nothing`.
#[gpu_fn]
pub fn head_around(widest: f32, nothing: f32, top: f32) -> Head {
    let is_nothing = widest == 0.0 || widest.abs() < nothing;
    let inverse = if is_nothing { 0.0 } else { -top / widest };
    let d = if inverse == 0.0 { 0.0 } else { 1.0 / inverse };
    Head { inverse, inverse_min: 0.0, d, dmin: 0.0 }
}

/// The code of a scale that is not negative: as a byte, and at most `top`.
#[gpu_fn]
pub fn scale_code(inverse: f32, scale: f32, top: u32) -> u32 {
    (nearest(inverse * scale) as u32 & 255).min(top)
}
