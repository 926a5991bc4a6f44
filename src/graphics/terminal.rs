//! The terminal, borrowed and given back whatever happens.
//!
//! [`Guard`] holds raw mode, the alternate screen and a hidden cursor. It is undone when the guard is dropped,
//! when the guard's thread panics (before the message is printed, so that it can be read), and when a second
//! signal comes to a program that did not heed the first. SIGTERM, SIGHUP and SIGINT are told to the program as
//! [`Signal::Quit`]; Ctrl-Z and SIGTSTP leave the alternate screen and come back to it ([`Guard::suspend`]).
//!
//! Bytes go straight to the terminal ([`Screen`]) and not through `std::io::stdout`, whose lock a panicking or
//! blocked thread may hold and whose rest would be printed after the screen was given back.

mod raw;
mod screen;
mod signals;

pub use raw::Raw;
pub use screen::{Screen, write_all};
pub use signals::{Signal, has_shell};

use crossterm::{cursor, event, queue, style, terminal as modes};
use rustix::stdio;
use signals::Listener;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, ThreadId};

/// The terminal could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Standard output is a file or a pipe.
    #[error("standard output is not a terminal")]
    NotATerminal,
    /// There is a guard already.
    #[error("the terminal is taken already")]
    Taken,
    /// A mode could not be set.
    #[error("set up the terminal")]
    Io(#[from] io::Error),
}

/// What has to be undone, kept where a panic hook and a signal can reach it.
#[derive(Debug)]
struct Active {
    thread: ThreadId,
    farewell: Farewell,
    /// Panics of other threads: printed once the screen is back.
    deferred: Vec<String>,
}

static ACTIVE: Mutex<Option<Active>> = Mutex::new(None);

fn active() -> MutexGuard<'static, Option<Active>> {
    ACTIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes sent just before the terminal is given back: they free the pictures it holds for us.
#[derive(Debug, Clone, Default)]
pub struct Farewell(Arc<Mutex<Vec<u8>>>);

impl Farewell {
    /// Replaces the bytes.
    pub fn set(&self, bytes: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    fn get(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The borrowed terminal.
#[derive(Debug)]
pub struct Guard {
    farewell: Farewell,
    _listener: Listener,
}

impl Guard {
    /// Raw mode, alternate screen, hidden cursor. `wake` is called from another thread for every [`Signal`] and
    /// should only wake the program's loop.
    ///
    /// # Errors
    /// When standard output is no terminal or a mode cannot be set; everything is undone then.
    pub fn enter(wake: impl Fn(Signal) + Send + 'static) -> Result<Self, Error> {
        if !io::stdout().is_terminal() {
            return Err(Error::NotATerminal);
        }
        let farewell = Farewell::default();
        {
            let mut active = active();
            if active.is_some() {
                return Err(Error::Taken);
            }
            *active = Some(Active {
                thread: thread::current().id(),
                farewell: farewell.clone(),
                deferred: Vec::new(),
            });
        }
        install_panic_hook();
        let guard = Self {
            farewell,
            _listener: signals::listen(Box::new(wake))?,
        };
        // From here on dropping the guard undoes what was done.
        take()?;
        Ok(guard)
    }

    /// Where to leave the bytes that free our pictures.
    pub fn farewell(&self) -> Farewell {
        self.farewell.clone()
    }

    /// Gives the terminal back, stops the process, and takes the terminal again once it is continued. The caller
    /// then draws everything anew, pictures included ([`super::BackEnd::forget`]).
    ///
    /// # Errors
    /// When a mode cannot be set.
    pub fn suspend(&self) -> Result<(), Error> {
        give_back(&self.farewell.get());
        signals::stop()?;
        self.resume()
    }

    /// Takes the terminal again after the process was stopped and continued from outside
    /// ([`Signal::Continued`]); harmless when nothing was lost. The caller draws everything anew.
    ///
    /// # Errors
    /// When a mode cannot be set.
    pub fn resume(&self) -> Result<(), Error> {
        // The library does not set what it believes to be set.
        modes::disable_raw_mode()?;
        Ok(take()?)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

fn take() -> io::Result<()> {
    modes::enable_raw_mode()?;
    let mut bytes = Vec::new();
    queue!(
        bytes,
        modes::EnterAlternateScreen,
        modes::Clear(modes::ClearType::All),
        cursor::Hide,
        event::EnableBracketedPaste
    )?;
    // Clicks, drags and the wheel in SGR form; not every motion, which would wake us for nothing.
    bytes.extend_from_slice(b"\x1b[?1000h\x1b[?1002h\x1b[?1006h");
    write_all(stdio::stdout(), &bytes)
}

fn give_back(farewell: &[u8]) {
    let mut bytes = farewell.to_vec();
    // Writing to a vector cannot fail. Nothing can be done about a terminal that is gone either.
    let _ = queue!(
        bytes,
        modes::EndSynchronizedUpdate,
        event::DisableMouseCapture,
        event::DisableBracketedPaste,
        event::DisableFocusChange,
        style::ResetColor,
        style::SetAttribute(style::Attribute::Reset),
        cursor::Show,
        modes::LeaveAlternateScreen
    );
    let _ = write_all(stdio::stdout(), &bytes);
    let _ = modes::disable_raw_mode();
}

/// Undoes everything, once; returns whether there was anything to undo.
fn restore() -> bool {
    let Some(taken) = active().take() else {
        return false;
    };
    give_back(&taken.farewell.get());
    for message in taken.deferred {
        let _ = write_all(stdio::stderr(), message.as_bytes());
    }
    true
}

/// Gives the terminal back before a panic is reported. A panic of another thread is reported later, when the
/// screen is no longer ours to draw on.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let here = thread::current();
            let elsewhere = {
                let mut active = active();
                let other = active.as_mut().filter(|active| active.thread != here.id());
                other.map(|active| {
                    let name = here.name().unwrap_or("unnamed");
                    active.deferred.push(format!("thread {name}: {info}\n"));
                })
            };
            if elsewhere.is_none() {
                restore();
                previous(info);
            }
        }));
    });
}
