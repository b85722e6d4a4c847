//! Broken files: an error with a sentence, never a panic.

use super::golden;
use firesteel_llm::error::Error;
use firesteel_llm::load::load;
use firesteel_llm::weights::gguf::Gguf;
use std::io::Cursor;
use std::path::Path;

/// Numbers that are wrong in most places.
const VALUES: [u64; 6] = [0, 1, 0x7fff_ffff, u32::MAX as u64, 1 << 40, u64::MAX];

fn file() -> Vec<u8> {
    std::fs::read(golden("models/llama-tiny/llama-tiny.Q4_K_M.gguf")).unwrap()
}

#[test]
fn headers_with_wrong_numbers_do_not_panic() {
    let original = file();
    let mut refused = 0;
    // The header of this file takes some 30 KiB; each place gets each value in turn.
    for (round, at) in (4..28_000).step_by(7).enumerate() {
        let mut bytes = original.clone();
        let value = VALUES[round % VALUES.len()].to_le_bytes();
        let width = if round % 2 == 0 { 4 } else { 8 };
        bytes[at..at + width].copy_from_slice(&value[..width]);
        refused += usize::from(Gguf::new(Box::new(Cursor::new(bytes))).is_err());
    }
    assert!(refused > 1000, "{refused} refused");
}

#[test]
fn every_cut_of_a_header_is_refused() {
    let original = file();
    for end in (0..original.len()).step_by(997) {
        let cut = Cursor::new(original[..end].to_vec());
        let error = Gguf::new(Box::new(cut)).err().unwrap();
        assert!(matches!(error, Error::Truncated { .. }), "{end}: {error}");
    }
}

#[test]
fn paths_that_are_no_model_say_so() {
    let error = |path: &Path| load(path).err().unwrap();
    assert!(matches!(error(&golden("no such file")), Error::Read { .. }));
    assert!(matches!(error(&golden("demo")), Error::NotAModel { .. }));
    assert!(matches!(error(&golden("demo/golden.json")), Error::Magic { .. }));
}
