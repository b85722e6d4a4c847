//! Each way to fail has a sentence and an exit code.

use std::{
    fs::{self, File},
    io::Write,
    net::TcpListener,
    path::Path,
};

use super::{
    fail, firesteel, folder,
    gguf::{self, Writer},
};

/// What `run` says of a model.
#[track_caller]
fn refused(model: &Path, code: i32) -> String {
    fail(firesteel(&["run", "Hello"]).arg("--model").arg(model), code)
}

#[test]
fn no_such_file() {
    let path = folder("no_such_file").join("nothing.gguf");
    let said = refused(&path, 3);
    assert!(said.contains("nothing.gguf") && said.contains("No such file"), "{said}");
}

#[test]
fn not_a_model() {
    let folder = folder("not_a_model");
    let path = folder.join("poem.txt");
    fs::write(&path, "Shall I compare thee to a summer's day?").expect("it can be written");
    let said = refused(&path, 4);
    assert!(said.contains("poem.txt") && said.contains("not a GGUF file"), "{said}");
    let said = refused(&folder, 4);
    assert!(said.contains("config.json"), "{said}");
    fs::write(&path, "").expect("it can be written");
    fail(firesteel(&["inspect"]).arg(&path), 5);
}

#[test]
fn truncated() {
    let path = folder("truncated").join("half.gguf");
    let whole = gguf::story();
    // In the header, in the metadata's arrays, in the tensors.
    for (part, of) in [(1, 10_000), (1, 100), (1, 2), (99, 100)] {
        fs::write(&path, &whole[..whole.len() * part / of]).expect("it can be written");
        let said = refused(&path, 5);
        assert!(said.contains("cut short") && said.contains("download"), "{said}");
    }
}

#[test]
fn unsupported_architecture() {
    let path = folder("unsupported_architecture").join("mamba.gguf");
    let file = Writer::default().text("general.architecture", "mamba").tensor("x", &[1]);
    fs::write(&path, [file.finish(), vec![0; 32]].concat()).expect("it can be written");
    let said = refused(&path, 6);
    assert!(said.contains("`mamba`"), "{said}");
    for supported in ["qwen3", "llama"] {
        assert!(said.contains(supported), "{said}");
    }
}

/// Numbers are there before anything is loaded: the file is a hole of 8 TiB.
#[test]
fn not_enough_memory() {
    let path = folder("not_enough_memory").join("huge.gguf");
    let head = Writer::default()
        .text("general.architecture", "llama")
        .number("llama.context_length", 64)
        .number("llama.embedding_length", 1 << 21)
        .number("llama.block_count", 1)
        .number("llama.feed_forward_length", 64)
        .number("llama.attention.head_count", 1 << 14)
        .number("llama.attention.head_count_kv", 1 << 14)
        .number("llama.rope.dimension_count", 128)
        .float("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .text("tokenizer.ggml.model", "gpt2")
        .strings("tokenizer.ggml.tokens", &["a"])
        .tensor("token_embd.weight", &[1 << 21, 1 << 20])
        .finish();
    let mut file = File::create(&path).expect("it can be written");
    file.write_all(&head).expect("it can be written");
    if file.set_len(head.len() as u64 + (1 << 43)).is_err() {
        eprintln!("skipped: this file system has no files of 8 TiB with a hole");
        return;
    }
    let said = refused(&path, 7);
    assert!(said.contains("8388608 MiB") && said.contains("free"), "{said}");
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let address = taken.local_addr().expect("it is bound");
    let said = fail(firesteel(&["serve", "--port"]).arg(address.port().to_string()), 8);
    assert!(said.contains(&address.to_string()) && said.contains("--port"), "{said}");
}

#[test]
fn corrupted_tokenizer() {
    let path = folder("corrupted_tokenizer").join("model.gguf");
    let mut file = gguf::story();
    // An array: type of elements, count, then the length of the first merge.
    let first = gguf::value_of(&file, "tokenizer.ggml.merges") + 4 + 8 + 8;
    file[first] = b'\t';
    fs::write(&path, file).expect("it can be written");
    for command in ["run", "tokenize"] {
        let said = fail(firesteel(&[command, "Hello", "--model"]).arg(&path), 9);
        assert!(said.contains("tokenizer is damaged"), "{said}");
    }
}

#[test]
fn hub_out_of_reach() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a port");
    let address = taken.local_addr().expect("it is bound");
    drop(taken);
    let endpoint = format!("http://{address}");
    let said = fail(firesteel(&["pull", "hf:some/model"]).env("HF_ENDPOINT", &endpoint), 10);
    assert!(said.contains(&endpoint), "{said}");
}

#[test]
fn wrong_usage() {
    fail(&mut firesteel(&["frobnicate"]), 2);
    fail(&mut firesteel(&["run"]), 2);
    fail(&mut firesteel(&["pull", "hf:nothing"]), 2);
    fail(&mut firesteel(&["run", "x", "--temperature", "-1"]), 2);
    fail(&mut firesteel(&["bench", "--generate", "1"]), 2);
}

/// `firesteel inspect … | head` ends quietly.
#[test]
fn a_reader_that_leaves_is_no_failure() {
    use std::process::Stdio;
    let mut command = firesteel(&["inspect", "--json"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
