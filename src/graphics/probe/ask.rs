//! The question and the wait for the answers.

use super::{Capabilities, Choice, Hints, Late, Replies, decide, parse};
use crate::graphics::input::{Input, Parser};
use crate::graphics::{kitty, terminal};
use crossterm::event::{Event, KeyCode, KeyModifiers};
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
    /// Until the first answer.
    pub silent: Duration,
    /// After the first answer, beside the time that one took: a slow line delivers the answers together, but not
    /// at once.
    pub rest: Duration,
}

impl Patience {
    /// One second on this machine, four over SSH, where a round trip may take that long.
    pub fn of(hints: &Hints) -> Self {
        Self {
            silent: Duration::from_secs(if hints.ssh { 4 } else { 1 }),
            rest: Duration::from_secs(1),
        }
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The answers, taken apart.
    pub replies: Replies,
    /// The answers as they came.
    pub answers: Vec<u8>,
    /// Those of the terminal around tmux, if it was asked.
    pub outer: Option<Vec<u8>>,
    /// Keys pressed meanwhile.
    pub typed: Vec<Event>,
    /// The last answer did not come in time.
    pub outstanding: bool,
    /// Time until the first answer.
    pub round_trip: Option<Duration>,
}

/// Asks the terminal behind `/dev/tty` and decides.
///
/// Works in raw mode or not (raw mode is switched on for the duration), must run before any other reader of the
/// terminal is started. A terminal that does not answer costs 1 s, over SSH 4 s.
///
/// With `keep`, what is typed stays: for a caller that goes on reading. Without, unread input is thrown away at the
/// end, so that late answers are not typed into what runs next.
///
/// # Errors
/// [`Error::NoTerminal`] when the process has none.
pub fn probe(hints: &Hints, choice: Choice, keep: bool) -> Result<Capabilities, Error> {
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
    let drain = asked
        .as_ref()
        .map_or(true, |asked| asked.outstanding && !keep);
    raw.leave(drain)?;
    let asked = asked?;
    tracing::debug!(?asked, "terminal answered");
    let late = (asked.outstanding).then(|| Box::new(Late::new(hints.clone(), choice, &asked)));
    Ok(Capabilities {
        round_trip: asked.round_trip,
        typed: asked.typed,
        late,
        ..decide(&asked.replies, &hints, choice)
    })
}

/// Writes the question to `tty` and reads until the last answer or the deadline; when it is tmux that answers, asks
/// the terminal around it too. The terminal is in raw mode.
///
/// # Errors
/// When reading or writing fails, or Ctrl-C or Ctrl-\ is read.
pub fn ask(tty: BorrowedFd<'_>, hints: &Hints, patience: Patience) -> Result<Asked, Error> {
    let complete = |replies: &Replies| replies.attributes.is_some();
    let mut asked = converse(tty, &question(hints), patience, complete)?;
    let name = asked.replies.version.as_deref().unwrap_or_default();
    if name.starts_with("tmux") && !asked.outstanding {
        // Nothing tells a tmux that lets nothing through from a slow line, so an answer is not waited for long.
        let patience = Patience {
            silent: THROUGH_TMUX.min(patience.silent),
            ..patience
        };
        let outer = converse(tty, &question_through_tmux(), patience, Replies::is_outer)?;
        asked.typed.extend(outer.typed);
        asked.outstanding = outer.outstanding;
        asked.outer = Some(outer.answers);
        asked.replies.outer = Some(Box::new(outer.replies));
    }
    Ok(asked)
}

/// How long to wait for the first answer of the terminal around tmux.
const THROUGH_TMUX: Duration = Duration::from_millis(300);

/// One question, and its answers until they are `complete`.
fn converse(
    tty: BorrowedFd<'_>,
    question: &[u8],
    patience: Patience,
    complete: impl Fn(&Replies) -> bool,
) -> Result<Asked, Error> {
    terminal::write_all(tty, question)?;
    let start = Instant::now();
    let mut asked = Asked {
        outstanding: true,
        ..Asked::default()
    };
    let mut parser = Parser::new();
    loop {
        let limit = asked
            .round_trip
            .map_or(patience.silent, |first| 2 * first + patience.rest);
        let left = limit.saturating_sub(start.elapsed());
        let next = parser
            .patience()
            .map_or(left, |patience| patience.min(left));
        let mut inputs = Vec::new();
        if left.is_zero() {
            // Whatever is unfinished goes with the late answers.
            break;
        } else if readable(tty, next)? {
            let mut chunk = [0; 1024];
            match rustix::io::read(tty, &mut chunk) {
                // The other side has hung up.
                Ok(0) | Err(rustix::io::Errno::IO) => break,
                Ok(n) => parser.feed(&chunk[..n], &mut |input| inputs.push(input)),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        } else if next < left {
            parser.settle(&mut |input| inputs.push(input));
        }
        for input in inputs {
            match input {
                Input::Event(event) if is_interrupt(&event) => return Err(Error::Interrupted),
                Input::Event(event) => asked.typed.push(event),
                Input::Fence => {}
                Input::Reply(answer) => {
                    asked.round_trip.get_or_insert_with(|| start.elapsed());
                    asked.answers.extend(answer);
                }
            }
        }
        asked.replies = parse(&asked.answers);
        if complete(&asked.replies) {
            asked.outstanding = false;
            break;
        }
    }
    Ok(asked)
}

fn is_interrupt(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | '\\'))
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
        text.extend_from_slice(test_picture().as_bytes());
        text.extend_from_slice(b"\x1b[23;2t");
        // XTVERSION; then: is a 24-bit background kept as it was set?
        text.extend_from_slice(b"\x1b[>0q");
        text.extend_from_slice(b"\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m");
        // OSC 11: background colour.
        text.extend_from_slice(b"\x1b]11;?\x1b\\");
        // XTSMGRAPHICS: colours of a sixel picture and its largest size.
        text.extend_from_slice(b"\x1b[?1;1;0S\x1b[?2;1;0S");
    }
    // Sizes of a character and of the window in pixels; synchronized updates; DA1 last.
    text.extend_from_slice(b"\x1b[16t\x1b[14t\x1b[?2026$p\x1b[c");
    text
}

/// The questions that only the terminal around tmux can answer.
fn question_through_tmux() -> Vec<u8> {
    let mut text = Vec::new();
    let inner = format!("\x1b[>0q{}", test_picture());
    kitty::through_tmux(&mut text, inner.as_bytes());
    text
}

fn test_picture() -> String {
    format!("\x1b_Gi=4211,a=q,t=d,f=100;{TEST_PICTURE}\x1b\\")
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
