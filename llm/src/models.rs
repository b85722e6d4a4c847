// stub
//! Models.

use crate::{error::Result, state::State};

/// Tokens that join a sequence in a step.
#[derive(Debug)]
pub struct Slice<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// The sequence.
    pub state: &'a mut State,
    /// Whether the logits of the last token are wanted.
    pub logits: bool,
}

/// A model.
pub trait Model: Send {
    /// Size of the vocabulary.
    fn vocab(&self) -> usize;
    /// Longest sequence.
    fn context(&self) -> usize;
    /// An empty sequence.
    fn new_state(&self) -> State;
    /// One step.
    fn forward(&mut self, batch: &mut [Slice<'_>]) -> Result<Vec<Vec<f32>>>;
}
