//! How long work reports itself and is asked to stop.
//!
//! Computation takes a `&dyn Progress`; callers decide whether that is a bar, a log line, a message to the
//! explorer or nothing. [`Progress::cancelled`] is polled at least a few times per second.

/// A listener to long work. Implementations are shared between threads.
pub trait Progress: Sync {
    /// A stage begins: `name` is a verb phrase ("collect activations"), `total` the number of steps or 0 when
    /// unknown, `unit` what one step is ("image").
    fn begin(&self, name: &str, total: u64, unit: &str);
    /// `n` more steps of the current stage are done.
    fn advance(&self, n: u64);
    /// A remark that a person should see (a skipped image, a fallback).
    fn note(&self, text: &str);
    /// True once the work should stop at the next safe point.
    fn cancelled(&self) -> bool;
}

/// Reports nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _name: &str, _total: u64, _unit: &str) {}
    fn advance(&self, _n: u64) {}
    fn note(&self, _text: &str) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// The work was asked to stop and did, at a safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// `Err(Interrupted)` once `progress` was cancelled; for use with `?` inside loops.
pub fn check(progress: &dyn Progress) -> Result<(), Interrupted> {
    if progress.cancelled() {
        Err(Interrupted)
    } else {
        Ok(())
    }
}
