//! How a command fails: what went wrong, what to do about it, and the exit code.

use super::output;
use crate::images::labels::LabelError;
use crate::store;
use std::fmt::Display;
use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
use std::process::ExitCode;

/// What kind of failure it is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something did not work: 1.
    Failed,
    /// The command was used wrongly: 2.
    Usage,
    /// Stopped by a signal: this code, 130 for Ctrl-C.
    Interrupted(u8),
    /// The reader of our output went away: 0, nothing is said.
    BrokenPipe,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// What went wrong, with its causes.
    pub error: anyhow::Error,
    /// What the user can do, one sentence each.
    pub hints: Vec<String>,
}

impl Failure {
    /// Wrong usage.
    pub fn usage(message: impl Display) -> Self {
        Self {
            kind: Kind::Usage,
            error: anyhow::anyhow!("{message}"),
            hints: Vec::new(),
        }
    }

    /// Something that did not work.
    pub fn failed(message: impl Display) -> Self {
        Self {
            kind: Kind::Failed,
            error: anyhow::anyhow!("{message}"),
            hints: Vec::new(),
        }
    }

    /// Stopped by a signal.
    pub fn interrupted(message: impl Display) -> Self {
        Self {
            kind: Kind::Interrupted(130),
            error: anyhow::anyhow!("{message}"),
            hints: Vec::new(),
        }
    }

    /// Ends with `code` where it was a signal that stopped the work.
    #[must_use]
    #[cfg(feature = "build")]
    pub(super) fn stopped_with(mut self, code: u8) -> Self {
        if let Kind::Interrupted(old) = &mut self.kind {
            *old = code;
        }
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hints.push(hint.to_string());
        self
    }

    /// The error and its causes; a cause that the text above it already tells is not told again.
    fn text(&self) -> String {
        let mut text = String::new();
        for cause in self.error.chain().map(ToString::to_string) {
            if text.is_empty() {
                text = cause;
            } else if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        text
    }

    /// Prints the failure and gives the exit code.
    pub fn report(self) -> ExitCode {
        let code = match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Interrupted(code) => code,
            Kind::BrokenPipe => return ExitCode::SUCCESS,
        };
        let lead = if matches!(self.kind, Kind::Interrupted(_)) {
            "stopped"
        } else {
            "error"
        };
        output::error_line(lead, &self.text());
        for hint in &self.hints {
            output::error_line("hint", hint);
        }
        ExitCode::from(code)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let broken = error.chain().any(|cause| {
            cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
        });
        let kind = if broken {
            Kind::BrokenPipe
        } else {
            Kind::Failed
        };
        let hint = error
            .downcast_ref::<store::Error>()
            .and_then(store::Error::hint);
        let labels = error.downcast_ref::<LabelError>();
        let hint = hint.or(labels.map(|error| error.hint));
        let full = error.chain().any(|cause| {
            cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|io| matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge))
        });
        let space = (full && hint.is_none())
            .then_some("free some space on that disk, then run the same command again");
        Self {
            kind,
            error,
            hints: hint.or(space).map(str::to_owned).into_iter().collect(),
        }
    }
}
