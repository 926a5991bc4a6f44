//! The loop: block, drain, update, draw once.

use super::action::{Effect, Message};
use super::event::{self, Event};
use super::state::{Screen, State};
use super::worker::Desk;
use super::{Options, Services, Source, keymap, pictures, placements, update, view};
use crate::graphics::probe::LateReplies;
use crate::graphics::terminal::{self, Guard, Signal};
use crate::graphics::{BackEnd, Capabilities, HalfCell, Protocol, back_end, halfblock};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Frames are at least so far apart: faster ones would not be seen, and keys that repeat are gathered.
const FRAME: Duration = Duration::from_millis(12);

/// Longest time of taking events without drawing.
const PATIENCE: Duration = Duration::from_millis(50);

/// Bytes of pictures sent with one frame; the rest follows with the next ones, keys in between.
const UPLOAD_BUDGET: usize = 512 << 10;

/// The explorer could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The terminal cannot be taken.
    #[error(transparent)]
    Terminal(#[from] terminal::Error),
    /// The terminal cannot be written to or no thread can be started.
    #[error("use the terminal")]
    Io(#[from] io::Error),
}

/// Explores until the person quits or the terminal goes away. The terminal is given back in every case.
///
/// # Errors
/// When standard output is no terminal, or it fails.
pub fn run(source: Source, options: &Options, services: Services) -> Result<(), Error> {
    let (tx, rx) = mpsc::channel();
    let signals = tx.clone();
    let guard = Guard::enter(move |signal| {
        // The loop is gone when nobody listens.
        let _ = signals.send(Event::Signal(signal));
    })?;
    event::read_terminal(tx.clone())?;
    event::forward_updates(source.updates, tx.clone())?;
    let (desk, answers) = Desk::open(services)?;
    event::forward_messages(answers, tx)?;
    let capabilities = &options.capabilities;
    let (columns, rows) = crossterm::terminal::size()?;
    let screen = Screen {
        columns,
        rows,
        cell_pixels: capabilities.cell_pixels,
        protocol: capabilities.protocol,
        colour: options.colour,
        background: capabilities.background.unwrap_or([0, 0, 0]),
    };
    let mut state = State::new(&options.name, screen);
    let first = match source.initial {
        Some(atlas) => super::open(&mut state, options, atlas),
        None => super::prepare(&mut state, options),
    };
    let mut app = App {
        canvas: Canvas::new(capabilities, &guard)?,
        guard: &guard,
        late: LateReplies::new(capabilities.outstanding),
        state,
        desk,
    };
    for effect in first {
        app.perform(effect)?;
    }
    let left = app.run(&rx);
    app.desk.close(&app.state);
    left
}

struct App<'a> {
    state: State,
    canvas: Canvas,
    guard: &'a Guard,
    late: LateReplies,
    desk: Desk,
}

impl App<'_> {
    fn run(&mut self, events: &Receiver<Event>) -> Result<(), Error> {
        let mut pending = self.canvas.draw(&self.state)?;
        let mut drawn = Instant::now();
        loop {
            // With nothing left to send, only an event wakes us.
            let first = if pending {
                match events.recv_timeout(FRAME) {
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    event => event.ok(),
                }
            } else {
                match events.recv() {
                    Ok(event) => Some(event),
                    Err(_) => return Ok(()),
                }
            };
            let woken = Instant::now();
            let mut next = first;
            while let Some(event) = next {
                if !self.handle(event)? {
                    return Ok(());
                }
                // A flood of events must not keep the screen from being drawn.
                if woken.elapsed() > PATIENCE {
                    break;
                }
                next = events
                    .recv_timeout(FRAME.saturating_sub(drawn.elapsed()))
                    .ok();
            }
            pending = self.canvas.draw(&self.state)?;
            drawn = Instant::now();
        }
    }

    /// False when it is time to leave.
    fn handle(&mut self, event: Event) -> Result<bool, Error> {
        let message = match event {
            Event::Key(key) if !self.late.is_key(&key) => return Ok(true),
            Event::Key(key) => keymap::message(&self.state, key),
            Event::Resize(columns, rows) => Message::Resized {
                columns,
                rows,
                cell_pixels: event::cell_pixels(&self.state.screen),
            },
            Event::Update(news) => Message::Update(news),
            Event::Message(message) => message,
            Event::Signal(Signal::Quit) | Event::Closed => return Ok(false),
            Event::Signal(Signal::Suspend) => {
                self.guard.suspend()?;
                self.canvas.start_afresh()?;
                return Ok(true);
            }
            Event::Signal(Signal::Continued) => {
                self.guard.resume()?;
                self.canvas.start_afresh()?;
                return Ok(true);
            }
        };
        for effect in update(&mut self.state, message) {
            if !self.perform(effect)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// False when it is time to leave.
    fn perform(&mut self, effect: Effect) -> Result<bool, Error> {
        match effect {
            Effect::Quit => return Ok(false),
            Effect::PlaceAgain => self.canvas.place_again()?,
            Effect::StartAfresh => self.canvas.start_afresh()?,
            Effect::Suspend => {
                self.guard.suspend()?;
                self.canvas.start_afresh()?;
            }
            Effect::Copy(text) => self.canvas.copy(&text)?,
            Effect::Work(work) => self.desk.take(work),
        }
        Ok(true)
    }
}

/// Collects a frame's text and pictures, so that they reach the terminal in one write.
struct Held {
    screen: terminal::Screen,
    hold: Rc<Cell<bool>>,
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.screen.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.hold.get() {
            return Ok(());
        }
        self.screen.flush()
    }
}

/// Text and pictures of one terminal.
struct Canvas {
    terminal: Terminal<CrosstermBackend<Held>>,
    back_end: Box<dyn BackEnd + Send>,
    farewell: terminal::Farewell,
    hold: Rc<Cell<bool>>,
    synchronized: bool,
}

impl Canvas {
    fn new(capabilities: &Capabilities, guard: &Guard) -> io::Result<Canvas> {
        let hold = Rc::new(Cell::new(false));
        let held = Held {
            screen: terminal::Screen::new(),
            hold: hold.clone(),
        };
        Ok(Canvas {
            terminal: Terminal::new(CrosstermBackend::new(held))?,
            // Text and pictures are one update; the back end's own would end it early.
            back_end: back_end(
                &Capabilities {
                    synchronized: false,
                    ..capabilities.clone()
                },
                u64::from(std::process::id()),
            ),
            farewell: guard.farewell(),
            hold,
            synchronized: capabilities.synchronized,
        })
    }

    /// Draws the state; true when pictures are still to be sent.
    fn draw(&mut self, state: &State) -> io::Result<bool> {
        let mut bytes = Vec::new();
        let find = |key| pictures::picture(state, key);
        let placements = placements(state);
        let frame = self
            .back_end
            .frame(&mut bytes, &placements, &find, UPLOAD_BUDGET);
        self.hold.set(true);
        let drawn = self.draw_held(state, &frame.cells, &bytes);
        self.hold.set(false);
        drawn?;
        // Before the bytes are out, so that even an interrupted frame's pictures are freed.
        if frame.farewell_changed {
            self.farewell.set(self.back_end.farewell());
        }
        Write::flush(self.terminal.backend_mut())?;
        Ok(frame.pending)
    }

    fn draw_held(&mut self, state: &State, cells: &[HalfCell], bytes: &[u8]) -> io::Result<()> {
        use crossterm::queue;
        use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
        if self.synchronized {
            queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        }
        self.terminal.draw(|frame| {
            view(state, frame);
            paint(cells, state.screen.protocol, frame.buffer_mut());
            super::view::marks(state, frame.buffer_mut());
        })?;
        self.terminal.backend_mut().write_all(bytes)?;
        if self.synchronized {
            queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        }
        Ok(())
    }

    /// Puts a text into the clipboard of the person's machine, through whatever lies between (OSC 52).
    fn copy(&mut self, text: &str) -> io::Result<()> {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(text);
        let out = self.terminal.backend_mut();
        out.write_all(format!("\x1b]52;c;{text}\x1b\\").as_bytes())?;
        Write::flush(out)
    }

    fn place_again(&mut self) -> io::Result<()> {
        self.back_end.reset();
        self.clear()
    }

    fn start_afresh(&mut self) -> io::Result<()> {
        self.back_end.forget();
        self.clear()
    }

    /// `Terminal::clear` would ask where the cursor is, and the answer would go to the thread that reads keys.
    fn clear(&mut self) -> io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }
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
