//! `firesteel chat`

use std::{
    io::{BufRead, IsTerminal},
    path::PathBuf,
};

use rustyline::{DefaultEditor, error::ReadlineError};
use serde_json::{Value, json};

use super::{
    failure::Failure,
    model::ModelArgs,
    sampling::{self, Sampling},
    terminal::{self, Printer, remark},
};
use crate::{answer::Answer, engine::Options, hub, runner::Runner};

const COMMANDS: &str = "\
/reset  forgets the conversation
/quit   leaves, as Ctrl-D does
/help   shows this
Ctrl-C stops an answer.";

const EXAMPLES: &str = "\
In the chat:
  /reset  forgets the conversation
  /quit   leaves, as Ctrl-D does
  Ctrl-C  stops an answer

Examples:
  firesteel chat
  firesteel chat -m hf:Qwen/Qwen3-0.6B-GGUF --system \"Answer in one sentence.\"
  printf 'Hello!\\nAnd now?\\n' | firesteel chat      each line is a message";

/// Talks with a model in the terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Tells the model how to behave
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: Sampling,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let runner = args.model.start(Options { max_batch: 1, ..Options::default() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut lines = Lines::new()?;
    if lines.interactive() {
        let defaults = sampling::describe(&runner.defaults);
        let comma = if defaults.is_empty() { "" } else { ", " };
        let context = runner.engine.context();
        remark(&format!("{}: context {context}{comma}{defaults}. /help", runner.name));
    }
    let mut chat = Chat { runner, sampling: args.sampling, messages: Vec::new() };
    chat.reset(args.system.as_deref());
    while let Some(line) = lines.next()? {
        match line.trim() {
            "" => {}
            "/quit" | "/exit" => break,
            "/help" => remark(COMMANDS),
            "/reset" => {
                chat.reset(args.system.as_deref());
                remark("The conversation is forgotten.");
            }
            text if text.starts_with('/') && !text.contains(char::is_whitespace) => {
                remark(&format!("`{text}` is no command.\n{COMMANDS}"));
            }
            text => chat.say(text, &runtime, lines.interactive())?,
        }
    }
    lines.save();
    Ok(())
}

/// A conversation.
struct Chat {
    runner: Runner,
    sampling: Sampling,
    messages: Vec<Value>,
}

impl Chat {
    fn reset(&mut self, system: Option<&str>) {
        let system = system.map(|it| json!({ "role": "system", "content": it }));
        self.messages = system.into_iter().collect();
    }

    /// Takes a message and prints the answer to it.
    fn say(
        &mut self,
        text: &str,
        runtime: &tokio::runtime::Runtime,
        interactive: bool,
    ) -> Result<(), Failure> {
        self.messages.push(json!({ "role": "user", "content": text }));
        let messages = Value::Array(self.messages.clone());
        let mut answer = match terminal::ask(&self.runner, &messages, &self.sampling) {
            Ok(answer) => answer,
            // Too long, or not what the template takes. The conversation goes on without it.
            Err(failure) if interactive => {
                self.messages.pop();
                remark(&format!("{failure}\nhelp: /reset begins anew"));
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let mut printer = Printer::new();
        runtime.block_on(listen(&mut answer, &mut printer, interactive))?;
        printer.end()?;
        if let (true, Some(speed)) = (interactive, printer.speed(answer.n_tokens())) {
            remark(&format!("{} tokens, {speed:.1} tokens/s", answer.n_tokens()));
        }
        self.messages.push(json!({ "role": "assistant", "content": printer.text }));
        Ok(())
    }
}

/// Prints an answer until it is complete or Ctrl-C is pressed.
async fn listen(
    answer: &mut Answer,
    printer: &mut Printer,
    interactive: bool,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            update = answer.next() => if printer.print(update)? { return Ok(()) },
            // Once asked for, Ctrl-C never ends the process again, which only a prompt that
            // has its own way out can afford.
            _ = tokio::signal::ctrl_c(), if interactive => return Ok(()),
        }
    }
}

/// What the user types: an editor on a terminal, else the lines of stdin.
enum Lines {
    Editor { editor: Box<DefaultEditor>, history: Option<PathBuf> },
    Piped(std::io::Lines<std::io::StdinLock<'static>>),
}

impl Lines {
    fn new() -> Result<Self, Failure> {
        if !std::io::stdin().is_terminal() {
            return Ok(Self::Piped(std::io::stdin().lock().lines()));
        }
        let mut editor = Box::new(DefaultEditor::new().map_err(std::io::Error::other)?);
        let history = hub::cache_folder().map(|it| it.join("firesteel").join("chat-history"));
        if let Some(path) = &history {
            // There is none the first time.
            editor.load_history(path).ok();
        }
        Ok(Self::Editor { editor, history })
    }

    fn interactive(&self) -> bool {
        matches!(self, Self::Editor { .. })
    }

    /// The next line; none at the end.
    fn next(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Self::Piped(lines) => Ok(lines.next().transpose()?),
            Self::Editor { editor, .. } => loop {
                match editor.readline("> ") {
                    Ok(line) => {
                        editor.add_history_entry(&line).map_err(std::io::Error::other)?;
                        return Ok(Some(line));
                    }
                    Err(ReadlineError::Interrupted) => remark("Ctrl-D or /quit leaves."),
                    Err(ReadlineError::Eof) => return Ok(None),
                    Err(error) => return Err(std::io::Error::other(error).into()),
                }
            },
        }
    }

    /// Keeps the history for the next time; a chat is not worth an error if it cannot.
    fn save(&mut self) {
        let Self::Editor { editor, history: Some(path) } = self else { return };
        let saved = path.parent().map(std::fs::create_dir_all).transpose();
        if saved.is_ok() {
            editor.save_history(path).ok();
        }
    }
}
