//! What a request cost, for the log and the metrics.

use std::time::Instant;

use tracing::Span;

use super::wire::Tokens;
use crate::answer::Answer;

/// The account of one request. Dropped before its end it tells that the client went away.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    prompt: usize,
    /// The answers are written after the handler returned, so they carry its span.
    span: Span,
    closed: bool,
}

impl Tally {
    pub(super) fn new(prompt: usize) -> Self {
        Self { began: Instant::now(), prompt, span: Span::current(), closed: false }
    }

    /// Closes the account: the tokens of complete answers.
    pub(super) fn finished(&mut self, answers: &[Answer]) -> Tokens {
        self.closed = true;
        let completion = answers.iter().map(Answer::n_tokens).sum();
        let reasoning = answers.iter().map(Answer::n_reasoning).sum();
        let seconds = self.began.elapsed();
        metrics::histogram!("firesteel_request_seconds").record(seconds);
        let _entered = self.span.enter();
        tracing::info!(
            prompt_tokens = self.prompt,
            completion_tokens = completion,
            ms = seconds.as_millis() as u64,
            "answered"
        );
        Tokens { prompt: self.prompt, completion, reasoning }
    }

    /// Closes the account of a request that the engine failed, which is logged elsewhere.
    pub(super) fn failed(&mut self) {
        self.closed = true;
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.closed {
            metrics::counter!("firesteel_cancelled_requests_total").increment(1);
            let _entered = self.span.enter();
            let ms = self.began.elapsed().as_millis() as u64;
            tracing::info!(ms, "the client went away");
        }
    }
}
