//! Progress for people: a bar with rate and remaining time on a terminal, a line now and then elsewhere.

use super::interrupt::Interrupt;
use super::output;
use crate::progress::Progress;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Notes shown in full; later ones are only counted.
const MAX_NOTES: usize = 8;
/// Without a terminal a stage reports at most this often.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A [`Progress`] on stderr.
pub(super) struct Report {
    interrupt: Interrupt,
    on_terminal: bool,
    state: Mutex<State>,
}

struct State {
    bar: ProgressBar,
    name: String,
    unit: String,
    total: u64,
    done: u64,
    started: Instant,
    spoken: Instant,
    n_notes: usize,
}

impl Report {
    /// Reports until `interrupt` is asked.
    pub(super) fn new(interrupt: Interrupt) -> Self {
        let now = Instant::now();
        let state = State {
            bar: ProgressBar::hidden(),
            name: String::new(),
            unit: String::new(),
            total: 0,
            done: 0,
            started: now,
            spoken: now,
            n_notes: 0,
        };
        Self {
            interrupt,
            on_terminal: std::io::stderr().is_terminal(),
            state: Mutex::new(state),
        }
    }

    /// Ends the current stage with a line of what it did, and tells how many notes were swallowed.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.close(self.on_terminal, self.cancelled());
        if state.n_notes > MAX_NOTES {
            output::error_line(
                "note",
                &format!("{} more like these", state.n_notes - MAX_NOTES),
            );
        }
        state.n_notes = 0;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn rate(&self) -> f64 {
        self.done as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    /// Replaces the bar by a line; stages that took no time leave none.
    fn close(&mut self, on_terminal: bool, stopped: bool) {
        self.bar.finish_and_clear();
        let elapsed = self.started.elapsed();
        if !self.name.is_empty() && (elapsed >= Duration::from_millis(300) || !on_terminal) {
            let (name, done, unit) = (&self.name, self.done, &self.unit);
            let (time, rate) = (elapsed.as_secs_f64(), self.rate());
            if stopped {
                let text = format!("{name}: {done} of {} {unit}", self.total);
                output::error_line("stopped", &text);
            } else {
                let text = format!("{name}: {done} {unit} in {time:.1} s ({rate:.1}/s)");
                output::error_line("done", &text);
            }
        }
        self.name.clear();
    }
}

impl Progress for Report {
    fn begin(&self, name: &str, total: u64, unit: &str) {
        let mut state = self.lock();
        state.close(self.on_terminal, false);
        (state.name, state.unit) = (name.to_owned(), unit.to_owned());
        (state.total, state.done) = (total, 0);
        state.started = Instant::now();
        state.spoken = state.started;
        if self.on_terminal {
            let plain = output::colours_unwanted();
            let bar = if plain {
                "{bar:30}"
            } else {
                "{bar:30.cyan/dim}"
            };
            let template =
                format!("{{msg:22}} {bar} {{pos}}/{{len}} {unit}  {{per_sec:>12}}  {{eta}} left");
            let bar =
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_message(name.to_owned());
            state.bar = bar;
        }
    }

    fn advance(&self, n: u64) {
        let mut state = self.lock();
        state.done += n;
        state.bar.inc(n);
        if !self.on_terminal && state.spoken.elapsed() >= LINE_EVERY {
            state.spoken = Instant::now();
            let left = state.total.saturating_sub(state.done) as f64 / state.rate().max(1e-9);
            let left = HumanDuration(Duration::from_secs_f64(left.min(1e7)));
            let text = format!(
                "{}: {}/{} {}, {left} left",
                state.name, state.done, state.total, state.unit
            );
            output::error_line("progress", &text);
        }
    }

    fn note(&self, text: &str) {
        let mut state = self.lock();
        state.n_notes += 1;
        if state.n_notes <= MAX_NOTES {
            state.bar.suspend(|| output::error_line("note", text));
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupt.asked()
    }
}
