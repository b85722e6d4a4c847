//! What can go wrong while a model is loaded or run.

use std::path::PathBuf;

/// The result of loading or running a model.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong while a model was loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The path is neither a GGUF file nor a folder with a model.
    #[error(
        "`{}` is not a model: want a GGUF file, or a folder with `config.json` and \
         `*.safetensors`, got {got}", path.display()
    )]
    NotAModel {
        /// The path.
        path: PathBuf,
        /// What is there instead.
        got: &'static str,
    },
    /// The file does not begin as a GGUF file does.
    #[error("not a GGUF file: want it to begin with `GGUF`, got {got:02x?}")]
    Magic {
        /// The first four bytes.
        got: [u8; 4],
    },
    /// A version of GGUF that is not read.
    #[error("want GGUF version 2 or 3, got {got}\nhelp: convert the model anew")]
    Version {
        /// The version in the file.
        got: u32,
    },
    /// The file ends before what it promises.
    #[error(
        "the file is cut short or corrupt: {what} wants {want} bytes, {got} are left\n\
         help: download the file again and compare its checksum"
    )]
    Truncated {
        /// What was being read.
        what: String,
        /// The bytes that it takes.
        want: u64,
        /// The bytes that are left.
        got: u64,
    },
    /// A field of the file has a value that cannot be right.
    #[error(
        "the file is corrupt: want {want} for {what}, got {got}\n\
         help: download the file again and compare its checksum"
    )]
    Corrupt {
        /// The field.
        what: String,
        /// What it may be.
        want: &'static str,
        /// What it is.
        got: String,
    },
    /// The architecture is not one of ours.
    #[error("no model for architecture `{got}`\nhelp: supported are {supported}")]
    Architecture {
        /// The name in the file.
        got: String,
        /// The names that are known.
        supported: String,
    },
    /// Something that the model needs is not in the file.
    #[error("the model has no {what}")]
    Missing {
        /// A tensor, a key or a file.
        what: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor `{tensor}`: want shape {want:?}, got {got:?}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// The shape by the configuration, outermost dimension first.
        want: Vec<usize>,
        /// The shape in the file.
        got: Vec<usize>,
    },
    /// A tensor is stored in a format that is not read.
    #[error(
        "tensor `{tensor}` is in format {got}, which is not supported\n\
         help: want F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 or Q2_K to Q6_K"
    )]
    Format {
        /// The tensor.
        tensor: String,
        /// The format's number or name.
        got: String,
    },
    /// A setting that the model's code does not know.
    #[error("configuration `{key}`: want {want}, got {got}")]
    Config {
        /// The key.
        key: String,
        /// What is understood.
        want: &'static str,
        /// What the file says.
        got: String,
    },
    /// A JSON file that does not parse, or lacks a field.
    #[error("`{}`: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The weights do not fit in the memory that is free.
    #[error(
        "not enough memory: the model wants {want} MiB, {got} MiB are free\n\
         help: take a smaller model or a smaller quantisation"
    )]
    Memory {
        /// MiB that the weights take.
        want: u64,
        /// MiB that are free.
        got: u64,
    },
    /// A token id outside of the vocabulary.
    #[error("want token ids below {vocab}, got {got}")]
    Token {
        /// The size of the vocabulary.
        vocab: usize,
        /// The id.
        got: u32,
    },
    /// A sequence longer than the model's context.
    #[error("want at most {limit} tokens in a sequence, got {got}")]
    Context {
        /// The context of the model.
        limit: usize,
        /// The length that the sequence would have.
        got: usize,
    },
    /// A state that another model made.
    #[error("the state belongs to another model")]
    ForeignState,
    /// A slice without tokens that asks for logits.
    #[error("a slice without tokens has no logits")]
    EmptySlice,
    /// Weights cannot be quantised, or the device that does it failed.
    #[error("tensor `{tensor}`: {source}")]
    Pack {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        source: firesteel_kernels::shape::Error,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
