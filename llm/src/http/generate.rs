//! From a checked request to its answer, the same way for both endpoints.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use tokio::time::timeout;

use super::{
    Server,
    error::ApiError,
    sampling::Common,
    sse::Events,
    tally::Tally,
    wire::{Kind, Reply, Tokens},
};
use crate::{
    answer::{Answer, Delta, Update, Wanted},
    engine::Job,
};

type Result<T> = std::result::Result<T, ApiError>;

/// A prompt and the text that stands in front of its answers.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    pub(super) ids: Vec<u32>,
    pub(super) before: String,
    /// Whether thoughts are split from the text, and if so whether the prompt ends in one.
    pub(super) reasoning: Option<bool>,
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) kind: Kind,
    pub(super) prompts: Vec<Prompt>,
    pub(super) common: Common,
    /// `None` is what the context leaves.
    pub(super) max_tokens: Option<usize>,
    /// Parameters that a lenient server did without.
    pub(super) ignored: Vec<String>,
}

impl Task {
    /// The field that the prompts came from.
    fn source(&self) -> &'static str {
        match self.kind {
            Kind::Chat => "messages",
            Kind::Text => "prompt",
        }
    }

    /// One job for each choice: those of the first prompt come first.
    fn jobs(&self, server: &Server) -> Result<Vec<Job>> {
        let engine = &server.runner.engine;
        let (context, limits) = (engine.context(), engine.options());
        let (n, most) = (self.prompts.len() * self.common.n, limits.max_batch + limits.max_queue);
        if n > most {
            let message = format!("this server takes up to {most} choices at once, got {n}");
            return Err(ApiError::invalid("n", message));
        }
        let mut jobs = Vec::with_capacity(n);
        for prompt in &self.prompts {
            let got = prompt.ids.len();
            if got + self.max_tokens.unwrap_or(1) > context {
                let answer = self.max_tokens.unwrap_or(1);
                return Err(ApiError::context(context, got, answer).at(self.source()));
            }
            for _ in 0..self.common.n {
                let mut params = self.common.params.clone();
                params.seed = params.seed.wrapping_add(jobs.len() as u64);
                jobs.push(Job {
                    prompt: prompt.ids.clone(),
                    params,
                    max_tokens: self.max_tokens.unwrap_or(context),
                    stop_ids: self.common.stop_ids.clone(),
                });
            }
        }
        Ok(jobs)
    }

    fn answers(&self, server: &Server) -> Result<Vec<Answer>> {
        let jobs = self.jobs(server)?;
        let handles = server.runner.engine.submit_all(jobs).map_err(|rejected| {
            let error = ApiError::from(rejected);
            if error.param.is_some() { error.at(self.source()) } else { error }
        })?;
        let answers = handles.into_iter().enumerate().map(|(i, handle)| {
            let wanted = Wanted {
                stop: self.common.stop.clone(),
                logprobs: self.common.params.logprobs.is_some(),
                reasoning: self.prompts[i / self.common.n].reasoning,
            };
            Answer::new(handle, &server.runner.tokenizer, wanted)
        });
        Ok(answers.collect())
    }
}

/// Answers a request, whole or in chunks.
pub(super) async fn answer(server: &Arc<Server>, task: Task) -> Result<Response> {
    let mut answers = task.answers(server)?;
    // The queue is first come, first served, so the first of them starts first. Until then
    // the status is open, and the request may still be told to come back later.
    match timeout(server.options.queue_timeout, answers[0].next()).await {
        Ok(Update::Started) => {}
        Ok(Update::Failed(message)) => return Err(ApiError::internal(&message)),
        Ok(update) => return Err(ApiError::internal(&format!("began with {update:?}"))),
        Err(_) => {
            metrics::counter!("firesteel_queue_timeouts_total").increment(1);
            return Err(ApiError::queue_timeout());
        }
    }
    let Common { n, stream, include_usage, params, .. } = &task.common;
    let reply =
        Reply::new(task.kind, &server.runner.name, params.logprobs.is_some(), *include_usage);
    let tally = Tally::new(task.prompts.iter().map(|it| it.ids.len()).sum());
    let before = task.prompts.iter().flat_map(|it| vec![it.before.clone(); *n]).collect();
    let mut response = match stream {
        true => Events::new(answers, reply, tally, before, server.options.keep_alive).response(),
        false => {
            let (choices, tokens) = collect(answers, before, tally).await?;
            let mut response = Response::new(Body::from(reply.whole(&choices, tokens)));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, json);
            response
        }
    };
    warn(&mut response, &task.ignored);
    Ok(response)
}

async fn collect(
    mut answers: Vec<Answer>,
    before: Vec<String>,
    mut tally: Tally,
) -> Result<(Vec<(Delta, &'static str)>, Tokens)> {
    let mut choices = Vec::with_capacity(answers.len());
    for (answer, content) in answers.iter_mut().zip(before) {
        let mut whole = Delta { content, ..Delta::default() };
        let reason = loop {
            match answer.next().await {
                Update::Started => {}
                Update::Delta(delta) => whole.append(delta),
                Update::Finish(delta, reason) => {
                    whole.append(delta);
                    break reason;
                }
                Update::Failed(message) => {
                    tally.failed();
                    return Err(ApiError::internal(&message));
                }
            }
        };
        choices.push((whole, reason));
    }
    let tokens = tally.finished(&answers);
    Ok((choices, tokens))
}

/// Says which parameters had no effect; RFC 9111 keeps code 299 for such remarks.
fn warn(response: &mut Response, ignored: &[String]) {
    if ignored.is_empty() {
        return;
    }
    let names = ignored.join(", ");
    let plain: String = names
        .chars()
        .map(|c| if c.is_ascii_graphic() && c != '"' || c == ' ' { c } else { '?' })
        .collect();
    if let Ok(value) = HeaderValue::from_str(&format!("299 firesteel \"ignored: {plain}\"")) {
        response.headers_mut().insert(header::WARNING, value);
    }
}
