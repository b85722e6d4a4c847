//! SentencePiece as llama.cpp runs it: neighbours merge into the token of the best score until
//! none is left, and what is no token falls back to bytes.
//! `llm_tokenizer_spm` in <https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp>.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::bytes::fallback_byte;
use super::gguf::kind;

/// What stands for a space.
const SPACE: &str = "\u{2581}";

#[derive(Debug)]
pub(super) struct Pieces {
    ids: HashMap<String, u32>,
    scores: Vec<f32>,
    /// The tokens `<0x00>` to `<0xFF>`.
    bytes: [Option<u32>; 256],
    unknown: Option<u32>,
    /// Tokens that are found in the text before it is split, longest first.
    added: Vec<(String, u32)>,
}

/// A piece of the text, linked with its neighbours; merged away when it is empty.
struct Symbol {
    start: usize,
    end: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that make a token. The best score comes first, then the leftmost.
struct Merge {
    score: f32,
    left: Reverse<usize>,
    right: usize,
    /// The length of the token, which tells a merge from one of symbols that grew since.
    length: usize,
}

impl Ord for Merge {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(self.left.cmp(&other.left))
    }
}

impl PartialOrd for Merge {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merge {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merge {}

impl Pieces {
    /// The three arrays have the same length.
    pub(super) fn new(tokens: &[String], types: &[u32], scores: &[f32]) -> Self {
        let (mut ids, mut added) = (HashMap::with_capacity(tokens.len()), Vec::new());
        let (mut bytes, mut unknown) = ([None; 256], None);
        for (id, (token, &ty)) in (0_u32..).zip(tokens.iter().zip(types)) {
            match ty {
                kind::UNUSED => continue,
                kind::UNKNOWN => unknown = Some(id),
                kind::BYTE => {
                    if let Some(byte) = fallback_byte(token) {
                        bytes[usize::from(byte)] = Some(id);
                    }
                }
                kind::CONTROL | kind::USER_DEFINED if !token.is_empty() => {
                    added.push((token.clone(), id));
                }
                _ => {
                    ids.entry(token.clone()).or_insert(id);
                }
            }
        }
        added.sort_by_key(|(token, _)| Reverse(token.len()));
        Self { ids, scores: scores.to_vec(), bytes, unknown, added }
    }

    /// Appends the tokens of `text` to `out`.
    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        let (mut rest, mut from) = (text, 0);
        while let Some(offset) = rest[from..].find(|c| self.may_start(c)) {
            let at = from + offset;
            match self.added.iter().find(|(token, _)| rest[at..].starts_with(token)) {
                Some((token, id)) => {
                    self.words(&rest[..at], out);
                    out.push(*id);
                    (rest, from) = (&rest[at + token.len()..], 0);
                }
                None => from = at + rest[at..].chars().next().map_or(1, char::len_utf8),
            }
        }
        self.words(rest, out);
    }

    fn may_start(&self, c: char) -> bool {
        self.added.iter().any(|(token, _)| token.starts_with(c))
    }

    /// Appends the tokens of text without added tokens. A space goes in front of it, as in the
    /// texts that such models learnt from.
    fn words(&self, text: &str, out: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        let text = format!("{SPACE}{}", text.replace(' ', SPACE));
        let symbols = self.merge(&text);
        let mut at = Some(0);
        while let Some(symbol) = at.map(|it| &symbols[it]) {
            self.put(&text[symbol.start..symbol.end], out);
            at = symbol.next;
        }
    }

    fn put(&self, piece: &str, out: &mut Vec<u32>) {
        if let Some(&id) = self.ids.get(piece) {
            out.push(id);
            return;
        }
        for byte in piece.bytes() {
            out.extend(self.bytes[usize::from(byte)].or(self.unknown));
        }
    }

    fn merge(&self, text: &str) -> Vec<Symbol> {
        let starts: Vec<usize> = text.char_indices().map(|it| it.0).collect();
        let count = starts.len();
        let symbol = |i: usize| Symbol {
            start: starts[i],
            end: starts.get(i + 1).copied().unwrap_or(text.len()),
            previous: i.checked_sub(1),
            next: Some(i + 1).filter(|&it| it < count),
        };
        let mut symbols: Vec<Symbol> = (0..count).map(symbol).collect();
        let mut queue = BinaryHeap::new();
        for right in 1..count {
            queue.extend(self.candidate(text, &symbols, right - 1, right));
        }
        while let Some(Merge { left: Reverse(left), right, length, .. }) = queue.pop() {
            let (a, b) = (&symbols[left], &symbols[right]);
            if a.start == a.end || b.start == b.end || b.end - a.start != length {
                continue;
            }
            let (end, next) = (b.end, b.next);
            (symbols[left].end, symbols[left].next) = (end, next);
            symbols[right].start = end;
            if let Some(next) = next {
                symbols[next].previous = Some(left);
                queue.extend(self.candidate(text, &symbols, left, next));
            }
            if let Some(previous) = symbols[left].previous {
                queue.extend(self.candidate(text, &symbols, previous, left));
            }
        }
        symbols
    }

    fn candidate(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
    ) -> Option<Merge> {
        let piece = &text[symbols[left].start..symbols[right].end];
        let &id = self.ids.get(piece)?;
        let score = self.scores.get(id as usize).copied()?;
        Some(Merge { score, left: Reverse(left), right, length: piece.len() })
    }
}
