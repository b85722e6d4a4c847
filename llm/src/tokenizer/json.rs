//! `tokenizer.json`, the format of the `tokenizers` crate.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Encoder, Error, MAX_VOCAB, Result, Token, Tokenizer, bytes, corrupt};

/// What is checked before the library reads the file: it trusts ids and merges.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    added_tokens: Vec<Added>,
    #[serde(default)]
    pre_tokenizer: serde_json::Value,
    #[serde(default)]
    decoder: serde_json::Value,
    model: Kind,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

/// The model, first its type only: others than BPE have another form of vocabulary.
#[derive(Deserialize)]
struct Kind {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(flatten)]
    rest: HashMap<String, serde_json::Value>,
}

/// The tokenizer of a `tokenizer.json`.
pub(super) fn read(json: &[u8]) -> Result<Tokenizer> {
    let file: File = serde_json::from_slice(json)
        .map_err(|it| corrupt(format!("`tokenizer.json` does not parse: {it}")))?;
    if let Some(kind) = &file.model.kind
        && kind != "BPE"
    {
        return Err(Error::Unsupported {
            what: "model type",
            got: kind.clone(),
            known: "`BPE`".to_owned(),
        });
    }
    let vocab = vocabulary(&file.model)?;
    check_merges(&file.model, &vocab)?;
    let byte_level = mentions_byte_level(&file.decoder) || mentions_byte_level(&file.pre_tokenizer);
    let tokens = table(&file, &vocab, byte_level)?;
    let mut library: tokenizers::Tokenizer =
        tokenizers::Tokenizer::from_bytes(json).map_err(|it| corrupt(it.to_string()))?;
    // A server neither cuts nor pads what it is asked.
    library.with_truncation(None).map_err(|it| corrupt(it.to_string()))?;
    library.with_padding(None);
    let mut tokenizer = Tokenizer::assemble(Encoder::Library(Box::new(library)), tokens, None)?;
    tokenizer.strips_space = !byte_level && file.decoder.to_string().contains(r#""Strip""#);
    Ok(tokenizer)
}

fn vocabulary(model: &Kind) -> Result<HashMap<&str, u32>> {
    let vocab = model.rest.get("vocab").and_then(|it| it.as_object());
    let vocab = vocab.ok_or_else(|| corrupt("`model.vocab` is no object"))?;
    let id = |(token, id): (&'_ String, &serde_json::Value)| {
        let number = id.as_u64().and_then(|it| u32::try_from(it).ok());
        number.ok_or_else(|| corrupt(format!("the id of token `{token}` is `{id}`")))
    };
    vocab.iter().map(|entry| Ok((entry.0.as_str(), id(entry)?))).collect()
}

/// The library indexes with the lengths of merged tokens, so each must be in the vocabulary.
fn check_merges(model: &Kind, vocab: &HashMap<&str, u32>) -> Result<()> {
    if model.rest.get("continuing_subword_prefix").is_some_and(|it| !it.is_null() && it != "") {
        return Err(Error::Unsupported {
            what: "`continuing_subword_prefix`",
            got: model.rest["continuing_subword_prefix"].to_string(),
            known: "an empty one".to_owned(),
        });
    }
    let merges = model.rest.get("merges").and_then(|it| it.as_array());
    for merge in merges.ok_or_else(|| corrupt("`model.merges` is no list"))? {
        let halves = match merge {
            serde_json::Value::String(both) => both.split_once(' '),
            serde_json::Value::Array(both) => match both.as_slice() {
                [a, b] => a.as_str().zip(b.as_str()),
                _ => None,
            },
            _ => None,
        };
        let (a, b) = halves.ok_or_else(|| corrupt(format!("the merge {merge} is no pair")))?;
        let known = vocab.contains_key(a) && vocab.contains_key(b);
        if !known || !vocab.contains_key(format!("{a}{b}").as_str()) {
            return Err(corrupt(format!("the merge {merge} makes no token of the vocabulary")));
        }
    }
    Ok(())
}

/// Whether a part of the pipeline is, or contains, a `ByteLevel`.
fn mentions_byte_level(part: &serde_json::Value) -> bool {
    match part {
        serde_json::Value::Object(fields) => {
            fields.get("type").is_some_and(|it| it == "ByteLevel")
                || fields.values().any(mentions_byte_level)
        }
        serde_json::Value::Array(parts) => parts.iter().any(mentions_byte_level),
        _ => false,
    }
}

fn table(file: &File, vocab: &HashMap<&str, u32>, byte_level: bool) -> Result<Vec<Token>> {
    let ids = vocab.values().copied().chain(file.added_tokens.iter().map(|it| it.id));
    let size = ids.max().map_or(0, |it| it as usize + 1);
    // Ids may leave gaps, but a far larger one is damage, and the table below believes it.
    let count = vocab.len() + file.added_tokens.len();
    if size == 0 || size > MAX_VOCAB.min(2 * count + 1024) {
        return Err(corrupt(format!("it has {count} tokens, but ids up to {size}")));
    }
    let mut tokens = vec![Token::default(); size];
    for (token, &id) in vocab {
        let of = if byte_level { bytes::of_byte_level } else { bytes::of_piece };
        tokens[id as usize].bytes = of(token);
    }
    for added in &file.added_tokens {
        let bytes = added.content.as_bytes().to_vec();
        tokens[added.id as usize] = Token { bytes, special: added.special };
    }
    Ok(tokens)
}
