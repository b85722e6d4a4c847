//! Reading a header of which nothing is believed.

use super::Source;
use crate::error::{Error, Result};
use std::io::{BufReader, Read, Seek, SeekFrom};

/// A reader that knows how much is left.
pub(super) struct Cursor<'a> {
    file: BufReader<&'a mut dyn Source>,
    pub(super) at: u64,
    end: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(source: &'a mut dyn Source, at: u64, end: u64) -> Result<Self> {
        let mut file = BufReader::new(source);
        let left = end.saturating_sub(at);
        file.seek(SeekFrom::Start(at)).map_err(|_| truncated("the header", 1, left))?;
        Ok(Self { file, at, end })
    }

    /// Fails unless `count` bytes are left.
    pub(super) fn demand(&self, count: u64, what: &str) -> Result<()> {
        let left = self.end - self.at;
        if count > left { Err(truncated(what, count, left)) } else { Ok(()) }
    }

    pub(super) fn bytes<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        self.demand(N as u64, what)?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|_| truncated(what, N as u64, 0))?;
        self.at += N as u64;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(what)?))
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.bytes(what)?))
    }

    pub(super) fn text(&mut self, what: &str, longest: u64) -> Result<String> {
        let len = self.u64(what)?;
        self.demand(len, what)?;
        if len > longest {
            return Err(corrupt(what, "a shorter name", format!("{len} bytes")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.file.read_exact(&mut bytes).map_err(|_| truncated(what, len, 0))?;
        self.at += len;
        // Some vocabularies hold broken UTF-8; a replacement character is what others show, too.
        Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    pub(super) fn skip(&mut self, count: u64, what: &str) -> Result<()> {
        self.demand(count, what)?;
        let step = i64::try_from(count).map_err(|_| truncated(what, count, 0))?;
        self.file.seek_relative(step).map_err(|_| truncated(what, count, 0))?;
        self.at += count;
        Ok(())
    }
}

pub(super) fn corrupt(what: &str, want: &'static str, got: impl ToString) -> Error {
    Error::Corrupt { what: what.to_owned(), want, got: got.to_string() }
}

pub(super) fn truncated(what: &str, want: u64, got: u64) -> Error {
    Error::Truncated { what: what.to_owned(), want, got }
}
