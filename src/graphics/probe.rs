//! Asking the terminal what it is and what it can draw.
//!
//! The environment cannot say: over SSH only `TERM` and the window size cross, and inside a multiplexer the
//! variables name the wrong terminal. So one write asks for everything at once, ends with a question that every
//! terminal answers (DA1), and whatever has come back by then (or by the deadline) counts. The environment serves
//! as a hint only where no question exists.
//!
//! The questions must be asked before anything else reads the terminal, in raw mode. Keys that are pressed meanwhile
//! are kept ([`Capabilities::typed`]). Answers that arrive after the deadline are told from keys by
//! [`super::input::Parser`] and still count: [`Late`] decides anew.
//!
//! tmux answers for itself, so when it does, the terminal around it is asked through it, in a second write.

mod ask;
mod background;
mod decide;
mod late;
mod replies;

pub use ask::{Asked, Error, Patience, ask, probe};
pub use background::Background;
pub use decide::{Choice, Hints, decide};
pub use late::Late;
pub use replies::{Graphics, Replies, parse};

use super::Protocol;
use crossterm::event::Event;
use std::time::Duration;

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
    /// Background colour, sRGB, if anybody told it.
    pub background: Option<[u8; 3]>,
    /// Pictures have to be wrapped for tmux to let them through.
    pub passthrough: bool,
    /// The terminal around tmux, if it named itself.
    pub outer: Option<String>,
    /// What sixel pictures may be like.
    pub sixel: SixelLimits,
    /// Time from the question to the first answer.
    pub round_trip: Option<Duration>,
    /// Keys pressed while the terminal was asked.
    pub typed: Vec<Event>,
    /// Answers may still arrive.
    pub late: Option<Box<Late>>,
    /// Why this protocol, in one sentence.
    pub reason: String,
}

/// What a terminal takes in a sixel picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SixelLimits {
    /// Colours.
    pub registers: u16,
    /// Largest width and height in pixels, if it was told.
    pub largest: Option<(u16, u16)>,
}
