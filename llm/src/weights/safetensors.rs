//! Folders of safetensors, as a hub checkpoint is stored.
//!
//! Source: <https://github.com/huggingface/safetensors#format>. Tensors are read one by one, when
//! they are asked for, and widened to `f32`.

use super::Weights;
use super::gguf::{matrix, widened};
use crate::error::{Error, Result};
use crate::models::layers::linear::Linear;
use crate::quantize::{Packing, is_quantised};
use candle_core::quantized::GgmlDType;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

mod index;
pub(crate) mod names;

/// Longer than any header; the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// Parts of a checkpoint that text does not go through: draft layers, images.
const UNUSED: [&str; 2] = ["mtp.", "model.visual."];
/// What the names of a decoder begin with, alone and beside a vision part.
const ALONE: &str = "model.";
const BESIDE: &str = "model.language_model.";

/// The tensors of a folder.
pub struct Safetensors {
    files: Vec<(PathBuf, File)>,
    prefix: &'static str,
    tensors: HashMap<String, Entry>,
    packing: Option<Packing>,
}

struct Entry {
    file: usize,
    /// The name of the format if it is none that is read.
    format: std::result::Result<GgmlDType, String>,
    shape: Vec<usize>,
    offset: u64,
    bytes: usize,
}

/// A tensor as the header tells it.
#[derive(Deserialize)]
struct Raw {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Safetensors {
    /// Opens the files that a folder's index lists or, where there is no index, all of its
    /// `*.safetensors`.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut all =
            Self { files: Vec::new(), prefix: ALONE, tensors: HashMap::new(), packing: None };
        let index = index::read(folder)?;
        let paths = match &index {
            Some(index) => index.files(folder)?,
            None => all_of(folder)?,
        };
        for path in paths {
            all.add(path)?;
        }
        if let Some(index) = &index {
            index.check(|name| all.tensors.get(name).map(|it| all.files[it.file].0.as_path()))?;
        }
        Ok(all)
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        let read = |source| Error::Read { path: path.clone(), source };
        let mut file = File::open(&path).map_err(read)?;
        let size = file.metadata().map_err(read)?.len();
        let what = || format!("the header of `{}`", path.display());
        let cut = |want| Error::Truncated { what: what(), want, got: size };
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| cut(8))?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length > size - 8 {
            return Err(cut(length));
        }
        let mut header = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact(&mut header).map_err(|_| cut(length))?;
        let json = |source| Error::Json { path: path.clone(), source };
        let header: HashMap<String, serde_json::Value> =
            serde_json::from_slice(&header).map_err(json)?;
        for (name, value) in header {
            if name == "__metadata__" || UNUSED.iter().any(|it| name.starts_with(it)) {
                continue;
            }
            if name.starts_with(BESIDE) {
                self.prefix = BESIDE;
            }
            let raw: Raw = serde_json::from_value(value).map_err(json)?;
            let entry = self.entry(&name, raw, 8 + length, size)?;
            if self.tensors.insert(name.clone(), entry).is_some() {
                let (what, got) = (format!("tensor `{name}`"), "one in each of two".to_owned());
                return Err(Error::Corrupt { what, want: "it in one file", got });
            }
        }
        self.files.push((path, file));
        Ok(())
    }

    fn entry(&self, name: &str, raw: Raw, start: u64, size: u64) -> Result<Entry> {
        let format = match raw.dtype.as_str() {
            "F32" => Ok(GgmlDType::F32),
            "F16" => Ok(GgmlDType::F16),
            "BF16" => Ok(GgmlDType::BF16),
            other => Err(other.to_owned()),
        };
        let (from, to) = raw.data_offsets;
        let numbers = raw.shape.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
        let want = match &format {
            Ok(format) => numbers.and_then(|it| it.checked_mul(format.type_size())),
            Err(_) => to.checked_sub(from).and_then(|it| usize::try_from(it).ok()),
        };
        let fits = |bytes: &usize| *bytes > 0 && to.checked_sub(from) == Some(*bytes as u64);
        let bytes = want.filter(fits).ok_or_else(|| Error::Corrupt {
            what: format!("tensor `{name}`"),
            want: "as many bytes as its shape takes, and some",
            got: format!("{:?} for {:?}", raw.data_offsets, raw.shape),
        })?;
        if to > size - start {
            let what = format!("tensor `{name}`");
            let got = (size - start).saturating_sub(from);
            return Err(Error::Truncated { what, want: bytes as u64, got });
        }
        let (file, offset) = (self.files.len(), start + from);
        Ok(Entry { file, format, shape: raw.shape, offset, bytes })
    }

    /// Name, shape (outermost dimension first), format and bytes of each tensor.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize], String, usize)> {
        self.tensors.iter().map(|(name, it)| {
            let format = it.format.as_ref().map_or_else(Clone::clone, |it| format!("{it:?}"));
            (&**name, &*it.shape, format, it.bytes)
        })
    }

    /// Numbers in all tensors, and the bytes that they take in the files.
    pub fn size(&self) -> (u64, u64) {
        let numbers = |it: &Entry| it.shape.iter().map(|size| *size as u64).product::<u64>();
        let all = self.tensors.values();
        all.fold((0, 0), |sum, it| (sum.0 + numbers(it), sum.1 + it.bytes as u64))
    }

    /// The format of the largest tensor.
    pub fn format(&self) -> String {
        let largest = self.tensors.values().max_by_key(|it| it.bytes);
        largest.map_or_else(String::new, |it| match &it.format {
            Ok(format) => format!("{format:?}"),
            Err(name) => name.clone(),
        })
    }

    /// Quantises the matrices that are asked for from here on.
    pub(crate) fn quantise(&mut self, packing: Packing) {
        self.packing = Some(packing);
    }

    /// The matrix of the tensor that the hub calls `hub`.
    fn matrix(&mut self, name: &str, hub: String, outputs: usize, inputs: usize) -> Result<Linear> {
        let (format, bytes) = self.read(hub, &[outputs, inputs])?;
        match &mut self.packing {
            Some(packing) if is_quantised(name, &[outputs, inputs]) => {
                let x = widened(format, &bytes, &[outputs, inputs])?;
                packing.linear(name, x, outputs, inputs)
            }
            _ => matrix(format, &bytes, outputs, inputs),
        }
    }

    /// What the names of the decoder's tensors begin with.
    pub(crate) fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// The format and the bytes of a tensor as they are stored; `name` is the hub's.
    pub(crate) fn stored(&mut self, name: &str) -> Result<(GgmlDType, Vec<u8>)> {
        let shape = self.tensors.get(name).map(|it| it.shape.clone()).unwrap_or_default();
        self.read(name.to_owned(), &shape)
    }

    /// The hub's name of a tensor.
    fn name(&self, name: &str) -> String {
        names::of_tensor(name, self.prefix)
    }

    /// The numbers of a tensor, as they are stored; `name` is the hub's.
    fn read(&mut self, name: String, want: &[usize]) -> Result<(GgmlDType, Vec<u8>)> {
        let entry = self.tensors.get(&name);
        let entry = entry.ok_or_else(|| Error::Missing { what: format!("tensor `{name}`") })?;
        if entry.shape != want {
            let (want, got) = (want.to_vec(), entry.shape.clone());
            return Err(Error::Shape { tensor: name, want, got });
        }
        let unread = |got: &String| Error::Format { tensor: name.clone(), got: got.clone() };
        let format = *entry.format.as_ref().map_err(unread)?;
        let (path, file) = &mut self.files[entry.file];
        let failed = |source| Error::Read { path: path.clone(), source };
        let mut bytes = vec![0; entry.bytes];
        file.seek(SeekFrom::Start(entry.offset)).map_err(failed)?;
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok((format, bytes))
    }
}

impl Weights for Safetensors {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(&self.name(name))
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(&self.name(name)).map(|entry| entry.shape.clone())
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        self.matrix(name, self.name(name), outputs, inputs)
    }

    fn experts(
        &mut self,
        name: &str,
        count: usize,
        outputs: usize,
        inputs: usize,
    ) -> Result<Vec<Linear>> {
        let mut one = |expert| {
            let hub = names::of_expert(name, expert, self.prefix);
            self.matrix(name, hub, outputs, inputs)
        };
        (0..count).map(&mut one).collect()
    }

    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let stored = self.shape(name).filter(|stored| super::alike(stored, shape));
        let shape = stored.as_deref().unwrap_or(shape);
        let (format, bytes) = self.read(self.name(name), shape)?;
        widened(format, &bytes, shape)
    }
}

/// The `*.safetensors` of a folder, by name.
fn all_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = |source| Error::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.extension().is_some_and(|it| it == "safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        let got = "a folder without `*.safetensors`";
        return Err(Error::NotAModel { path: folder.to_owned(), got });
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(name: &str, bytes: &[u8]) -> Result<Safetensors> {
        let folder = std::env::temp_dir().join(format!("firesteel-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.safetensors"), bytes).unwrap();
        let opened = Safetensors::open(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        opened
    }

    #[test]
    fn corrupt_headers_are_refused() {
        assert!(matches!(open("short", b"abc"), Err(Error::Truncated { .. })));
        let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(matches!(open("long", &long), Err(Error::Truncated { .. })));
        let header = br#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 4]].concat();
        assert!(matches!(open("cut", &file), Err(Error::Truncated { .. })));
        let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
        assert_eq!(open("whole", &file).unwrap().size(), (2, 8));
        let header = br#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#;
        let file = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat();
        assert!(matches!(open("shape", &file), Err(Error::Corrupt { .. })));
    }
}
