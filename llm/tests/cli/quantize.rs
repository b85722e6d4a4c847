//! `firesteel quantize`, and `--quantize`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{fail, firesteel, folder, succeed};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models").join(path)
}

/// A checkpoint as the hub has it: beside the golden one lie logits.
fn checkpoint(folder: &Path) -> PathBuf {
    let path = folder.join("llama-tiny");
    fs::create_dir_all(&path).expect("it can be written");
    for file in [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ] {
        fs::copy(golden("llama-tiny").join(file), path.join(file)).expect("it can be copied");
    }
    path
}

/// What a model goes on with.
fn continued(model: &Path, options: &[&str]) -> String {
    let mut command = firesteel(&["run", "--raw", "-t", "0", "-n", "12", "Once upon a"]);
    succeed(command.args(options).arg("--model").arg(model))
}

#[test]
fn a_folder_becomes_a_file_that_runs() {
    let folder = folder("a_folder_becomes_a_file_that_runs");
    let (from, to) = (checkpoint(&folder), folder.join("llama.gguf"));
    let quantize = || {
        let mut command = firesteel(&["quantize", "--type", "q8_0", "--device", "cpu"]);
        command.arg(&from).arg(&to);
        command
    };
    let said = succeed(&mut quantize());
    assert!(said.contains("q8_0") && said.contains("on cpu"), "{said}");
    let sheet = succeed(firesteel(&["inspect"]).arg(&to));
    assert!(sheet.contains("Q8_0"), "{sheet}");
    assert_eq!(continued(&to, &[]), continued(&from, &["--quantize", "q8_0"]));

    let said = fail(&mut quantize(), 2);
    assert!(said.contains("llama.gguf` exists") && said.contains("--force"), "{said}");
    succeed(quantize().arg("--force"));
}

#[test]
fn what_cannot_be_quantised_has_its_exit_code() {
    let folder = folder("what_cannot_be_quantised_has_its_exit_code");
    let to = folder.join("new.gguf");
    let refused = |from: &Path, code: i32| {
        fail(firesteel(&["quantize", "--device", "cpu"]).arg(from).arg(&to), code)
    };
    let said = refused(&golden("qwen3-tiny/qwen3-tiny.Q8_0.gguf"), 6);
    assert!(said.contains("quantised already, as Q8_0"), "{said}");
    refused(&folder.join("nothing"), 3);
    refused(&folder, 4);
    assert!(!to.exists());
    let said = fail(firesteel(&["quantize", "--type", "q4_k_x"]).args([&folder, &to]), 2);
    assert!(said.contains("q4_k_x") && said.contains("q4_k_m"), "{said}");
    let said = fail(&mut firesteel(&["run", "--quantize", "q4_0", "Hello"]), 2);
    assert!(
        said.contains("folder of safetensors") && said.contains("firesteel quantize"),
        "{said}"
    );
}
