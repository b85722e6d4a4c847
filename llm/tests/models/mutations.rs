//! Broken files and folders: an error with a sentence, never a panic. Wrong numbers in GGUF files
//! have a test binary of their own.

use super::golden;
use super::oracles::{LLAMA, SHAPE, config, scratch};
use super::random;
use candle_core::DType;
use firesteel_llm::error::Error;
use firesteel_llm::load::load;
use firesteel_llm::weights::gguf::Gguf;
use serde_json::{Value, json};
use std::io::Cursor;
use std::path::{Path, PathBuf};

fn file() -> Vec<u8> {
    std::fs::read(golden("models/llama-tiny/llama-tiny.Q4_K_M.gguf")).unwrap()
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

/// A sound checkpoint of two files, which the caller removes.
fn checkpoint() -> PathBuf {
    let path = scratch();
    let mut config = config(&LLAMA);
    config["model_type"] = "llama".into();
    random::folder(&path, &config, &random::weights(&SHAPE, &LLAMA, 4), DType::BF16);
    path
}

#[test]
fn headers_of_safetensors_with_wrong_bytes_do_not_panic() {
    let folder = checkpoint();
    let file = folder.join("model-1-of-2.safetensors");
    let original = std::fs::read(&file).unwrap();
    let header = 8 + u64::from_le_bytes(original[..8].try_into().unwrap()) as usize;
    let mut refused = 0;
    for round in 0..1000 {
        let mut bytes = original.clone();
        let at = round * 7919 % header;
        bytes[at] = [b'0', b'9', b'"', b'-', b']', 0xff][round % 6];
        std::fs::write(&file, bytes).unwrap();
        refused += usize::from(load(&folder).is_err());
    }
    std::fs::write(&file, &original[..original.len() - 1]).unwrap();
    assert!(matches!(load(&folder), Err(Error::Truncated { .. })));
    std::fs::remove_dir_all(folder).unwrap();
    assert!(refused > 700, "{refused} refused");
}

#[test]
fn mistakes_of_an_index_are_told() {
    let folder = checkpoint();
    let outcome = |map: Value| {
        let index = json!({ "metadata": {}, "weight_map": map });
        std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
        load(&folder).err()
    };
    let (a, b) = ("model-1-of-2.safetensors", "model-2-of-2.safetensors");
    let (first, last) = ("model.embed_tokens.weight", "lm_head.weight");
    assert!(outcome(json!({ first: a, last: b })).is_none());
    let error = outcome(json!({ first: a, last: "model-3-of-2.safetensors" })).unwrap();
    assert!(error.to_string().contains("no file `model-3-of-2.safetensors`"), "{error}");
    assert!(matches!(outcome(json!({ first: b, last: b })), Some(Error::Corrupt { .. })));
    assert!(matches!(outcome(json!({ first: a, "w": b })), Some(Error::Corrupt { .. })));
    assert!(matches!(outcome(json!({ first: "../x" })), Some(Error::Corrupt { .. })));
    assert!(matches!(outcome(json!({ first: 1 })), Some(Error::Json { .. })));
    let error = outcome(json!({ first: a })).unwrap();
    assert!(error.to_string().contains("no tensor `"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn unknown_architectures_are_told_the_known() {
    let folder = checkpoint();
    std::fs::write(folder.join("config.json"), r#"{ "model_type": "gpt7" }"#).unwrap();
    let error = load(&folder).err().unwrap().to_string();
    std::fs::remove_dir_all(folder).unwrap();
    for name in
        ["`gpt7`", "llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5"]
    {
        assert!(error.contains(name), "{error}");
    }
}
