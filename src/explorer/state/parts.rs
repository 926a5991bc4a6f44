//! The parts of the state: the terminal, what lies over the map, marks, looks, stages of a build.

use crate::explorer::arrangement::Arrangement;
use crate::explorer::classview::Filter;
use crate::explorer::column::Column;
use crate::explorer::focus::Focus;
use crate::explorer::link::Link;
use crate::explorer::palette::Palette;
use crate::explorer::photographs::Exemplar;
use crate::explorer::search::Search;
use crate::graphics::Protocol;
use std::sync::Arc;
use std::time::Duration;

/// The terminal, as far as it matters for what is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// Terminal columns.
    pub columns: u16,
    /// Terminal rows.
    pub rows: u16,
    /// Width and height of one terminal cell in pixels.
    pub cell_pixels: (u16, u16),
    /// How pictures are drawn.
    pub protocol: Protocol,
    /// May text be coloured?
    pub colour: bool,
    /// The background's colour, as far as it is known: what fades, fades towards it.
    pub background: [u8; 3],
}

impl Screen {
    /// True when the background is darker than middle grey.
    pub fn is_dark(&self) -> bool {
        let [r, g, b] = self.background.map(u32::from);
        3 * r + 6 * g + b < 1280
    }

    /// True when icons are seen as pictures.
    pub fn has_pictures(&self) -> bool {
        !matches!(self.protocol, Protocol::None)
    }
}

/// What lies over the map and hears the keys first.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// The help screen.
    Help {
        /// Lines scrolled away.
        scroll: u16,
    },
    /// The class search.
    Search(Search),
    /// Every action by name.
    Palette(Palette),
    /// A line to type.
    Prompt(Prompt),
    /// One of a test's pictures before and after, large.
    Shots {
        /// Which of them.
        selected: usize,
    },
    /// The photographs of the cell under the cursor.
    Photos {
        /// Which of the exemplars.
        selected: usize,
        /// Whole photographs, framed, instead of what the cell sees of them.
        whole: bool,
    },
}

/// A line to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What for.
    pub kind: PromptKind,
    /// What was typed.
    pub text: String,
    /// What might come next, for a path.
    pub hint: String,
}

/// What a line is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptKind {
    /// A note on the cell.
    Note,
    /// The folder of the photographs.
    Folder,
    /// A photograph to locate.
    Locate,
    /// A cell to go to.
    GoTo,
    /// Words that suspects must match.
    Filter,
    /// A picture to test.
    Patch,
    /// A note on a suspect.
    Opinion,
}

/// A marked cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which.
    pub cell: Link,
    /// What was written about it.
    pub note: String,
}

/// What undo brings back: what the map is coloured by and which of it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The chosen class.
    pub focus: Option<Focus>,
    /// The colouring column.
    pub column: Option<(Column, bool)>,
    /// Which cells of the class are shown.
    pub filter: Option<Filter>,
    /// Another order of the cells.
    pub arrangement: Option<Arc<Arrangement>>,
}

/// The walk through the cells that are most like one.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// The link of the cell where it began.
    pub from: Link,
    /// Its nearest cells.
    pub stops: Vec<usize>,
    /// 0 = at the start, 1 = at the first stop.
    pub at: usize,
}

/// What is derived from the cell under the cursor, kept as long as the cursor stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AboutCell {
    /// Layer, level, cell and class that this is about.
    pub of: Option<(usize, usize, usize, Option<u16>, u64)>,
    /// The class view that it is about.
    pub filter: Option<Filter>,
    /// The cells with the most similar directions.
    pub nearest: Vec<(usize, f32)>,
    /// The samples that stand for the cell, strongest first.
    pub exemplars: Vec<Exemplar>,
    /// Images in all that have a sample in the cell.
    pub n_images: usize,
}

/// A stage of a running build.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// A verb phrase.
    pub name: String,
    /// Steps done.
    pub done: u64,
    /// Steps in all, 0 when unknown.
    pub total: u64,
    /// Time to go.
    pub eta: Option<Duration>,
}

impl Stage {
    /// Share that is done, 0..=1, if the total is known.
    pub fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.done as f64 / self.total as f64).clamp(0.0, 1.0))
    }

    /// Steps per second, from the time to go.
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.eta?.as_secs_f64();
        let left = self.total.saturating_sub(self.done);
        (seconds > 0.0 && left > 0).then(|| left as f64 / seconds)
    }
}

/// How icons are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "a switch is a bool")]
pub struct Display {
    /// Icon sides follow the square root of the number of activations.
    pub density_icons: bool,
    /// Small icons show only their middle.
    pub crop: bool,
    /// Factor of the density in the size of icons, 0.2..=8 (the article's slider).
    pub density: f32,
    /// The side pane is wanted.
    pub side: bool,
    /// Thin lines around cells.
    pub outlines: bool,
    /// Names of the strongest classes on the map.
    pub labels: bool,
    /// The large icon shows the cells of the next finer grid.
    pub finer_icon: bool,
    /// All layers as thumbnails; `None` = where there are several and the screen is high.
    pub strip: Option<bool>,
    /// Multiplies the strength of class colouring, 0.5..=2.
    pub intensity: f32,
}
