//! The fuzz target of bodies, over its corpus and a bounded number of mutations of it.
//! The unbounded run needs a nightly compiler: `cargo +nightly fuzz run http`.

#[path = "../../../fuzz/targets/http.rs"]
mod target;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

const MUTATIONS: usize = 2000;

/// What random bytes would not hit upon.
const WORDS: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "18446744073709551616",
    "\\ud800",
    "\\u0000",
    "\"n\":",
    "\"stop\":",
    "\"stream\":true",
    "\"logprobs\":",
    "é",
];

#[test]
fn bodies() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/http");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|it| std::fs::read(it).unwrap()).collect();
    assert!(corpus.len() >= 10, "the corpus has {} files", corpus.len());
    corpus.iter().for_each(|it| target::http(it));
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    for _ in 0..MUTATIONS {
        target::http(&mutate(&corpus, &mut rng));
    }
}

fn below(rng: &mut ChaCha12Rng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}

/// A few changes to one of the corpus.
fn mutate(corpus: &[Vec<u8>], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let mut bytes = corpus[below(rng, corpus.len())].clone();
    for _ in 0..1 + below(rng, 4) {
        let at = below(rng, bytes.len());
        let end = (at + 1 + below(rng, 8)).min(bytes.len());
        match below(rng, 5) {
            0 if at < end => bytes[at] ^= 1 << below(rng, 8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            3 => {
                let other = &corpus[below(rng, corpus.len())];
                let from = below(rng, other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => drop(bytes.splice(at..at, WORDS[below(rng, WORDS.len())].bytes())),
        }
    }
    bytes
}
