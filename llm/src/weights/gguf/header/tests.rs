//! Headers that lie.

use super::super::Gguf;
use crate::error::Error;
use std::io::Cursor;

fn open(bytes: &[u8]) -> Result<Gguf, Error> {
    Gguf::new(Box::new(Cursor::new(bytes.to_vec())))
}

fn head(tensors: u64, entries: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(tensors.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[test]
fn an_empty_header_is_read() {
    assert!(open(&head(0, 0)).unwrap().header.tensors.is_empty());
}

#[test]
fn other_files_are_refused() {
    assert!(matches!(open(b"PK\x03\x04 and more"), Err(Error::Magic { .. })));
    assert!(matches!(open(b"GG"), Err(Error::Truncated { .. })));
    assert!(matches!(open(b""), Err(Error::Truncated { .. })));
}

#[test]
fn counts_beyond_the_file_are_refused() {
    assert!(matches!(open(&head(u64::MAX, 0)), Err(Error::Truncated { .. })));
    assert!(matches!(open(&head(0, 1 << 60)), Err(Error::Truncated { .. })));
}

#[test]
fn long_strings_and_arrays_are_refused() {
    let mut string = head(0, 1);
    string.extend(u64::MAX.to_le_bytes());
    string.extend([0; 32]);
    assert!(matches!(open(&string), Err(Error::Truncated { .. })));

    let mut array = head(0, 1);
    text(&mut array, "key");
    array.extend(9_u32.to_le_bytes());
    array.extend(5_u32.to_le_bytes());
    array.extend((1_u64 << 62).to_le_bytes());
    array.extend([0; 32]);
    assert!(matches!(open(&array), Err(Error::Truncated { .. })));
}

#[test]
fn products_that_overflow_are_refused() {
    let mut bytes = head(1, 0);
    text(&mut bytes, "w");
    bytes.extend(4_u32.to_le_bytes());
    for _ in 0..4 {
        bytes.extend((1_u64 << 33).to_le_bytes());
    }
    bytes.extend([0; 12]);
    assert!(matches!(open(&bytes), Err(Error::Corrupt { .. })));
}

#[test]
fn tensors_outside_of_the_file_are_refused() {
    let mut bytes = head(1, 0);
    text(&mut bytes, "w");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(8_u64.to_le_bytes());
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(u64::MAX.to_le_bytes());
    bytes.extend([0; 64]);
    assert!(matches!(open(&bytes), Err(Error::Truncated { .. })));
}
