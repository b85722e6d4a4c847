//! Answers as server-sent events, in the order that OpenAI's clients expect: a chunk with the
//! role, chunks of text, a chunk with the reason of the end, the usage if and only if it was
//! asked for, and `[DONE]`.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_core::Stream;

use super::{error::ApiError, wire::Reply};
use crate::answer::{Answer, Delta, Update};

/// The events of one request. Dropping it drops the answers, which cancels them.
pub(super) struct Events {
    answers: Vec<Answer>,
    /// Characters sent of each answer.
    sent: Vec<usize>,
    out: VecDeque<String>,
    reply: Reply,
    prompt_tokens: usize,
    done: bool,
}

impl Events {
    /// `before` is the text that stands in front of each answer.
    pub(super) fn new(
        answers: Vec<Answer>,
        reply: Reply,
        prompt_tokens: usize,
        before: &[String],
    ) -> Self {
        let n = answers.len();
        let out = (0..n).filter_map(|index| reply.first(index)).collect();
        let mut events = Self { answers, sent: vec![0; n], out, reply, prompt_tokens, done: false };
        for (index, text) in before.iter().enumerate() {
            events.text(index, Delta { content: text.clone(), ..Delta::default() });
        }
        events
    }

    /// The response, with a comment whenever nothing happened for `keep_alive`.
    pub(super) fn response(self, keep_alive: Duration) -> Response {
        let keep_alive = KeepAlive::new().interval(keep_alive).text("keep-alive");
        let mut response = Sse::new(self).keep_alive(keep_alive).into_response();
        // Buffering proxies would hold the tokens back.
        let no = axum::http::HeaderValue::from_static("no");
        response.headers_mut().insert("x-accel-buffering", no);
        response
    }

    fn text(&mut self, index: usize, delta: Delta) {
        if !delta.is_empty() {
            self.out.push_back(self.reply.delta(index, &delta, self.sent[index]));
            self.sent[index] += delta.content.chars().count();
        }
    }

    fn on(&mut self, index: usize, update: Update) {
        match update {
            Update::Delta(delta) => self.text(index, delta),
            Update::Finish(delta, reason) => {
                self.text(index, delta);
                self.out.push_back(self.reply.finish(index, reason));
            }
            // The status is sent already, so the error travels as an event.
            Update::Failed(message) => {
                self.out.push_back(ApiError::internal(&message).envelope().to_string());
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.out.push_back("[DONE]".to_owned());
        self.answers.clear();
        self.done = true;
    }

    /// Takes what the engine has; says whether anything came.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        let mut came = false;
        for index in 0..self.answers.len() {
            if self.done || self.answers[index].is_finished() {
                continue;
            }
            if let Poll::Ready(update) = self.answers[index].poll(cx) {
                self.on(index, update);
                came = true;
            }
        }
        if !self.done && self.answers.iter().all(Answer::is_finished) {
            if self.reply.include_usage {
                let completion = self.answers.iter().map(Answer::n_tokens).sum();
                self.out.push_back(self.reply.usage(self.prompt_tokens, completion));
            }
            self.end();
        }
        came
    }
}

impl Stream for Events {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(data) = self.out.pop_front() {
                return Poll::Ready(Some(Ok(Event::default().data(data))));
            }
            if self.done {
                return Poll::Ready(None);
            }
            if !self.advance(cx) && self.out.is_empty() {
                return Poll::Pending;
            }
        }
    }
}
