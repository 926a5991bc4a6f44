//! What is written so far, and where that leaves the terminal.

use super::look::Look;
use super::{Page, Run};
use std::fmt::Write as _;

/// So many spaces are erased rather than written.
const ERASED: u16 = 6;
/// Gaps of so many columns are written over with what is there, where that is shorter than a movement.
const GAP: u16 = 4;
/// Rows that line feeds go down at most.
const FEEDS: u16 = 4;

/// Appends text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

/// Appends runs.
pub(super) struct Line<'a> {
    /// What the screen shows once everything is written.
    page: &'a Page,
    out: String,
    look: Look,
    at: Option<(u16, u16)>,
}

impl<'a> Line<'a> {
    /// Nothing is written yet, and nobody knows where the cursor is.
    pub(super) fn new(page: &'a Page) -> Self {
        Self {
            page,
            out: String::new(),
            look: Look::PLAIN,
            at: None,
        }
    }

    /// Everything, with the look that it began with.
    pub(super) fn end(mut self) -> String {
        if self.look != Look::PLAIN {
            self.out.push_str("\x1b[m");
        }
        self.out
    }

    pub(super) fn run(&mut self, run: &Run) {
        let Some(look) = run.look else {
            return self.erase(run.at, run.columns);
        };
        self.go_to(run.at);
        self.take(look);
        self.write(run.columns, &run.text);
    }

    /// Writes at the cursor.
    fn write(&mut self, columns: u16, text: &str) {
        self.out.push_str(text);
        self.at = self.at.and_then(|(x, y)| {
            let end = x + columns;
            (end < self.page.columns).then_some((end, y))
        });
    }

    /// Makes `n` columns spaces.
    fn erase(&mut self, (x, y): (u16, u16), n: u16) {
        self.go_to((x, y));
        if !self.look.erases() {
            self.take(Look::PLAIN);
        }
        if n > 3 && self.page.is_blank_from((x + n, y)) {
            self.out.push_str("\x1b[K");
        } else if n < ERASED {
            self.write(n, &" ".repeat(usize::from(n)));
        } else {
            // The cursor stays in front of them.
            put!(self.out, "\x1b[{n}X");
        }
    }

    fn go_to(&mut self, to: (u16, u16)) {
        let (x, y) = to;
        if self.at == Some(to) {
            return;
        }
        let mut best = absolute(to);
        if let Some(from) = self.at {
            let relative = vertical(from.1, y) + &horizontal(from.0, x);
            if relative.len() < best.len() {
                best = relative;
            }
            if let Some(over) = self.over(from, to)
                && over.len() < best.len()
            {
                best = over;
            }
        }
        self.out.push_str(&best);
        self.at = Some(to);
    }

    /// What stands between two places of a row, if writing it again changes nothing.
    fn over(&self, (from, row): (u16, u16), (x, y): (u16, u16)) -> Option<String> {
        if row != y || x <= from || x - from > GAP {
            return None;
        }
        let same = |x: u16| {
            let (look, character) = self.page.get((x, y))?;
            let blank = look == Look::PLAIN && character == ' ' && self.look.erases();
            (look == self.look || blank).then_some(character)
        };
        (from..x).map(same).collect()
    }

    /// Changes colours and attributes.
    fn take(&mut self, look: Look) {
        if self.look != look {
            put!(self.out, "\x1b[{}m", self.look.parameters_to(look));
            self.look = look;
        }
    }
}

fn absolute((x, y): (u16, u16)) -> String {
    let (row, column) = (u32::from(y) + 1, u32::from(x) + 1);
    match (row, column) {
        (1, 1) => "\x1b[H".to_owned(),
        (_, 1) => format!("\x1b[{row}H"),
        (1, _) => format!("\x1b[;{column}H"),
        _ => format!("\x1b[{row};{column}H"),
    }
}

/// So many steps of a movement.
fn steps(n: u16, letter: char) -> String {
    match n {
        1 => format!("\x1b[{letter}"),
        n => format!("\x1b[{n}{letter}"),
    }
}

/// Up or down in a column. The target is on the screen, so nothing scrolls.
fn vertical(from: u16, to: u16) -> String {
    match (from, to) {
        _ if from == to => String::new(),
        _ if from < to && to - from <= FEEDS => "\n".repeat(usize::from(to - from)),
        _ if from < to => steps(to - from, 'B'),
        _ => steps(from - to, 'A'),
    }
}

fn horizontal(from: u16, to: u16) -> String {
    let from_the_edge = match to {
        0 => "\r".to_owned(),
        to => format!("\r{}", steps(to, 'C')),
    };
    let relative = match (from, to) {
        _ if from == to => return String::new(),
        _ if from < to => steps(to - from, 'C'),
        _ if from - to <= 3 => "\x08".repeat(usize::from(from - to)),
        _ => steps(from - to, 'D'),
    };
    if from_the_edge.len() < relative.len() {
        from_the_edge
    } else {
        relative
    }
}
