//! Where requests wait for a place in the batch.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::UnboundedSender;

use super::{Event, Job, Load, Rejected};

/// A request that waits.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) job: Job,
    pub(super) events: UnboundedSender<Event>,
    since: Instant,
}

impl Pending {
    pub(super) fn new(job: Job, events: UnboundedSender<Event>) -> Self {
        Self { job, events, since: Instant::now() }
    }

    pub(super) fn waited(&self) -> Duration {
        self.since.elapsed()
    }
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Pending>,
    running: usize,
    closed: bool,
    aborted: bool,
}

/// The queue. `running` is what the worker reported last.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
    max_batch: usize,
    max_queue: usize,
}

impl Queue {
    pub(super) fn new(max_batch: usize, max_queue: usize) -> Self {
        Self { inner: Mutex::default(), changed: Condvar::new(), max_batch, max_queue }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that holds the lock can panic halfway through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues all, or none.
    pub(super) fn push(&self, jobs: Vec<Pending>) -> Result<(), Rejected> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(Rejected::Draining);
        }
        inner.waiting.retain(|it| !it.events.is_closed());
        let (running, waiting) = (inner.running, inner.waiting.len());
        let free = self.max_batch.saturating_sub(running);
        if waiting + jobs.len() > free + self.max_queue {
            return Err(Rejected::Full { running, waiting });
        }
        inner.waiting.extend(jobs);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes what fits beside `running` sequences; with none, waits for work.
    /// `None` ends the worker.
    pub(super) fn take(&self, running: usize) -> Option<Vec<Pending>> {
        let mut inner = self.lock();
        inner.running = running;
        self.changed.notify_all();
        loop {
            if inner.aborted {
                return None;
            }
            inner.waiting.retain(|it| !it.events.is_closed());
            if running > 0 || !inner.waiting.is_empty() {
                break;
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
        let n = self.max_batch.saturating_sub(running).min(inner.waiting.len());
        inner.running += n;
        Some(inner.waiting.drain(..n).collect())
    }

    pub(super) fn load(&self) -> Load {
        let inner = self.lock();
        Load { running: inner.running, waiting: inner.waiting.len() }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn abort(&self) {
        let mut inner = self.lock();
        (inner.closed, inner.aborted) = (true, true);
        inner.waiting.clear();
        self.changed.notify_all();
    }

    /// Waits until nothing runs or waits; says whether that came within `bound`.
    pub(super) fn wait_idle(&self, bound: Duration) -> bool {
        let busy = |inner: &mut Inner| inner.running > 0 || !inner.waiting.is_empty();
        let waited = self.changed.wait_timeout_while(self.lock(), bound, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}
