//! Pictures on the way to terminals: what an action costs, and that what arrives is what was meant. Terminals of our
//! own making first, then real ones where they are installed.

mod budgets;
mod expected;
mod real;
mod shown;

use crate::support::terminal::{Personality, Terminal};
use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

fn quit(mut terminal: Terminal) {
    terminal.send("q");
    assert_eq!(terminal.wait_exit(20), 0);
}
