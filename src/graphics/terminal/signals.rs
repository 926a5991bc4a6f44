//! Signals, told to the program by a thread of their own.
//!
//! The thread lives as long as the process: once a handler is installed the system no longer does what it does
//! by default, so somebody has to do it while no guard listens.

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// What a signal asks of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGHUP, SIGINT, SIGQUIT: end in order. A second one ends the process at once, with the terminal given back.
    Quit,
    /// SIGTSTP: call [`super::Guard::suspend`].
    Suspend,
    /// SIGWINCH: the terminal has another size.
    Resized,
    /// SIGCONT after a stop that was not [`super::Guard::suspend`]'s: call [`super::Guard::resume`] and draw
    /// everything anew.
    Continued,
}

type Wake = Box<dyn Fn(Signal) + Send>;

struct State {
    running: bool,
    wake: Option<Wake>,
    asked_to_quit: bool,
    /// The next SIGCONT ends our own [`stop`], which knows that it has ended.
    own_stop: bool,
}

static STATE: Mutex<State> = Mutex::new(State {
    running: false,
    wake: None,
    asked_to_quit: false,
    own_stop: false,
});

/// Told when [`State::own_stop`] is over.
static CONTINUED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens until dropped.
#[derive(Debug)]
pub(super) struct Listener;

impl Drop for Listener {
    fn drop(&mut self) {
        state().wake = None;
    }
}

/// From now on signals call `wake` (from the signal thread) instead of doing what they do by default.
pub(super) fn listen(wake: Wake) -> io::Result<Listener> {
    install()?;
    let mut state = state();
    state.wake = Some(wake);
    state.asked_to_quit = false;
    Ok(Listener)
}

/// Starts the thread, once: from now on no signal ends the process without the terminal being given back.
pub(super) fn install() -> io::Result<()> {
    let mut state = state();
    if state.running {
        return Ok(());
    }
    let mut signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || signals.forever().for_each(handle))?;
    state.running = true;
    Ok(())
}

fn handle(signal: i32) {
    let mut state = state();
    if signal == SIGCONT && std::mem::take(&mut state.own_stop) {
        CONTINUED.notify_all();
        return;
    }
    let quit = !matches!(signal, SIGTSTP | SIGCONT | SIGWINCH);
    if let Some(wake) = &state.wake
        && !(quit && state.asked_to_quit)
    {
        wake(match signal {
            SIGTSTP => Signal::Suspend,
            SIGCONT => Signal::Continued,
            SIGWINCH => Signal::Resized,
            _ => Signal::Quit,
        });
        state.asked_to_quit |= quit;
        return;
    }
    drop(state);
    if quit {
        super::restore();
        super::raw::undo();
    }
    if !matches!(signal, SIGCONT | SIGWINCH) {
        // Fails only for numbers that are no signals.
        let _ = emulate_default_handler(signal);
    }
}

/// True when something could continue us: a shell with job control gives every job a process group of its own. In the
/// session leader's group, as behind `ssh -t host command`, a stopped program stays stopped for ever.
pub fn has_shell() -> bool {
    let group = rustix::process::getpgrp();
    rustix::process::getsid(None).is_ok_and(|session| session != group)
}

/// Stops the process as SIGTSTP does by default; returns when it is continued.
pub(super) fn stop() -> io::Result<()> {
    state().own_stop = true;
    emulate_default_handler(SIGTSTP)?;
    // The thread takes notice first, or it would merge this SIGCONT with the next one. It always comes; the limit
    // is for a system where it does not.
    let limit = Duration::from_secs(1);
    let waited = CONTINUED.wait_timeout_while(state(), limit, |state| state.own_stop);
    let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
    state.own_stop = false;
    Ok(())
}
