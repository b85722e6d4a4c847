//! `firesteel tokenize`

use std::io::{Read, Write};

use serde_json::json;

use super::{failure::Failure, model::Choice};
use crate::runner;

const EXAMPLES: &str = "\
Examples:
  firesteel tokenize \"Once upon a time\"
  firesteel tokenize --json - < story.txt";

/// Shows the tokens of a text.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The text; `-` is what stdin holds
    text: String,
    #[command(flatten)]
    model: Choice,
    /// Leaves out the tokens that the model wants around every text
    #[arg(long)]
    no_special: bool,
    /// Writes JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut text = args.text.clone();
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text)?;
    }
    let tokenizer = args.model.tokenizer()?;
    let ids = tokenizer.encode(&text, !args.no_special).map_err(runner::Error::from)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        let tokens: Vec<_> = ids
            .iter()
            .map(|&id| {
                let bytes = tokenizer.token_bytes(id);
                json!({ "id": id, "text": String::from_utf8_lossy(&bytes), "bytes": bytes })
            })
            .collect();
        writeln!(out, "{:#}", json!({ "count": ids.len(), "tokens": tokens }))?;
        return Ok(());
    }
    for id in ids {
        writeln!(out, "{id:>8}  {}", piece(&tokenizer.token_bytes(id)))?;
    }
    Ok(())
}

/// The bytes of a token as a string literal.
fn piece(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", bytes.escape_ascii()),
    }
}
