//! How a command fails: a sentence on stderr, and an exit code that a script can tell apart.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode};

use firesteel_kernels::shape;

use crate::{engine::Rejected, error::Error as Load, hub, quantize, runner, tokenizer};

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// clap's own words.
    #[error("{0}")]
    CommandLine(#[from] clap::Error),
    /// An option or a setting makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A model cannot be loaded.
    #[error("{}{source}", about(model, source))]
    Load {
        /// As the user named it.
        model: String,
        /// What is wrong with it.
        source: Load,
    },
    /// A loaded model's tokenizer or template is broken.
    #[error("model `{model}`: {source}")]
    Start {
        /// As the user named it.
        model: String,
        /// What is wrong with it.
        source: runner::Error,
    },
    /// A prompt that this model cannot read.
    #[error(transparent)]
    Prompt(#[from] runner::Error),
    /// A prompt that the engine does not take.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The model failed while it answered.
    #[error("the answer broke off: {0}")]
    Answer(String),
    /// A model cannot be fetched.
    #[error(transparent)]
    Hub(#[from] hub::Error),
    /// A model cannot be quantised.
    #[error(transparent)]
    Quantize(#[from] quantize::Error),
    /// There is no such device, or it fails.
    #[error(transparent)]
    Device(#[from] firesteel::Error),
    /// Another program listens there.
    #[error(
        "{address} is in use\n\
         help: stop the program that listens there, or choose another port: --port {}",
        address.port().wrapping_add(1)
    )]
    PortInUse {
        /// Where.
        address: SocketAddr,
    },
    /// A file that is needed cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Anything else that the system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// Says what happened, and with which code the process ends.
    pub(super) fn report(&self) -> ExitCode {
        match self {
            // `--help` and `--version` come this way too, and go to stdout.
            Self::CommandLine(error) => {
                // If stderr is closed there is nobody to tell.
                error.print().ok();
                return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
            }
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            _ => eprintln!("firesteel: {self}"),
        }
        ExitCode::from(self.code())
    }

    /// The table is in `--help`.
    fn code(&self) -> u8 {
        match self {
            Self::CommandLine(_) | Self::Usage(_) => 2,
            Self::Load { source, .. } => code_of_load(source),
            Self::Start { source: runner::Error::Tokenizer(source), .. } => match source {
                tokenizer::Error::Unsupported { .. } => 6,
                tokenizer::Error::Corrupt { .. } | tokenizer::Error::Encode { .. } => 9,
            },
            Self::Quantize(source) => code_of_quantize(source),
            Self::PortInUse { .. } => 8,
            Self::File { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Hub(_) => 10,
            Self::Start { .. }
            | Self::Prompt(_)
            | Self::Rejected(_)
            | Self::Answer(_)
            | Self::Device(_)
            | Self::File { .. }
            | Self::Io(_) => 1,
        }
    }
}

/// Names the model, unless the error does.
fn about(model: &str, error: &Load) -> String {
    match error.to_string().contains(model) {
        true => String::new(),
        false => format!("model `{model}`: "),
    }
}

fn code_of_quantize(error: &quantize::Error) -> u8 {
    match error {
        quantize::Error::Load(error) => code_of_load(error),
        quantize::Error::Exists { .. } => 2,
        quantize::Error::Write { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
        quantize::Error::Quantised { .. }
        | quantize::Error::Unplaced { .. }
        | quantize::Error::TooLarge { .. }
        | quantize::Error::Tokenizer { .. } => 6,
        quantize::Error::Pack { source: shape::Error::NotFinite { .. }, .. } => 5,
        quantize::Error::BrokenTokenizer { .. } => 9,
        quantize::Error::Write { .. } | quantize::Error::Pack { .. } => 1,
    }
}

fn code_of_load(error: &Load) -> u8 {
    match error {
        Load::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => 3,
        Load::NotAModel { .. } | Load::Magic { .. } => 4,
        Load::Json { path, .. } if path.ends_with("tokenizer.json") => 9,
        Load::Missing { what } if what.contains("tokenizer") => 9,
        Load::Truncated { .. }
        | Load::Corrupt { .. }
        | Load::Missing { .. }
        | Load::Shape { .. }
        | Load::Json { .. } => 5,
        Load::Version { .. }
        | Load::Architecture { .. }
        | Load::Format { .. }
        | Load::Config { .. } => 6,
        Load::Pack { source: shape::Error::NotFinite { .. }, .. } => 5,
        Load::Memory { .. } => 7,
        Load::Read { .. }
        | Load::Token { .. }
        | Load::Context { .. }
        | Load::ForeignState
        | Load::EmptySlice
        | Load::Pack { .. }
        | Load::Tensor(_) => 1,
    }
}
