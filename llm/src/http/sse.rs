//! Answers as server-sent events, in the order that OpenAI's clients expect: a chunk with the
//! role, chunks of text, a chunk with the reason of the end, the usage if and only if it was
//! asked for, and `[DONE]`.
//!
//! Everything that the engine has ready goes into one write, so a server that falls behind
//! catches up by larger writes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep};

use super::{error::ApiError, tally::Tally, wire::Reply};
use crate::answer::{Answer, Delta, Update};

/// Bytes after which a write is not extended further: a connection that catches up with a
/// long answer must not delay the others by much.
const LARGE: usize = 4 << 10;

/// The events of one request. Dropping it drops the answers, which cancels them.
pub(super) struct Events {
    answers: Vec<Answer>,
    /// Characters sent of each answer.
    sent: Vec<usize>,
    out: Vec<u8>,
    reply: Reply,
    tally: Tally,
    silence: Silence,
    done: bool,
}

impl Events {
    /// `before` is the text that stands in front of each answer.
    pub(super) fn new(
        answers: Vec<Answer>,
        reply: Reply,
        tally: Tally,
        before: Vec<String>,
        keep_alive: Duration,
    ) -> Self {
        let n = answers.len();
        let mut out = Vec::new();
        (0..n).for_each(|index| reply.first(&mut out, index));
        let silence = Silence::new(keep_alive);
        let sent = vec![0; n];
        let mut events = Self { answers, sent, out, reply, tally, silence, done: false };
        for (index, content) in before.into_iter().enumerate() {
            events.text(index, &Delta { content, ..Delta::default() });
        }
        events
    }

    /// The response.
    pub(super) fn response(self) -> Response {
        let mut response = Response::new(Body::from_stream(self));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Proxies that buffer would hold the tokens back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }

    fn text(&mut self, index: usize, delta: &Delta) {
        if !delta.is_empty() {
            self.reply.delta(&mut self.out, index, delta, self.sent[index]);
            self.sent[index] += delta.content.chars().count();
        }
    }

    fn on(&mut self, index: usize, update: Update) {
        match update {
            Update::Started => {}
            Update::Delta(delta) => self.text(index, &delta),
            Update::Finish(delta, reason) => {
                self.text(index, &delta);
                self.reply.finish(&mut self.out, index, reason);
            }
            // The status is sent already, so the error travels as an event.
            Update::Failed(message) => {
                let envelope = ApiError::internal(&message).envelope();
                self.out.extend_from_slice(format!("data: {envelope}\n\n").as_bytes());
                self.tally.failed();
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"data: [DONE]\n\n");
        self.answers.clear();
        self.done = true;
    }

    /// Takes what the engine has.
    fn advance(&mut self, cx: &mut Context<'_>) {
        for index in 0..self.answers.len() {
            while self.out.len() < LARGE && !self.done && !self.answers[index].is_finished() {
                match self.answers[index].poll(cx) {
                    Poll::Ready(update) => self.on(index, update),
                    Poll::Pending => break,
                }
            }
        }
        if !self.done && self.answers.iter().all(Answer::is_finished) {
            let tokens = self.tally.finished(&self.answers);
            if self.reply.include_usage {
                self.reply.usage(&mut self.out, tokens);
            }
            self.end();
        }
    }
}

impl Stream for Events {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let events = self.get_mut();
        if !events.done {
            events.advance(cx);
        }
        if !events.out.is_empty() {
            events.silence.broken();
            let capacity = events.out.len();
            let out = std::mem::replace(&mut events.out, Vec::with_capacity(capacity));
            return Poll::Ready(Some(Ok(out.into())));
        }
        if events.done {
            return Poll::Ready(None);
        }
        events.silence.poll(cx).map(|()| Some(Ok(Bytes::from_static(b": keep-alive\n\n"))))
    }
}

/// Notices when nothing was sent for a while.
///
/// Moving a timer costs more than sending a token, so the timer is moved only when it rings.
struct Silence {
    period: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new(period: Duration) -> Self {
        Self { period, since: Instant::now(), timer: Box::pin(sleep(period)) }
    }

    fn broken(&mut self) {
        self.since = Instant::now();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let silent = self.since.elapsed() >= self.period;
            if silent {
                self.since = Instant::now();
            }
            self.timer.as_mut().reset(self.since + self.period);
            if silent {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
