//! Ctrl-C, SIGTERM and a dropped line ask long work to stop at its next safe point; a second Ctrl-C does not wait.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Set once the program was asked to stop.
#[derive(Debug, Clone)]
pub(super) struct Interrupt {
    asked: Arc<AtomicBool>,
    /// The signal that asked, 0 when none did.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Starts listening.
    pub(super) fn listen() -> std::io::Result<Self> {
        let interrupt = Self::private();
        let Self { asked, signal } = &interrupt;
        for number in [SIGINT, SIGTERM] {
            // Order matters: the second signal finds the flag set and ends the process.
            let code = i32::from(code_of(number as usize));
            signal_hook::flag::register_conditional_shutdown(number, code, Arc::clone(asked))?;
        }
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_usize(number, Arc::clone(signal), number as usize)?;
            signal_hook::flag::register(number, Arc::clone(asked))?;
        }
        Ok(interrupt)
    }

    /// A flag that nobody but [`Self::ask`] sets, for work that another part stops.
    pub(super) fn private() -> Self {
        Self {
            asked: Arc::default(),
            signal: Arc::default(),
        }
    }

    /// Asks the work to stop.
    #[cfg(feature = "explore")]
    pub(super) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// True once asked.
    pub(super) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// The exit code of a program that stops because of it: 128 and the signal's number, as shells count.
    pub(super) fn exit_code(&self) -> u8 {
        code_of(self.signal.load(Ordering::Relaxed))
    }
}

/// Nobody's signal counts as Ctrl-C.
fn code_of(signal: usize) -> u8 {
    let signal = if signal == 0 { SIGINT as usize } else { signal };
    128 + signal as u8
}
