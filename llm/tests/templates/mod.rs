//! The fuzz target of chat templates, over its corpus and a bounded number of mutations of it.
//! The unbounded run needs a nightly compiler: `cargo +nightly fuzz run template`.

#[path = "../../../fuzz/targets/template.rs"]
mod target;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

const MUTATIONS: usize = 4000;

/// What random bytes would not hit upon.
const WORDS: [&str; 24] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{%- for x in messages %}",
    "{% endfor %}",
    "{% if x %}",
    "{% endif %}",
    "{% set x = ",
    "{% macro f(x) %}",
    "{% endmacro %}",
    "f(1)",
    "[::-1]",
    "namespace(",
    "loop.index",
    " | tojson",
    " | length",
    " is defined",
    "range(",
    "'",
    "~",
    "\0",
];

#[test]
fn templates() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/template");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the corpus is part of the repository")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> =
        paths.iter().map(|it| std::fs::read(it).expect("it can be read")).collect();
    assert!(corpus.len() >= 10, "the corpus has {} files", corpus.len());
    corpus.iter().for_each(|it| target::template(it));
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    for _ in 0..MUTATIONS {
        target::template(&mutated(&corpus, &mut rng));
    }
}

fn below(bound: usize, rng: &mut ChaCha12Rng) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

fn mutated(corpus: &[Vec<u8>], rng: &mut ChaCha12Rng) -> Vec<u8> {
    let mut text = corpus[below(corpus.len(), rng)].clone();
    for _ in 0..=below(4, rng) {
        let (from, to) = (below(text.len(), rng), below(text.len(), rng));
        let (from, to) = (from.min(to), from.max(to));
        match below(5, rng) {
            0 => drop(text.drain(from..to)),
            1 => {
                let again = text[from..to.min(from + 64)].to_vec();
                text.splice(to..to, again);
            }
            2 => {
                let word = WORDS[below(WORDS.len(), rng)];
                text.splice(from..from, word.bytes());
            }
            3 => {
                let other = &corpus[below(corpus.len(), rng)];
                let start = below(other.len(), rng);
                let piece = &other[start..other.len().min(start + 64)];
                text.splice(from..from, piece.iter().copied());
            }
            _ => {
                if let Some(byte) = text.get_mut(from) {
                    *byte ^= 1 << below(8, rng);
                }
            }
        }
    }
    text
}
