//! What the terminal sends, taken apart: keys, mouse, paste and focus on one side, answers on the other.
//!
//! Key readers take an answer (APC, DCS, OSC, a report in CSI form) apart into key presses: Alt+`_`, `G`, `i`, ….
//! Over a slow line answers come late, and the fence that keeps large pictures from queueing asks all the time, so
//! whoever asks has to own the reader. [`Parser`] is pure (bytes in, [`Input`] out), holds on to what is cut in two,
//! and tells answers from keys by their form; [`read`] runs it on a thread that sleeps until bytes come.
//!
//! Key types are crossterm's.

mod keys;
mod reader;

pub use reader::read;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use std::time::Duration;

/// One thing that the terminal sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key, the mouse, a paste, focus.
    Event(Event),
    /// `CSI 0 n`: everything written before the question was handled.
    Fence,
    /// Any other answer, from its escape character to its end.
    Reply(Vec<u8>),
}

/// How long a lone escape character may be the beginning of something.
const ESCAPE: Duration = Duration::from_millis(40);
/// How long a sequence that no person types may stay unfinished before its beginning counts as keys.
const UNFINISHED: Duration = Duration::from_millis(500);
/// Longest answer; what is longer was none.
const LONGEST: usize = 8192;

/// Takes bytes apart, however they are cut.
#[derive(Debug, Clone, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    /// Bytes given out as keys because nothing followed in time, in case they were the head of an answer after all.
    given: Vec<u8>,
    /// The text of a bracketed paste so far.
    paste: Option<Vec<u8>>,
}

/// What the beginning of the buffer is.
enum Token {
    /// So many bytes mean this (`None`: nothing).
    Whole(usize, Option<Input>),
    /// More bytes are needed.
    Cut,
}

impl Parser {
    /// A parser that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes; hands out what is complete.
    pub fn feed(&mut self, bytes: &[u8], out: &mut impl FnMut(Input)) {
        self.bytes.extend_from_slice(bytes);
        self.drain(out);
    }

    /// How long to wait for the next byte before [`Parser::settle`]; `None` to wait for ever.
    pub fn patience(&self) -> Option<Duration> {
        match self.bytes[..] {
            [] => None,
            _ if self.paste.is_some() => None,
            [0x1b] => Some(ESCAPE),
            // A string that began as only answers begin ends when its end comes.
            [0x1b, kind, ref body @ ..] if is_string(kind) && !body.is_empty() => None,
            // Nobody types this far into a report.
            [0x1b, b'[', _, ..] => None,
            _ => Some(UNFINISHED),
        }
    }

    /// Nothing came in time: what is unfinished is keys, or the remains of something that never was a key.
    pub fn settle(&mut self, out: &mut impl FnMut(Input)) {
        if self.paste.is_some() || self.bytes.is_empty() {
            return;
        }
        let given = std::mem::take(&mut self.given);
        let bytes = std::mem::take(&mut self.bytes);
        match bytes[..] {
            [0x1b] => {
                out(key(KeyCode::Esc, KeyModifiers::NONE));
                self.given = bytes;
            }
            [0x1b, kind] => {
                out(key(KeyCode::Char(char::from(kind)), KeyModifiers::ALT));
                self.given = bytes;
            }
            // No key is that long.
            [0x1b, ..] => {}
            _ if given.is_empty() => {}
            _ => {
                self.bytes = bytes;
                self.drain(out);
            }
        }
    }

    fn drain(&mut self, out: &mut impl FnMut(Input)) {
        while !self.bytes.is_empty() {
            if !self.given.is_empty() {
                match self.late_head() {
                    Some(Token::Cut) => return,
                    Some(Token::Whole(n, input)) => {
                        let n = n - self.given.len();
                        self.bytes.drain(..n);
                        self.given.clear();
                        input.into_iter().for_each(&mut *out);
                        continue;
                    }
                    None => self.given.clear(),
                }
            }
            if self.paste.is_some() {
                if !self.collect_paste(out) {
                    return;
                }
                continue;
            }
            match token(&self.bytes) {
                Token::Cut => return,
                Token::Whole(n, input) => {
                    self.bytes.drain(..n);
                    match input {
                        Some(Input::Event(Event::Paste(_))) => self.paste = Some(Vec::new()),
                        input => input.into_iter().for_each(&mut *out),
                    }
                }
            }
        }
    }

    /// The buffer as the rest of what was given out as keys; `None` when it does not read like an answer.
    fn late_head(&self) -> Option<Token> {
        let joined = [&self.given[..], &self.bytes[..]].concat();
        let &[0x1b, kind, ref body @ ..] = &joined[..] else {
            return None;
        };
        let like_an_answer = if kind == b'[' {
            let end = body.iter().position(|b| (0x40..=0x7e).contains(b));
            let first = body
                .first()
                .is_none_or(|b| matches!(b, b'0'..=b'9' | b'?' | b'>'));
            first && end.is_none_or(|end| b"cntySR".contains(&body[end]))
        } else {
            is_string(kind) && is_plausible(kind, body)
        };
        like_an_answer.then(|| token(&joined))
    }

    /// Moves bytes to the paste; true once it is complete.
    fn collect_paste(&mut self, out: &mut impl FnMut(Input)) -> bool {
        const END: &[u8] = b"\x1b[201~";
        let Some(paste) = &mut self.paste else {
            return true;
        };
        paste.append(&mut self.bytes);
        let Some(end) = paste.windows(END.len()).position(|tail| tail == END) else {
            return false;
        };
        self.bytes = paste.split_off(end + END.len());
        paste.truncate(end);
        let text = String::from_utf8_lossy(paste).into_owned();
        self.paste = None;
        out(Input::Event(Event::Paste(text)));
        true
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

/// Introducers of DCS, OSC, APC, PM and SOS strings.
fn is_string(kind: u8) -> bool {
    matches!(kind, b'P' | b']' | b'_' | b'^' | b'X')
}

/// Could `body` be the beginning of an answer? A person who presses Alt+P and types on is told apart by this.
fn is_plausible(kind: u8, body: &[u8]) -> bool {
    let starts = |with: &[&[u8]]| {
        with.iter().any(|head| {
            let n = head.len().min(body.len());
            body[..n] == head[..n]
        })
    };
    match kind {
        b'_' => starts(&[b"G"]),
        b'P' => starts(&[b">|", b"!|", b"0$r", b"1$r", b"0+r", b"1+r"]),
        b']' => body.first().is_none_or(u8::is_ascii_digit),
        _ => false,
    }
}

/// What `bytes` (not empty) begin with.
fn token(bytes: &[u8]) -> Token {
    match *bytes {
        [0x1b] | [0x1b, b'O'] => Token::Cut,
        [0x1b, 0x1b, ..] => Token::Whole(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [0x1b, b'[', ref body @ ..] => csi(body),
        [0x1b, b'O', last, ..] => Token::Whole(3, keys::ss3(last).map(Input::Event)),
        [0x1b, kind, ref body @ ..] if is_string(kind) && is_plausible(kind, body) => {
            string(bytes, body)
        }
        [0x1b, ref rest @ ..] => match keys::character(rest) {
            keys::Character::Cut => Token::Cut,
            keys::Character::None(n) => Token::Whole(1 + n, None),
            keys::Character::Key(n, mut key) => {
                key.modifiers |= KeyModifiers::ALT;
                Token::Whole(1 + n, Some(Input::Event(Event::Key(key))))
            }
        },
        _ => match keys::character(bytes) {
            keys::Character::Cut => Token::Cut,
            keys::Character::None(n) => Token::Whole(n, None),
            keys::Character::Key(n, key) => Token::Whole(n, Some(Input::Event(Event::Key(key)))),
        },
    }
}

/// A string answer up to ST or BEL. One that is broken off by a control character is dropped, and that character
/// counts: nobody's keyboard stays dead.
fn string(bytes: &[u8], body: &[u8]) -> Token {
    let Some(end) = body.iter().position(|&b| b < 0x20) else {
        return if body.len() > LONGEST {
            Token::Whole(bytes.len(), None)
        } else {
            Token::Cut
        };
    };
    let after = match body[end..] {
        [0x07, ..] => 1,
        [0x1b, b'\\', ..] => 2,
        [0x1b] => return Token::Cut,
        _ => return Token::Whole(2 + end, None),
    };
    let n = 2 + end + after;
    Token::Whole(n, Some(Input::Reply(bytes[..n].to_vec())))
}

/// Behind `CSI`.
fn csi(body: &[u8]) -> Token {
    // The Linux console's function keys, and the mouse of very old terminals.
    match *body {
        [b'[', last, ..] => return Token::Whole(4, keys::console(last).map(Input::Event)),
        [b'M', _, _, _, ..] => return Token::Whole(6, None),
        [b'['] | [b'M', ..] => return Token::Cut,
        _ => {}
    }
    let Some(end) = body.iter().position(|b| !(0x20..=0x3f).contains(b)) else {
        return if body.len() > LONGEST {
            Token::Whole(2 + body.len(), None)
        } else {
            Token::Cut
        };
    };
    let (parameters, last, n) = (&body[..end], body[end], 3 + end);
    if !(0x40..=0x7e).contains(&last) {
        // Broken off; what broke it counts.
        return Token::Whole(n - 1, None);
    }
    if (parameters, last) == (b"0", b'n') {
        return Token::Whole(n, Some(Input::Fence));
    }
    // Reports. A cursor report has the form of F3 with a modifier, which nothing here is bound to.
    let report = match last {
        b'c' | b'n' | b't' | b'y' => true,
        b'S' | b'u' => parameters.starts_with(b"?"),
        b'R' => !parameters.is_empty(),
        _ => false,
    };
    if report {
        let whole = [b"\x1b[", &body[..=end]].concat();
        return Token::Whole(n, Some(Input::Reply(whole)));
    }
    Token::Whole(n, keys::csi(parameters, last).map(Input::Event))
}
