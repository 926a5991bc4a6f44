//! The question and the wait for the answers.

use super::{Capabilities, Choice, Hints, Replies, decide, parse};
use crate::graphics::terminal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

/// The question could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no terminal.
    #[error("no terminal to ask")]
    NoTerminal,
    /// The terminal is there but reading or writing failed.
    #[error("ask the terminal")]
    Io(#[from] io::Error),
    /// Ctrl-C was pressed meanwhile.
    #[error("interrupted")]
    Interrupted,
}

/// How long to wait for the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until the first byte.
    pub silent: Duration,
    /// In all, once something came: a slow line delivers the answers together, but not at once.
    pub total: Duration,
}

impl Patience {
    /// One second on this machine, three over SSH, where a round trip may take that long.
    pub fn of(hints: &Hints) -> Self {
        Self {
            silent: Duration::from_secs(if hints.ssh { 3 } else { 1 }),
            total: Duration::from_secs(3),
        }
    }
}

/// Asks the terminal behind `/dev/tty` and decides.
///
/// Works in raw mode or not (raw mode is switched on for the duration), must run before any other reader of the
/// terminal is started. A terminal that does not answer costs 1 s, over SSH 3 s.
///
/// # Errors
/// [`Error::NoTerminal`] when the process has none.
pub fn probe(hints: &Hints, choice: Choice) -> Result<Capabilities, Error> {
    let tty = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| Error::NoTerminal)?;
    let mut hints = hints.clone();
    if let Ok(size) = rustix::termios::tcgetwinsize(&tty) {
        hints.grid = (size.ws_col, size.ws_row);
        hints.pixels = (size.ws_xpixel, size.ws_ypixel);
    }
    if hints.dumb() || choice == Choice::None {
        return Ok(decide(&Replies::default(), &hints, choice));
    }
    let raw = terminal::Raw::enter(&tty)?;
    let asked = ask(tty.as_fd(), &hints, Patience::of(&hints));
    let outstanding = asked.as_ref().map_or(true, |(_, outstanding)| *outstanding);
    raw.leave(outstanding)?;
    let (replies, outstanding) = asked?;
    tracing::debug!(?replies, outstanding, "terminal answered");
    Ok(Capabilities {
        outstanding,
        ..decide(&replies, &hints, choice)
    })
}

/// Writes the question to `tty` and reads until the last answer or the deadline. Also tells whether
/// answers are still outstanding. The terminal is in raw mode.
///
/// # Errors
/// When reading or writing fails, or Ctrl-C is read.
pub fn ask(
    tty: BorrowedFd<'_>,
    hints: &Hints,
    patience: Patience,
) -> Result<(Replies, bool), Error> {
    terminal::write_all(tty, &question(hints))?;
    let start = Instant::now();
    let mut bytes = Vec::new();
    loop {
        let limit = if bytes.is_empty() {
            patience.silent
        } else {
            patience.total
        };
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() || !readable(tty, left)? {
            break;
        }
        let mut chunk = [0; 1024];
        let n = match rustix::io::read(tty, &mut chunk) {
            // The other side has hung up.
            Ok(0) | Err(rustix::io::Errno::IO) => break,
            Ok(n) => n,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(error) => return Err(io::Error::from(error).into()),
        };
        bytes.extend_from_slice(&chunk[..n]);
        if bytes.contains(&0x03) {
            return Err(Error::Interrupted);
        }
        let replies = parse(&bytes);
        if replies.attributes.is_some() {
            return Ok((replies, false));
        }
    }
    Ok((parse(&bytes), true))
}

/// Waits for input; false when `timeout` passes without any.
fn readable(tty: BorrowedFd<'_>, timeout: Duration) -> Result<bool, Error> {
    let timeout = Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    match poll(&mut [PollFd::new(&tty, PollFlags::IN)], Some(&timeout)) {
        Ok(n) => Ok(n > 0),
        // The caller looks at the clock again.
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Everything in one write. Nothing of it is printed, moves the cursor or changes a colour for good.
fn question(hints: &Hints) -> Vec<u8> {
    let mut text = Vec::new();
    if !hints.prints_strings() {
        // Some multiplexers take the next line for a window title: keep the title and put it back.
        text.extend_from_slice(b"\x1b[22;2t");
        // Would it draw an indexed PNG sent over the line? (`a=q` asks without keeping or showing it.)
        text.extend_from_slice(b"\x1b_Gi=4211,a=q,t=d,f=100;");
        text.extend_from_slice(TEST_PICTURE.as_bytes());
        text.extend_from_slice(b"\x1b\\\x1b[23;2t");
        // XTVERSION; then: is a 24-bit background kept as it was set?
        text.extend_from_slice(b"\x1b[>0q");
        text.extend_from_slice(b"\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m");
        // OSC 11: background colour.
        text.extend_from_slice(b"\x1b]11;?\x1b\\");
    }
    // Sizes of a character and of the window in pixels; synchronized updates; DA1 last.
    text.extend_from_slice(b"\x1b[16t\x1b[14t\x1b[?2026$p\x1b[c");
    text
}

/// A PNG of one pixel with a palette, in base64.
const TEST_PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAMAAAAoyzS7AAAAA1BMVEUAAACnej3aAAAACklEQVR42mNgAAAAAgAB5Sfe/AAAAABJRU5ErkJggg==";

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn test_picture_is_an_indexed_png() {
        let png = base64::engine::general_purpose::STANDARD
            .decode(TEST_PICTURE)
            .unwrap();
        let reader = png::Decoder::new(io::Cursor::new(&png))
            .read_info()
            .unwrap();
        assert_eq!(reader.info().color_type, png::ColorType::Indexed);
        assert_eq!((reader.info().width, reader.info().height), (1, 1));
        assert_eq!(image::load_from_memory(&png).unwrap().width(), 1);
    }
}
