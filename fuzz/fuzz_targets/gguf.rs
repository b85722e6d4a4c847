//! Model files. What holds of every input is in `targets/gguf.rs`, which an ordinary test of the
//! crate `firesteel-llm` runs over the corpus too.

#![no_main]

#[path = "../targets/gguf.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|input: &[u8]| target::gguf(input));
