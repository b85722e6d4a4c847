//! The engine: a thread that owns a model and serves many requests at once.
//!
//! Requests join and leave between steps (continuous batching). A step advances every
//! decoding sequence by one token and spends a bounded number of tokens on prompts, so a
//! long prompt delays its neighbours by one chunk at a time.
//! A sequence's tokens depend on its job alone: the model promises that rows of a batch do
//! not influence each other, and each sequence has a sampler of its own.

mod queue;
mod schedule;
pub mod stub;
#[cfg(test)]
mod tests;
mod worker;

use std::{sync::Arc, thread, time::Duration};

use tokio::sync::mpsc;

use self::queue::{Pending, Queue};
use crate::{
    models::Model,
    sample::{self, Choice},
};

/// Limits of an engine.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Sequences that run at once.
    pub max_batch: usize,
    /// Requests that may wait for a place in the batch.
    pub max_queue: usize,
    /// Prompt tokens that one step reads.
    pub prefill_chunk: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { max_batch: 8, max_queue: 64, prefill_chunk: 256 }
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Job {
    /// The prompt, at least one token.
    pub prompt: Vec<u32>,
    /// How tokens are chosen.
    pub params: sample::Params,
    /// Tokens after which the answer ends; the end of the context ends it too.
    pub max_tokens: usize,
    /// Tokens that end the answer.
    pub stop_ids: Vec<u32>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model chose a stop token.
    Stop,
    /// `max_tokens` or the context is used up.
    Length,
}

/// What happens to a request, in order: `Started`, tokens, then `Done` or `Failed`.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The request left the queue.
    Started,
    /// One token. The token that ends an answer is not among them.
    Token(Choice),
    /// The answer is complete.
    Done(FinishReason),
    /// The engine could not go on with this request.
    Failed(String),
}

/// Events of one request. Dropping it frees the request's place within one step.
pub type Handle = mpsc::UnboundedReceiver<Event>;

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The queue has no place for it.
    #[error("{running} requests run and {waiting} wait, which is the limit; help: try again")]
    Full {
        /// Sequences in the batch.
        running: usize,
        /// Requests in the queue.
        waiting: usize,
    },
    /// The engine finishes what it has and takes nothing more.
    #[error("the engine is shutting down")]
    Draining,
    /// Nothing to continue.
    #[error("a prompt has at least one token, got none")]
    EmptyPrompt,
    /// No room for an answer.
    #[error("a prompt has fewer than {context} tokens, got {got}")]
    TooLong {
        /// The model's longest sequence.
        context: usize,
        /// Length of the prompt.
        got: usize,
    },
    /// A token that the model does not have.
    #[error("tokens are below {vocab}, got {got}")]
    Token {
        /// Size of the model's vocabulary.
        vocab: usize,
        /// The token.
        got: u32,
    },
}

/// How busy an engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Sequences in the batch.
    pub running: usize,
    /// Requests in the queue.
    pub waiting: usize,
}

/// A running engine. Dropping it stops the thread after its step.
#[derive(Debug)]
pub struct Engine {
    queue: Arc<Queue>,
    options: Options,
    vocab: usize,
    context: usize,
}

impl Engine {
    /// Gives `model` a thread.
    ///
    /// # Panics
    /// If the operating system has no thread to give.
    pub fn start(model: Box<dyn Model>, options: Options) -> Self {
        let options = Options {
            max_batch: options.max_batch.max(1),
            prefill_chunk: options.prefill_chunk.max(1),
            ..options
        };
        let queue = Arc::new(Queue::new(options.max_batch, options.max_queue));
        let (vocab, context) = (model.vocab(), model.context());
        let shared = Arc::clone(&queue);
        thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || worker::run(model, &shared, options.prefill_chunk))
            .expect("a process that just started can have one more thread");
        Self { queue, options, vocab, context }
    }

    /// Queues one request.
    pub fn submit(&self, job: Job) -> Result<Handle, Rejected> {
        let mut handles = self.submit_all(vec![job])?;
        Ok(handles.pop().unwrap_or_else(|| unreachable!("one job has one handle")))
    }

    /// Queues all of these requests, or none.
    pub fn submit_all(&self, jobs: Vec<Job>) -> Result<Vec<Handle>, Rejected> {
        jobs.iter().try_for_each(|job| self.check(job))?;
        let (pending, handles): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .map(|job| {
                let (events, handle) = mpsc::unbounded_channel();
                (Pending::new(job, events), handle)
            })
            .unzip();
        self.queue.push(pending)?;
        Ok(handles)
    }

    fn check(&self, job: &Job) -> Result<(), Rejected> {
        let (vocab, context, got) = (self.vocab, self.context, job.prompt.len());
        if got == 0 {
            return Err(Rejected::EmptyPrompt);
        }
        if got >= context {
            return Err(Rejected::TooLong { context, got });
        }
        match job.prompt.iter().find(|it| **it as usize >= vocab) {
            Some(&got) => Err(Rejected::Token { vocab, got }),
            None => Ok(()),
        }
    }

    /// Its limits.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Size of the model's vocabulary.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// The model's longest sequence.
    pub fn context(&self) -> usize {
        self.context
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        self.queue.load()
    }

    /// Takes no more requests; those that it has go on.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Whether it takes no more requests.
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Ends all requests after the step that is under way, and takes no more.
    pub fn abort(&self) {
        self.queue.abort();
    }

    /// Closes, and waits at most `bound` for the requests that it has.
    /// Says whether all of them finished.
    pub fn drain(&self, bound: Duration) -> bool {
        self.queue.close();
        self.queue.wait_idle(bound)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.abort();
    }
}
