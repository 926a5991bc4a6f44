//! What is remembered from one session to the next: where one was, what was looked at, marks and notes.
//!
//! Everything is kept by name (layer, grid, class), so that a session fits an atlas that has grown since; what no
//! longer exists is left out.

use super::column::Column;
use super::link::Link;
use super::state::{Mark, State};
use super::update;
use crate::explorer::focus::{Colouring, Focus};
use crate::suspects::claim::Claim;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A session as it is written.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// Version of this form.
    pub version: u32,
    /// The cell under the cursor, as a link.
    pub cell: Option<String>,
    /// Height of a cell in terminal rows; `None` while the map fits the terminal by itself.
    pub cell_rows: Option<u16>,
    /// The chosen class, by its id.
    pub class: Option<String>,
    /// `supports`, `opposes` or `both`.
    pub colouring: Option<String>,
    /// The column that colours the map.
    pub column: Option<String>,
    /// What is switched on.
    pub display: Option<Switches>,
    /// Marked cells.
    pub marks: Vec<KeptMark>,
    /// Folders of photographs that were given.
    pub folders: Vec<PathBuf>,
    /// What was found out and said about suspects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
}

/// What is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "a switch is a bool")]
pub struct Switches {
    /// Icon sides by density.
    pub density_icons: bool,
    /// Factor of the density.
    pub density: f32,
    /// Crop of small icons.
    pub crop: bool,
    /// Side pane.
    pub side: bool,
    /// Strength of colouring.
    pub intensity: f32,
    /// Outlines of cells.
    pub outlines: bool,
    /// Class names on the map.
    pub labels: bool,
}

/// A marked cell as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptMark {
    /// The cell, as a link.
    pub cell: String,
    /// What was written about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The version that is written.
const VERSION: u32 = 1;

/// Where sessions are kept. Called now and then, and when the explorer ends.
pub trait Keeper: Send {
    /// Keeps a session. A failure is reported in a way of its own: nothing can be shown any more.
    fn keep(&mut self, session: &Session);
}

impl Session {
    /// Reads what [`Session::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn from_json(text: &str) -> Result<Session, String> {
        let session: Session = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if session.version > VERSION {
            return Err(format!(
                "it was written by a newer program (version {})",
                session.version
            ));
        }
        Ok(session)
    }

    /// The session as text.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists always serialise.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// What is worth keeping of a state.
    pub fn of(state: &State) -> Session {
        let class_id = |focus: Focus| {
            let atlas = state.atlas.as_ref()?;
            let class = atlas.classes.get(usize::from(focus.class))?;
            Some(class.id.clone())
        };
        let display = state.display;
        Session {
            version: VERSION,
            cell: state.link().map(|link| link.to_string()),
            cell_rows: (!state.fitted).then_some(state.zoom.cell_rows),
            class: state.focus.and_then(class_id),
            colouring: state.focus.map(|focus| name_of(focus.colouring).to_owned()),
            column: state
                .column
                .as_ref()
                .map(|column| column.kind.name().to_owned()),
            display: Some(Switches {
                density_icons: display.density_icons,
                density: display.density,
                crop: display.crop,
                side: display.side,
                intensity: display.intensity,
                outlines: display.outlines,
                labels: display.labels,
            }),
            marks: state
                .marks
                .iter()
                .map(|mark| KeptMark {
                    cell: mark.cell.to_string(),
                    note: mark.note.clone(),
                })
                .collect(),
            folders: state.folders.clone(),
            claims: update::claims(state),
        }
    }

    /// Puts a state where the session was.
    pub fn restore(&self, state: &mut State) {
        if let Some(switches) = self.display {
            let display = &mut state.display;
            display.density_icons = switches.density_icons;
            display.density = switches.density.clamp(0.2, 8.0);
            display.crop = switches.crop;
            display.side = switches.side;
            display.intensity = switches.intensity.clamp(0.5, 2.0);
            display.outlines = switches.outlines;
            display.labels = switches.labels;
        }
        let kept = self.marks.iter().filter_map(|mark| {
            Some(Mark {
                cell: mark.cell.parse().ok()?,
                note: mark.note.clone(),
            })
        });
        state.marks = kept.collect();
        state.folders.clone_from(&self.folders);
        update::restore_claims(state, &self.claims);
        if let Some(link) = self
            .cell
            .as_ref()
            .and_then(|cell| cell.parse::<Link>().ok())
        {
            // A cell that is gone leaves the cursor where an atlas opens.
            let _ = update::go_to_link(state, &link);
        }
        if let Some(rows) = self.cell_rows {
            update::set_cell_rows(state, rows);
        }
        let class = self.class.as_ref().and_then(|id| {
            let classes = &state.atlas.as_ref()?.classes;
            classes.iter().position(|class| class.id == *id)
        });
        if let Some(class) = class {
            let named = self.colouring.as_deref().map(colouring);
            state.focus = Some(Focus {
                class: class as u16,
                colouring: named.unwrap_or_default(),
            });
        }
        if let Some(column) = self.column.as_deref().and_then(Column::named) {
            update::colour_by(state, column);
        }
        state.notice = None;
    }
}

fn name_of(colouring: Colouring) -> &'static str {
    match colouring {
        Colouring::Supports => "supports",
        Colouring::Opposes => "opposes",
        Colouring::Both => "both",
    }
}

fn colouring(name: &str) -> Colouring {
    match name {
        "opposes" => Colouring::Opposes,
        "both" => Colouring::Both,
        _ => Colouring::Supports,
    }
}
