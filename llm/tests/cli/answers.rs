//! What the commands answer, with the model in the box.

use std::{io::Write, path::PathBuf, process::Stdio};

use serde_json::Value;

use super::{firesteel, succeed, text};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn golden(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models").join(path)
}

#[test]
fn run_tells_the_same_story_for_the_same_seed() {
    let story = |seed: &str| {
        let prompt = "Tell me a story about a dog.";
        succeed(&mut firesteel(&["run", prompt, "-n", "24", "-t", "1", "--seed", seed]))
    };
    let first = story("1");
    assert!(first.split_whitespace().count() > 8, "{first}");
    assert_eq!(story("1"), first);
    assert_ne!(story("2"), first);
}

#[test]
fn run_obeys_its_options() {
    let run = |options: &[&str]| {
        let prompt = ["run", "Tell me a story about a dog.", "-t", "0"];
        succeed(firesteel(&prompt).args(options))
    };
    let long = run(&["-n", "20"]);
    let short = run(&["-n", "5"]);
    assert!(long.starts_with(short.trim_end()) && long.len() > short.len(), "{long:?} {short:?}");
    let word = long.split_whitespace().nth(3).expect("a story has four words");
    let stopped = run(&["-n", "20", "--stop", word]);
    assert_eq!(stopped.trim_end(), long.split(word).next().unwrap_or_default().trim_end());
    let raw = succeed(&mut firesteel(&["run", "--raw", "Once upon a", "-t", "0", "-n", "1"]));
    assert_eq!(raw, " time\n");
}

#[test]
fn chat_reads_messages_from_stdin() {
    let mut child = firesteel(&["chat", "-n", "8", "-t", "0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    let first = "Tell me a story about a cat.";
    // The third message is the first anew, once the conversation is forgotten.
    writeln!(stdin, "{first}\nWhat happened then?\n/reset\n{first}\n/quit\nNot read.")
        .expect("it is read");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let answers: Vec<_> = stdout.lines().filter(|it| !it.is_empty()).collect();
    assert_eq!(answers.len(), 3, "{stdout}");
    assert_eq!(answers[0], answers[2]);
    assert_ne!(answers[0], answers[1]);
}

#[test]
fn bench_measures() {
    let args = ["bench", "--json", "-r", "2", "-p", "16", "-n", "4", "-b", "2"];
    let report = json(&succeed(&mut firesteel(&args)));
    assert_eq!((&report["prompt"], &report["batch"]), (&16.into(), &2.into()));
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(2));
    for field in ["prefill_tokens_per_second", "decode_tokens_per_second"] {
        assert!(report[field].as_f64().is_some_and(|it| it > 0.0), "{field}: {report}");
    }
}

#[test]
fn tokenize_shows_ids_and_pieces() {
    let answer = json(&succeed(&mut firesteel(&["tokenize", "--json", "Once upon a café"])));
    let tokens = answer["tokens"].as_array().expect("a list");
    assert_eq!(answer["count"], tokens.len());
    let bytes = tokens.iter().flat_map(|it| it["bytes"].as_array().cloned().unwrap_or_default());
    let bytes: Vec<u8> = bytes.filter_map(|it| it.as_u64()).map(|it| it as u8).collect();
    assert!(text(&bytes).ends_with("Once upon a café"), "{answer}");
    let lines = succeed(&mut firesteel(&["tokenize", "Once upon a café"]));
    assert_eq!(lines.lines().count(), tokens.len());
}

#[test]
fn inspect_shows_gguf_files_and_folders() {
    let story = json(&succeed(&mut firesteel(&["inspect", "--json"])));
    assert_eq!((&story["container"], &story["supported"]), (&"GGUF".into(), &true.into()));
    let tensors = story["tensors"].as_array().expect("a list");
    let sum: u64 = tensors.iter().filter_map(|it| it["bytes"].as_u64()).sum();
    assert_eq!(story["bytes"], sum);
    let plain = succeed(&mut firesteel(&["inspect", "--tensors"]));
    for word in ["Q8_0", "token_embd.weight", "context", "tokenizer", "chat template"] {
        assert!(plain.contains(word), "{word}: {plain}");
    }
    let folder = golden("llama-tiny");
    let model = json(&succeed(firesteel(&["inspect", "--json"]).arg(&folder)));
    assert_eq!((&model["architecture"], &model["supported"]), (&"llama".into(), &true.into()));
    assert!(model["parameters"].as_u64().is_some_and(|it| it > 1000), "{model}");
}

#[test]
fn devices_has_the_simulator() {
    assert!(succeed(&mut firesteel(&["devices"])).contains("simulator"));
}
