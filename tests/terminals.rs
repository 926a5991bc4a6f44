//! Pictures on the way to terminals: what an action costs, and that what arrives is what was meant. Terminals of our
//! own making first, then real ones where they are installed.

mod budgets;
mod expected;
mod growing;
mod painted;
mod real;
mod shown;

use crate::support::terminal::{Personality, Terminal, split};
use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::explorer::State;
use atlascope::graphics::Protocol;
use atlascope::store;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: (u16, u16) = (160, 45);

/// Nothing more is to come when nothing came for so long.
const QUIET: Duration = Duration::from_millis(450);

/// A map of 20 × 20 squares that is full enough to pan in.
fn spec() -> SampleSpec {
    SampleSpec {
        n_samples: 6000,
        layers: vec!["mixed4c".to_owned()],
        grids: vec![10, 20],
        icon_size: 64,
        min_samples: 1,
        grain: 0.3,
        ..SampleSpec::default()
    }
}

fn sample(folder: &Path) -> (Atlas, PathBuf) {
    let path = folder.join("sample.atlas");
    let made = atlas(&spec());
    store::write(&path, &made).unwrap();
    (made, path)
}

/// The real binary on an atlas, once everything has arrived.
fn explore(path: &Path, personality: Personality, size: (u16, u16)) -> Terminal {
    let args = ["explore", "--no-session", path.to_str().unwrap()];
    let env: &[(&str, &str)] = if personality == Personality::Tmux {
        &[("TMUX", "/tmp/tmux-0/default,1,0")]
    } else {
        &[]
    };
    let terminal = Terminal::start_with(&args, env, personality, size);
    terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
    terminal.wait_quiet(QUIET);
    terminal
}

/// Waits until the terminal shows what `state` would show: at least so many icons, with the mean and the largest
/// difference of colours below `limits`.
fn shows(terminal: &Terminal, state: &State, limits: (f64, f64), what: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        terminal.wait_quiet(QUIET);
        let shown = match state.screen.protocol {
            Protocol::HalfBlock { .. } => terminal.half_blocks(),
            _ => terminal.picture_on([0; 3]),
        };
        let found = expected::compare(state, &shown);
        if found.icons >= 30 && found.mean < limits.0 && found.worst < limits.1 {
            return;
        }
        // A busy machine may have been quiet without being done.
        assert!(Instant::now() < deadline, "{what}: {found:?}");
    }
}

/// Presses keys one by one; bytes of pictures and of text for each, once it is seen and nothing more comes.
fn steps(terminal: &Terminal, keys: &str) -> Vec<(usize, usize)> {
    let cost = |key: char| {
        let (before, screen) = (terminal.last().1, terminal.screen());
        terminal.send(&key.to_string());
        // A step into the map's edge changes nothing.
        let deadline = Instant::now() + Duration::from_secs(5);
        while terminal.screen() == screen && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        terminal.wait_quiet(Duration::from_millis(300));
        split(&terminal.raw()[before..])
    };
    keys.chars().map(cost).collect()
}

fn quit(mut terminal: Terminal) {
    terminal.send("q");
    assert_eq!(terminal.wait_exit(20), 0);
}
