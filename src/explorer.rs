//! The terminal explorer: an atlas, a keyboard, a map.
//!
//! ```text
//! events ─▶ keymap ─▶ Message ─▶ update(&mut State) ─▶ effects
//!                                     │
//!                                     ├─▶ view(&State)        text
//!                                     └─▶ placements(&State)  pictures
//! ```
//!
//! State, update, camera, keys and placements are pure: no files, clocks, threads or terminals. The loop blocks on
//! one channel of events, drains it, and draws once; when nothing happens nothing runs.

pub mod action;
pub mod camera;
mod canvas;
mod event;
pub mod focus;
pub mod keymap;
pub mod panes;
pub mod pictures;
pub mod placement;
mod run;
pub mod search;
pub mod state;
pub mod update;
pub mod view;

pub use action::{Action, Effect, Message};
pub use placement::placements;
pub use run::{Error, run};
pub use state::{Screen, State};
pub use update::update;
pub use view::view;

use crate::atlas::Atlas;
use crate::graphics::Capabilities;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// News of a build that runs while its atlas is explored.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// A new snapshot.
    Atlas(Arc<Atlas>),
    /// A stage is at work.
    Progress {
        /// A verb phrase.
        stage: String,
        /// Steps done.
        done: u64,
        /// Steps in all, 0 when unknown.
        total: u64,
        /// Time to go.
        eta: Option<Duration>,
    },
    /// The last snapshot was the last.
    Done,
    /// The build ended without a result; what has been shown so far stays.
    Failed(String),
}

/// Where atlases come from.
#[derive(Debug)]
pub struct Source {
    /// What to show first; without it a building screen waits for the first snapshot.
    pub initial: Option<Arc<Atlas>>,
    /// News. A closed channel only means that there will be none.
    pub updates: Receiver<Update>,
}

/// How to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What the terminal can do; ask it before the explorer starts, while nothing else reads it.
    pub capabilities: Capabilities,
    /// May text be coloured (`NO_COLOR`, `--color`)?
    pub colour: bool,
    /// What to call the atlas on the screen.
    pub name: String,
}
