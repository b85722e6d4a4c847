//! Ids against transformers' tokenizers, from both forms, and damaged files.

use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value as Gguf};
use serde_json::{Value, json};

use super::*;
use crate::template::Template;

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn from_json(model: &str) -> Tokenizer {
    let bytes = std::fs::read(models().join(model).join("tokenizer.json")).unwrap();
    Tokenizer::new(TokenizerSource::Json(bytes)).unwrap()
}

fn ids(json: &Value) -> Vec<u32> {
    json.as_array().unwrap().iter().map(|it| it.as_u64().unwrap() as u32).collect()
}

const MODELS: [&str; 6] = [
    "llama-tiny",
    "qwen3-tiny",
    "qwen3-tiny-tied",
    "qwen3_5-tiny",
    "qwen3moe-tiny",
    "qwen3next-tiny",
];

/// Compares everything that `golden.json` says about text and ids.
fn check(tokenizer: &Tokenizer, model: &str) {
    let golden = read_json(&models().join(model).join("golden.json"));
    let cases = golden["tokenizer_cases"].as_array().unwrap();
    assert!(cases.len() >= 18);
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let got = tokenizer.encode(text, false).unwrap();
        assert_eq!(ids(&case["ids"]), got, "{model}: {text:?}");
        assert_eq!(case["decoded"], tokenizer.decode(&got), "{model}");
        assert_eq!(case["decoded_skip_special"], tokenizer.decode_text(&got), "{model}");
    }
    for prompt in golden["prompts"].as_array().unwrap() {
        let text = prompt["prompt"].as_str().unwrap();
        assert_eq!(ids(&prompt["token_ids"]), tokenizer.encode(text, true).unwrap(), "{text:?}");
    }
    for case in golden["chat_template_cases"].as_array().unwrap() {
        let text = case["expected"].as_str().unwrap();
        assert_eq!(ids(&case["expected_ids"]), tokenizer.encode(text, false).unwrap(), "{text:?}");
    }
}

#[test]
fn tokenizer_json_matches_transformers() {
    for model in MODELS {
        check(&from_json(model), model);
    }
}

#[test]
fn chat_templates_of_the_models_match_transformers() {
    for model in MODELS {
        let folder = models().join(model);
        let config = read_json(&folder.join("tokenizer_config.json"));
        let source = config["chat_template"].as_str().unwrap();
        let eos = config["eos_token"].as_str().map(str::to_owned);
        let template = Template::new(source, None, eos).unwrap();
        let golden = read_json(&folder.join("golden.json"));
        for case in golden["chat_template_cases"].as_array().unwrap() {
            let mut kwargs = case["kwargs"].as_object().unwrap().clone();
            let prompt = kwargs.remove("add_generation_prompt").is_some_and(|it| it == true);
            let tools = Some(&case["tools"]).filter(|it| !it.is_null());
            let got = template.render(&case["messages"], tools, prompt, &kwargs).unwrap();
            assert_eq!(case["expected"], got, "{model}");
        }
    }
}

/// The tokenizer arrays of a GGUF file.
fn arrays(path: &Path) -> TokenizerSource {
    let mut file = std::fs::File::open(path).unwrap();
    let content = gguf_file::Content::read(&mut file).unwrap();
    let get = |name: &str| content.metadata.get(&format!("tokenizer.ggml.{name}"));
    let list = |name: &str| get(name).map_or(&[][..], |it| it.to_vec().unwrap());
    let text = |it: &Gguf| it.to_string().unwrap().clone();
    let number = |it: &Gguf| match it {
        Gguf::I32(it) => *it as u32,
        other => other.to_u32().unwrap(),
    };
    TokenizerSource::Gguf {
        kind: text(get("model").unwrap()),
        pre: text(get("pre").unwrap()),
        tokens: list("tokens").iter().map(text).collect(),
        types: list("token_type").iter().map(number).collect(),
        merges: list("merges").iter().map(text).collect(),
        scores: list("scores").iter().map(|it| it.to_f32().unwrap()).collect(),
        bos: get("bos_token_id").map(number),
        eos: get("eos_token_id").map(number),
        add_bos: get("add_bos_token").is_some_and(|it| it.to_bool().unwrap()),
    }
}

#[test]
fn gguf_arrays_match_transformers() {
    for (model, file) in
        [("qwen3-tiny", "qwen3-tiny.Q4_K_M.gguf"), ("llama-tiny", "llama-tiny.Q4_K_M.gguf")]
    {
        let tokenizer = Tokenizer::new(arrays(&models().join(model).join(file))).unwrap();
        check(&tokenizer, model);
        let json = from_json(model);
        for id in 0..json.vocab() as u32 {
            assert_eq!(json.token_bytes(id), tokenizer.token_bytes(id));
            assert_eq!(json.is_special(id), tokenizer.is_special(id), "{id}");
        }
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&it| it.to_owned()).collect()
}

/// The letters a and b, their pair, an end of turn, and the space of GPT-2's alphabet.
fn small(pre: &str) -> TokenizerSource {
    TokenizerSource::Gguf {
        kind: "gpt2".into(),
        pre: pre.into(),
        tokens: strings(&["a", "b", "ab", "<end>", "Ġ", "1"]),
        types: vec![1, 1, 1, 3, 1, 1],
        merges: strings(&["a b"]),
        scores: vec![],
        bos: Some(3),
        eos: Some(3),
        add_bos: true,
    }
}

#[test]
fn every_splitting_rule_builds_and_adds_bos() {
    for pre in ["qwen2", "qwen35", "llama-bpe", "smaug-bpe", "tekken", "gpt-2", "smollm", "default"]
    {
        let tokenizer = Tokenizer::new(small(pre)).unwrap();
        assert_eq!(tokenizer.encode("ab a<end>", true).unwrap(), [3, 2, 4, 0, 3], "{pre}");
        assert_eq!(tokenizer.encode("ab1", false).unwrap(), [2, 5], "{pre}");
        assert_eq!(tokenizer.decode(&[2, 4, 0, 3, 99]), "ab a<end>");
        assert_eq!(tokenizer.decode_text(&[2, 4, 0, 3, 99]), "ab a");
        assert!(tokenizer.is_special(3) && !tokenizer.is_special(2) && !tokenizer.is_special(99));
        assert_eq!((tokenizer.vocab(), tokenizer.token_bytes(99)), (6, vec![]));
    }
}

/// SentencePiece with the tokens of "hello", a control token, and bytes for the rest.
fn sentence_piece() -> Tokenizer {
    let mut tokens =
        strings(&["<unk>", "<s>", "▁", "h", "e", "l", "o", "ll", "he", "▁he", "llo", "▁hello"]);
    let mut types = vec![2, 3];
    types.resize(tokens.len(), 1);
    // The better score wins, wherever it stands.
    let mut scores = vec![0.0, 0.0, -9.0, -9.0, -9.0, -9.0, -9.0, -1.0, -2.0, -3.0, -4.0, -5.0];
    for byte in 0..=255 {
        tokens.push(format!("<0x{byte:02X}>"));
        types.push(6);
        scores.push(0.0);
    }
    let (kind, pre) = ("llama".to_owned(), String::new());
    let merges = vec![];
    let source = TokenizerSource::Gguf {
        kind,
        pre,
        tokens,
        types,
        merges,
        scores,
        bos: Some(1),
        eos: None,
        add_bos: true,
    };
    Tokenizer::new(source).unwrap()
}

#[test]
fn sentence_piece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = sentence_piece();
    for (text, want) in [
        ("", vec![1]),
        ("hello", vec![1, 11]),
        ("hell", vec![1, 9, 7]),
        ("lll", vec![1, 2, 7, 5]),
        (" he", vec![1, 2, 9]),
        ("é", vec![1, 2, 12 + 0xc3, 12 + 0xa9]),
        ("he<s>he", vec![1, 9, 1, 9]),
        ("<", vec![1, 2, 12 + 0x3c]),
    ] {
        assert_eq!(tokenizer.encode(text, true).unwrap(), want, "{text:?}");
        assert_eq!(tokenizer.decode_text(&want), text.replace("<s>", " "), "{text:?}");
    }
    assert_eq!(tokenizer.token_bytes(11), b" hello");
    assert_eq!(tokenizer.token_bytes(12 + 0xc3), [0xc3]);
}

/// Damages tokens, types, merges, the id of BOS.
type Damage = fn(&mut Vec<String>, &mut Vec<u32>, &mut Vec<String>, &mut Option<u32>);

#[test]
fn damaged_arrays_are_errors() {
    let broken = |change: Damage| {
        let mut source = small("qwen2");
        let TokenizerSource::Gguf { tokens, types, merges, bos, .. } = &mut source else {
            panic!()
        };
        change(tokens, types, merges, bos);
        Tokenizer::new(source).unwrap_err().to_string()
    };
    assert!(broken(|tokens, types, _, _| (tokens.clear(), types.clear()).0).contains("0 entries"));
    assert!(broken(|_, types, _, _| types.truncate(2)).contains("want 6 entries"));
    assert!(broken(|_, _, merges, _| merges.push("ab".into())).contains("no pair"));
    assert!(broken(|_, _, merges, _| merges.push(String::new())).contains("no pair"));
    assert!(broken(|_, _, merges, _| merges.push("a q".into())).contains("no token"));
    // Both halves are tokens, but nothing as long as their pair is: the library would index
    // beyond its buffer.
    assert!(broken(|_, _, merges, _| merges.push("<end> <end>".into())).contains("no token"));
    assert!(broken(|_, _, _, bos| *bos = Some(6)).contains("bos"));
    let unknown = |kind: &str, pre: &str| {
        let mut source = small(pre);
        let TokenizerSource::Gguf { kind: k, .. } = &mut source else { panic!() };
        *k = kind.into();
        Tokenizer::new(source).unwrap_err()
    };
    assert!(matches!(unknown("gpt2", "martian"), Error::Unsupported { got, known, .. }
        if got == "martian" && known.contains("`llama-bpe`")));
    assert!(matches!(unknown("bert", "qwen2"), Error::Unsupported { .. }));
    assert!(unknown("llama", "").to_string().contains("tokenizer.ggml.scores"));
}

#[test]
fn damaged_files_are_errors() {
    let good = json!({
        "added_tokens": [{"id": 3, "content": "<end>", "special": true}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
    });
    let read = |json: &Value| Tokenizer::new(TokenizerSource::Json(json.to_string().into_bytes()));
    // The library insists on fields that nothing here depends on.
    let tokenizer = read(&with(
        &good,
        "/added_tokens/0",
        json!({"id": 3, "content": "<end>",
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}),
    ));
    assert_eq!(tokenizer.unwrap().encode("ab<end>", true).unwrap(), [2, 3]);
    for (place, value) in [
        ("/model", json!(null)),
        ("/model/type", json!("Unigram")),
        ("/model/vocab", json!([])),
        ("/model/vocab", json!({})),
        ("/model/vocab/a", json!(-1)),
        ("/model/vocab/a", json!(4_000_000_000_u32)),
        ("/model/vocab/a", json!("0")),
        ("/model/merges", json!(null)),
        ("/model/merges/0", json!("ab")),
        ("/model/merges/0", json!(["a", "b", "ab"])),
        ("/model/merges/0", json!("ab ab")),
        ("/model/merges/0", json!(7)),
        ("/added_tokens/0/id", json!(1_000_000)),
        ("/added_tokens", json!("x")),
        ("/decoder", json!({"type": "Nothing"})),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": false}),
        ),
    ] {
        assert!(read(&with(&good, place, value.clone())).is_err(), "{place}: {value}");
    }
    for bytes in [&b""[..], b"{", b"[]", b"\xff\xfe", b"null"] {
        assert!(Tokenizer::new(TokenizerSource::Json(bytes.to_vec())).is_err());
    }
}

fn with(json: &Value, place: &str, value: Value) -> Value {
    let mut json = json.clone();
    *json.pointer_mut(place).unwrap() = value;
    json
}

#[test]
fn truncated_files_are_errors() {
    let bytes = std::fs::read(models().join("qwen3-tiny/tokenizer.json")).unwrap();
    for length in (0..bytes.len()).step_by(997) {
        assert!(Tokenizer::new(TokenizerSource::Json(bytes[..length].to_vec())).is_err());
    }
}
