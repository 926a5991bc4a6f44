//! Whole frames in one write.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use std::io::{self, Write};

const ERASE_ALL: &[u8] = b"\x1b[2J";
const ERASE_TEXT: &[u8] = b"\x1b[H\x1b[J";

/// Standard output as a place for whole frames: bytes are collected and sent when flushed. What was not flushed
/// is dropped with it, so that half a frame never reaches a screen that was given back.
///
/// Erase All (`CSI 2 J`, which ratatui writes on every resize) makes kitty throw all pictures away, those out of
/// sight too, and they would have to cross the line again. It is replaced by Home and Erase Below, which erases
/// the same text and leaves pictures alone.
#[derive(Debug, Default)]
pub struct Screen {
    frame: Vec<u8>,
}

impl Screen {
    /// An empty frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes collected since the last flush.
    pub fn len(&self) -> usize {
        self.frame.len()
    }

    /// Puts `before` and `after` around what was collected; an empty frame stays empty.
    pub fn enclose(&mut self, before: &[u8], after: &[u8]) {
        if !self.frame.is_empty() {
            self.frame.splice(0..0, before.iter().copied());
            self.frame.extend_from_slice(after);
        }
    }

    /// True when a flush would send nothing.
    pub fn is_empty(&self) -> bool {
        self.frame.is_empty()
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // crossterm writes each command in one call.
        self.frame.extend_from_slice(if bytes == ERASE_ALL {
            ERASE_TEXT
        } else {
            bytes
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = write_all(rustix::stdio::stdout(), &self.frame);
        self.frame.clear();
        sent
    }
}

/// Writes all of `bytes` to a descriptor, without any buffer or lock in between.
///
/// # Errors
/// When the other side is gone.
pub fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_writable(to)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Terminals are sometimes inherited in non-blocking mode.
fn wait_writable(to: BorrowedFd<'_>) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    match poll(&mut [PollFd::new(&to.as_fd(), PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
