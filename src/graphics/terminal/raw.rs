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

fn before() -> MutexGuard<'static, Option<Termios>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the modes from another thread, if they are changed.
pub(super) fn undo() {
    if let Some(modes) = before().take()
        && let Ok(tty) = File::options().read(true).write(true).open("/dev/tty")
    {
        let _ = tcsetattr(&tty, OptionalActions::Now, &modes);
    }
}

/// No echo and no line editing until this is left or dropped.
#[derive(Debug)]
pub struct Raw<'a> {
    tty: BorrowedFd<'a>,
    /// This one changed the modes, so it restores them.
    changed: bool,
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
            return Ok(Self {
                tty,
                changed: false,
            });
        }
        super::signals::install()?;
        let mut raw = modes.clone();
        // Ctrl-C is read as a byte meanwhile.
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        *before() = Some(modes);
        tcsetattr(tty, OptionalActions::Now, &raw)?;
        Ok(Self { tty, changed: true })
    }

    /// Restores the modes. With `drain`, input that has arrived and was not read is thrown away, so that late
    /// answers are not typed into what runs next.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn leave(self, drain: bool) -> io::Result<()> {
        self.restore(drain)
    }

    fn restore(&self, drain: bool) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let Some(modes) = before().take() else {
            return Ok(());
        };
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
