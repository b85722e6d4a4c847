//! What a sequence remembers: keys and values of every layer.
//!
//! The buffers grow in place and double when they are full, so a step appends without copying
//! what is there.

/// Dimensions of a state; a state fits the models that have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StateShape {
    pub(crate) layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
}

/// Keys and values of one key/value head, one row of `head_dim` for each position.
#[derive(Debug, Clone, Default)]
pub(crate) struct KvHead {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

/// The memory of one sequence.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) shape: StateShape,
    pub(crate) len: usize,
    /// Of each layer, its key/value heads.
    pub(crate) layers: Vec<Vec<KvHead>>,
}

impl State {
    pub(crate) fn new(shape: StateShape) -> Self {
        let layer = vec![KvHead::default(); shape.kv_heads];
        Self { shape, len: 0, layers: vec![layer; shape.layers] }
    }

    /// The number of tokens that the sequence holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that the buffers hold.
    pub fn bytes(&self) -> usize {
        let heads = self.layers.iter().flatten();
        heads.map(|head| (head.keys.capacity() + head.values.capacity()) * size_of::<f32>()).sum()
    }

    /// Forgets everything from position `len` on, so that a sequence can be continued from there.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        let end = self.len * self.shape.head_dim;
        for head in self.layers.iter_mut().flatten() {
            head.keys.truncate(end);
            head.values.truncate(end);
        }
    }
}
