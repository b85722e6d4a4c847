//! `model.safetensors.index.json`: which file holds which tensor.

use super::UNUSED;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

const NAME: &str = "model.safetensors.index.json";

/// The index of a checkpoint of several files.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    /// File names by the names of tensors.
    weight_map: BTreeMap<String, String>,
}

/// The index of a folder, if it has one.
pub(super) fn read(folder: &Path) -> Result<Option<Index>> {
    let path = folder.join(NAME);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path, source }),
    };
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::Json { path, source })
}

impl Index {
    /// The files that it names, all of which are there.
    pub(super) fn files(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let names: BTreeSet<&str> = self.weight_map.values().map(String::as_str).collect();
        let path = |name: &str| {
            // A checkpoint does not point outside of its folder.
            let mut parts = Path::new(name).components();
            let plain = matches!(parts.next(), Some(Component::Normal(_)));
            if !plain || parts.next().is_some() {
                return Err(corrupt(NAME, "names of files beside it", name));
            }
            let path = folder.join(name);
            if !path.is_file() {
                return Err(Error::Missing {
                    what: format!("file `{name}`, which `{NAME}` lists"),
                });
            }
            Ok(path)
        };
        names.into_iter().map(path).collect()
    }

    /// Fails unless each tensor is in the file that it says; `find` gives the file of a tensor.
    pub(super) fn check<'a>(&self, find: impl Fn(&str) -> Option<&'a Path>) -> Result<()> {
        for (tensor, file) in &self.weight_map {
            if UNUSED.iter().any(|it| tensor.starts_with(it)) {
                continue;
            }
            let found = find(tensor);
            if found.and_then(Path::file_name) != Some(file.as_ref()) {
                let got = found.map_or("nowhere".to_owned(), |it| it.display().to_string());
                let what = format!("tensor `{tensor}`, which `{NAME}` places in `{file}`");
                return Err(corrupt(&what, "it there", &got));
            }
        }
        Ok(())
    }
}

fn corrupt(what: &str, want: &'static str, got: &str) -> Error {
    Error::Corrupt { what: what.to_owned(), want, got: got.to_owned() }
}
