//! Mistral: Llama whose tokens see a window of positions back, if the configuration says so.
//!
//! Source: transformers, `models/mistral/modeling_mistral.py`.

/// The window is the configuration's, so the layer is Llama's.
pub(crate) use super::llama::layer;
