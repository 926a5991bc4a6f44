//! Raw mode for a moment, to ask a question outside the explorer.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The modes to restore, where a signal can reach them.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

fn within_reach() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the modes from another thread, if they are changed.
pub(super) fn undo() {
    if let Some(modes) = within_reach().take()
        && let Ok(tty) = File::options().read(true).write(true).open("/dev/tty")
    {
        let _ = tcsetattr(&tty, OptionalActions::Now, &modes);
    }
}

/// No echo and no line editing until this is left or dropped.
#[derive(Debug)]
pub struct Raw<'a> {
    tty: BorrowedFd<'a>,
    /// The modes before; `None` when it was raw already, or is restored.
    before: Option<Termios>,
}

impl<'a> Raw<'a> {
    /// Switches echo and line editing off; nothing happens to a terminal that has them off already.
    ///
    /// # Errors
    /// When `tty` is no terminal.
    pub fn enter(tty: &'a impl AsFd) -> io::Result<Self> {
        let tty = tty.as_fd();
        let modes = tcgetattr(tty)?;
        if !modes
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ECHO)
        {
            return Ok(Self { tty, before: None });
        }
        super::signals::install()?;
        let mut raw = modes.clone();
        // Ctrl-C is read as a byte meanwhile.
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        *within_reach() = Some(modes.clone());
        tcsetattr(tty, OptionalActions::Now, &raw)?;
        Ok(Self {
            tty,
            before: Some(modes),
        })
    }

    /// Restores the modes. With `drain`, input that has arrived and was not read is thrown away, so that late
    /// answers are not typed into what runs next.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn leave(mut self, drain: bool) -> io::Result<()> {
        self.restore(drain)
    }

    fn restore(&mut self, drain: bool) -> io::Result<()> {
        let Some(modes) = self.before.take() else {
            return Ok(());
        };
        *within_reach() = None;
        let when = if drain {
            OptionalActions::Flush
        } else {
            OptionalActions::Now
        };
        Ok(tcsetattr(self.tty, when, &modes)?)
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        let _ = self.restore(true);
    }
}
