//! What is shown while a user waits: on stderr, and only if that is a terminal.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

static ALLOWED: AtomicBool = AtomicBool::new(true);

/// Whether progress is shown at all.
pub(super) fn allow(yes: bool) {
    ALLOWED.store(yes, Ordering::Relaxed);
}

/// A wait of unknown length. It vanishes when it is dropped.
pub(super) struct Wait(ProgressBar);

impl Wait {
    /// Says what is waited for.
    pub(super) fn new(what: String) -> Self {
        let bar = ProgressBar::with_draw_target(None, target());
        bar.set_style(style("{spinner} {msg} {elapsed}"));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar over `total` bytes.
pub(super) fn bytes(name: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target());
    bar.set_style(style(
        "{msg} [{wide_bar}] {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}",
    ));
    bar.set_message(name.to_owned());
    bar
}

/// A bar over `total` numbers of weights.
pub(super) fn weights(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), target());
    bar.set_style(style("{msg} [{wide_bar}] {percent} % {eta}"));
    bar
}

fn target() -> ProgressDrawTarget {
    match ALLOWED.load(Ordering::Relaxed) {
        // Draws nothing where stderr is no terminal.
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
