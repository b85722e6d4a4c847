//! Text to tokens and back.
//!
//! A tokenizer comes as the `tokenizer.json` of a checkpoint or as the arrays of a GGUF file.
//! Byte-level BPE runs in the `tokenizers` crate, whichever of the two it came from;
//! SentencePiece's score-driven merging, which GGUF calls `llama`, is [`pieces`].
//!
//! Decoding is a table from token to bytes. A token may hold part of a character, so only
//! [`crate::text::Streamer`] turns tokens into text one by one.

mod bytes;
pub(crate) mod gguf;
mod json;
mod pieces;
#[cfg(test)]
mod tests;

/// More tokens than any vocabulary has; a larger id in a file is damage, and believing it
/// would cost memory.
const MAX_VOCAB: usize = 1 << 22;

/// What a model's files say about its tokenizer.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenizerSource {
    /// The bytes of a `tokenizer.json`.
    Json(Vec<u8>),
    /// The arrays of a GGUF file, <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
    Gguf {
        /// `tokenizer.ggml.model`: `gpt2` is byte-level BPE, `llama` is SentencePiece.
        kind: String,
        /// `tokenizer.ggml.pre`: the rule that splits text into words before merging.
        pre: String,
        /// `tokenizer.ggml.tokens`.
        tokens: Vec<String>,
        /// `tokenizer.ggml.token_type`; empty if all tokens are normal.
        types: Vec<u32>,
        /// `tokenizer.ggml.merges`, of BPE.
        merges: Vec<String>,
        /// `tokenizer.ggml.scores`, of SentencePiece.
        scores: Vec<f32>,
        /// `tokenizer.ggml.bos_token_id`.
        bos: Option<u32>,
        /// `tokenizer.ggml.eos_token_id`.
        eos: Option<u32>,
        /// `tokenizer.ggml.add_bos_token`.
        add_bos: bool,
    },
}

/// Why there is no tokenizer, or no tokens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is damaged.
    #[error("the tokenizer is damaged: {what}\nhelp: download the model again")]
    Corrupt {
        /// What does not fit.
        what: String,
    },
    /// The kind of tokenizer is not known.
    #[error(
        "the tokenizer's {what} is `{got}`, which is not supported\nhelp: supported are {known}"
    )]
    Unsupported {
        /// The field.
        what: &'static str,
        /// Its value.
        got: String,
        /// The values that would do.
        known: String,
    },
    /// The text has no tokens; BPE over bytes has some for every text.
    #[error("the text cannot be split into tokens: {reason}")]
    Encode {
        /// What the tokenizer says.
        reason: String,
    },
}

/// Results of this module.
pub type Result<T> = std::result::Result<T, Error>;

fn corrupt(what: impl Into<String>) -> Error {
    Error::Corrupt { what: what.into() }
}

/// How text becomes tokens.
#[derive(Debug)]
enum Encoder {
    Library(Box<tokenizers::Tokenizer>),
    Pieces(Box<pieces::Pieces>),
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    encoder: Encoder,
    /// The bytes of all tokens, one after the other; token `i` ends where `ends[i]` says.
    bytes: Vec<u8>,
    ends: Vec<u32>,
    special: Vec<bool>,
    /// Put in front by `encode`, where the encoder does not do so itself.
    bos: Option<u32>,
    /// Whether the first space of a decoded text belongs to the encoding, not to the text.
    strips_space: bool,
}

/// A token as the two readers hand it over.
#[derive(Debug, Clone, Default)]
struct Token {
    bytes: Vec<u8>,
    special: bool,
}

impl Tokenizer {
    /// Builds the tokenizer that `source` describes.
    pub fn new(source: TokenizerSource) -> Result<Self> {
        match source {
            TokenizerSource::Json(bytes) => json::read(&bytes),
            TokenizerSource::Gguf {
                kind,
                pre,
                tokens,
                types,
                merges,
                scores,
                bos,
                add_bos,
                ..
            } => {
                let arrays = gguf::Arrays { tokens, types, merges, scores };
                gguf::read(&kind, &pre, arrays, bos.filter(|_| add_bos))
            }
        }
    }

    fn assemble(encoder: Encoder, tokens: Vec<Token>, bos: Option<u32>) -> Result<Self> {
        let total: usize = tokens.iter().map(|it| it.bytes.len()).sum();
        if u32::try_from(total).is_err() {
            return Err(corrupt(format!("its tokens are {total} bytes long")));
        }
        let (mut bytes, mut ends) = (Vec::with_capacity(total), Vec::with_capacity(tokens.len()));
        for token in &tokens {
            bytes.extend_from_slice(&token.bytes);
            ends.push(bytes.len() as u32);
        }
        let special = tokens.iter().map(|it| it.special).collect();
        Ok(Self { encoder, bytes, ends, special, bos, strips_space: false })
    }

    /// The tokens of `text`. Special tokens that it spells out are recognised; with
    /// `add_special` come those that the model wants around every text, such as BOS.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>> {
        let mut ids: Vec<u32> = self.bos.filter(|_| add_special).into_iter().collect();
        match &self.encoder {
            Encoder::Library(library) => {
                let encoding = library
                    .encode_fast(text, add_special)
                    .map_err(|it| Error::Encode { reason: it.to_string() })?;
                ids.extend_from_slice(encoding.get_ids());
            }
            Encoder::Pieces(pieces) => pieces.encode(text, &mut ids),
        }
        Ok(ids)
    }

    /// The text of `ids`, special tokens spelled out. Bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.text(ids.iter().copied())
    }

    /// The text of `ids` without the special tokens.
    pub fn decode_text(&self, ids: &[u32]) -> String {
        self.text(ids.iter().copied().filter(|&id| !self.is_special(id)))
    }

    fn text(&self, ids: impl Iterator<Item = u32>) -> String {
        let bytes: Vec<u8> = ids.flat_map(|id| self.bytes_of(id)).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        match text.strip_prefix(' ') {
            Some(rest) if self.strips_space => rest.to_owned(),
            _ => text.into_owned(),
        }
    }

    /// The bytes of one token; none if there is no such token.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.bytes_of(id).to_vec()
    }

    pub(crate) fn bytes_of(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let Some(&end) = self.ends.get(id) else { return &[] };
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.bytes[start as usize..end as usize]
    }

    /// Whether the token steers the model and is no part of the text, such as BOS or the end
    /// of a turn.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(false)
    }

    /// One more than the largest id. The model's own vocabulary may be padded beyond it.
    pub fn vocab(&self) -> usize {
        self.ends.len()
    }
}
