//! Asking the terminal what it is and what it can draw.
//!
//! The environment cannot say: over SSH only `TERM` and the window size cross, and inside a multiplexer the
//! variables name the wrong terminal. So one write asks for everything at once, ends with a question that every
//! terminal answers (DA1), and whatever has come back by then (or by the deadline) counts. The environment serves
//! as a hint only where no question exists.
//!
//! The questions must be asked before anything else reads the terminal, in raw mode. Answers that arrive after
//! the deadline would look like key presses to a key reader: [`LateReplies`] takes them out.

mod ask;
mod decide;
mod late;
mod replies;

pub use ask::{Error, Patience, ask, probe};
pub use decide::{Choice, Hints, decide};
pub use late::LateReplies;
pub use replies::{Graphics, Replies, parse};

use super::Protocol;

/// What is known about the terminal, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// How pictures are drawn.
    pub protocol: Protocol,
    /// Width and height of one character in pixels.
    pub cell_pixels: (u16, u16),
    /// 24-bit text colours.
    pub true_colour: bool,
    /// The terminal's own name and version, else `TERM`, else "unknown".
    pub terminal: String,
    /// tmux, screen or zellij in between.
    pub multiplexer: Option<String>,
    /// Synchronized updates (mode 2026).
    pub synchronized: bool,
    /// Background colour, sRGB, if it was told.
    pub background: Option<[u8; 3]>,
    /// Answers may still arrive: keep [`LateReplies`] in front of the key presses.
    pub outstanding: bool,
    /// Why this protocol, in one sentence.
    pub reason: String,
}
