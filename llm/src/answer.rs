//! Tokens of one request turned into text: stop strings, thoughts and log-probabilities.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use serde::Serialize;

use crate::{
    engine::{Event, FinishReason, Handle},
    sample::Choice,
    text::{Parts, Reasoning, Streamer},
    tokenizer::Tokenizer,
};

/// A token that could have been chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its text; incomplete UTF-8 is replaced.
    pub token: String,
    /// Of the model's own distribution. JSON has no infinity, so -9999 stands for it.
    pub logprob: f32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A chosen token and its rivals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The choice.
    #[serde(flatten)]
    pub chosen: Candidate,
    /// The likeliest tokens.
    pub top_logprobs: Vec<Candidate>,
}

/// What an answer grew by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Text.
    pub content: String,
    /// Thoughts.
    pub reasoning: String,
    /// Tokens of both, if asked for.
    pub entries: Vec<Entry>,
}

impl Delta {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty() && self.reasoning.is_empty() && self.entries.is_empty()
    }

    /// Grows by what came next.
    pub fn append(&mut self, next: Self) {
        self.content += &next.content;
        self.reasoning += &next.reasoning;
        self.entries.extend(next.entries);
    }
}

/// What an event means for the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Its request left the queue.
    Started,
    /// It grew, perhaps by nothing.
    Delta(Delta),
    /// It is complete: the last of it, and OpenAI's word for why.
    Finish(Delta, &'static str),
    /// It will never be complete.
    Failed(String),
}

/// What of an answer is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Strings that end the answer.
    pub stop: Vec<String>,
    /// Whether log-probabilities are wanted.
    pub logprobs: bool,
    /// Whether thoughts are split from the text, and if so whether the prompt ends in one.
    pub reasoning: Option<bool>,
}

/// An answer in the making. Dropping it cancels the request.
pub struct Answer {
    handle: Handle,
    tokenizer: Arc<Tokenizer>,
    streamer: Streamer,
    reasoning: Option<Reasoning>,
    entries: Option<Vec<Entry>>,
    n_tokens: usize,
    n_reasoning: usize,
    /// Whether text of the answer proper has come.
    answers: bool,
    last: Instant,
    /// Times to the first token, and between two: looking the metrics up for each token would
    /// cost as much as the token.
    first: metrics::Histogram,
    between: metrics::Histogram,
    finished: bool,
}

impl Answer {
    /// The answer that `handle` brings.
    pub fn new(handle: Handle, tokenizer: &Arc<Tokenizer>, wanted: Wanted) -> Self {
        Self {
            handle,
            tokenizer: Arc::clone(tokenizer),
            streamer: Streamer::new(Arc::clone(tokenizer), wanted.stop),
            reasoning: wanted.reasoning.map(Reasoning::new),
            entries: wanted.logprobs.then(Vec::new),
            n_tokens: 0,
            n_reasoning: 0,
            answers: false,
            last: Instant::now(),
            first: metrics::histogram!("firesteel_time_to_first_token_seconds"),
            between: metrics::histogram!("firesteel_inter_token_seconds"),
            finished: false,
        }
    }

    /// Tokens so far.
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// Tokens so far, up to the last that brought a thought.
    pub fn n_reasoning(&self) -> usize {
        self.n_reasoning
    }

    /// Whether it is complete or failed.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The next update.
    pub async fn next(&mut self) -> Update {
        let event = self.handle.recv().await;
        self.on(event)
    }

    /// The next update, on a thread without a runtime.
    pub fn next_blocking(&mut self) -> Update {
        let event = self.handle.blocking_recv();
        self.on(event)
    }

    /// The next update, for streams.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Update> {
        self.handle.poll_recv(cx).map(|event| self.on(event))
    }

    fn on(&mut self, event: Option<Event>) -> Update {
        match event {
            Some(Event::Started) => Update::Started,
            Some(Event::Token(choice)) => self.token(&choice),
            Some(Event::Done(FinishReason::Stop)) => self.finish("stop"),
            Some(Event::Done(FinishReason::Length)) => self.finish("length"),
            Some(Event::Failed(message)) => self.fail(message),
            None => self.fail("the engine stopped".to_owned()),
        }
    }

    fn fail(&mut self, message: String) -> Update {
        self.finished = true;
        Update::Failed(message)
    }

    fn token(&mut self, choice: &Choice) -> Update {
        self.clock();
        self.n_tokens += 1;
        if let Some(entries) = &mut self.entries {
            entries.push(entry(&self.tokenizer, choice));
        }
        let step = self.streamer.push(choice.id);
        if step.stopped {
            // The engine frees the place when it sees that nobody listens.
            self.handle.close();
            self.finished = true;
            self.drop_entries_behind(step.text.len());
            let mut delta = self.delta(&step.text);
            self.flush_reasoning(&mut delta);
            return Update::Finish(delta, "stop");
        }
        let delta = self.delta(&step.text);
        self.answers |= !delta.content.is_empty();
        if !self.answers && !delta.reasoning.is_empty() {
            self.n_reasoning = self.n_tokens;
        }
        Update::Delta(delta)
    }

    /// Forgets the tokens of a stop string: `length` bytes of text stand in front of it.
    fn drop_entries_behind(&mut self, mut length: usize) {
        let Some(entries) = &mut self.entries else { return };
        let shown = entries.iter().take_while(|entry| {
            let shown = length > 0;
            length = length.saturating_sub(entry.chosen.bytes.len());
            shown
        });
        let shown = shown.count();
        entries.truncate(shown);
    }

    fn clock(&mut self) {
        let elapsed = self.last.elapsed();
        self.last = Instant::now();
        let times = if self.n_tokens == 0 { &self.first } else { &self.between };
        times.record(elapsed);
    }

    fn finish(&mut self, reason: &'static str) -> Update {
        self.finished = true;
        let rest = self.streamer.finish();
        let mut delta = self.delta(&rest);
        self.flush_reasoning(&mut delta);
        // Tokens without text of their own, such as half a character.
        delta.entries.extend(self.entries.iter_mut().flat_map(|it| it.drain(..)));
        Update::Finish(delta, reason)
    }

    /// Entries travel with the text of their tokens, so while text is held back they wait.
    fn delta(&mut self, text: &str) -> Delta {
        let mut delta = match &mut self.reasoning {
            Some(reasoning) => {
                let split = reasoning.push(text);
                Delta { content: split.content, reasoning: split.reasoning, entries: Vec::new() }
            }
            None => Delta { content: text.to_owned(), ..Delta::default() },
        };
        if let (Some(entries), false) = (&mut self.entries, text.is_empty()) {
            delta.entries = std::mem::take(entries);
        }
        delta
    }

    fn flush_reasoning(&mut self, delta: &mut Delta) {
        let Some(reasoning) = &mut self.reasoning else { return };
        let Parts { content, reasoning } = reasoning.finish();
        delta.append(Delta { content, reasoning, entries: Vec::new() });
    }
}

fn entry(tokenizer: &Tokenizer, choice: &Choice) -> Entry {
    let candidate = |id: u32, logprob: f32| {
        let bytes = tokenizer.token_bytes(id);
        let token = String::from_utf8_lossy(&bytes).into_owned();
        Candidate { token, logprob: logprob.max(-9999.0), bytes }
    };
    let top_logprobs = choice.top.iter().map(|&(id, logprob)| candidate(id, logprob)).collect();
    Entry { chosen: candidate(choice.id, choice.logprob), top_logprobs }
}
