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
pub mod arrangement;
mod beside;
pub mod camera;
mod canvas;
pub mod classview;
pub mod column;
mod event;
pub mod focus;
pub mod keymap;
pub mod labels;
pub mod link;
pub mod made;
pub mod mouse;
pub mod neighbours;
pub mod pages;
pub mod palette;
pub mod panes;
mod pen;
pub mod photographs;
pub mod photos_grid;
pub mod pictures;
pub mod placement;
mod run;
pub mod search;
pub mod session;
pub mod state;
pub mod strip;
pub mod suspects;
pub mod typed;
pub mod update;
pub mod view;
pub mod worker;

pub use action::{Action, Effect, Message};
pub use placement::placements;
pub use run::{Error, run};
pub use state::{Screen, State};
pub use update::update;
pub use view::view;
pub use worker::Services;

use crate::atlas::Atlas;
use crate::graphics::{Capabilities, Protocol};
use std::path::PathBuf;
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
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What the terminal can do; ask it before the explorer starts, while nothing else reads it.
    pub capabilities: Capabilities,
    /// May text be coloured (`NO_COLOR`, `--color`)?
    pub colour: bool,
    /// What to call the atlas on the screen.
    pub name: String,
    /// Which keys mean what.
    pub keymap: Arc<keymap::Keymap>,
    /// Where the last session was, as it was kept.
    pub session: Option<session::Session>,
    /// The cell to open with; goes before the session's.
    pub link: Option<link::Link>,
    /// Something to say when the explorer opens.
    pub remark: Option<String>,
    /// What `~` stands for in typed paths.
    pub home: Option<PathBuf>,
}

/// A state before there is an atlas.
fn prepare(state: &mut State, options: &Options) -> Vec<Effect> {
    state.keymap = Arc::clone(&options.keymap);
    state.notice.clone_from(&options.remark);
    state.home.clone_from(&options.home);
    Vec::new()
}

/// What this terminal lacks, unless the person wanted it so.
fn missing(capabilities: &Capabilities) -> Option<&'static str> {
    match capabilities.protocol {
        Protocol::None => {
            Some("no pictures here, names and shades instead; `atlascope doctor` says why")
        }
        Protocol::HalfBlock { .. } if !capabilities.reason.ends_with("as asked for") => {
            Some("coarse pictures: `atlascope doctor` says why")
        }
        _ => None,
    }
}

/// Shows an atlas as the last session left it, or at the cell that was asked for.
pub fn open(state: &mut State, options: &Options, atlas: Arc<Atlas>) -> Vec<Effect> {
    prepare(state, options);
    let told = update(state, Message::Update(Update::Atlas(atlas)));
    let mut remark = options.remark.clone();
    if let Some(session) = &options.session {
        session.restore(state);
        state.restored = Some(session.clone());
    }
    if let Some(link) = &options.link
        && let Err(why) = update::go_to_link(state, link)
    {
        remark = Some(why);
    }
    let wishes = update(state, Message::Ignored);
    state.notice = remark.or_else(|| missing(&options.capabilities).map(str::to_owned));
    told.into_iter().chain(wishes).collect()
}
