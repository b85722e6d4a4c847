//! The thread that owns the model.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use tokio::sync::mpsc::UnboundedSender;

use super::{Event, FinishReason, Job, Queue, queue::Pending, schedule};
use crate::{
    models::{Model, Slice},
    sample::{Choice, Sampler},
    state::State,
};

/// A request in the batch.
struct Sequence {
    job: Job,
    events: UnboundedSender<Event>,
    state: State,
    sampler: Sampler,
    generated: Vec<u32>,
    /// Tokens that the model has read.
    read: usize,
    finished: bool,
}

impl Sequence {
    /// Tokens that the model has not read: the rest of the prompt, or the last choice.
    fn unread(&self) -> &[u32] {
        let n_prompt = self.job.prompt.len();
        match self.read < n_prompt {
            true => &self.job.prompt[self.read..],
            false => &self.generated[self.read - n_prompt..],
        }
    }

    fn end(&mut self, event: Event) {
        // A receiver that is gone needs no last event.
        let _ = self.events.send(event);
        self.finished = true;
    }

    fn fail(&mut self, message: &str) {
        metrics::counter!("firesteel_failed_requests_total").increment(1);
        self.end(Event::Failed(message.to_owned()));
    }

    /// Samples from `logits` and says whether the sequence goes on.
    fn advance(&mut self, logits: &[f32], context: usize) {
        let Self { sampler, job, generated, .. } = self;
        let sample = AssertUnwindSafe(|| sampler.sample(logits, &job.prompt, generated));
        match catch_unwind(sample) {
            Ok(choice) => self.accept(choice, context),
            Err(panic) => self.fail(&format!("the sampler panicked: {}", text_of(&*panic))),
        }
    }

    fn accept(&mut self, choice: Choice, context: usize) {
        if self.job.stop_ids.contains(&choice.id) {
            return self.end(Event::Done(FinishReason::Stop));
        }
        self.generated.push(choice.id);
        if self.events.send(Event::Token(choice)).is_err() {
            self.finished = true;
            return;
        }
        let full = self.job.prompt.len() + self.generated.len() >= context;
        if full || self.generated.len() >= self.job.max_tokens {
            self.end(Event::Done(FinishReason::Length));
        }
    }
}

/// Serves `queue` until it is aborted.
pub(super) fn run(mut model: Box<dyn Model>, queue: &Queue, chunk: usize) {
    let mut batch: Vec<Sequence> = Vec::new();
    while let Some(joining) = queue.take(batch.len()) {
        batch.extend(joining.into_iter().filter_map(|it| join(&*model, it)));
        batch.retain(|it| !it.events.is_closed());
        step(&mut *model, &mut batch, chunk);
        batch.retain(|it| !it.finished);
    }
}

fn join(model: &dyn Model, pending: Pending) -> Option<Sequence> {
    metrics::histogram!("firesteel_queue_seconds").record(pending.waited());
    let Pending { job, events, .. } = pending;
    let params = job.params.clone();
    let build = AssertUnwindSafe(|| (model.new_state(), Sampler::new(params)));
    match catch_unwind(build) {
        Ok((state, sampler)) => {
            metrics::counter!("firesteel_prompt_tokens_total").increment(job.prompt.len() as u64);
            events.send(Event::Started).ok()?;
            let generated = Vec::new();
            Some(Sequence { job, events, state, sampler, generated, read: 0, finished: false })
        }
        Err(panic) => {
            let message = format!("the sequence could not start: {}", text_of(&*panic));
            let _ = events.send(Event::Failed(message));
            None
        }
    }
}

/// One step: every sequence of the plan reads its share, complete ones get a token.
fn step(model: &mut dyn Model, batch: &mut [Sequence], chunk: usize) {
    let unread: Vec<usize> = batch.iter().map(|it| it.unread().len()).collect();
    let mut plan = schedule::plan(&unread, chunk);
    if plan.is_empty() {
        return;
    }
    plan.sort_by_key(|it| it.sequence);
    let began = Instant::now();
    let logits = forward(model, batch, &plan);
    metrics::histogram!("firesteel_step_seconds").record(began.elapsed());
    metrics::histogram!("firesteel_step_sequences").record(plan.len() as f64);
    match logits {
        Ok(logits) => {
            let mut logits = logits.iter();
            let (context, mut n_tokens) = (model.context(), 0);
            for share in &plan {
                let sequence = &mut batch[share.sequence];
                sequence.read += share.take;
                if let Some(logits) = share.complete.then(|| logits.next()).flatten() {
                    let before = sequence.generated.len();
                    sequence.advance(logits, context);
                    n_tokens += sequence.generated.len() - before;
                }
            }
            metrics::counter!("firesteel_generated_tokens_total").increment(n_tokens as u64);
        }
        // The states of all sequences of the step are in doubt.
        Err(message) => {
            tracing::error!(%message, sequences = plan.len(), "a step failed");
            plan.iter().for_each(|share| batch[share.sequence].fail(&message));
        }
    }
}

fn forward(
    model: &mut dyn Model,
    batch: &mut [Sequence],
    plan: &[schedule::Share],
) -> Result<Vec<Vec<f32>>, String> {
    let mut shares = plan.iter().peekable();
    let mut slices: Vec<Slice<'_>> = Vec::with_capacity(plan.len());
    for (i, sequence) in batch.iter_mut().enumerate() {
        let Some(share) = shares.next_if(|it| it.sequence == i) else { continue };
        let Sequence { job, generated, state, read, .. } = sequence;
        let n_prompt = job.prompt.len();
        let tokens = match *read < n_prompt {
            true => &job.prompt[*read..*read + share.take],
            false => &generated[*read - n_prompt..*read - n_prompt + share.take],
        };
        slices.push(Slice { tokens, state, logits: share.complete });
    }
    let want = plan.iter().filter(|it| it.complete).count();
    match catch_unwind(AssertUnwindSafe(|| model.forward(&mut slices))) {
        Ok(Ok(logits)) if logits.len() == want => Ok(logits),
        Ok(Ok(logits)) => Err(format!("the model gave {} rows, wanted {want}", logits.len())),
        Ok(Err(error)) => Err(format!("the model failed: {error}")),
        Err(panic) => Err(format!("the model panicked: {}", text_of(&*panic))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
