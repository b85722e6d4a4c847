//! Which model a command uses.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{failure::Failure, progress, pull};
use crate::{
    engine::Options,
    hub::{self, Reference},
    load::{self, Loaded},
    quantize::{Mix, Packer},
    runner::{self, Runner},
    tokenizer::Tokenizer,
};

/// The option `--model`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Choice {
    /// A GGUF file, a folder with config.json and *.safetensors, or hf:ORG/REPO[/FILE] of the
    /// Hugging Face Hub. Without it: the small story model in the box
    #[arg(long, short, value_name = "PATH|hf:REPO[/FILE]")]
    model: Option<Source>,
}

/// The option `--quantize`.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Quantising {
    /// Quantises the weights of safetensors while they are loaded, as `firesteel quantize` does:
    /// `q4_k_m`, `q8_0` and so on
    #[arg(long, value_name = "TYPE")]
    quantize: Option<Mix>,
}

/// The options of a model that chats.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ModelArgs {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    quantising: Quantising,
    /// A file with a chat template (Jinja) to use instead of the model's own
    #[arg(long, value_name = "FILE")]
    chat_template: Option<PathBuf>,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In a file or folder.
    Path(PathBuf),
    /// On the hub, or already fetched from there.
    Hub(Reference),
}

impl FromStr for Source {
    type Err = hub::Error;

    fn from_str(text: &str) -> Result<Self, hub::Error> {
        match text.strip_prefix("hf:") {
            Some(_) => Ok(Self::Hub(text.parse()?)),
            None => Ok(Self::Path(text.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hub(reference) => write!(f, "{reference}"),
        }
    }
}

impl Source {
    /// The file or folder, fetched if need be.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        match self {
            Self::Path(path) => Ok(path.clone()),
            Self::Hub(reference) => pull::cached(reference),
        }
    }
}

impl Choice {
    /// Reads the model's tokenizer, and none of its weights.
    pub(super) fn tokenizer(&self) -> Result<Tokenizer, Failure> {
        let path = self.model.as_ref().map(Source::path).transpose()?;
        let source = load::tokenizer(path.as_deref()).map_err(|it| self.unreadable(it))?;
        Tokenizer::new(source).map_err(|it| self.broken(it.into()))
    }

    /// Loads the model.
    fn load(&self, quantising: &Quantising) -> Result<Loaded, Failure> {
        let path = self.model.as_ref().map(Source::path).transpose()?;
        if let Some(mix) = quantising.quantize {
            let Some(folder) = path.as_deref().filter(|it| it.is_dir()) else {
                return Err(Failure::Usage(format!(
                    "--quantize {mix}: want a folder of safetensors, got `{}`\n\
                     help: `firesteel quantize` takes GGUF files of floats, too",
                    self.name()
                )));
            };
            let packer = Packer::fastest()?;
            let _wait = progress::Wait::new(format!("quantising {}", self.name()));
            let loaded = load::quantised(folder, mix, packer);
            return loaded.map_err(|it| self.unreadable(it));
        }
        let _wait = progress::Wait::new(format!("loading {}", self.name()));
        let loaded = path.as_deref().map_or_else(load::builtin, load::load);
        loaded.map_err(|it| self.unreadable(it))
    }

    fn unreadable(&self, source: crate::error::Error) -> Failure {
        Failure::Load { model: self.name(), source }
    }

    /// Loads the model and starts its engine.
    pub(super) fn start(
        &self,
        quantising: &Quantising,
        options: Options,
    ) -> Result<Runner, Failure> {
        Runner::start(self.load(quantising)?, options).map_err(|it| self.broken(it))
    }

    /// What to say about a model whose parts do not work.
    fn broken(&self, source: runner::Error) -> Failure {
        Failure::Start { model: self.name(), source }
    }

    fn name(&self) -> String {
        self.model.as_ref().map_or_else(|| "story".to_owned(), Source::to_string)
    }
}

impl ModelArgs {
    /// Loads the model and starts its engine.
    pub(super) fn start(&self, options: Options) -> Result<Runner, Failure> {
        let read = |path: &PathBuf| {
            let text = std::fs::read_to_string(path);
            text.map_err(|source| Failure::File { path: path.clone(), source })
        };
        // Before the model is loaded, which may take minutes.
        let template = self.chat_template.as_ref().map(read).transpose()?;
        let mut loaded = self.choice.load(&self.quantising)?;
        loaded.chat_template = template.or(loaded.chat_template);
        Runner::start(loaded, options).map_err(|it| self.choice.broken(it))
    }
}
