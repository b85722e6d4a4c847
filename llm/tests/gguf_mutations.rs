//! GGUF files with wrong numbers: an error or a model that runs, never a panic, a hang, or an
//! allocation beyond twice the file's size. The unbounded run needs a nightly compiler:
//! `cargo +nightly fuzz run gguf`.
//!
//! A test binary of its own, because it counts what the whole process allocates.

#[path = "../../fuzz/targets/gguf.rs"]
mod target;

mod mutations {
    pub(crate) mod counting;
    pub(crate) mod fields;
}

use mutations::counting;
use mutations::fields::{Field, fields};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const MUTATIONS: usize = 10_000;
/// Longer than any load takes, on a machine that does ten other things.
const HANG: Duration = Duration::from_secs(20);
/// Tests of one binary run side by side, and one of them counts what all allocate.
static ALONE: Mutex<()> = Mutex::new(());

fn read(path: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read(root.join(path)).expect("golden data is part of the repository")
}

fn below(bound: usize, rng: &mut ChaCha12Rng) -> usize {
    (rng.next_u64() % bound.max(1) as u64) as usize
}

/// A number that is wrong in an interesting way.
fn wrong(old: u64, size: usize, rng: &mut ChaCha12Rng) -> u64 {
    match below(14, rng) {
        0 => 0,
        1 => 1,
        2 => old.wrapping_add(1),
        3 => old.wrapping_sub(1),
        4 => old.wrapping_mul(2),
        5 => u64::MAX,
        6 => u64::from(u32::MAX),
        7 => 1 << 31,
        8 => 1 << 63,
        9 => size as u64,
        10 => below(size, rng) as u64,
        11 => old ^ 1 << below(64, rng),
        12 => old.swap_bytes(),
        _ => rng.next_u64() >> below(64, rng),
    }
}

/// One to three fields get other numbers.
fn mutate(bytes: &mut [u8], fields: &[Field], rng: &mut ChaCha12Rng) {
    for _ in 0..=below(3, rng) / 2 {
        let Field { at, width } = fields[below(fields.len(), rng)];
        let mut old = [0; 8];
        old[..width].copy_from_slice(&bytes[at..at + width]);
        let new = wrong(u64::from_le_bytes(old), bytes.len(), rng).to_le_bytes();
        bytes[at..at + width].copy_from_slice(&new[..width]);
    }
}

#[test]
fn wrong_headers_neither_panic_nor_hang_nor_allocate() {
    let _alone = ALONE.lock().unwrap_or_else(|it| it.into_inner());
    let mut rng = ChaCha12Rng::seed_from_u64(0);
    let (mut largest, mut slowest) = (0.0_f64, Duration::ZERO);
    for model in ["llama-tiny/llama-tiny.Q4_K_M", "qwen3next-tiny/qwen3next-tiny.Q4_K_M"] {
        let original = read(&format!("tests/golden/models/{model}.gguf"));
        let fields = fields(&original);
        for round in 0..MUTATIONS / 2 {
            let mut bytes = original.clone();
            mutate(&mut bytes, &fields, &mut rng);
            let began = Instant::now();
            let copy = bytes.clone();
            let (_, most) = counting::largest(|| {
                drop(firesteel_llm::load::from_reader(Box::new(std::io::Cursor::new(copy)), "x"));
            });
            slowest = slowest.max(began.elapsed());
            largest = largest.max(most as f64 / bytes.len() as f64);
            assert!(most <= 2 * bytes.len(), "{model}, round {round}: {most} bytes at once");
            assert!(began.elapsed() < HANG, "{model}, round {round}: {:?}", began.elapsed());
        }
    }
    println!("largest allocation {largest:.2} of the file, slowest load {slowest:?}");
}

#[test]
fn the_corpus_and_its_mutations_load_or_fail() {
    let _alone = ALONE.lock().unwrap_or_else(|it| it.into_inner());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/gguf");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(|it| std::fs::read(it).unwrap()).collect();
    corpus.iter().for_each(|it| target::gguf(it));
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let whole: Vec<_> = corpus.iter().filter(|it| it.len() > 2000).collect();
    let whole: Vec<_> = whole.into_iter().filter(|it| loads(it)).collect();
    assert!(whole.len() >= 5, "{} of the corpus load", whole.len());
    for _ in 0..MUTATIONS {
        let mut bytes = whole[below(whole.len(), &mut rng)].clone();
        let fields = fields(&bytes);
        mutate(&mut bytes, &fields, &mut rng);
        if below(8, &mut rng) == 0 {
            bytes.truncate(below(bytes.len(), &mut rng));
        }
        target::gguf(&bytes);
    }
}

fn loads(bytes: &[u8]) -> bool {
    let source = std::io::Cursor::new(bytes.to_vec());
    firesteel_llm::load::from_reader(Box::new(source), "x").is_ok()
}
