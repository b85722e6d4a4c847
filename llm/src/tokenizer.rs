// stub
//! Tokenizers.

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Where a tokenizer comes from.
#[derive(Debug, Clone)]
pub enum TokenizerSource {
    /// A `tokenizer.json`.
    Json(Vec<u8>),
}

/// A tokenizer.
#[derive(Debug)]
pub struct Tokenizer(tokenizers::Tokenizer);

impl Tokenizer {
    /// From its source.
    pub fn new(source: TokenizerSource) -> Result<Self, Error> {
        let TokenizerSource::Json(bytes) = source;
        tokenizers::Tokenizer::from_bytes(bytes).map(Self).map_err(|e| Error(e.to_string()))
    }

    /// Tokens of a text.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, Error> {
        let encoding = self.0.encode(text, add_special).map_err(|e| Error(e.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of tokens.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.0.decode(ids, false).unwrap_or_default()
    }

    /// Bytes of a token.
    pub fn token_bytes(&self, id: u32) -> Vec<u8> {
        self.decode(&[id]).into_bytes()
    }

    /// Whether it is special.
    pub fn is_special(&self, id: u32) -> bool {
        self.0.get_added_tokens_decoder().get(&id).is_some_and(|it| it.special)
    }

    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.0.get_vocab_size(true)
    }
}
