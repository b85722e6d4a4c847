//! Waiting for kernels that may never end.
//!
//! A thread that fails a check ends, and others may wait for it: in vain, and for ever. Where they
//! ask an `mbarrier` again and again they look for failures meanwhile and end too. At a named
//! barrier, or in a loop on memory, they do not. But the host sees the fault while the kernel runs,
//! so whoever waits for a stream looks for it, and waits for at most [`GRACE`] after that.
//!
//! Only a stream whose kernels have checks is watched: for the others the driver waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::cuda::RawStream;
use crate::error::{Error, Result};

/// How long work goes on after a failure before it is taken to be stuck.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// How long the wait is worth a whole core.
const EAGER: Duration = Duration::from_millis(100);
/// How long the host sleeps between two looks after that.
const NAP: Duration = Duration::from_micros(100);

/// Waits for all work on the stream, whose kernels fail through these channels.
pub(crate) fn wait(stream: &RawStream, channels: &[Arc<Channel>]) -> Result<()> {
    if channels.is_empty() {
        return stream.synchronize();
    }
    let begin = Instant::now();
    let mut failed: Option<Instant> = None;
    loop {
        match stream.is_idle() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The failure is where the trouble began.
            Err(error) => {
                return channels.iter().try_for_each(|it| it.take_fault()).and(Err(error));
            }
        }
        match failed {
            None => failed = any_failed(channels).then(Instant::now),
            Some(at) if at.elapsed() < GRACE => {}
            Some(_) => return give_up(channels),
        }
        match begin.elapsed() < EAGER {
            true => std::thread::yield_now(),
            false => std::thread::sleep(NAP),
        }
    }
}

fn any_failed(channels: &[Arc<Channel>]) -> bool {
    channels.iter().any(|it| it.has_failed())
}

/// Leaves the stream to itself. The kernels keep their channels for ever, and the fault stays
/// there for those who wait later.
fn give_up(channels: &[Arc<Channel>]) -> Result<()> {
    channels.iter().map(Arc::clone).for_each(std::mem::forget);
    let fault = channels.iter().find_map(|it| it.failure());
    fault.map_or(Ok(()), |fault| Err(Error::Stuck(Box::new(fault))))
}
