//! The logits of a row on their way into shared memory: penalties, biases, the mask.

use firesteel::prelude::*;

use super::params::Params;
use super::weight::finite;

/// A bit of a count: the token is in the prompt. The others count how often it was generated.
#[gpu_const]
pub(super) const PROMPT: u32 = 0x8000_0000;

/// What is added to the logit of a token.
#[gpu_struct]
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bias {
    pub(super) id: u32,
    pub(super) value: f32,
}

/// The logit of a token with that count.
#[gpu_fn]
fn penalised(x: f32, count: u32, p: Params) -> f32 {
    let mut x = x;
    if count != 0 {
        if p.repetition_penalty != 1.0 {
            x = if x < 0.0 { x * p.repetition_penalty } else { x / p.repetition_penalty };
        }
        let times = count & !PROMPT;
        if times != 0 {
            x -= p.presence_penalty + times as f32 * p.frequency_penalty;
        }
    }
    x
}

/// Four logits after the penalties.
#[gpu_fn]
pub(super) fn penalised_quad(
    quad: f32x4,
    counts: &[u32],
    (row, id, vocabulary): (u32, u32, u32),
    p: Params,
) -> f32x4 {
    let mut quad = quad;
    #[unroll]
    for e in 0..4u32 {
        if id + e < vocabulary {
            quad[e] = penalised(quad[e], counts[row * vocabulary + id + e], p);
        }
    }
    quad
}

/// Four logits as the choice sees them; what the mask forbids is negative infinity.
#[gpu_fn]
pub(super) fn settled(quad: f32x4, mask: &[u32], (row, id, vocabulary): (u32, u32, u32)) -> f32x4 {
    let mut quad = quad;
    let mut bits = 15u32;
    if mask.len() != 0 && id < vocabulary {
        bits = mask[row * vocabulary.div_ceil(32) + id / 32] >> (id % 32);
    }
    #[unroll]
    for e in 0..4u32 {
        quad[e] = if bits >> e & 1 != 0 { finite(quad[e]) } else { f32::NEG_INFINITY };
    }
    quad
}
