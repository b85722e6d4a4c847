//! Models from folders with a hub checkpoint.

use super::{Description, GenerationDefaults, Loaded};
use crate::config;
use crate::error::{Error, Result};
use crate::models;
use crate::quantize::{Mix, Packer, Packing, facts};
use crate::tokenizer::TokenizerSource;
use crate::weights::safetensors::Safetensors;
use serde_json::Value;
use std::path::Path;

/// Loads a checkpoint; with a mix, its matrices are quantised on the way.
pub(super) fn load(folder: &Path, mix: Option<(Mix, Packer)>) -> Result<Loaded> {
    let Some(text) = optional(&folder.join("config.json"))? else {
        let got = "a folder without `config.json`";
        return Err(Error::NotAModel { path: folder.to_owned(), got });
    };
    let path = folder.join("config.json");
    let config = config::from_json(&path, &text)?;
    let raw = parse(&path, &text)?;
    let mut weights = Safetensors::open(folder)?;
    let (parameters, bytes) = weights.size();
    // No type takes more than 9 bits.
    super::demand_memory(match mix {
        Some(_) => parameters / 8 * 9,
        None => parameters * size_of::<f32>() as u64,
    })?;
    let description = Description {
        architecture: config.architecture.name().to_owned(),
        parameters,
        bytes,
        quantisation: match &mix {
            Some((mix, _)) => mix.name().to_uppercase(),
            None => weights.format(),
        },
        context: config.context,
    };
    if let Some((mix, packer)) = mix {
        weights.quantise(Packing::new(mix, facts(&config), packer));
    }
    let generation = json(&folder.join("generation_config.json"))?;
    let special = json(&folder.join("tokenizer_config.json"))?;
    let path = folder.join("tokenizer.json");
    let tokenizer = tokenizer(folder)?;
    let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = absolute.file_name().map_or_else(String::new, |it| it.to_string_lossy().into());
    Ok(Loaded {
        name,
        chat_template: match optional(&folder.join("chat_template.jinja"))? {
            Some(template) => Some(template),
            None => template(&special["chat_template"]),
        },
        bos: bos(&special["bos_token"], &parse(&path, &tokenizer)?),
        stop_ids: stop_ids(&generation["eos_token_id"], eos(&raw)),
        tokenizer: TokenizerSource::Json(tokenizer.into_bytes()),
        defaults: defaults(&generation),
        description,
        model: models::load(config, &mut weights)?,
    })
}

/// The text of the `tokenizer.json`.
pub(crate) fn tokenizer(folder: &Path) -> Result<String> {
    let missing = || Error::Missing { what: "file `tokenizer.json`".to_owned() };
    optional(&folder.join("tokenizer.json"))?.ok_or_else(missing)
}

/// The text of a file, if there is one.
pub(crate) fn optional(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

pub(crate) fn parse(path: &Path, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// The value in a JSON file; null if there is no file.
pub(crate) fn json(path: &Path) -> Result<Value> {
    optional(path)?.map_or(Ok(Value::Null), |text| parse(path, &text))
}

/// One template, or the one that is called `default`.
pub(crate) fn template(value: &Value) -> Option<String> {
    let named = || {
        let all = value.as_array()?;
        all.iter().find(|it| it["name"] == "default")?["template"].as_str()
    };
    value.as_str().or_else(named).map(str::to_owned)
}

/// The id of the token that `tokenizer_config.json` names.
fn bos(name: &Value, tokenizer: &Value) -> Option<u32> {
    let name = name.as_str().or_else(|| name["content"].as_str())?;
    let added = tokenizer["added_tokens"].as_array()?;
    let token = added.iter().find(|token| token["content"] == name)?;
    token["id"].as_u64().and_then(|id| u32::try_from(id).ok())
}

/// What the model's configuration says; checkpoints that also see nest it.
fn eos(config: &Value) -> &Value {
    let own = &config["eos_token_id"];
    if own.is_null() { &config["text_config"]["eos_token_id"] } else { own }
}

/// One id or several, of the generation's configuration or else the model's.
fn stop_ids(generation: &Value, config: &Value) -> Vec<u32> {
    let value = if generation.is_null() { config } else { generation };
    let several = value.as_array().map_or_else(|| vec![value], |all| all.iter().collect());
    let id = |it: &Value| it.as_u64().and_then(|id| u32::try_from(id).ok());
    several.into_iter().filter_map(id).collect()
}

pub(crate) fn defaults(generation: &Value) -> GenerationDefaults {
    let float = |key: &str| generation[key].as_f64().map(|it| it as f32);
    GenerationDefaults {
        temperature: float("temperature"),
        top_k: generation["top_k"].as_u64().and_then(|it| usize::try_from(it).ok()),
        top_p: float("top_p"),
        min_p: float("min_p"),
        repetition_penalty: float("repetition_penalty"),
    }
}
