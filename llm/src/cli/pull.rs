//! `firesteel pull`

use std::{io::Write, path::PathBuf};

use indicatif::ProgressBar;

use super::{failure::Failure, progress};
use crate::hub::{self, Hub, Reference};

const EXAMPLES: &str = "\
Files land in the cache that Hugging Face's own tools use (HF_HUB_CACHE, HF_HOME, or
~/.cache/huggingface), so what they fetched is found and what is fetched here they find.
HF_TOKEN opens private repositories, HF_ENDPOINT names a mirror.

Examples:
  firesteel pull hf:Qwen/Qwen3-0.6B                       safetensors
  firesteel pull hf:Qwen/Qwen3-0.6B-GGUF                  the one GGUF file, or its Q4_K_M
  firesteel pull hf:Qwen/Qwen3-0.6B-GGUF/Q8_0             the GGUF file with Q8_0 in its name
  firesteel pull hf:Qwen/Qwen3-0.6B@main/model.safetensors";

/// Fetches a model from the Hugging Face Hub.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// hf:ORG/REPO[@REVISION][/FILE]
    #[arg(value_name = "hf:REPO[/FILE]")]
    reference: Reference,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = fetch(&Hub::from_env()?, &args.reference)?;
    writeln!(std::io::stdout(), "{}", path.display())?;
    Ok(())
}

/// The model's path: from the cache if it is there in full, else fetched.
pub(super) fn cached(reference: &Reference) -> Result<PathBuf, Failure> {
    let hub = Hub::from_env()?;
    match hub.find(reference) {
        Some(path) => Ok(path),
        None => fetch(&hub, reference),
    }
}

fn fetch(hub: &Hub, reference: &Reference) -> Result<PathBuf, Failure> {
    Ok(hub.pull(reference, &mut Bar(None))?)
}

/// A bar for the file that is on its way.
struct Bar(Option<ProgressBar>);

impl hub::Progress for Bar {
    fn file(&mut self, name: &str, done: u64, total: u64) {
        self.finish();
        let bar = progress::bytes(name, total);
        bar.set_position(done);
        bar.reset_eta();
        self.0 = Some(bar);
    }

    fn bytes(&mut self, done: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish();
        }
    }
}
