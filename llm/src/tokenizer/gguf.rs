//! The tokenizer arrays of a GGUF file.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior};

use super::pieces::Pieces;
use super::{Encoder, Error, MAX_VOCAB, Result, Token, Tokenizer, bytes, corrupt};

/// `enum llama_token_type` of llama.cpp.
pub(crate) mod kind {
    pub(crate) const NORMAL: u32 = 1;
    pub(crate) const UNKNOWN: u32 = 2;
    pub(crate) const CONTROL: u32 = 3;
    pub(crate) const USER_DEFINED: u32 = 4;
    pub(crate) const UNUSED: u32 = 5;
    pub(crate) const BYTE: u32 = 6;
}

/// The arrays, as long as the vocabulary each but for `merges`.
pub(super) struct Arrays {
    pub(super) tokens: Vec<String>,
    pub(super) types: Vec<u32>,
    pub(super) merges: Vec<String>,
    pub(super) scores: Vec<f32>,
}

/// How a family of models splits text into words.
struct Pre {
    names: &'static [&'static str],
    /// Applied one after the other, each to the pieces that the last left.
    patterns: &'static [&'static str],
    /// Whether a word that is a token is that token, whatever the merges say.
    ignore_merges: bool,
    /// Whether text is composed (Unicode's NFC) first.
    nfc: bool,
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// The rules by the names that llama.cpp's converter writes, `src/llama-vocab.cpp`.
const PRES: &[Pre] = &[
    Pre {
        names: &["qwen2", "deepseek-r1-qwen", "megrez"],
        patterns: &[QWEN2],
        ignore_merges: false,
        nfc: true,
    },
    Pre { names: &["qwen35"], patterns: &[QWEN35], ignore_merges: false, nfc: true },
    Pre {
        names: &["llama-bpe", "llama3", "llama-v3"],
        patterns: &[LLAMA3],
        ignore_merges: true,
        nfc: false,
    },
    Pre { names: &["smaug-bpe"], patterns: &[LLAMA3], ignore_merges: false, nfc: false },
    Pre { names: &["tekken"], patterns: &[TEKKEN], ignore_merges: true, nfc: false },
    Pre { names: &["gpt-2"], patterns: &[GPT2], ignore_merges: false, nfc: false },
    Pre { names: &["smollm"], patterns: &[r"\p{N}", GPT2], ignore_merges: false, nfc: false },
    Pre {
        names: &["default"],
        patterns: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
        ignore_merges: false,
        nfc: false,
    },
];

/// The tokenizer of the arrays. `bos` goes in front of texts.
pub(super) fn read(model: &str, pre: &str, arrays: Arrays, bos: Option<u32>) -> Result<Tokenizer> {
    let arrays = check(arrays, bos)?;
    match model {
        "gpt2" => byte_level(pre, &arrays, bos),
        "llama" => sentence_piece(&arrays, bos),
        other => Err(Error::Unsupported {
            what: "model (`tokenizer.ggml.model`)",
            got: other.to_owned(),
            known: "`gpt2` (byte-level BPE) and `llama` (SentencePiece)".to_owned(),
        }),
    }
}

fn check(mut arrays: Arrays, bos: Option<u32>) -> Result<Arrays> {
    let count = arrays.tokens.len();
    if count == 0 || count > MAX_VOCAB {
        return Err(corrupt(format!("`tokenizer.ggml.tokens` has {count} entries")));
    }
    if arrays.types.is_empty() {
        arrays.types = vec![kind::NORMAL; count];
    }
    let got = arrays.types.len();
    if got != count {
        let what = format!("want {count} entries in `tokenizer.ggml.token_type`, got {got}");
        return Err(corrupt(what));
    }
    match bos {
        Some(bos) if bos as usize >= count => {
            let what = format!("`tokenizer.ggml.bos_token_id` is {bos}, of {count} tokens");
            Err(corrupt(what))
        }
        _ => Ok(arrays),
    }
}

fn byte_level(pre: &str, arrays: &Arrays, bos: Option<u32>) -> Result<Tokenizer> {
    let pre = find_pre(pre)?;
    let mut vocab = Vocab::with_capacity(arrays.tokens.len());
    for (id, (token, &ty)) in (0_u32..).zip(arrays.tokens.iter().zip(&arrays.types)) {
        // Padding has names such as `[PAD7]`, which a text may spell by chance.
        if ty != kind::UNUSED {
            vocab.entry(token.clone()).or_insert(id);
        }
    }
    let merges = merges(arrays, &vocab)?;
    let model = BPE::builder().vocab_and_merges(vocab, merges).ignore_merges(pre.ignore_merges);
    let model = model.build().map_err(|it| corrupt(it.to_string()))?;
    let mut library = tokenizers::Tokenizer::new(model);
    if pre.nfc {
        library.with_normalizer(Some(NFC)).map_err(|it| corrupt(it.to_string()))?;
    }
    library.with_pre_tokenizer(Some(splits(pre)?));
    let added = arrays.tokens.iter().zip(&arrays.types).filter_map(|(token, &ty)| match ty {
        kind::CONTROL | kind::UNKNOWN => Some(AddedToken::from(token.as_str(), true)),
        kind::USER_DEFINED => Some(AddedToken::from(token.as_str(), false).normalized(false)),
        _ => None,
    });
    library.add_tokens(added).map_err(|it| corrupt(it.to_string()))?;
    let tokens = table(arrays, bytes::of_byte_level);
    Tokenizer::assemble(Encoder::Library(Box::new(library)), tokens, bos)
}

/// llama.cpp's name of the rule that splits text by these patterns: of several the one that agrees
/// with the rest, too.
pub(crate) fn name_of_pre(
    patterns: &[&str],
    ignore_merges: bool,
    nfc: bool,
) -> Option<&'static str> {
    let alike = PRES.iter().filter(|it| it.patterns == patterns);
    let distance = |it: &&Pre| [it.ignore_merges != ignore_merges, it.nfc != nfc];
    alike.min_by_key(distance).and_then(|it| it.names.first().copied())
}

/// What `ByteLevel` splits by where it does so itself.
pub(crate) const BYTE_LEVEL: &str = GPT2;

fn find_pre(name: &str) -> Result<&'static Pre> {
    let known = || {
        let names = PRES.iter().flat_map(|it| it.names);
        names.map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
    };
    PRES.iter().find(|it| it.names.contains(&name)).ok_or_else(|| Error::Unsupported {
        what: "splitting rule (`tokenizer.ggml.pre`)",
        got: name.to_owned(),
        known: known(),
    })
}

/// The merges as pairs. The library indexes with the lengths of merged tokens, so each must
/// be in the vocabulary.
fn merges(arrays: &Arrays, vocab: &Vocab) -> Result<Vec<(String, String)>> {
    let pair = |merge: &String| {
        // A token is never empty, so a space at the start belongs to the first half.
        let first = merge.chars().next().map_or(0, char::len_utf8);
        let space = merge[first..].find(' ').map(|it| it + first);
        let (a, b) = space
            .map(|it| (&merge[..it], &merge[it + 1..]))
            .ok_or_else(|| corrupt(format!("the merge `{merge}` is no pair")))?;
        let known = vocab.contains_key(a) && vocab.contains_key(b);
        if !known || !vocab.contains_key(&format!("{a}{b}")) {
            return Err(corrupt(format!("the merge `{merge}` makes no token of the vocabulary")));
        }
        Ok((a.to_owned(), b.to_owned()))
    };
    arrays.merges.iter().map(pair).collect()
}

fn splits(pre: &Pre) -> Result<Sequence> {
    let split = |pattern: &&str| {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        split.map(PreTokenizerWrapper::from).map_err(|it| corrupt(it.to_string()))
    };
    let mut steps: Vec<_> = pre.patterns.iter().map(split).collect::<Result<_>>()?;
    steps.push(ByteLevel::new(false, true, false).into());
    Ok(Sequence::new(steps))
}

fn sentence_piece(arrays: &Arrays, bos: Option<u32>) -> Result<Tokenizer> {
    let (want, got) = (arrays.tokens.len(), arrays.scores.len());
    if want != got {
        return Err(corrupt(format!("want {want} entries in `tokenizer.ggml.scores`, got {got}")));
    }
    let pieces = Box::new(Pieces::new(&arrays.tokens, &arrays.types, &arrays.scores));
    let tokens = table(arrays, bytes::of_piece);
    let mut tokenizer = Tokenizer::assemble(Encoder::Pieces(pieces), tokens, bos)?;
    tokenizer.strips_space = true;
    Ok(tokenizer)
}

/// The bytes of the tokens: text that was added stands for itself.
fn table(arrays: &Arrays, of: fn(&str) -> Vec<u8>) -> Vec<Token> {
    let token = |(token, &ty): (&String, &u32)| match ty {
        kind::CONTROL | kind::UNKNOWN => Token { bytes: token.as_bytes().to_vec(), special: true },
        kind::USER_DEFINED | kind::UNUSED => {
            Token { bytes: token.as_bytes().to_vec(), special: false }
        }
        _ => Token { bytes: of(token), special: false },
    };
    arrays.tokens.iter().zip(&arrays.types).map(token).collect()
}
