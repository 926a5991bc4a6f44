//! Text with few bytes.
//!
//! A step of the cursor changes numbers and names all over the side pane, and on a slow line inside a multiplexer
//! every byte of them is sent again for each step. The usual writer positions the cursor absolutely before every
//! piece, names both colours at every change and writes spaces one by one; this one moves relatively where that is
//! shorter, names only what changed, writes over short gaps what is there already, and erases runs of spaces. It tries
//! two orders (line by line, and colour by colour) and takes the shorter. Nothing is written when nothing changed.

mod line;
mod look;

use crate::graphics::placeholder::CHARACTER;
use line::Line;
use look::Look;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Rect, Size};
use ratatui::text::Span;
use std::io::{self, Write};

/// So many full blocks are cheaper as spaces on their colour.
const BLOCKS: usize = 5;

/// A writer of cells.
pub(super) struct Pen<W: Write> {
    inner: CrosstermBackend<W>,
    cursor_is_hidden: bool,
    /// Where the cursor stands while it is shown.
    cursor: Position,
    page: Page,
}

/// What the terminal shows, as far as it is known: a character and its look, row by row.
#[derive(Debug, Clone, Default)]
struct Page {
    columns: u16,
    cells: Vec<Option<(Look, char)>>,
}

impl Page {
    fn at(&self, (x, y): (u16, u16)) -> usize {
        usize::from(y) * usize::from(self.columns) + usize::from(x)
    }

    /// What stands there, if it is known and one column wide.
    fn get(&self, place: (u16, u16)) -> Option<(Look, char)> {
        if place.0 >= self.columns {
            return None;
        }
        self.cells.get(self.at(place)).copied().flatten()
    }

    fn set(&mut self, place: (u16, u16), cell: Option<(Look, char)>) {
        if place.0 >= self.columns {
            return;
        }
        let at = self.at(place);
        if at >= self.cells.len() {
            self.cells.resize(at + 1, None);
        }
        self.cells[at] = cell;
    }

    /// True when nothing but erased places is left from here to the end of the line.
    fn is_blank_from(&self, (x, y): (u16, u16)) -> bool {
        (x..self.columns).all(|x| self.get((x, y)) == Some((Look::PLAIN, ' ')))
    }
}

/// Characters of one look beside each other.
#[derive(Debug)]
struct Run {
    at: (u16, u16),
    columns: u16,
    /// `None` for erased places, which look the same in most looks.
    look: Option<Look>,
    text: String,
}

impl<W: Write> Pen<W> {
    /// A pen for a terminal whose cursor is hidden.
    pub(super) fn new(writer: W) -> Self {
        Self {
            inner: CrosstermBackend::new(writer),
            cursor_is_hidden: true,
            cursor: Position::ORIGIN,
            page: Page::default(),
        }
    }

    /// The terminal's width. The cursor's place is not known after the last column was written.
    pub(super) fn set_columns(&mut self, columns: u16) {
        if self.page.columns != columns {
            self.page = Page {
                columns,
                cells: Vec::new(),
            };
        }
    }

    /// Puts the cursor back where it is seen, after pictures were written, which move it.
    pub(super) fn return_cursor(&mut self) -> io::Result<()> {
        if self.cursor_is_hidden {
            return Ok(());
        }
        self.inner.set_cursor_position(self.cursor)
    }

    /// Others write there: what stands there is not known any more.
    pub(super) fn forget(&mut self, area: Rect) {
        for place in area.positions() {
            if self.page.get(place.into()).is_some() {
                self.page.set(place.into(), None);
            }
        }
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
        // Characters that stand for pictures have a colour of their own and lie beside text: all of one kind first.
        let (pictures, text): (Vec<_>, Vec<_>) =
            content.partition(|(_, _, cell)| cell.symbol().starts_with(CHARACTER));
        let runs = |cells: &[(u16, u16, &Cell)]| runs(cells);
        let (pictures, text) = (runs(&pictures), runs(&text));
        for run in pictures.iter().chain(&text) {
            self.take(run);
        }
        let write = |order: &[&Run]| {
            let mut line = Line::new(&self.page);
            for run in pictures.iter().chain(order.iter().copied()) {
                line.run(run);
            }
            line.end()
        };
        let by_place: Vec<&Run> = text.iter().collect();
        let one = write(&by_place);
        let other = write(&by_look(&text));
        let shorter = if other.len() < one.len() { other } else { one };
        self.inner.write_all(shorter.as_bytes())
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
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.page.cells.clear();
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.page.cells.clear();
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

impl<W: Write> Pen<W> {
    /// Remembers what a run leaves on the screen.
    fn take(&mut self, run: &Run) {
        let (x, y) = run.at;
        let Some(look) = run.look else {
            (x..x + run.columns).for_each(|x| self.page.set((x, y), Some((Look::PLAIN, ' '))));
            return;
        };
        let simple = run.text.chars().count() == usize::from(run.columns);
        let mut characters = run.text.chars();
        for x in x..x + run.columns {
            let known = characters.next().filter(|_| simple);
            self.page.set((x, y), known.map(|c| (look, c)));
        }
    }
}

/// Cells by row as runs.
fn runs(cells: &[(u16, u16, &Cell)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut at = 0;
    while let Some(&(x, y, cell)) = cells.get(at) {
        let blocks = blocks(&cells[at..]);
        let (look, symbol, n) = if blocks >= BLOCKS {
            (Look::of(cell).swapped(), " ", blocks)
        } else {
            (Look::of(cell), cell.symbol(), 1)
        };
        at += n;
        let blank = symbol == " " && look.erases();
        let look = (!blank).then_some(look);
        let columns = n as u16 * (Span::raw(symbol).width() as u16).max(1);
        match runs.last_mut() {
            Some(run) if run.look == look && (run.at.0 + run.columns, run.at.1) == (x, y) => {
                run.columns += columns;
                (0..n).for_each(|_| run.text.push_str(symbol));
            }
            _ => runs.push(Run {
                at: (x, y),
                columns,
                look,
                text: symbol.repeat(n),
            }),
        }
    }
    runs
}

/// How many full blocks of one colour lie beside each other at the beginning.
fn blocks(cells: &[(u16, u16, &Cell)]) -> usize {
    let Some(&(x, y, first)) = cells.first() else {
        return 0;
    };
    let look = Look::of(first);
    if first.symbol() != "█" || !look.is_only_a_foreground() {
        return 0;
    }
    let goes_on = |(n, cell): &(usize, &(u16, u16, &Cell))| {
        (cell.0, cell.1) == (x + *n as u16, y) && cell.2.symbol() == "█" && Look::of(cell.2) == look
    };
    cells.iter().enumerate().take_while(goes_on).count()
}

/// Runs of one look one after the other, looks in the order of their first appearance. Erased places stay behind what
/// stands before them.
fn by_look(runs: &[Run]) -> Vec<&Run> {
    let mut looks: Vec<Look> = Vec::new();
    let mut last = 0;
    let mut keyed: Vec<(usize, &Run)> = Vec::with_capacity(runs.len());
    for run in runs {
        if let Some(look) = run.look {
            let known = looks.iter().position(|&known| known == look);
            last = known.unwrap_or_else(|| {
                looks.push(look);
                looks.len() - 1
            });
        }
        keyed.push((last, run));
    }
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, run)| run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::buffer::Buffer;
    use ratatui::style::{Color, Modifier, Style};
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
            let look = Look::of(cell);
            // A long bar is written as spaces on its colour.
            let swapped = text == " " && cell.symbol() == "█" && look.is_only_a_foreground();
            let (look, symbol) = if swapped {
                (look.swapped(), " ")
            } else {
                (look, cell.symbol())
            };
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
                prop::collection::vec((0..30u16, 0..6u16, "[a-z ─█·]{0,20}|█{14,30}|[a-c]{3}", 0..5u8), 0..12),
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
        // A short gap is written over, and what follows below is reached without naming the row.
        let n = rig.draw(|buf: &mut Buffer| {
            buf.set_string(2, 3, "Lench", style(0));
            buf.set_string(20, 3, "1288", style(1));
            buf.set_string(20, 4, "8", style(1));
        });
        assert!(n <= 40, "{n}");
        // A line that goes is erased.
        let n = rig.draw(|_| {});
        assert!(n <= 40, "{n}");
    }
}
