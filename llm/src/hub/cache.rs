//! The cache's folders:
//!
//! ```text
//! models--ORG--REPO/refs/main                     the commit of a branch
//!                   snapshots/COMMIT/FILE         links to
//!                   blobs/SUM                     files by checksum
//!                   blobs/SUM.incomplete          on their way
//! ```

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use super::{Error, Reference, Result, Sum};

#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
}

/// The platform's folder for what can be fetched again.
pub fn cache_folder() -> Option<PathBuf> {
    let set = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|it| it.is_absolute());
    // `~/.cache` on every platform: there Hugging Face's own tools look.
    set.or_else(|| env::home_dir().map(|it| it.join(".cache")))
}

impl Cache {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn repo(&self, reference: &Reference) -> PathBuf {
        self.folder.join(format!("models--{}", reference.repo.replace('/', "--")))
    }

    /// The folder of the commit that the revision was last seen at.
    pub(super) fn snapshot(&self, reference: &Reference) -> Option<PathBuf> {
        let repo = self.repo(reference);
        let commit = fs::read_to_string(repo.join("refs").join(&reference.revision));
        // A revision may be a commit itself.
        let commit = commit.unwrap_or_else(|_| reference.revision.clone());
        let folder = repo.join("snapshots").join(commit.trim());
        folder.is_dir().then_some(folder)
    }

    /// Makes the folders for a commit; gives the one of its snapshot.
    pub(super) fn create(&self, reference: &Reference, commit: &str) -> Result<PathBuf> {
        let repo = self.repo(reference);
        let snapshot = repo.join("snapshots").join(commit);
        for folder in [&snapshot, &repo.join("blobs"), &repo.join("refs")] {
            fs::create_dir_all(folder).map_err(disk(folder))?;
        }
        Ok(snapshot)
    }

    /// The file of this checksum.
    pub(super) fn blob(&self, reference: &Reference, sum: &Sum) -> PathBuf {
        let (Sum::Sha256(name) | Sum::GitSha1(name)) = sum;
        self.repo(reference).join("blobs").join(name)
    }

    /// Notes that the revision is this commit.
    pub(super) fn refer(&self, reference: &Reference, commit: &str) -> Result<()> {
        if reference.revision == commit {
            return Ok(());
        }
        let path = self.repo(reference).join("refs").join(&reference.revision);
        fs::write(&path, commit).map_err(disk(&path))
    }
}

pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::Disk { path, source }
}

/// The names of the files in a snapshot, with those of the folders that they are in.
pub(super) fn names(snapshot: &Path) -> Vec<String> {
    let mut names = Vec::new();
    collect(snapshot, "", &mut names);
    names
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        if path.is_dir() {
            collect(&path, &format!("{name}/"), names);
        } else if path.is_file() {
            // A link to a blob that is gone is no file.
            names.push(name);
        }
    }
}

/// Whether all of these files are there, and the shards that an index among them names.
pub(super) fn is_complete(snapshot: &Path, files: &[String]) -> bool {
    let present = |name: &str| snapshot.join(name).is_file();
    let shards = || {
        let text = fs::read_to_string(snapshot.join("model.safetensors.index.json")).ok()?;
        let index: serde_json::Value = serde_json::from_str(&text).ok()?;
        let names = index["weight_map"].as_object()?.values();
        Some(names.filter_map(|it| it.as_str()).all(present))
    };
    files.iter().all(|it| present(it)) && shards().unwrap_or(true)
}

/// Makes `place` another name of `blob`.
pub(super) fn link(blob: &Path, place: &Path) -> Result<()> {
    if place.is_file() {
        return Ok(());
    }
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(disk(folder))?;
    }
    // A link that leads nowhere.
    fs::remove_file(place).ok();
    #[cfg(unix)]
    let linked = {
        // Relative, so that the cache can be moved.
        let from = place.parent().unwrap_or(place);
        std::os::unix::fs::symlink(relative(blob, from), place)
    };
    // Symbolic links need privileges elsewhere.
    #[cfg(not(unix))]
    let linked = fs::hard_link(blob, place);
    linked.map_err(disk(place))
}

/// The path of `blob` as seen from the folder `from`. Both are in the folder of one repository.
#[cfg(unix)]
fn relative(blob: &Path, from: &Path) -> PathBuf {
    let shared = blob.components().zip(from.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| Path::new(".."));
    up.chain(blob.components().skip(shared).map(|it| Path::new(it.as_os_str()))).collect()
}
