// stub
//! Where a tokenizer comes from.

/// The tokenizer of a model file, as the file tells it.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenizerSource {
    /// The bytes of a `tokenizer.json`.
    Json(Vec<u8>),
    /// The `tokenizer.ggml.*` keys of a GGUF file.
    Gguf {
        /// `tokenizer.ggml.model`: `gpt2` (byte-level BPE) or `llama` (SentencePiece).
        kind: String,
        /// `tokenizer.ggml.pre`: the name of the split rule.
        pre: String,
        /// The text of each token.
        tokens: Vec<String>,
        /// The kind of each token: 1 normal, 2 unknown, 3 control, 4 user-defined, 6 byte.
        types: Vec<u32>,
        /// BPE merges, `left right`, most frequent first.
        merges: Vec<String>,
        /// SentencePiece scores.
        scores: Vec<f32>,
        /// The token that begins a text.
        bos: Option<u32>,
        /// The token that ends a text.
        eos: Option<u32>,
        /// Whether `bos` goes in front of every text.
        add_bos: bool,
    },
}
