// stub
//! Loading.

use std::path::Path;

use crate::{
    error::{Error, Result},
    models::Model,
    tokenizer::TokenizerSource,
};

/// Defaults of `generation_config`.
#[derive(Debug, Clone, Default)]
pub struct GenerationDefaults {
    /// Temperature.
    pub temperature: Option<f32>,
    /// Top k.
    pub top_k: Option<usize>,
    /// Top p.
    pub top_p: Option<f32>,
    /// Min p.
    pub min_p: Option<f32>,
    /// Repetition penalty.
    pub repetition_penalty: Option<f32>,
}

/// What a file holds.
#[derive(Debug, Clone, Default)]
pub struct Description {
    /// Architecture.
    pub architecture: String,
    /// Parameters.
    pub parameters: u64,
    /// Bytes.
    pub bytes: u64,
    /// Quantisation.
    pub quantisation: String,
    /// Context.
    pub context: usize,
}

/// A loaded model.
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// The model.
    pub model: Box<dyn Model>,
    /// Its tokenizer.
    pub tokenizer: TokenizerSource,
    /// Its chat template.
    pub chat_template: Option<String>,
    /// First token of a text.
    pub bos: Option<u32>,
    /// Tokens that end an answer.
    pub stop_ids: Vec<u32>,
    /// Defaults of sampling.
    pub defaults: GenerationDefaults,
    /// For `inspect`.
    pub description: Description,
}

/// Loads a model.
pub fn load(path: &Path) -> Result<Loaded> {
    Err(Error::Load(format!("cannot load {}", path.display())))
}

/// The model in the box.
pub fn builtin() -> Result<Loaded> {
    Err(Error::Load("no model in the box".into()))
}
