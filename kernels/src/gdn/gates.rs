//! The gates of a token.

use firesteel::prelude::*;

/// `-exp(a_log) softplus(a + dt_bias)`, for any `a`.
#[gpu_fn]
pub(super) fn log_decay(a: f32, a_log: f32, dt_bias: f32) -> f32 {
    let x = a + dt_bias;
    -a_log.exp() * (x.max(0.0) + (-x.abs()).exp().ln_1p())
}

/// `1 / (1 + exp(-x))`.
#[gpu_fn]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
