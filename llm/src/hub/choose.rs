//! Which files of a repository are the model.

use std::path::{Path, PathBuf};

use super::{Error, Reference, Result};

/// What of a GGUF repository with many files is taken: small, and close to the original.
const USUAL: &str = "Q4_K_M";

/// Files of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Their names.
    pub(super) files: Vec<String>,
    /// Whether the model is the one file rather than the folder.
    single: bool,
}

impl Chosen {
    /// What to load, once the files lie in `snapshot`.
    pub(super) fn place(&self, snapshot: &Path) -> PathBuf {
        match (&*self.files, self.single) {
            ([file], true) => snapshot.join(file),
            _ => snapshot.to_owned(),
        }
    }
}

/// Chooses among the files of a repository.
pub(super) fn files(reference: &Reference, names: &[String]) -> Result<Chosen> {
    let gguf: Vec<_> = names.iter().filter(|it| it.ends_with(".gguf")).collect();
    if let Some(wanted) = &reference.file {
        return match names.iter().find(|it| *it == wanted) {
            Some(name) => Ok(single(name)),
            None => one(reference, &gguf, wanted),
        };
    }
    let folder: Vec<_> = names.iter().filter(|it| belongs(it, names)).cloned().collect();
    let has = |end: &str| folder.iter().any(|it| it.ends_with(end));
    match gguf[..] {
        _ if has(".safetensors") && has("config.json") => {
            Ok(Chosen { files: folder, single: false })
        }
        [name] => Ok(single(name)),
        _ => one(reference, &gguf, USUAL),
    }
}

fn single(name: &str) -> Chosen {
    Chosen { files: vec![name.to_owned()], single: true }
}

/// The one GGUF file with `part` in its name.
fn one(reference: &Reference, gguf: &[&String], part: &str) -> Result<Chosen> {
    let lower = part.to_lowercase();
    let fitting: Vec<_> = gguf.iter().filter(|it| it.to_lowercase().contains(&lower)).collect();
    if let [name] = fitting[..] {
        return Ok(single(name));
    }
    let files = match gguf {
        [] => "no GGUF file, and no config.json with *.safetensors".to_owned(),
        _ => gguf.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", "),
    };
    Err(Error::Choice {
        repo: reference.repo.clone(),
        want: format!("one GGUF file with `{part}` in its name"),
        found: fitting.len(),
        files,
    })
}

/// Whether a file is part of a model in safetensors.
fn belongs(name: &str, names: &[String]) -> bool {
    const OTHERS: [&str; 4] =
        ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
    // Some repositories hold the weights twice, the other time in their makers' own format.
    let sharded = names.iter().any(|it| it == "model.safetensors.index.json");
    let weights = match sharded {
        true => name.starts_with("model-"),
        false => !name.starts_with("consolidated"),
    };
    name == "model.safetensors.index.json"
        || name == "chat_template.jinja"
        || OTHERS.contains(&name)
        || (weights && name.ends_with(".safetensors") && !name.contains('/'))
}
