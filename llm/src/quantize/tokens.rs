//! The tokenizer of a checkpoint as the arrays of a GGUF file.

use serde_json::Value;
use std::path::Path;

use super::metadata::Keys;
use super::{Error, Result};
use crate::config::Config;
use crate::load::folder;
use crate::tokenizer::gguf::{BYTE_LEVEL, kind, name_of_pre};
use crate::weights::gguf::write::Entry;

/// Puts the keys of `tokenizer.json` and `tokenizer_config.json`.
pub(super) fn put(keys: &mut Keys, path: &Path, config: &Config) -> Result<()> {
    let file = path.join("tokenizer.json");
    let tokenizer = folder::parse(&file, &folder::tokenizer(path)?)?;
    let special = folder::json(&path.join("tokenizer_config.json"))?;
    let model = folder::json(&path.join("config.json"))?;
    keys.put("tokenizer.ggml.model", Entry::Text("gpt2".to_owned()));
    keys.put("tokenizer.ggml.pre", Entry::Text(rule(&tokenizer)?.to_owned()));
    let (tokens, types) = vocabulary(&tokenizer, config.vocab)?;
    let n_tokens = tokens.len();
    keys.put("tokenizer.ggml.tokens", Entry::Texts(tokens));
    keys.put("tokenizer.ggml.token_type", Entry::Integers(types));
    keys.put("tokenizer.ggml.merges", Entry::Texts(merges(&tokenizer)?));
    for (role, key) in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")] {
        let id = id_of(role, &special, &tokenizer, &model);
        if let Some(id) = id.filter(|id| (*id as usize) < n_tokens) {
            keys.put(&format!("tokenizer.ggml.{key}_token_id"), Entry::U32(id));
            if role == "bos" {
                let add = adds(id, &special, &tokenizer);
                keys.put("tokenizer.ggml.add_bos_token", Entry::Bool(add));
            }
        }
    }
    let template = match folder::optional(&path.join("chat_template.jinja"))? {
        Some(template) => Some(template),
        None => folder::template(&special["chat_template"]),
    };
    if let Some(template) = template {
        keys.put("tokenizer.chat_template", Entry::Text(template));
    }
    Ok(())
}

fn unsupported(what: &'static str, got: impl ToString) -> Error {
    Error::Tokenizer { what, got: got.to_string() }
}

fn corrupt(what: &'static str) -> Error {
    Error::BrokenTokenizer { what }
}

/// llama.cpp's name of the rule that splits text into words.
fn rule(tokenizer: &Value) -> Result<&'static str> {
    let model = &tokenizer["model"];
    if model["type"].as_str().is_some_and(|it| it != "BPE") {
        return Err(unsupported("model", &model["type"]));
    }
    let steps = &tokenizer["pre_tokenizer"];
    let steps = match steps["pretokenizers"].as_array() {
        Some(steps) => steps.iter().collect(),
        None => vec![steps],
    };
    let mut patterns = Vec::new();
    let mut is_byte_level = false;
    for step in steps {
        match step["type"].as_str() {
            Some("Split") => {
                let pattern = step["pattern"]["Regex"].as_str();
                patterns.push(pattern.ok_or_else(|| unsupported("splitting rule", step))?);
            }
            Some("ByteLevel") => {
                is_byte_level = true;
                if step["use_regex"] != false {
                    patterns.push(BYTE_LEVEL);
                }
            }
            Some("Digits") if step["individual_digits"] == true => patterns.push(r"\p{N}"),
            _ => return Err(unsupported("splitting rule", step)),
        }
    }
    if !is_byte_level {
        return Err(unsupported("splitting rule", &tokenizer["pre_tokenizer"]));
    }
    let nfc = tokenizer["normalizer"]["type"] == "NFC";
    let found = name_of_pre(&patterns, model["ignore_merges"] == true, nfc);
    found.ok_or_else(|| unsupported("splitting rule", patterns.join(" and ")))
}

/// The tokens, and of which type each is; the model's vocabulary may be padded beyond them.
fn vocabulary(tokenizer: &Value, len: usize) -> Result<(Vec<String>, Vec<i32>)> {
    let vocab = tokenizer["model"]["vocab"].as_object();
    let vocab = vocab.ok_or_else(|| corrupt("`model.vocab` is no object"))?;
    let mut tokens: Vec<String> = (0..len).map(|id| format!("[PAD{id}]")).collect();
    let mut types = vec![kind::UNUSED as i32; len];
    let added = tokenizer["added_tokens"].as_array().map_or(&[][..], Vec::as_slice);
    let plain = vocab.iter().map(|(token, id)| (token.as_str(), id, kind::NORMAL));
    let added = added.iter().map(|token| {
        let kind = if token["special"] == true { kind::CONTROL } else { kind::USER_DEFINED };
        (token["content"].as_str().unwrap_or_default(), &token["id"], kind)
    });
    for (token, id, kind) in plain.chain(added) {
        let id = id.as_u64().and_then(|it| usize::try_from(it).ok());
        let id = id.ok_or_else(|| corrupt("the id of a token is no number"))?;
        if id >= len {
            return Err(corrupt("a token has an id beyond the model's vocabulary"));
        }
        token.clone_into(&mut tokens[id]);
        types[id] = kind as i32;
    }
    Ok((tokens, types))
}

/// The merges as GGUF has them: two tokens with a space between.
fn merges(tokenizer: &Value) -> Result<Vec<String>> {
    let merges = tokenizer["model"]["merges"].as_array();
    let merges = merges.ok_or_else(|| corrupt("`model.merges` is no list"))?;
    let merge = |it: &Value| match (it.as_str(), it[0].as_str(), it[1].as_str()) {
        (Some(both), _, _) => Ok(both.to_owned()),
        (None, Some(a), Some(b)) => Ok(format!("{a} {b}")),
        (None, _, _) => Err(corrupt("a merge is no pair")),
    };
    merges.iter().map(merge).collect()
}

/// The id of a token with a role: by name, or as the model's configuration says.
fn id_of(role: &str, special: &Value, tokenizer: &Value, model: &Value) -> Option<u32> {
    let name = &special[format!("{role}_token")];
    let name = name.as_str().or_else(|| name["content"].as_str());
    let added = tokenizer["added_tokens"].as_array();
    let by_name = || {
        let name = name?;
        let token = added?.iter().find(|token| token["content"] == name);
        let id = token.map_or(&tokenizer["model"]["vocab"][name], |it| &it["id"]);
        id.as_u64()
    };
    let key = format!("{role}_token_id");
    let by_number = || model[&key].as_u64().or_else(|| model["text_config"][&key].as_u64());
    by_name().or_else(by_number).and_then(|id| u32::try_from(id).ok())
}

/// Whether texts begin with this token: as the configuration says, or the tokenizer's own template.
fn adds(id: u32, special: &Value, tokenizer: &Value) -> bool {
    if let Some(add) = special["add_bos_token"].as_bool() {
        return add;
    }
    let post = &tokenizer["post_processor"];
    let steps = post["processors"].as_array().map_or_else(|| vec![post], |it| it.iter().collect());
    steps.iter().any(|step| {
        let first = step["single"][0]["SpecialToken"]["id"].as_str();
        let ids = first.map(|first| &step["special_tokens"][first]["ids"]);
        ids.is_some_and(|ids| ids[0] == id)
    })
}
