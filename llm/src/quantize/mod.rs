//! Files of quantised weights: `firesteel quantize`.
//!
//! What comes out is what llama.cpp's converter and `llama-quantize` make of the same checkpoint:
//! the same keys, the same formats and the same bytes of every block. It is made tensor by tensor,
//! so that memory holds one at a time, and of experts one.

mod convert;
mod folder;
mod metadata;
mod mix;
mod packer;
mod packing;
mod tokens;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use candle_core::quantized::GgmlDType;
use firesteel::half::f16;
use firesteel_kernels::shape;

pub(crate) use mix::{Chooser, Facts, is_quantised};
pub use mix::{Kind, Mix, UnknownMix};
pub use packer::Packer;
pub(crate) use packing::Packing;

use crate::config::{self, Config};
use crate::error;
use crate::weights::gguf::write::{self, Entry, Place};
use crate::weights::gguf::{Gguf, widened};

/// Why a model was not quantised.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model cannot be read.
    #[error(transparent)]
    Load(#[from] error::Error),
    /// There is such a file already.
    #[error("`{}` exists\nhelp: name another file, or replace it with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Blocks are not packed again, since they have lost what the new ones would need.
    #[error(
        "tensor `{tensor}` is quantised already, as {format}\n\
         help: begin with a file in F32, F16 or BF16, or with the model's safetensors"
    )]
    Quantised {
        /// The tensor.
        tensor: String,
        /// Its format.
        format: String,
    },
    /// A tensor of the checkpoint that no model here uses.
    #[error("tensor `{tensor}` of the checkpoint has no place in a GGUF file of `{architecture}`")]
    Unplaced {
        /// The hub's name.
        tensor: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A number does not fit the file's fields.
    #[error("`{key}` is {value}, more than a GGUF file can say")]
    TooLarge {
        /// The key.
        key: String,
        /// Its value.
        value: usize,
    },
    /// A tokenizer that has no counterpart in GGUF files here.
    #[error(
        "the tokenizer's {what} is {got}, which is not converted\n\
         help: want byte-level BPE of the Llama 3, Qwen, Mistral Tekken, GPT-2 or SmolLM family; of \
         another, take a GGUF file in F16 or BF16 to begin with"
    )]
    Tokenizer {
        /// The part.
        what: &'static str,
        /// What it is.
        got: String,
    },
    /// The file of the tokenizer makes no sense.
    #[error("`tokenizer.json` is damaged: {what}\nhelp: download the model again")]
    BrokenTokenizer {
        /// What does not fit.
        what: &'static str,
    },
    /// Weights that cannot be packed, or a device that failed.
    #[error("tensor `{tensor}`: {source}")]
    Pack {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        source: shape::Error,
    },
}

/// The result of quantising a model.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Tensors.
    pub tensors: usize,
    /// Numbers in them.
    pub parameters: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Told of each tensor, with the parameters that are done and those of the model.
pub type Progress<'a> = &'a mut dyn FnMut(&str, u64, u64);

/// A tensor of the new file.
#[derive(Debug, Clone)]
struct Tensor {
    name: String,
    /// Outermost dimension first.
    shape: Vec<usize>,
    /// How it is stored if it is not quantised.
    plain: Kind,
    /// Parts that are read one after the other.
    pieces: usize,
}

impl Tensor {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// Where tensors come from.
trait Source {
    fn config(&self) -> &Config;

    fn tensors(&self) -> Vec<Tensor>;

    /// The numbers of a piece of a tensor.
    fn read(&mut self, tensor: usize, piece: usize) -> Result<Vec<f32>>;

    fn metadata(&mut self) -> Result<Vec<(String, Entry)>>;
}

/// Writes the model `from`, a folder of safetensors or a GGUF file of floats, to the GGUF file `to`.
///
/// The file gets its name when it is complete.
pub fn quantize(
    from: &Path,
    to: &Path,
    mix: Mix,
    packer: &Packer,
    force: bool,
    progress: Progress<'_>,
) -> Result<Summary> {
    if !force && to.exists() {
        return Err(Error::Exists { path: to.to_owned() });
    }
    let read = |source| error::Error::Read { path: from.to_owned(), source };
    let mut source: Box<dyn Source> = match std::fs::metadata(from).map_err(read)?.is_dir() {
        true => Box::new(folder::Folder::open(from)?),
        false => Box::new(OfGguf::open(File::open(from).map_err(read)?)?),
    };
    let tensors = source.tensors();
    let kinds = kinds(mix, source.config(), &tensors);
    let header = header(&mut *source, mix, &tensors, &kinds)?;
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let unfinished = to.with_file_name(name);
    let mut file = Unfinished::new(&unfinished, to)?;
    file.write(&header)?;
    let total = tensors.iter().map(|it| it.len() as u64).sum();
    let mut done = 0;
    for (index, (tensor, kind)) in tensors.iter().zip(&kinds).enumerate() {
        let mut bytes = 0;
        for piece in 0..tensor.pieces {
            progress(&tensor.name, done, total);
            let x = source.read(index, piece)?;
            let packed = pack(packer, tensor, *kind, &x)?;
            file.write(&packed)?;
            bytes += packed.len();
            done += x.len() as u64;
        }
        file.write(&[0; write::ALIGNMENT][..write::padded(bytes) - bytes])?;
    }
    progress("", total, total);
    let bytes = file.finish()?;
    Ok(Summary { tensors: tensors.len(), parameters: total, bytes })
}

/// The format of each tensor.
fn kinds(mix: Mix, config: &Config, tensors: &[Tensor]) -> Vec<Kind> {
    let mut chooser = Chooser::new(mix, facts(config));
    let kind = |tensor: &Tensor| match is_quantised(&tensor.name, &tensor.shape) {
        true => chooser.choose(&tensor.name, tensor.columns()),
        false => tensor.plain,
    };
    tensors.iter().map(kind).collect()
}

/// What the choice of formats depends on.
pub(crate) fn facts(config: &Config) -> Facts {
    let heads = config.heads;
    let large = ["llama", "qwen2"].contains(&config.architecture.gguf.unwrap_or("llama"));
    Facts {
        layers: config.layers,
        values: config.layers,
        experts: config.experts.map_or(0, |it| it.count),
        group: heads.query / heads.kv,
        tied: config.tied,
        is_70b: large && config.layers == 80 && heads.query != heads.kv,
    }
}

fn header(
    source: &mut dyn Source,
    mix: Mix,
    tensors: &[Tensor],
    kinds: &[Kind],
) -> Result<Vec<u8>> {
    let mut metadata = source.metadata()?;
    metadata.push(("general.quantization_version".to_owned(), Entry::U32(2)));
    metadata.push(("general.file_type".to_owned(), Entry::U32(mix.file_type())));
    let place = |(tensor, kind): (&Tensor, &Kind)| Place {
        name: tensor.name.clone(),
        shape: tensor.shape.clone(),
        format: kind.number(),
        bytes: kind.bytes(tensor.len()),
    };
    let places: Vec<Place> = tensors.iter().zip(kinds).map(place).collect();
    Ok(write::header(&metadata, &places))
}

/// The bytes of a piece of a tensor.
fn pack(packer: &Packer, tensor: &Tensor, kind: Kind, x: &[f32]) -> Result<Vec<u8>> {
    let failed = |source| Error::Pack { tensor: tensor.name.clone(), source };
    match kind {
        Kind::F32 => Ok(x.iter().flat_map(|it| it.to_le_bytes()).collect()),
        Kind::F16 => Ok(x.iter().flat_map(|it| f16::from_f32(*it).to_le_bytes()).collect()),
        Kind::Bf16 => {
            Ok(x.iter().flat_map(|it| firesteel::half::bf16::from_f32(*it).to_le_bytes()).collect())
        }
        Kind::Blocks(format) => packer.pack(format, x, tensor.columns()).map_err(failed),
    }
}

/// Tensors without a layer first, by name; then those of each layer.
fn order(name: &str) -> (Option<usize>, &str) {
    let layer = name.strip_prefix("blk.").and_then(|it| it.split_once('.'));
    (layer.and_then(|(layer, _)| layer.parse().ok()), name)
}

/// A file that is removed unless it is finished.
struct Unfinished<'a> {
    file: Option<BufWriter<File>>,
    path: &'a Path,
    to: &'a Path,
    bytes: u64,
}

impl<'a> Unfinished<'a> {
    fn new(path: &'a Path, to: &'a Path) -> Result<Self> {
        let failed = |source| Error::Write { path: to.to_owned(), source };
        let file = BufWriter::new(File::create(path).map_err(failed)?);
        Ok(Self { file: Some(file), path, to, bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        let written = self.file.as_mut().map_or(Ok(()), |it| it.write_all(bytes));
        written.map_err(|source| Error::Write { path: self.to.to_owned(), source })
    }

    /// Gives it its name. Says how long it is.
    fn finish(mut self) -> Result<u64> {
        let failed = |source| Error::Write { path: self.to.to_owned(), source };
        if let Some(mut file) = self.file.take() {
            file.flush().map_err(failed)?;
            drop(file);
            std::fs::rename(self.path, self.to).map_err(failed)?;
        }
        Ok(self.bytes)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // After `finish` it has its name, and there is nothing here any more.
        std::fs::remove_file(self.path).ok();
    }
}

/// A GGUF file of floats.
struct OfGguf {
    file: Gguf,
    config: Config,
    tensors: Vec<Tensor>,
}

/// Keys that are written anew, or that are of files in several parts.
const DROPPED: [&str; 6] = [
    "general.alignment",
    "general.file_type",
    "general.quantization_version",
    "split.no",
    "split.count",
    "split.tensors.count",
];

impl OfGguf {
    fn open(file: File) -> Result<Self> {
        let mut file = Gguf::new(Box::new(file))?;
        let config = config::from_gguf(&mut file)?;
        let mut tensors = Vec::new();
        for (name, info) in &file.header.tensors {
            let plain = match info.format {
                GgmlDType::F32 => Kind::F32,
                GgmlDType::F16 => Kind::F16,
                GgmlDType::BF16 => Kind::Bf16,
                GgmlDType::Q4_0
                | GgmlDType::Q4_1
                | GgmlDType::Q5_0
                | GgmlDType::Q5_1
                | GgmlDType::Q8_0
                | GgmlDType::Q8_1
                | GgmlDType::Q2K
                | GgmlDType::Q3K
                | GgmlDType::Q4K
                | GgmlDType::Q5K
                | GgmlDType::Q6K
                | GgmlDType::Q8K => {
                    let format = format!("{:?}", info.format);
                    return Err(Error::Quantised { tensor: name.clone(), format });
                }
            };
            let shape = info.shape.clone();
            tensors.push(Tensor { name: name.clone(), shape, plain, pieces: 1 });
        }
        tensors.sort_by(|a, b| order(&a.name).cmp(&order(&b.name)));
        Ok(Self { file, config, tensors })
    }
}

impl Source for OfGguf {
    fn config(&self) -> &Config {
        &self.config
    }

    fn tensors(&self) -> Vec<Tensor> {
        self.tensors.clone()
    }

    fn read(&mut self, tensor: usize, _piece: usize) -> Result<Vec<f32>> {
        let Tensor { name, shape, .. } = &self.tensors[tensor];
        let (format, bytes) = self.file.stored(name)?;
        Ok(widened(format, &bytes, shape)?)
    }

    fn metadata(&mut self) -> Result<Vec<(String, Entry)>> {
        let mut all = self.file.raw_metadata()?;
        all.retain(|(key, _)| !DROPPED.contains(&key.as_str()));
        Ok(all.into_iter().map(|(key, bytes)| (key, Entry::Raw(bytes))).collect())
    }
}

#[cfg(test)]
mod tests;
