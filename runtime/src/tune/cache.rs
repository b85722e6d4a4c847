//! The file of choices: one a line, its fields separated by tabs.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::Key;
use crate::error::{Error, Result};

/// The user's folder for caches, by the variables of the system's own custom.
pub(super) fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    let home = |folder: &str| Some(path("HOME")?.join(folder));
    if cfg!(windows) {
        path("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home("Library/Caches")
    } else {
        // XDG Base Directory Specification: a relative path counts as none.
        path("XDG_CACHE_HOME").filter(|it| it.is_absolute()).or_else(|| home(".cache"))
    }
}

/// A field without what separates fields and lines.
pub(super) fn field(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

/// A choice as a line.
pub(super) fn line(key: &Key, name: &str) -> String {
    let Key { device, driver, hash, operation, shape } = key;
    let hash = format!("{hash:016x}");
    let name = field(name);
    [device, driver, &hash, operation, shape, &name].map(String::as_str).join("\t") + "\n"
}

/// The choice in a line, if it is one.
fn choice(line: &str) -> Option<(Key, String)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [device, driver, hash, operation, shape, name] = fields.as_slice() else { return None };
    let key = Key {
        device: (*device).to_owned(),
        driver: (*driver).to_owned(),
        hash: u64::from_str_radix(hash, 16).ok()?,
        operation: (*operation).to_owned(),
        shape: (*shape).to_owned(),
    };
    Some((key, (*name).to_owned()))
}

fn failure(path: &Path, error: std::io::Error) -> Error {
    Error::TuneCache { path: path.to_owned().into_boxed_path(), error: Box::new(error) }
}

/// All choices of a file; none if there is no file. The last of a key counts.
pub(super) fn read(path: &Path) -> Result<HashMap<Key, String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(choice).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(HashMap::new()),
        Err(error) => Err(failure(path, error)),
    }
}

/// Adds a line with one write, so that those of several processes do not mix.
pub(super) fn append(path: &Path, line: &str) -> Result<()> {
    let write = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(line.as_bytes())
    };
    write().map_err(|error| failure(path, error))
}
