//! Answers on the terminal.

use std::{
    io::{IsTerminal, Stdout, Write},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{failure::Failure, progress::Wait, sampling::Sampling};
use crate::{
    answer::{Answer, Update, Wanted},
    engine::Job,
    runner::Runner,
    text::Reasoning,
};

const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

/// Asks for the answer to `messages`.
pub(super) fn ask(
    runner: &Runner,
    messages: &Value,
    sampling: &Sampling,
) -> Result<Answer, Failure> {
    let prompt = runner.render(messages, &sampling.variables())?;
    let ids = runner.encode_chat(&prompt)?;
    submit(runner, ids, sampling, Some(Reasoning::opens(&prompt)))
}

/// Asks for what follows `text`.
pub(super) fn go_on(runner: &Runner, text: &str, sampling: &Sampling) -> Result<Answer, Failure> {
    let ids = runner.tokenizer.encode(text, true).map_err(crate::runner::Error::from)?;
    submit(runner, ids, sampling, None)
}

fn submit(
    runner: &Runner,
    prompt: Vec<u32>,
    sampling: &Sampling,
    reasoning: Option<bool>,
) -> Result<Answer, Failure> {
    let max_tokens = sampling.max_tokens(prompt.len(), runner);
    let params = sampling.params(runner);
    let handle = runner.engine.submit(Job {
        prompt,
        params,
        max_tokens,
        stop_ids: runner.stop_ids.clone(),
    })?;
    let wanted = Wanted { stop: sampling.stop.clone(), logprobs: false, reasoning };
    Ok(Answer::new(handle, &runner.tokenizer, wanted))
}

/// Writes an answer to stdout as it comes: the text plain, thoughts dim and on terminals only.
pub(super) struct Printer {
    out: Stdout,
    terminal: bool,
    thinking: bool,
    /// The answer so far, without the thoughts.
    pub(super) text: String,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Shown until there is something to read.
    wait: Option<Wait>,
}

impl Printer {
    pub(super) fn new() -> Self {
        let out = std::io::stdout();
        let terminal = out.is_terminal();
        Self {
            out,
            terminal,
            thinking: false,
            text: String::new(),
            first: None,
            last: None,
            wait: Some(Wait::new("reading the prompt".to_owned())),
        }
    }

    /// Writes what came. The answer is complete if this says so.
    pub(super) fn print(&mut self, update: Update) -> Result<bool, Failure> {
        let (delta, complete) = match update {
            Update::Started => return Ok(false),
            Update::Delta(delta) => (delta, false),
            Update::Finish(delta, _) => (delta, true),
            Update::Failed(message) => return Err(Failure::Answer(message)),
        };
        if complete || !delta.is_empty() {
            self.wait = None;
        }
        if !delta.is_empty() {
            self.last = Some(Instant::now());
            self.first = self.first.or(self.last);
        }
        if self.terminal && !delta.reasoning.is_empty() {
            let dim = if self.thinking { "" } else { DIM };
            self.thinking = true;
            write!(self.out, "{dim}{}", delta.reasoning)?;
        }
        if !delta.content.is_empty() {
            self.end_thoughts("\n\n")?;
            write!(self.out, "{}", delta.content)?;
            self.text += &delta.content;
        }
        self.out.flush()?;
        Ok(complete)
    }

    fn end_thoughts(&mut self, gap: &str) -> Result<(), Failure> {
        if std::mem::take(&mut self.thinking) {
            write!(self.out, "{PLAIN}{gap}")?;
        }
        Ok(())
    }

    /// Ends the line.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.wait = None;
        self.end_thoughts("")?;
        writeln!(self.out)?;
        Ok(())
    }

    /// How fast tokens came after the first.
    pub(super) fn speed(&self, tokens: usize) -> Option<f64> {
        let elapsed = self.last?.duration_since(self.first?);
        let after = tokens.checked_sub(1).filter(|it| *it > 0)?;
        (elapsed > Duration::ZERO).then(|| after as f64 / elapsed.as_secs_f64())
    }
}

/// Says something beside the answers, if somebody is there to read it.
pub(super) fn remark(text: &str) {
    match std::io::stderr().is_terminal() {
        true => eprintln!("{DIM}{text}{PLAIN}"),
        false => eprintln!("{text}"),
    }
}
