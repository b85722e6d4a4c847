//! Names of models on the hub.

use std::{fmt, str::FromStr};

use super::Error;

/// `hf:ORG/REPO[@REVISION][/FILE]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `ORG/REPO`
    pub repo: String,
    /// A branch, tag or commit; `main` unless one is given.
    pub revision: String,
    /// A file, or a part of the name of a GGUF file, such as `Q8_0`.
    pub file: Option<String>,
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Reference { got: text.to_owned() };
        let path = text.strip_prefix("hf:").unwrap_or(text);
        let mut parts = path.splitn(3, '/');
        let (org, name) = (parts.next(), parts.next());
        let (Some(org), Some(name)) = (org, name) else { return Err(wrong()) };
        let file = parts.next();
        let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
        let plain = |it: &str| {
            !it.starts_with(['.', '-'])
                && !it.is_empty()
                && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
        };
        let safe = file.is_none_or(is_safe) && [org, name, revision].into_iter().all(plain);
        let (repo, file) = (format!("{org}/{name}"), file.map(str::to_owned));
        safe.then(|| Self { repo, revision: revision.to_owned(), file }).ok_or_else(wrong)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf:{}", self.repo)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        self.file.as_ref().map_or(Ok(()), |file| write!(f, "/{file}"))
    }
}

/// Whether a path stays inside of the folder that it is joined to, on every platform.
pub(super) fn is_safe(path: &str) -> bool {
    let part = |it: &str| !it.is_empty() && it != "." && it != "..";
    path.split('/').all(part) && !path.contains(['\\', ':', '\0', '?', '#', '%'])
}
