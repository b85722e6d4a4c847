//! Which captures are under way on a device.
//!
//! The driver invalidates every capture of a context when the whole context is waited for, whichever
//! thread asks. So such a wait and captures exclude each other.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

thread_local! {
    /// Captures that this thread has begun and not ended, on any device.
    static OWN: Cell<u32> = const { Cell::new(0) };
}

/// The captures under way on a device.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    count: Mutex<u32>,
    ended: Condvar,
}

impl Captures {
    /// Counts a capture until the result is dropped, in the same thread.
    pub(crate) fn begin(&self) -> Capturing<'_> {
        *self.lock() += 1;
        OWN.set(OWN.get() + 1);
        Capturing(self)
    }

    /// Waits until there is none; none begins while the result lives.
    pub(super) fn ended(&self) -> Result<MutexGuard<'_, u32>> {
        if OWN.get() > 0 {
            return Err(Error::Capture { what: "a wait for the whole device" });
        }
        let waiting = self.ended.wait_while(self.lock(), |count| *count > 0);
        Ok(waiting.unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> MutexGuard<'_, u32> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capturing<'a>(&'a Captures);

impl Drop for Capturing<'_> {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        OWN.set(OWN.get() - 1);
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wait_lasts_until_the_captures_end() {
        let captures = Captures::default();
        let over = AtomicBool::new(false);
        let capturing = captures.begin();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                drop(captures.ended().unwrap());
                over.load(Ordering::SeqCst)
            });
            std::thread::sleep(Duration::from_millis(20));
            over.store(true, Ordering::SeqCst);
            drop(capturing);
            assert!(waiter.join().unwrap(), "the wait did not last");
        });
    }

    #[test]
    fn a_capture_does_not_wait_for_itself() {
        let captures = Captures::default();
        let capturing = captures.begin();
        assert!(matches!(captures.ended(), Err(Error::Capture { .. })));
        drop(capturing);
        assert!(captures.ended().is_ok());
    }
}
