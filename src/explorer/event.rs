//! What wakes the loop: one channel for keys, resizes, signals and news of the build.

use super::action::Message;
use super::mouse::{Pointer, PointerKind};
use super::worker::{Answer, Outcome};
use super::{Update, state::Screen};
use crate::graphics::input::{self, Input};
use crate::graphics::terminal::Signal;
use crossterm::event::{
    Event as TerminalEvent, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind,
};
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender};
use std::thread;

/// Everything that can happen.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// A key was pressed or repeats.
    Key(KeyEvent),
    /// News of the build.
    Update(Update),
    /// The terminal has handled everything up to the oldest fence.
    Fence,
    /// The terminal answered a question.
    Answer(Vec<u8>),
    /// A worker's answer, or the mouse.
    Message(Message),
    /// A signal came.
    Signal(Signal),
    /// The terminal can no longer be read.
    Closed,
}

impl Event {
    /// True for what a person does.
    pub(super) fn is_a_persons(&self) -> bool {
        matches!(self, Self::Key(_) | Self::Message(Message::Pointer(_)))
    }

    /// True for the end of a causal test.
    pub(super) fn is_a_result(&self) -> bool {
        matches!(
            self,
            Self::Message(Message::Answer(Answer::Bench(Outcome::Tested(..))))
        )
    }
}

/// Reads the terminal on a thread of its own, after what was `typed` before. It blocks in a read and so cannot be
/// stopped; it ends with its first event after the loop is gone, or with the process.
///
/// # Errors
/// When there is no terminal or no thread can be started.
pub(super) fn read_terminal(typed: Vec<TerminalEvent>, tx: Sender<Event>) -> io::Result<()> {
    let tty = File::open("/dev/tty")?;
    let read = move || {
        let mut take = |input| {
            let event = match input {
                Input::Event(event) => translated(&event),
                Input::Fence => Some(Event::Fence),
                Input::Reply(answer) => Some(Event::Answer(answer)),
            };
            event.is_none_or(|event| tx.send(event).is_ok())
        };
        for event in typed {
            take(Input::Event(event));
        }
        input::read(&tty, &mut take);
        // The loop may be gone already.
        let _ = tx.send(Event::Closed);
    };
    spawn("keys", read)
}

fn translated(event: &TerminalEvent) -> Option<Event> {
    if let TerminalEvent::Paste(text) = event {
        return Some(Event::Message(Message::Paste(text.clone())));
    }
    match *event {
        TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Some(Event::Key(key)),
        TerminalEvent::Mouse(mouse) => pointer(mouse).map(|p| Event::Message(Message::Pointer(p))),
        _ => None,
    }
}

fn pointer(mouse: MouseEvent) -> Option<Pointer> {
    let kind = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => PointerKind::Press,
        MouseEventKind::Drag(MouseButton::Left) => PointerKind::Drag,
        MouseEventKind::Up(MouseButton::Left) => PointerKind::Release,
        MouseEventKind::ScrollUp => PointerKind::WheelUp,
        MouseEventKind::ScrollDown => PointerKind::WheelDown,
        _ => return None,
    };
    Some(Pointer {
        kind,
        column: mouse.column,
        row: mouse.row,
    })
}

/// Passes news on until their source closes.
///
/// # Errors
/// When no thread can be started.
pub(super) fn forward_updates(updates: Receiver<Update>, tx: Sender<Event>) -> io::Result<()> {
    spawn("updates", move || {
        for update in updates {
            if tx.send(Event::Update(update)).is_err() {
                return;
            }
        }
    })
}

/// Passes workers' answers on until they close.
///
/// # Errors
/// When no thread can be started.
pub(super) fn forward_messages(messages: Receiver<Message>, tx: Sender<Event>) -> io::Result<()> {
    spawn("answers", move || {
        for message in messages {
            if tx.send(Event::Message(message)).is_err() {
                return;
            }
        }
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.spawn(work).map(|_| ())
}

/// Size of a terminal cell in pixels as the system knows it, else as it was.
pub(super) fn cell_pixels(screen: &Screen) -> (u16, u16) {
    let Ok(window) = crossterm::terminal::window_size() else {
        return screen.cell_pixels;
    };
    let per = |pixels: u16, units: u16| pixels.checked_div(units).filter(|&side| side > 0);
    let width = per(window.width, window.columns);
    let height = per(window.height, window.rows);
    width.zip(height).unwrap_or(screen.cell_pixels)
}
