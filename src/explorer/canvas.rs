//! The screen: text and pictures of one frame in one write.

use super::pages::{self, Scene};
use super::pen::Pen;
use super::state::State;
use super::{made, pictures, placements, view};
use crate::graphics::pace::{FENCE, Pace};
use crate::graphics::page::{self, Maker, Veil};
use crate::graphics::terminal::{self, Guard};
use crate::graphics::{
    BackEnd, Capabilities, Frame, HalfCell, Picture, PictureKey, Placeholder, Protocol, Target,
    back_end, halfblock, kitty,
};
use ratatui::Terminal;
use ratatui::backend::Backend as _;
use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Instant;

/// Colours of a palette that holds icons under veils, beside black and white.
const VEILED: usize = 254;

/// What a frame left to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Drawn {
    /// Pictures in view are still to be sent.
    pub(super) pending: bool,
    /// Pictures were drawn coarsely.
    pub(super) coarse: bool,
    /// Pictures around the view may be sent.
    pub(super) ahead: bool,
}

/// Collects a frame's text and pictures, so that they reach the terminal in one write: flushing is the canvas's
/// business.
struct Held(Rc<RefCell<terminal::Screen>>);

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Colours of icons, veils over them, colours of lines.
type Told = (Vec<[u8; 3]>, Vec<Veil>, Vec<[u8; 3]>);

/// Text and pictures of one terminal.
pub(super) struct Canvas {
    terminal: Terminal<Pen<Held>>,
    back_end: Box<dyn BackEnd + Send>,
    farewell: terminal::Farewell,
    screen: Rc<RefCell<terminal::Screen>>,
    capabilities: Capabilities,
    /// What is on its way.
    pub(super) pace: Pace,
    /// The icons' colours that the back end was told, and what veils and lines it knows of.
    palette_of: Option<Told>,
    /// Draws pages.
    maker: RefCell<Maker>,
    /// The text of the last frame, where pictures may be drawn over it.
    text: Option<Buffer>,
}

impl Canvas {
    pub(super) fn new(capabilities: &Capabilities, guard: &Guard) -> io::Result<Canvas> {
        let screen = Rc::new(RefCell::new(terminal::Screen::new()));
        let held = Held(screen.clone());
        Ok(Canvas {
            terminal: Terminal::new(Pen::new(held))?,
            back_end: back_end_for(capabilities),
            farewell: guard.farewell(),
            screen,
            capabilities: capabilities.clone(),
            pace: Pace::new(capabilities.round_trip),
            palette_of: None,
            maker: RefCell::default(),
            text: None,
        })
    }

    /// True when a frame may be sent now. Where the terminal keeps pictures, a frame is small without new ones and
    /// may follow those that are on their way.
    pub(super) fn may_draw(&self) -> bool {
        self.keeps_pictures() || self.pace.is_free(Instant::now())
    }

    /// Draws the state.
    pub(super) fn draw(&mut self, state: &State) -> io::Result<Drawn> {
        self.tell_palette(state);
        let mut bytes = Vec::new();
        let now = Instant::now();
        let stored = self.keeps_pictures();
        // What the terminal keeps comes in pieces that no key has to wait behind for long.
        let budget = if stored {
            self.pace.piece(now)
        } else {
            self.pace.budget(now)
        };
        let frame = if stored {
            let scene = pages::scene(state, &|key| self.back_end.holds(key));
            let find = finder(state, &scene, &self.maker);
            (self.back_end).frame(&mut bytes, &scene.placements, &find, budget)
        } else {
            let find = |key| pictures::picture(state, key);
            (self.back_end).frame(&mut bytes, &placements(state), &find, budget)
        };
        // Before the bytes are out, so that even an interrupted frame's pictures are freed.
        if frame.farewell_changed {
            self.farewell.set(self.back_end.farewell());
        }
        self.draw_held(state, &frame, &bytes)?;
        self.send()?;
        Ok(Drawn {
            pending: frame.pending,
            coarse: frame.coarse,
            ahead: stored,
        })
    }

    fn draw_held(&mut self, state: &State, frame: &Frame, bytes: &[u8]) -> io::Result<()> {
        let pen = self.terminal.backend_mut();
        pen.set_columns(state.screen.columns);
        for &target in &frame.covered {
            pen.forget(area_of(target));
        }
        // What characters stand for has to be there before them, or nothing is seen until it has come.
        let pictures_first = state.screen.protocol == Protocol::Placeholders;
        if pictures_first {
            self.terminal.backend_mut().write_all(bytes)?;
        }
        let drawn = self.terminal.draw(|canvas| {
            view(state, canvas);
            let buf = canvas.buffer_mut();
            paint(&frame.cells, state.screen.protocol, buf);
            stand_in(&frame.placeholders, buf);
            for &target in &frame.covered {
                leave_alone(area_of(target), buf);
            }
            super::view::marks(state, buf);
            if state.screen.protocol == Protocol::Placeholders {
                corner(state, buf);
            }
            spell_out(&frame.placeholders, buf);
        })?;
        self.text = (!frame.covered.is_empty()).then(|| drawn.buffer.clone());
        self.write_pictures(if pictures_first { &[] } else { bytes })
    }

    /// Writes pictures, then what of the text they were drawn over; the cursor ends where it is seen.
    fn write_pictures(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.terminal.backend_mut().write_all(bytes)?;
        self.write_text_again()?;
        self.terminal.backend_mut().return_cursor()
    }

    /// Writes the text that pictures were drawn over in one go with what is beside it.
    fn write_text_again(&mut self) -> io::Result<()> {
        let (over, Some(text)) = (self.back_end.drawn_over(), &self.text) else {
            return Ok(());
        };
        let areas: Vec<Rect> = over.iter().map(|&target| area_of(target)).collect();
        let pen = self.terminal.backend_mut();
        for &area in &areas {
            pen.forget(area);
        }
        let mut places: Vec<Position> = areas.into_iter().flat_map(Rect::positions).collect();
        places.sort_unstable_by_key(|place| (place.y, place.x));
        let cells = places.into_iter().filter_map(|place| {
            let cell = text.cell(place)?;
            (cell.diff_option != CellDiffOption::Skip).then_some((place.x, place.y, cell))
        });
        pen.draw(cells)
    }

    /// Sends what was collected as one update, with a fence behind it when it is much.
    fn send(&mut self) -> io::Result<()> {
        let mut screen = self.screen.borrow_mut();
        if self.capabilities.synchronized {
            screen.enclose(kitty::BEGIN_UPDATE, kitty::END_UPDATE);
        }
        let bytes = screen.len();
        if bytes == 0 {
            return Ok(());
        }
        let fenced = self.pace.wants_fence(bytes);
        if fenced {
            screen.write_all(FENCE)?;
        }
        // The write itself may take as long as the line.
        let begun = Instant::now();
        screen.flush()?;
        if fenced {
            self.pace.sent(bytes, begun);
        }
        Ok(())
    }

    /// Draws a part of what was drawn coarsely; true when more is left.
    pub(super) fn refine(&mut self) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let more = self
            .back_end
            .refine(&mut bytes, self.pace.piece(Instant::now()));
        self.write_pictures(&bytes)?;
        self.send()?;
        Ok(more)
    }

    /// Sends pictures that lie just outside the view; true when more is left.
    pub(super) fn send_ahead(&mut self, state: &State) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let scene = pages::ahead(state);
        let keys: Vec<PictureKey> = scene.placements.iter().map(|p| p.picture).collect();
        let budget = self.pace.piece(Instant::now());
        let more = {
            let find = finder(state, &scene, &self.maker);
            self.back_end.prefetch(&mut bytes, &keys, &find, budget)
        };
        self.farewell.set(self.back_end.farewell());
        self.write_pictures(&bytes)?;
        self.send()?;
        Ok(more)
    }

    /// True where the terminal keeps pictures once they are sent.
    fn keeps_pictures(&self) -> bool {
        matches!(
            self.capabilities.protocol,
            Protocol::Kitty | Protocol::Placeholders
        )
    }

    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.terminal.backend_mut().write_all(bytes)?;
        self.send()
    }

    /// Tells the colours of the layer's icons. What draws with one palette needs those under veils as well.
    fn tell_palette(&mut self, state: &State) {
        let mut veils = pictures::veils(state);
        if !veils.is_empty() && veils.iter().all(|veil| veil.per_cent > 0) {
            // The large icon and the photographs are bare.
            veils.push(Veil {
                colour: state.screen.background,
                per_cent: 0,
            });
        }
        let lines = made::colours(state, !self.keeps_pictures());
        // An atlas that grows gets other colours with its icons.
        let colours = state.layer().map(|layer| layer.palette.colours.clone());
        let wanted = Some((colours.unwrap_or_default(), veils, lines));
        if self.palette_of == wanted {
            return;
        }
        if let Some((colours, veils, lines)) = &wanted {
            // The first colour stands for no icon.
            let colours = colours.get(1..).unwrap_or_default();
            if self.keeps_pictures() {
                let all = [colours, lines].concat();
                self.maker.get_mut().set_palette(&all);
            } else {
                let mut all = match &veils[..] {
                    [] => colours.to_vec(),
                    veils => page::veiled(colours, veils, VEILED),
                };
                all.extend(lines);
                self.back_end.set_palette(&all);
            }
            self.palette_of = wanted;
        }
    }

    /// Puts a text into the clipboard of the person's machine, through whatever lies between (OSC 52).
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        let command = format!("\x1b]52;c;{text}\x1b\\");
        let mut bytes = command.clone().into_bytes();
        if self.capabilities.passthrough {
            // tmux keeps the first for itself unless it is set to share its clipboard with programs.
            kitty::through_tmux(&mut bytes, command.as_bytes());
        }
        self.write_whole(&bytes)
    }

    /// Another back end, because the terminal is another than was thought.
    pub(super) fn switch(&mut self, capabilities: &Capabilities) -> io::Result<()> {
        let farewell = self.back_end.farewell();
        self.terminal.backend_mut().write_all(&farewell)?;
        self.capabilities = capabilities.clone();
        self.back_end = back_end_for(capabilities);
        self.palette_of = None;
        self.farewell.set(Vec::new());
        self.clear()
    }

    /// After a resize: everything again, without sending pictures that the terminal keeps. Where it keeps none,
    /// characters of another size need another back end.
    pub(super) fn place_again(&mut self, cell_pixels: (u16, u16)) -> io::Result<()> {
        if self.capabilities.cell_pixels == cell_pixels {
            self.back_end.reset();
            return self.clear();
        }
        self.capabilities.cell_pixels = cell_pixels;
        if matches!(
            self.capabilities.protocol,
            Protocol::Sixel | Protocol::Iterm
        ) {
            let capabilities = self.capabilities.clone();
            return self.switch(&capabilities);
        }
        self.back_end.reset();
        self.clear()
    }

    pub(super) fn start_afresh(&mut self) -> io::Result<()> {
        self.back_end.forget();
        self.pace.restart();
        self.clear()
    }

    /// `Terminal::clear` would ask where the cursor is, and the answer would go to the thread that reads keys.
    fn clear(&mut self) -> io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }
}

fn area_of(target: Target) -> Rect {
    Rect::new(target.column, target.row, target.columns, target.rows)
}

/// Writes half-block pictures into the text.
fn paint(cells: &[HalfCell], protocol: Protocol, buf: &mut Buffer) {
    let true_colour = matches!(protocol, Protocol::HalfBlock { true_colour: true });
    let colour = |rgb: [u8; 3]| {
        if true_colour {
            Color::Rgb(rgb[0], rgb[1], rgb[2])
        } else {
            Color::Indexed(halfblock::nearest_indexed(rgb))
        }
    };
    for half in cells {
        if let Some(cell) = buf.cell_mut((half.column, half.row)) {
            let style = Style::reset().fg(colour(half.upper)).bg(colour(half.lower));
            cell.set_char('▀').set_style(style);
        }
    }
}

/// Finds pictures, and makes the pages of `scene` when they are asked for.
fn finder<'a>(
    state: &'a State,
    scene: &'a Scene,
    maker: &'a RefCell<Maker>,
) -> impl Fn(PictureKey) -> Option<Picture> + 'a {
    move |key| match scene.pages.get(&key) {
        Some(page) => {
            let sprites = |key| pictures::picture(state, key);
            maker.borrow_mut().make(key, page, &sprites)
        }
        None => pictures::picture(state, key),
    }
}

fn back_end_for(capabilities: &Capabilities) -> Box<dyn BackEnd + Send> {
    // Text and pictures are one update; the back end's own would end it early.
    let apart = Capabilities {
        synchronized: false,
        ..capabilities.clone()
    };
    back_end(&apart, u64::from(std::process::id()))
}

/// Writes characters that stand for pictures into the text, without their diacritics.
fn stand_in(placeholders: &[Placeholder], buf: &mut Buffer) {
    for placeholder in placeholders {
        if let Some(cell) = buf.cell_mut((placeholder.column, placeholder.row)) {
            let style = Style::reset().fg(Color::Indexed(placeholder.colour()));
            cell.set_char(crate::graphics::placeholder::CHARACTER)
                .set_style(style);
        }
    }
}

/// The cursor where nothing can lie over a picture: characters in the corners of its cell.
fn corner(state: &State, buf: &mut Buffer) {
    let Some(projection) = state.projection().filter(|_| !state.map_is_covered()) else {
        return;
    };
    let (row, col) = state.cursor;
    let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
    let (right, bottom) = (
        x + i64::from(projection.cell_columns) - 1,
        y + i64::from(projection.cell_rows) - 1,
    );
    let style = Style::reset().fg(Color::White).bg(Color::Black);
    let corners = if projection.cell_rows == 1 {
        [(x, y, '['), (right, y, ']'), (x, y, '['), (right, y, ']')]
    } else {
        [
            (x, y, '▛'),
            (right, y, '▜'),
            (x, bottom, '▙'),
            (right, bottom, '▟'),
        ]
    };
    for (x, y, character) in corners {
        let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) else {
            continue;
        };
        let inside = projection.pane.contains((x, y).into());
        if let Some(cell) = buf.cell_mut((x, y)).filter(|_| inside) {
            cell.reset();
            cell.set_char(character).set_style(style);
        }
    }
}

/// Gives the first of each run of such characters its diacritics; text that was written over some begins a new run.
fn spell_out(placeholders: &[Placeholder], buf: &mut Buffer) {
    let stands = |buf: &Buffer, placeholder: &Placeholder| {
        let at = (placeholder.column, placeholder.row);
        buf.cell(at).is_some_and(|cell| {
            cell.symbol()
                .starts_with(crate::graphics::placeholder::CHARACTER)
        })
    };
    let mut left: Option<&Placeholder> = None;
    for placeholder in placeholders {
        if !stands(buf, placeholder) {
            left = None;
            continue;
        }
        if !left.is_some_and(|left| placeholder.continues(left))
            && let Some(cell) = buf.cell_mut((placeholder.column, placeholder.row))
        {
            cell.set_symbol(&placeholder.symbol());
        }
        left = Some(placeholder);
    }
}

/// Keeps the text diff away from characters under a picture, which it would erase. What is hidden differs from any
/// text, so that the text comes back once the picture is gone.
fn leave_alone(area: Rect, buf: &mut Buffer) {
    for position in area.intersection(buf.area).positions() {
        if let Some(cell) = buf.cell_mut(position) {
            cell.reset();
            cell.set_style(Style::new().add_modifier(Modifier::HIDDEN));
            cell.set_diff_option(CellDiffOption::Skip);
        }
    }
}
