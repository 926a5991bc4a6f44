//! Text with few bytes.
//!
//! A step of the cursor changes numbers and names all over the side pane, and on a slow line inside a multiplexer
//! every byte of them is sent again for each step. The usual writer positions the cursor absolutely before every
//! piece, names both colours at every change and writes spaces one by one; this one moves relatively where that is
//! shorter, names only what changed, and erases runs of spaces. Nothing is written when nothing changed.

use crate::graphics::placeholder::CHARACTER;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use ratatui::text::Span;
use std::fmt::Write as _;
use std::io::{self, Write};

/// So many spaces are erased rather than written.
const ERASED: u16 = 6;

/// A writer of cells.
pub(super) struct Pen<W: Write> {
    inner: CrosstermBackend<W>,
    cursor_is_hidden: bool,
    columns: u16,
}

/// Colours and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

impl Look {
    const PLAIN: Look = Look {
        fg: Color::Reset,
        bg: Color::Reset,
        modifier: Modifier::empty(),
    };

    fn of(cell: &Cell) -> Look {
        Look {
            fg: cell.fg,
            bg: cell.bg,
            modifier: cell.modifier,
        }
    }

    /// True when a space in it is an erased place.
    fn erases(self) -> bool {
        let seen = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        self.bg == Color::Reset && !self.modifier.intersects(seen)
    }
}

impl<W: Write> Pen<W> {
    /// A pen for a terminal whose cursor is hidden.
    pub(super) fn new(writer: W) -> Self {
        Self {
            inner: CrosstermBackend::new(writer),
            cursor_is_hidden: true,
            columns: 0,
        }
    }

    /// The terminal's width. The cursor's place is not known after the last column was written.
    pub(super) fn set_columns(&mut self, columns: u16) {
        self.columns = columns;
    }
}

impl<W: Write> Write for Pen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.inner)
    }
}

impl<W: Write> Backend for Pen<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut line = Line {
            out: String::new(),
            look: Look::PLAIN,
            at: None,
            columns: self.columns,
        };
        // Characters that stand for pictures have a colour of their own and lie beside text: all of one kind first.
        let (pictures, text): (Vec<_>, Vec<_>) =
            content.partition(|(_, _, cell)| cell.symbol().starts_with(CHARACTER));
        let mut content = pictures.into_iter().chain(text).peekable();
        while let Some((x, y, cell)) = content.next() {
            let (look, symbol) = seen(cell);
            if symbol != " " || !look.erases() {
                line.write((x, y), look, symbol);
                continue;
            }
            let mut n = 1;
            while let Some(&(next_x, next_y, next)) = content.peek()
                && (next_x, next_y) == (x + n, y)
                && next.symbol() == " "
                && Look::of(next) == look
            {
                content.next();
                n += 1;
            }
            line.erase((x, y), look, n);
        }
        if line.look != Look::PLAIN {
            line.out.push_str("\x1b[m");
        }
        self.inner.write_all(line.out.as_bytes())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.cursor_is_hidden, true) {
            return Ok(());
        }
        self.inner.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor_is_hidden = false;
        self.inner.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        self.inner.get_cursor_position()
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.inner.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.inner)
    }
}

/// A full block is a space on its colour, which is a third of the bytes.
fn seen(cell: &Cell) -> (Look, &str) {
    let look = Look::of(cell);
    let plain = Look {
        fg: look.fg,
        ..Look::PLAIN
    };
    if cell.symbol() == "█" && look.fg != Color::Reset && look == plain {
        let swapped = Look {
            fg: Color::Reset,
            bg: look.fg,
            ..Look::PLAIN
        };
        return (swapped, " ");
    }
    (look, cell.symbol())
}

/// What is written so far, and where that leaves the terminal.
struct Line {
    out: String,
    look: Look,
    at: Option<(u16, u16)>,
    columns: u16,
}

/// Appends text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

impl Line {
    fn write(&mut self, (x, y): (u16, u16), look: Look, symbol: &str) {
        self.go_to((x, y));
        self.take(look);
        self.out.push_str(symbol);
        let end = x + Span::raw(symbol).width() as u16;
        self.at = (end < self.columns).then_some((end, y));
    }

    /// Makes `n` characters spaces.
    fn erase(&mut self, (x, y): (u16, u16), look: Look, n: u16) {
        if n < ERASED {
            for at in x..x + n {
                self.write((at, y), look, " ");
            }
            return;
        }
        self.go_to((x, y));
        self.take(look);
        put!(self.out, "\x1b[{n}X");
        // The cursor stays in front of them.
    }

    fn go_to(&mut self, (x, y): (u16, u16)) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((before, row)) if row == y && before < x => match x - before {
                1 => self.out.push_str("\x1b[C"),
                n => put!(self.out, "\x1b[{n}C"),
            },
            // Downwards to the first column; never beyond the last row, so nothing scrolls.
            Some((_, row)) if x == 0 && row < y && y - row <= 3 => {
                self.out.push('\r');
                (row..y).for_each(|_| self.out.push('\n'));
            }
            _ => put!(self.out, "\x1b[{};{}H", u32::from(y) + 1, u32::from(x) + 1),
        }
        self.at = Some((x, y));
    }

    /// Changes colours and attributes, by what differs or from the beginning, whichever is shorter.
    fn take(&mut self, look: Look) {
        if self.look == look {
            return;
        }
        let changes = changes(self.look, look);
        let afresh = changes_from_plain(look);
        let parameters = if afresh.len() + 1 < changes.len() || look == Look::PLAIN {
            afresh
        } else {
            changes
        };
        put!(self.out, "\x1b[{parameters}m");
        self.look = look;
    }
}

/// Parameters that begin with a reset.
fn changes_from_plain(look: Look) -> String {
    let changes = changes(Look::PLAIN, look);
    if changes.is_empty() {
        String::new()
    } else {
        format!("0;{changes}")
    }
}

/// An attribute, the number that sets it and the one that takes it away.
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

fn changes(from: Look, to: Look) -> String {
    let mut numbers: Vec<String> = Vec::new();
    let mut has = from.modifier;
    for (attribute, _, off) in ATTRIBUTES {
        if has.contains(attribute) && !to.modifier.contains(attribute) {
            numbers.push(off.to_string());
            // Some numbers take two attributes away.
            for (other, _, number) in ATTRIBUTES {
                if number == off {
                    has.remove(other);
                }
            }
        }
    }
    for (attribute, on, _) in ATTRIBUTES {
        if to.modifier.contains(attribute) && !has.contains(attribute) {
            numbers.push(on.to_string());
        }
    }
    if from.fg != to.fg {
        numbers.push(colour(to.fg, 30));
    }
    if from.bg != to.bg {
        numbers.push(colour(to.bg, 40));
    }
    numbers.join(";")
}

/// The parameters of a colour, counted from 30 for the foreground and 40 for the background.
fn colour(colour: Color, base: u8) -> String {
    let (number, bright) = match colour {
        Color::Reset => return (base + 9).to_string(),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b}", base + 8),
        Color::Indexed(idx) => return format!("{};5;{idx}", base + 8),
        Color::Black => (0, false),
        Color::Red => (1, false),
        Color::Green => (2, false),
        Color::Yellow => (3, false),
        Color::Blue => (4, false),
        Color::Magenta => (5, false),
        Color::Cyan => (6, false),
        Color::Gray => (7, false),
        Color::DarkGray => (0, true),
        Color::LightRed => (1, true),
        Color::LightGreen => (2, true),
        Color::LightYellow => (3, true),
        Color::LightBlue => (4, true),
        Color::LightMagenta => (5, true),
        Color::LightCyan => (6, true),
        Color::White => (7, true),
    };
    (base + number + if bright { 60 } else { 0 }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::buffer::Buffer;
    use ratatui::style::Style;
    use ratatui::{TerminalOptions, Viewport};
    use std::cell::RefCell;
    use std::rc::Rc;

    #[derive(Clone, Default)]
    struct Written(Rc<RefCell<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const SIZE: (u16, u16) = (30, 6);

    /// A terminal that reads what the pen writes.
    struct Rig {
        terminal: Terminal<Pen<Written>>,
        written: Written,
        screen: vt100::Parser,
    }

    impl Rig {
        fn new() -> Self {
            let written = Written::default();
            let mut pen = Pen::new(written.clone());
            pen.set_columns(SIZE.0);
            let area = ratatui::layout::Rect::new(0, 0, SIZE.0, SIZE.1);
            let options = TerminalOptions {
                viewport: Viewport::Fixed(area),
            };
            let n = |n: u16| std::num::NonZeroU16::new(n).unwrap();
            Self {
                terminal: Terminal::with_options(pen, options).unwrap(),
                written,
                screen: vt100::Parser::new(n(SIZE.1), n(SIZE.0), 0),
            }
        }

        /// Draws, and gives the number of bytes.
        fn draw(&mut self, draw: impl Fn(&mut Buffer)) -> usize {
            self.terminal
                .draw(|frame| draw(frame.buffer_mut()))
                .unwrap();
            let bytes = std::mem::take(&mut *self.written.0.borrow_mut());
            self.screen.process(&bytes);
            bytes.len()
        }
    }

    fn assert_shows(screen: &vt100::Screen, wanted: &Buffer) {
        for position in wanted.area.positions() {
            let cell = &wanted[position];
            let shown = screen.cell(position.y, position.x).unwrap();
            let text = shown.contents();
            let text = if text.is_empty() { " " } else { text };
            let (look, symbol) = seen(cell);
            assert_eq!(text, symbol, "{position:?}");
            if text == " " && look.erases() {
                continue;
            }
            let modifier = look.modifier;
            // This emulator has either bold or dim, whichever came last.
            let [bold, dim] = [Modifier::BOLD, Modifier::DIM].map(|m| modifier.contains(m));
            let weight = (shown.bold(), shown.dim());
            let fits = match (bold, dim) {
                (true, true) => weight.0 || weight.1,
                one => weight == one,
            };
            assert!(fits, "{position:?}: {weight:?}");
            assert_eq!(shown.inverse(), modifier.contains(Modifier::REVERSED));
            let colour = |colour: vt100::Color| match colour {
                vt100::Color::Default => Color::Reset,
                vt100::Color::Idx(idx) => Color::Indexed(idx),
                vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
            };
            assert_eq!(
                (colour(shown.fgcolor()), colour(shown.bgcolor())),
                (look.fg, look.bg)
            );
        }
    }

    fn style(number: u8) -> Style {
        match number {
            0 => Style::new(),
            1 => Style::new().fg(Color::Indexed(37)),
            2 => Style::new()
                .bg(Color::Rgb(1, 2, 3))
                .add_modifier(Modifier::BOLD),
            3 => Style::new().add_modifier(Modifier::REVERSED | Modifier::DIM),
            _ => Style::new().add_modifier(Modifier::BOLD | Modifier::DIM),
        }
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_drawn(
            frames in prop::collection::vec(
                prop::collection::vec((0..30u16, 0..6u16, "[a-z ─█·]{0,20}", 0..5u8), 0..12),
                1..5,
            )
        ) {
            let mut rig = Rig::new();
            for texts in frames {
                let draw = |buf: &mut Buffer| {
                    for (x, y, text, number) in &texts {
                        let room = usize::from(SIZE.0 - x);
                        buf.set_stringn(*x, *y, text, room, style(*number));
                    }
                };
                rig.draw(draw);
                let mut wanted = Buffer::empty(ratatui::layout::Rect::new(0, 0, SIZE.0, SIZE.1));
                draw(&mut wanted);
                assert_shows(rig.screen.screen(), &wanted);
                prop_assert_eq!(rig.draw(draw), 0, "the same again costs nothing");
            }
        }
    }

    #[test]
    fn a_changed_number_costs_few_bytes() {
        let mut rig = Rig::new();
        let draw = |number: &str| {
            let number = number.to_owned();
            move |buf: &mut Buffer| {
                buf.set_string(2, 3, "tench", style(0));
                buf.set_string(20, 3, &number, style(1));
            }
        };
        rig.draw(draw("1234"));
        let n = rig.draw(draw("1299"));
        assert!(n <= 24, "{n}");
        // A line that goes is erased.
        let n = rig.draw(|_| {});
        assert!(n <= 30, "{n}");
    }
}
