//! What models are built of.
//!
//! Activations are rows of `f32`, one for each token of the batch, back to back. Every layer
//! computes a row from that row alone (attention also from its own sequence) and in one fixed
//! order, so a result is the same bits whatever else is in the batch.

pub mod attention;
pub mod delta_net;
pub(crate) mod kernels;
pub mod linear;
pub mod mlp;
pub mod moe;
pub mod norm;
pub mod rope;
