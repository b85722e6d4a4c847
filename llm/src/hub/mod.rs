//! Models of the Hugging Face Hub: found in the local cache, or fetched into it.
//!
//! The cache has the layout of Hugging Face's own tools, which share it:
//! <https://huggingface.co/docs/huggingface_hub/guides/manage-cache>. The list of files, with
//! sizes and checksums, is one request of the hub's API (`/api/models/…?blobs=true`).
//!
//! A download that breaks off is taken up where it ended, in this run or a later one, and a
//! file gets its name only once its checksum is that of the hub.

mod cache;
mod choose;
mod download;
mod reference;
#[cfg(test)]
mod tests;

use std::{env, io, path::PathBuf, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent,
    config::RedirectAuthHeaders,
    tls::{RootCerts, TlsConfig},
};

use self::cache::Cache;
pub use self::{cache::cache_folder, reference::Reference};

const HUB: &str = "https://huggingface.co";

/// Why a model is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not the name of a model.
    #[error("want hf:ORG/REPO[@REVISION][/FILE], got `{got}`")]
    Reference {
        /// The text.
        got: String,
    },
    /// There is nowhere to put files.
    #[error("there is no folder for models\nhelp: set HF_HUB_CACHE to one")]
    NoCache,
    /// No answer from the hub.
    #[error("cannot reach {url}: {reason}\nhelp: HF_ENDPOINT names a mirror of the hub")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// The hub knows no such thing.
    #[error("the hub has no `{what}`\nhelp: private repositories need HF_TOKEN")]
    NotFound {
        /// A repository, revision or file.
        what: String,
    },
    /// The hub does not let us.
    #[error(
        "the hub refuses access to `{what}`\n\
         help: accept its terms on the hub's page, and set HF_TOKEN to a token that may read it"
    )]
    Denied {
        /// A repository.
        what: String,
    },
    /// The hub answers with another error.
    #[error("{url} answers {status}\nhelp: try again later")]
    Status {
        /// What was asked for.
        url: String,
        /// Its answer.
        status: u16,
    },
    /// The hub's answer is not what its API promises.
    #[error("{url} answers what is no answer: {reason}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No file of the repository is meant, or several may be.
    #[error("{repo}: want {want}, which {found} of its files are\nhelp: it has {files}")]
    Choice {
        /// The repository.
        repo: String,
        /// What was looked for.
        want: String,
        /// How many fit.
        found: usize,
        /// Those that could be named.
        files: String,
    },
    /// A file that broke off again and again.
    #[error(
        "the download of {file} broke off at {done} of {total} bytes: {reason}\n\
         help: the same command takes it up there"
    )]
    Torn {
        /// The file.
        file: String,
        /// Bytes that are kept.
        done: u64,
        /// Bytes that it has.
        total: u64,
        /// What the network says.
        reason: String,
    },
    /// A file that is not what the hub says.
    #[error(
        "{file}: want checksum {want}, got {got}: the download is damaged and was deleted\n\
         help: fetch it again"
    )]
    Checksum {
        /// The file.
        file: String,
        /// The hub's checksum.
        want: String,
        /// The checksum of what came.
        got: String,
    },
    /// The cache cannot be written.
    #[error("`{}`: {source}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Results of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Who wants to know how far a download is.
pub trait Progress {
    /// A file begins, with `done` of its `total` bytes here already.
    fn file(&mut self, name: &str, done: u64, total: u64);
    /// So many of its bytes are here.
    fn bytes(&mut self, done: u64);
    /// The last file is complete.
    fn finish(&mut self);
}

/// For those who do not.
impl Progress for () {
    fn file(&mut self, _name: &str, _done: u64, _total: u64) {}
    fn bytes(&mut self, _done: u64) {}
    fn finish(&mut self) {}
}

/// A hub and the cache of what came from it.
#[derive(Debug)]
pub struct Hub {
    agent: Agent,
    endpoint: String,
    token: Option<String>,
    cache: Cache,
}

/// A file of a repository, as the hub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    name: String,
    size: u64,
    sum: Sum,
}

/// A checksum, which is also the file's name among the blobs of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sum {
    /// Of the content; for large files.
    Sha256(String),
    /// Of git's blob: a header and the content; for small files.
    GitSha1(String),
}

/// A state of a repository.
#[derive(Debug)]
struct Listing {
    commit: String,
    files: Vec<File>,
}

impl Hub {
    /// The hub that `HF_ENDPOINT` names, with the token of `HF_TOKEN` and the cache of
    /// `HF_HUB_CACHE`, `HF_HOME` or the home folder.
    pub fn from_env() -> Result<Self> {
        let set = |name: &str| env::var(name).ok().filter(|it| !it.is_empty());
        let folder = match (set("HF_HUB_CACHE"), set("HF_HOME")) {
            (Some(folder), _) => PathBuf::from(folder),
            (None, Some(home)) => PathBuf::from(home).join("hub"),
            (None, None) => cache_folder().ok_or(Error::NoCache)?.join("huggingface/hub"),
        };
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| HUB.to_owned());
        Ok(Self::new(&endpoint, set("HF_TOKEN"), folder))
    }

    /// A hub at `endpoint`, cached in `folder`.
    pub fn new(endpoint: &str, token: Option<String>, folder: PathBuf) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The hub redirects to storage elsewhere, which the token is none of the business of.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_per_read(Some(Duration::from_secs(30)))
            .user_agent(concat!("firesteel/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Self { agent: config.new_agent(), endpoint, token, cache: Cache::new(folder) }
    }

    /// Where the model is, if the cache has all of it. Asks nobody.
    pub fn find(&self, reference: &Reference) -> Option<PathBuf> {
        let snapshot = self.cache.snapshot(reference)?;
        let names = cache::names(&snapshot);
        let chosen = choose::files(reference, &names).ok()?;
        let complete = cache::is_complete(&snapshot, &chosen.files);
        complete.then(|| chosen.place(&snapshot))
    }

    /// Fetches what the cache does not have, and says where the model is: a GGUF file, or a
    /// folder.
    pub fn pull(&self, reference: &Reference, progress: &mut dyn Progress) -> Result<PathBuf> {
        let listing = self.list(reference)?;
        let names: Vec<_> = listing.files.iter().map(|it| it.name.clone()).collect();
        let chosen = choose::files(reference, &names)?;
        let snapshot = self.cache.create(reference, &listing.commit)?;
        for file in listing.files.iter().filter(|it| chosen.files.contains(&it.name)) {
            let blob = self.cache.blob(reference, &file.sum);
            if !blob.exists() {
                self.download(reference, &listing.commit, file, &blob, progress)?;
            }
            cache::link(&blob, &snapshot.join(&file.name))?;
        }
        progress.finish();
        // Only now: a reference to a commit promises its files.
        self.cache.refer(reference, &listing.commit)?;
        Ok(chosen.place(&snapshot))
    }

    fn list(&self, reference: &Reference) -> Result<Listing> {
        let Reference { repo, revision, .. } = reference;
        let url = format!("{}/api/models/{repo}/revision/{revision}?blobs=true", self.endpoint);
        let mut response = self.get(&url, None, reference)?;
        let wrong = |reason: String| Error::Answer { url: url.clone(), reason };
        let text = response.body_mut().read_to_string().map_err(|it| wrong(it.to_string()))?;
        let answer: Answer = serde_json::from_str(&text).map_err(|it| wrong(it.to_string()))?;
        answer.listing().map_err(wrong)
    }

    /// An answer of the hub; `from` asks for the rest of a file.
    fn get(
        &self,
        url: &str,
        from: Option<u64>,
        reference: &Reference,
    ) -> Result<ureq::http::Response<ureq::Body>> {
        let mut request = self.agent.get(url);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(from) = from {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request
            .call()
            .map_err(|it| Error::Unreachable { url: url.to_owned(), reason: it.to_string() })?;
        let what = || reference.to_string();
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            404 => Err(Error::NotFound { what: what() }),
            401 | 403 => Err(Error::Denied { what: what() }),
            status => Err(Error::Status { url: url.to_owned(), status }),
        }
    }
}

/// The API's answer.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Answer {
    /// Checks what will be part of paths.
    fn listing(self) -> std::result::Result<Listing, String> {
        if !is_hex(&self.sha, 40) {
            return Err(format!("`{}` is no commit", self.sha));
        }
        let files = self.siblings.into_iter().filter_map(Sibling::file).collect();
        Ok(Listing { commit: self.sha, files })
    }
}

impl Sibling {
    /// None if it has no checksum, or a name that would leave its folder.
    fn file(self) -> Option<File> {
        let (size, sum) = match (self.lfs, self.size, self.blob_id) {
            (Some(lfs), ..) if is_hex(&lfs.sha256, 64) => (lfs.size, Sum::Sha256(lfs.sha256)),
            (None, Some(size), Some(id)) if is_hex(&id, 40) => (size, Sum::GitSha1(id)),
            _ => return None,
        };
        reference::is_safe(&self.rfilename).then_some(File { name: self.rfilename, size, sum })
    }
}

fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|it| it.is_ascii_hexdigit())
}
