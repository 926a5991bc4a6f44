//! The loop: block, drain, update, draw once.
//!
//! What is on its way to the terminal counts: while a large frame is, keys change the state but nothing is drawn, so
//! that the next frame shows where the person is then and not where they were. Work that can wait (pictures as good
//! as they should be, pictures that may be needed soon) is done once nothing else happens.

use super::action::{Effect, Message};
use super::canvas::{Canvas, Drawn};
use super::event::{self, Event};
use super::state::{Screen, State};
use super::worker::Desk;
use super::{Options, Services, Source, keymap, update};
use crate::graphics::Capabilities;
use crate::graphics::probe::Late;
use crate::graphics::terminal::{self, Guard, Signal};
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Frames are at least so far apart: faster ones would not be seen, and keys that repeat are gathered.
const FRAME: Duration = Duration::from_millis(12);

/// Longest time of taking events without drawing.
const PATIENCE: Duration = Duration::from_millis(50);

/// So long after the last event the person has stopped moving. Keys repeat some thirty times a second.
const STOPPED: Duration = Duration::from_millis(120);

/// The session is written so long after it changed.
const KEEP_AFTER: Duration = Duration::from_secs(30);

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
    event::read_terminal(options.capabilities.typed.clone(), tx.clone())?;
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
        late: capabilities.late.clone(),
        drawn: Drawn::default(),
        changed: true,
        unkept: None,
        state,
        desk,
    };
    for effect in first {
        app.perform(effect)?;
    }
    let left = app.run(&rx);
    app.desk.close(&mut app.state);
    left
}

struct App<'a> {
    state: State,
    canvas: Canvas,
    guard: &'a Guard,
    /// Collects the terminal's late answers.
    late: Option<Box<Late>>,
    /// What the last frame left to do.
    drawn: Drawn,
    /// The screen may have to look different.
    changed: bool,
    /// When what changed since the session was written last has to be written.
    unkept: Option<Instant>,
    desk: Desk,
}

impl App<'_> {
    fn run(&mut self, events: &Receiver<Event>) -> Result<(), Error> {
        let mut last_event = Instant::now();
        let mut last_frame: Option<Instant> = None;
        loop {
            if self.changed && self.canvas.may_draw() {
                self.drawn = self.canvas.draw(&self.state)?;
                self.changed = false;
                last_frame = Some(Instant::now());
            }
            let first = match self.time_to_wait(last_event) {
                // Nothing is left to do: only an event wakes us.
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => events.recv_timeout(wait),
            };
            let mut next = match first {
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    self.go_on(last_event)?;
                    continue;
                }
                Ok(event) => Some(event),
            };
            let woken = Instant::now();
            while let Some(event) = next {
                if event.is_a_persons() {
                    last_event = Instant::now();
                    self.unkept.get_or_insert(last_event + KEEP_AFTER);
                }
                if event.is_a_result() {
                    // It took long to get: it is written at once.
                    self.unkept = Some(Instant::now());
                }
                if !self.handle(event)? {
                    return Ok(());
                }
                // A flood of events must not keep the screen from being drawn.
                if woken.elapsed() > PATIENCE {
                    break;
                }
                let since = last_frame.map_or(FRAME, |at| at.elapsed());
                next = events.recv_timeout(FRAME.saturating_sub(since)).ok();
            }
        }
    }

    /// How long to wait for an event before [`App::go_on`]; `None` when there is nothing to go on with.
    fn time_to_wait(&self, last_event: Instant) -> Option<Duration> {
        let now = Instant::now();
        let pace = &self.canvas.pace;
        let wanted = if self.changed || self.drawn.pending {
            Some(now)
        } else if self.drawn.coarse || self.drawn.ahead {
            Some(last_event + STOPPED)
        } else {
            None
        };
        let next = match wanted {
            Some(at) => Some(pace.wake_at(now).max(at)),
            // A fence that never comes is given up in the end.
            None => pace.deadline(),
        };
        let next = self.unkept.into_iter().chain(next).min()?;
        Some(next.saturating_duration_since(now))
    }

    /// Nothing happened: time for what was left for later.
    fn go_on(&mut self, last_event: Instant) -> Result<(), Error> {
        let now = Instant::now();
        self.keep(now);
        self.canvas.pace.give_up(now);
        if !self.canvas.pace.is_free(now) {
            return Ok(());
        }
        if self.drawn.pending {
            self.changed = true;
        } else if last_event.elapsed() < STOPPED {
            // Not yet.
        } else if self.drawn.coarse {
            self.drawn.coarse = self.canvas.refine()?;
        } else if self.drawn.ahead {
            self.drawn.ahead = self.canvas.send_ahead(&self.state)?;
        }
        Ok(())
    }

    /// Writes the session when it is time to, so that little is lost with a line or a machine.
    fn keep(&mut self, now: Instant) {
        if self.unkept.is_some_and(|at| at <= now) {
            self.unkept = None;
            self.desk.keep(&mut self.state);
        }
    }

    /// False when it is time to leave.
    fn handle(&mut self, event: Event) -> Result<bool, Error> {
        let message = match event {
            Event::Key(key) => keymap::message(&self.state, key),
            Event::Update(news) => Message::Update(news),
            Event::Message(message) => message,
            Event::Fence => {
                self.canvas.pace.answered(Instant::now());
                return Ok(true);
            }
            Event::Answer(answer) => {
                let late = self.late.as_mut().and_then(|late| late.answered(&answer));
                return late.map_or(Ok(true), |capabilities| self.reconsider(&capabilities));
            }
            Event::Signal(Signal::Quit) | Event::Closed => return Ok(false),
            Event::Signal(Signal::Resized) => {
                let (columns, rows) = crossterm::terminal::size()?;
                Message::Resized {
                    columns,
                    rows,
                    cell_pixels: event::cell_pixels(&self.state.screen),
                }
            }
            Event::Signal(Signal::Suspend) => return self.perform(Effect::Suspend),
            Event::Signal(Signal::Continued) => {
                self.guard.resume()?;
                return self.perform(Effect::StartAfresh);
            }
        };
        self.changed = true;
        for effect in update(&mut self.state, message) {
            if !self.perform(effect)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// False when it is time to leave.
    fn perform(&mut self, effect: Effect) -> Result<bool, Error> {
        self.changed = true;
        match effect {
            Effect::Quit => return Ok(false),
            Effect::PlaceAgain => self.canvas.place_again(self.state.screen.cell_pixels)?,
            Effect::StartAfresh => self.canvas.start_afresh()?,
            Effect::Suspend if !terminal::has_shell() => {
                self.state.notice = Some("there is no shell here to go back to".to_owned());
            }
            Effect::Suspend => {
                self.guard.suspend()?;
                self.canvas.start_afresh()?;
            }
            Effect::Copy(text) => self.canvas.copy(&text)?,
            Effect::Work(work) => self.desk.take(work),
        }
        Ok(true)
    }

    /// The terminal's answers came after all: it may draw better than was thought.
    fn reconsider(&mut self, capabilities: &Capabilities) -> Result<bool, Error> {
        self.late = None;
        let (columns, rows) = (self.state.screen.columns, self.state.screen.rows);
        self.canvas.switch(capabilities)?;
        self.state.screen.protocol = capabilities.protocol;
        if let Some(background) = capabilities.background {
            self.state.screen.background = background;
        }
        let resized = Message::Resized {
            columns,
            rows,
            cell_pixels: capabilities.cell_pixels,
        };
        for effect in update(&mut self.state, resized) {
            self.perform(effect)?;
        }
        Ok(true)
    }
}
