//! `firesteel run`

use std::io::Read;

use serde_json::json;

use super::{
    failure::Failure,
    model::ModelArgs,
    sampling::Sampling,
    terminal::{self, Printer},
};
use crate::engine::Options;

const EXAMPLES: &str = "\
Examples:
  firesteel run \"Tell me a story about a dog.\"
  firesteel run --seed 7 --temperature 0.8 --max-tokens 100 \"Tell me a story about a cat.\"
  firesteel run --raw \"Once upon a time\"       goes on with the text instead of answering it
  firesteel run - < question.txt               reads the prompt from stdin";

/// Answers one prompt on stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// What to answer; `-` is what stdin holds
    prompt: String,
    #[command(flatten)]
    model: ModelArgs,
    /// Tells the model how to behave
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    system: Option<String>,
    /// Goes on with the prompt as it is, without the model's chat template
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    sampling: Sampling,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let mut prompt = args.prompt;
    if prompt == "-" {
        prompt.clear();
        std::io::stdin().read_to_string(&mut prompt)?;
    }
    let runner = args.model.start(Options { max_batch: 1, ..Options::default() })?;
    let mut answer = match args.raw {
        true => terminal::go_on(&runner, &prompt, &args.sampling)?,
        false => {
            let system = args.system.map(|it| json!({ "role": "system", "content": it }));
            let user = json!({ "role": "user", "content": prompt });
            let messages = system.into_iter().chain([user]).collect();
            terminal::ask(&runner, &messages, &args.sampling)?
        }
    };
    let mut printer = Printer::new();
    while !printer.print(answer.next_blocking())? {}
    printer.end()
}
