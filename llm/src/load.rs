//! Models from paths, and the one in the box.

pub(crate) mod folder;
mod gguf;

use crate::error::{Error, Result};
use crate::models::Model;
use crate::quantize::{Mix, Packer};
use crate::tokenizer::TokenizerSource;
use crate::weights::gguf::{Gguf, Source};
use std::fs::File;
use std::io::Cursor;
use std::path::Path;

/// The model that ships with the program. See `assets/README.md`.
const STORY: &[u8] = include_bytes!("../assets/story-q8_0.gguf");

/// A model, ready to run, and what its files say about its use.
pub struct Loaded {
    /// The model's own name, or else the file's.
    pub name: String,
    /// What continues sequences.
    pub model: Box<dyn Model>,
    /// Text to tokens and back.
    pub tokenizer: TokenizerSource,
    /// Jinja, messages to text.
    pub chat_template: Option<String>,
    /// The token that begins a text.
    pub bos: Option<u32>,
    /// The tokens that end an answer.
    pub stop_ids: Vec<u32>,
    /// How the model's makers sample.
    pub defaults: GenerationDefaults,
    /// What `inspect` shows.
    pub description: Description,
}

/// Sampling parameters that the model's files recommend.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationDefaults {
    /// Divides the logits.
    pub temperature: Option<f32>,
    /// Keeps the best so many tokens.
    pub top_k: Option<usize>,
    /// Keeps the best tokens of so much probability.
    pub top_p: Option<f32>,
    /// Keeps tokens of at least so much of the best one's probability.
    pub min_p: Option<f32>,
    /// Divides the positive logits of tokens that have occurred.
    pub repetition_penalty: Option<f32>,
}

/// A model in a few words and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The architecture, as `config.json` files name it.
    pub architecture: String,
    /// Numbers in the weights.
    pub parameters: u64,
    /// Bytes of the weights in the file.
    pub bytes: u64,
    /// How the weights are stored.
    pub quantisation: String,
    /// The longest sequence, in tokens.
    pub context: usize,
}

/// Loads a GGUF file, or a folder with `config.json` and `*.safetensors`.
pub fn load(path: &Path) -> Result<Loaded> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(read)?.is_dir() {
        return folder::load(path, None);
    }
    let file = File::open(path).map_err(read)?;
    let stem = path.file_stem().map_or_else(String::new, |it| it.to_string_lossy().into_owned());
    from_reader(Box::new(file), &stem)
}

/// Loads a folder with `config.json` and `*.safetensors`, whose matrices are quantised on the way: to
/// what [`quantize`](crate::quantize::quantize) writes.
pub fn quantised(folder: &Path, mix: Mix, packer: Packer) -> Result<Loaded> {
    folder::load(folder, Some((mix, packer)))
}

/// Loads the model that ships with the program.
pub fn builtin() -> Result<Loaded> {
    from_reader(Box::new(story()), "story")
}

/// The file of the model that ships with the program.
pub(crate) fn story() -> Cursor<&'static [u8]> {
    Cursor::new(STORY)
}

/// Loads a GGUF file from anywhere; `name` is what the model is called if it has no own name.
pub fn from_reader(source: Box<dyn Source>, name: &str) -> Result<Loaded> {
    gguf::load(source, name)
}

/// Reads the tokenizer of a model, and none of its weights. Without a path: the shipped one's.
pub fn tokenizer(path: Option<&Path>) -> Result<TokenizerSource> {
    let source: Box<dyn Source> = match path {
        None => Box::new(story()),
        Some(path) if path.is_dir() => {
            return Ok(TokenizerSource::Json(folder::tokenizer(path)?.into_bytes()));
        }
        Some(path) => {
            let read = |source| Error::Read { path: path.to_owned(), source };
            Box::new(File::open(path).map_err(read)?)
        }
    };
    gguf::tokenizer(&mut Gguf::new(source)?)
}

/// Fails if weights of `bytes` will not fit into the memory that is free, where that is known.
fn demand_memory(bytes: u64) -> Result<()> {
    let Some(free) = free_memory() else { return Ok(()) };
    if bytes > free {
        return Err(Error::Memory { want: bytes >> 20, got: free >> 20 });
    }
    Ok(())
}

/// Bytes that programs may still take, from Linux' `/proc/meminfo`.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_large_models_are_refused_with_numbers() {
        let Some(free) = free_memory() else { return };
        let error = demand_memory(free << 8).unwrap_err();
        let Error::Memory { want, got } = error else { panic!("{error}") };
        assert!(want > got && got > 0, "{want} of {got}");
        assert!(demand_memory(0).is_ok());
    }
}
