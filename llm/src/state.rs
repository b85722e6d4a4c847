//! What a sequence remembers: keys and values of its attention layers, and what its recurrent
//! layers have summed up.
//!
//! The buffers of keys and values grow in place and double when they are full, so a step appends
//! without copying what is there. A recurrent layer's memory has one size for ever.

/// Dimensions of a state; a state fits the models that have the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StateShape {
    /// Layers of attention.
    pub(crate) layers: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Layers of Gated DeltaNet.
    pub(crate) recurrent: usize,
    /// Numbers that the convolution of such a layer remembers.
    pub(crate) conv: usize,
    /// Numbers in the matrices of such a layer.
    pub(crate) matrices: usize,
}

/// Keys and values of one key/value head, one row of `head_dim` for each position.
#[derive(Debug, Clone, Default)]
pub(crate) struct KvHead {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
}

/// The memory of one Gated DeltaNet layer.
#[derive(Debug, Clone)]
pub(crate) struct Recurrent {
    /// The last inputs of the convolution, oldest first: `[taps - 1, channels]`.
    pub(crate) conv: Vec<f32>,
    /// One matrix a value head: `[heads, value width, key width]`.
    pub(crate) matrices: Vec<f32>,
}

/// The memory of one sequence.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) shape: StateShape,
    pub(crate) len: usize,
    /// Of each attention layer, its key/value heads.
    pub(crate) layers: Vec<Vec<KvHead>>,
    pub(crate) recurrent: Vec<Recurrent>,
}

impl State {
    pub(crate) fn new(shape: StateShape) -> Self {
        let layer = vec![KvHead::default(); shape.kv_heads];
        let recurrent =
            Recurrent { conv: vec![0.0; shape.conv], matrices: vec![0.0; shape.matrices] };
        Self {
            shape,
            len: 0,
            layers: vec![layer; shape.layers],
            recurrent: vec![recurrent; shape.recurrent],
        }
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
        let kv = heads.map(|head| head.keys.capacity() + head.values.capacity());
        let recurrent = self.recurrent.iter().map(|it| it.conv.len() + it.matrices.len());
        kv.chain(recurrent).sum::<usize>() * size_of::<f32>()
    }

    /// Forgets everything from position `len` on, so that the sequence can be continued from
    /// there, and says whether it did.
    ///
    /// What a recurrent layer has summed up cannot be taken apart: a state with such layers can
    /// go back to its beginning only, and is left as it was if asked for a place between.
    #[must_use = "a state with recurrent layers may not go back"]
    pub fn truncate(&mut self, len: usize) -> bool {
        if len >= self.len {
            return true;
        }
        if len > 0 && !self.recurrent.is_empty() {
            return false;
        }
        self.len = len;
        let end = self.len * self.shape.head_dim;
        for head in self.layers.iter_mut().flatten() {
            head.keys.truncate(end);
            head.values.truncate(end);
        }
        for layer in &mut self.recurrent {
            layer.conv.fill(0.0);
            layer.matrices.fill(0.0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: StateShape =
        StateShape { layers: 1, kv_heads: 1, head_dim: 2, recurrent: 1, conv: 3, matrices: 4 };

    #[test]
    fn recurrent_layers_go_back_to_the_beginning_only() {
        let mut state = State::new(SHAPE);
        state.len = 5;
        state.recurrent[0].matrices[1] = 7.0;
        assert!(state.truncate(5) && state.truncate(9));
        assert!(!state.truncate(3));
        assert_eq!((state.len(), state.recurrent[0].matrices[1]), (5, 7.0));
        assert!(state.truncate(0));
        assert_eq!((state.len(), state.recurrent[0].matrices[1]), (0, 0.0));
    }

    #[test]
    fn bytes_count_all_buffers() {
        assert_eq!(State::new(SHAPE).bytes(), 28);
    }
}
