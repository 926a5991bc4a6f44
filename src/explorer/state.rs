//! What the explorer knows: the atlas, where the cursor stands, what is shown. Nothing here touches a terminal.

use super::camera::{Camera, Projection, Zoom, columns_for};
use super::focus::{Colouring, Focus, strongest};
use super::panes::{Panes, Wanted};
use super::pictures::TileKeys;
use super::search::Search;
use crate::atlas::{Atlas, LayerAtlas, Level};
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
pub struct Display {
    /// Icon sides follow the square root of the number of activations.
    pub density_icons: bool,
    /// Small icons show only their middle.
    pub crop: bool,
    /// The side pane is wanted.
    pub side: bool,
    /// Multiplies the strength of class colouring, 0.5..=2.
    pub intensity: f32,
}

/// The whole state.
#[derive(Debug, Clone)]
pub struct State {
    /// What to call the atlas on the screen.
    pub name: String,
    /// The atlas, once there is one.
    pub atlas: Option<Arc<Atlas>>,
    /// The names of its tiles.
    pub tile_keys: TileKeys,
    /// The terminal.
    pub screen: Screen,
    /// Index of the layer.
    pub layer: usize,
    /// Level and size of its cells.
    pub zoom: Zoom,
    /// True until the person zooms: the map is fitted to every new size of the terminal.
    pub fitted: bool,
    /// Row and column of the cell under the cursor.
    pub cursor: (u32, u32),
    /// The place (x, y) of the layout that zooming holds on to; inside the cursor's cell.
    pub place: (f32, f32),
    /// Where the map lies.
    pub camera: Camera,
    /// The class that is looked at.
    pub focus: Option<Focus>,
    /// What lies over the map.
    pub overlay: Option<Overlay>,
    /// Stages of a running build, in order of appearance; the last is at work.
    pub stages: Vec<Stage>,
    /// True while a build feeds us.
    pub building: bool,
    /// Why the build failed.
    pub failure: Option<String>,
    /// A remark that stays until the next key.
    pub notice: Option<String>,
    /// How icons are drawn.
    pub display: Display,
}

impl State {
    /// A state without an atlas, as for a build that has just begun.
    pub fn new(name: &str, screen: Screen) -> State {
        State {
            name: name.to_owned(),
            atlas: None,
            tile_keys: TileKeys::default(),
            screen,
            layer: 0,
            zoom: Zoom {
                level: 0,
                cell_rows: 1,
            },
            fitted: true,
            cursor: (0, 0),
            place: (0.0, 0.0),
            camera: Camera::default(),
            focus: None,
            overlay: None,
            stages: Vec::new(),
            building: false,
            failure: None,
            notice: None,
            display: Display {
                density_icons: false,
                crop: true,
                side: true,
                intensity: 1.0,
            },
        }
    }

    /// The layer on the screen.
    pub fn layer(&self) -> Option<&LayerAtlas> {
        self.atlas.as_ref()?.layers.get(self.layer)
    }

    /// The level on the screen.
    pub fn level(&self) -> Option<&Level> {
        self.layer()?.levels.get(self.zoom.level)
    }

    /// Grid sizes of the layer's levels, coarse to fine.
    pub fn grids(&self) -> Vec<u32> {
        let levels = self.layer().map_or(&[][..], |layer| &layer.levels);
        levels.iter().map(|level| level.grid).collect()
    }

    /// The index of the cell under the cursor, if it is occupied.
    pub fn cell(&self) -> Option<usize> {
        self.level()?.cell_at(self.cursor.0, self.cursor.1)
    }

    /// The division of the screen.
    pub fn panes(&self) -> Panes {
        let Screen {
            columns,
            rows,
            cell_pixels,
            ..
        } = self.screen;
        let wanted = Wanted {
            side: self.display.side && self.atlas.is_some(),
            icon: self.screen.has_pictures(),
        };
        Panes::of(columns, rows, cell_pixels, wanted)
    }

    /// Between grid and screen.
    pub fn projection(&self) -> Option<Projection> {
        Some(Projection {
            pane: self.panes().map,
            camera: self.camera,
            cell_columns: columns_for(self.zoom.cell_rows, self.screen.cell_pixels),
            cell_rows: self.zoom.cell_rows,
            grid: self.level()?.grid,
        })
    }

    /// The class that colours the map: the one under the search bar, else the chosen one.
    pub fn shown_focus(&self) -> Option<Focus> {
        let colouring = self
            .focus
            .map_or(Colouring::Supports, |focus| focus.colouring);
        match &self.overlay {
            Some(Overlay::Search(search)) => search.class().map(|class| Focus { class, colouring }),
            _ => self.focus,
        }
    }

    /// The cell that the side pane shows: the one under the cursor, while searching the strongest of the class
    /// under the search bar.
    pub fn shown_cell(&self) -> Option<usize> {
        match (&self.overlay, self.shown_focus()) {
            (Some(Overlay::Search(_)), Some(focus)) => {
                strongest(self.level()?, focus).first().copied()
            }
            _ => self.cell(),
        }
    }

    /// Row and column of [`State::shown_cell`], of the cursor when there is none.
    pub fn shown_place(&self) -> (u32, u32) {
        let cell = self.shown_cell();
        let cell = cell.and_then(|idx| self.level()?.cells.get(idx));
        cell.map_or(self.cursor, |cell| (cell.row, cell.col))
    }

    /// True when something covers the map, so that no picture may be placed there.
    pub fn map_is_covered(&self) -> bool {
        match self.overlay {
            Some(Overlay::Help { .. }) => true,
            Some(Overlay::Search(_)) => self.panes().side.is_none(),
            None => false,
        }
    }
}
