//! Mistral: Llama whose tokens see a window of positions back, if the configuration says so.
//!
//! Source: transformers, `models/mistral/modeling_mistral.py`.

use super::{Architecture, Window};

pub(super) const ARCHITECTURE: Architecture =
    Architecture { hub: "mistral", window: Window::Everywhere, ..Architecture::PLAIN };
