//! Ctrl-C, SIGTERM and a dropped line ask long work to stop at its next safe point; a second Ctrl-C does not wait.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once the program was asked to stop.
#[derive(Debug, Clone)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts listening.
    pub(super) fn listen() -> std::io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the second signal finds the flag set and ends the process with 130.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// A flag that nobody but [`Self::ask`] sets, for work that another part stops.
    #[cfg(feature = "explore")]
    pub(super) fn private() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }

    /// Asks the work to stop.
    #[cfg(feature = "explore")]
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// True once asked.
    pub(super) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
