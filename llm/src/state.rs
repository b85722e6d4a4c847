// stub
//! What a model remembers of a sequence.

/// Dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateShape {
    pub(crate) layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
}

/// State of one sequence.
#[derive(Debug, Clone)]
pub struct State {
    #[allow(dead_code, reason = "a stub")]
    shape: StateShape,
    len: usize,
}

impl State {
    #[allow(dead_code, reason = "a stub")]
    pub(crate) fn new(shape: StateShape) -> Self {
        Self { shape, len: 0 }
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no tokens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
