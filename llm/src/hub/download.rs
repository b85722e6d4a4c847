//! One file from the hub to the disk.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{Error, File, Hub, Progress, Reference, Result, Sum, cache::disk};

/// Attempts in a row that brought nothing.
const ATTEMPTS: u32 = 4;

impl Hub {
    /// Fetches a file into `blob`, from where the last attempt ended.
    pub(super) fn download(
        &self,
        reference: &Reference,
        commit: &str,
        file: &File,
        blob: &Path,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let url = format!("{}/{}/resolve/{commit}/{}", self.endpoint, reference.repo, file.name);
        let mut partial = Partial::open(blob, file)?;
        if blob.exists() {
            // Another program had the lock, and fetched it. What is left is of our making.
            fs::remove_file(&partial.path).ok();
            return Ok(());
        }
        progress.file(&file.name, partial.done, file.size);
        let mut fruitless = 0;
        while partial.done < file.size {
            let before = partial.done;
            let Err(error) = self.attempt(&url, reference, &mut partial, progress) else {
                continue;
            };
            fruitless = if partial.done > before { 0 } else { fruitless + 1 };
            let reason = match error {
                Error::Unreachable { reason, .. } => reason,
                Error::Status { status, .. } if status == 429 || status >= 500 => {
                    format!("status {status}")
                }
                error => return Err(error),
            };
            if fruitless == ATTEMPTS {
                let (file, done, total) = (file.name.clone(), partial.done, file.size);
                return Err(Error::Torn { file, done, total, reason });
            }
            tracing::debug!(file = file.name, at = partial.done, reason, "a download broke off");
            thread::sleep(Duration::from_millis(250 << fruitless));
        }
        partial.complete(blob, file)
    }

    /// Asks for the rest of a file and takes what comes.
    fn attempt(
        &self,
        url: &str,
        reference: &Reference,
        partial: &mut Partial,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let from = (partial.done > 0).then_some(partial.done);
        let mut response = self.get(url, from, reference)?;
        if response.status() != 206 || !starts_at(&response, partial.done) {
            // The server sends the file from its beginning.
            partial.rewind()?;
        }
        let torn = |reason: String| Error::Unreachable { url: url.to_owned(), reason };
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        while partial.done < partial.size {
            let count = body.read(&mut buffer).map_err(|it| torn(it.to_string()))?;
            if count == 0 {
                return Err(torn("the connection was closed".to_owned()));
            }
            partial.append(&buffer[..count])?;
            progress.bytes(partial.done);
        }
        Ok(())
    }
}

/// Whether a partial answer begins with the byte `at`.
fn starts_at(response: &ureq::http::Response<ureq::Body>, at: u64) -> bool {
    let range = response.headers().get("content-range").and_then(|it| it.to_str().ok());
    range.is_some_and(|it| it.starts_with(&format!("bytes {at}-")))
}

/// A file on its way. Its lock makes a second program that wants it wait.
struct Partial {
    file: fs::File,
    path: PathBuf,
    hasher: Hasher,
    done: u64,
    size: u64,
}

impl Partial {
    fn open(blob: &Path, file: &File) -> Result<Self> {
        let path = blob.with_extension("incomplete");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let opened = options.open(&path).map_err(disk(&path))?;
        opened.lock().map_err(disk(&path))?;
        let mut partial =
            Self { file: opened, path, hasher: Hasher::new(file), done: 0, size: file.size };
        partial.read_back()?;
        Ok(partial)
    }

    /// Takes what is on the disk into the checksum.
    fn read_back(&mut self) -> Result<()> {
        let failed = disk(&self.path);
        let mut buffer = vec![0; 1 << 16];
        let mut read = || {
            loop {
                match self.file.read(&mut buffer)? {
                    0 => return Ok(()),
                    count => {
                        self.hasher.update(&buffer[..count]);
                        self.done += count as u64;
                    }
                }
            }
        };
        read().map_err(failed)?;
        if self.done > self.size { self.rewind() } else { Ok(()) }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        // A server that sends more than it promised is not to fill the disk.
        let left = usize::try_from(self.size - self.done).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(left)];
        self.file.write_all(bytes).map_err(disk(&self.path))?;
        self.hasher.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(disk(&self.path))?;
        (self.hasher, self.done) = (self.hasher.anew(self.size), 0);
        Ok(())
    }

    /// Gives the file its name, if it is what the hub says.
    fn complete(self, blob: &Path, file: &File) -> Result<()> {
        let (Sum::Sha256(want) | Sum::GitSha1(want)) = file.sum.clone();
        let got = self.hasher.finish();
        if !got.eq_ignore_ascii_case(&want) {
            fs::remove_file(&self.path).map_err(disk(&self.path))?;
            return Err(Error::Checksum { file: file.name.clone(), want, got });
        }
        self.file.sync_all().map_err(disk(&self.path))?;
        fs::rename(&self.path, blob).map_err(disk(blob))
    }
}

/// The checksum in the making.
enum Hasher {
    Sha256(Box<Sha256>),
    GitSha1(Box<Sha1>),
}

impl Hasher {
    fn new(file: &File) -> Self {
        match file.sum {
            Sum::Sha256(_) => Self::Sha256(Box::default()),
            Sum::GitSha1(_) => Self::git(file.size),
        }
    }

    /// git's checksums are of a header and the content.
    fn git(size: u64) -> Self {
        let mut sha = Box::<Sha1>::default();
        sha.update(format!("blob {size}\0"));
        Self::GitSha1(sha)
    }

    /// One of the same kind without content.
    fn anew(&self, size: u64) -> Self {
        match self {
            Self::Sha256(_) => Self::Sha256(Box::default()),
            Self::GitSha1(_) => Self::git(size),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sha) => sha.update(bytes),
            Self::GitSha1(sha) => sha.update(bytes),
        }
    }

    fn finish(self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect();
        match self {
            Self::Sha256(sha) => hex(&sha.finalize()),
            Self::GitSha1(sha) => hex(&sha.finalize()),
        }
    }
}
