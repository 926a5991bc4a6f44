//! What the explorer knows: the atlas, where the cursor stands, what is shown. Nothing here touches a terminal.

mod parts;

pub use parts::{AboutCell, Display, Look, Mark, Overlay, Prompt, PromptKind, Screen, Stage, Walk};

use super::arrangement::{Arrangement, Kind};
use super::camera::{Camera, Projection, Zoom, columns_for, grid_from_layout, layout_from_grid};
use super::classview::ClassView;
use super::column::Coloured;
use super::focus::{Colouring, Focus, Influence, Tinting, strongest};
use super::keymap::{Keymap, Mode};
use super::link::Link;
use super::mouse::Grip;
use super::neighbours::Units;
use super::panes::{Panes, Wanted};
use super::photographs::{CropRequest, Exemplar, Gallery};
use super::pictures::TileKeys;
use super::session::Session;
use super::suspects::Board;
use super::worker::Located;
use crate::atlas::{Atlas, LayerAtlas, Level};
use std::path::PathBuf;
use std::sync::Arc;

/// Photographs beside each other in the side pane, at most.
const SIDE_EXEMPLARS: usize = 16;

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
    /// Which keys mean what.
    pub keymap: Arc<Keymap>,
    /// The column that colours the map; never together with a class.
    pub column: Option<Coloured>,
    /// Only some cells of the chosen class.
    pub class_view: Option<ClassView>,
    /// Another order of the cells than the map's.
    pub arrangement: Option<Arc<Arrangement>>,
    /// Marked cells, in the order of marking.
    pub marks: Vec<Mark>,
    /// What undo goes back to; the last is the newest.
    pub undo: Vec<Look>,
    /// What redo goes to.
    pub redo: Vec<Look>,
    /// Where jumps began.
    pub jumps: Vec<Link>,
    /// A walk through alike cells.
    pub walk: Option<Walk>,
    /// Directions of the level on the screen with unit length.
    pub units: Option<(u64, Arc<Units>)>,
    /// What is derived from the cell under the cursor.
    pub about: AboutCell,
    /// Photographs that arrived.
    pub gallery: Gallery,
    /// Crops that were asked for last.
    pub wanted: Vec<CropRequest>,
    /// The photograph that was located last.
    pub located: Option<Arc<Located>>,
    /// A photograph is on its way through the network.
    pub locating: bool,
    /// Folders of photographs that the person gave.
    pub folders: Vec<PathBuf>,
    /// Counts atlases, so that what was derived from an older one is known.
    pub epoch: u64,
    /// The atlas's count when the workers were told of it last.
    pub told: u64,
    /// A held mouse button.
    pub grip: Option<Grip>,
    /// The session that was restored.
    pub restored: Option<Session>,
    /// The suspects pane.
    pub suspects: Board,
    /// What `~` stands for in typed paths.
    pub home: Option<PathBuf>,
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
                density: 1.0,
                side: true,
                outlines: false,
                labels: false,
                finer_icon: true,
                strip: None,
                intensity: 1.0,
            },
            keymap: Arc::default(),
            column: None,
            class_view: None,
            arrangement: None,
            marks: Vec::new(),
            undo: Vec::new(),
            redo: Vec::new(),
            jumps: Vec::new(),
            walk: None,
            units: None,
            about: AboutCell::default(),
            gallery: Gallery::default(),
            wanted: Vec::new(),
            located: None,
            locating: false,
            folders: Vec::new(),
            epoch: 0,
            told: 0,
            grip: None,
            restored: None,
            suspects: Board::default(),
            home: None,
        }
    }

    /// The layer on the screen.
    pub fn layer(&self) -> Option<&LayerAtlas> {
        self.atlas.as_ref()?.layers.get(self.layer)
    }

    /// Index of the level on the screen.
    pub fn level_idx(&self) -> usize {
        let arranged = self.arrangement.as_ref().map(|a| a.level);
        arranged.unwrap_or(self.zoom.level)
    }

    /// The level on the screen.
    pub fn level(&self) -> Option<&Level> {
        self.layer()?.levels.get(self.level_idx())
    }

    /// Rows and columns on the screen: the level's, or those of another order of its cells.
    pub fn grid(&self) -> u32 {
        match (&self.arrangement, self.level()) {
            (Some(arranged), _) => arranged.grid,
            (None, level) => level.map_or(1, |level| level.grid),
        }
    }

    /// The cell at a row and column of the screen's grid.
    pub fn cell_at(&self, row: u32, col: u32) -> Option<usize> {
        match &self.arrangement {
            Some(arranged) => arranged.cell_at(row, col),
            None => self.level()?.cell_at(row, col),
        }
    }

    /// Row and column of a cell on the screen's grid.
    pub fn place_of(&self, cell: usize) -> Option<(u32, u32)> {
        match &self.arrangement {
            Some(arranged) => arranged.place_of(cell),
            None => self.level()?.cells.get(cell).map(|c| (c.row, c.col)),
        }
    }

    /// Occupied places as (row, column), by row, then column.
    pub fn occupied(&self) -> Vec<(u32, u32)> {
        match (&self.arrangement, self.level()) {
            (Some(arranged), _) => arranged.squares().map(|(_, row, col)| (row, col)).collect(),
            (None, Some(level)) => level.cells.iter().map(|c| (c.row, c.col)).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// Is the cell shown, or does the class view leave it out?
    pub fn shows(&self, cell: usize) -> bool {
        let view = self
            .class_view
            .as_ref()
            .filter(|_| self.arrangement.is_none());
        view.is_none_or(|view| view.count(cell) > 0)
    }

    /// The link of the cell under the cursor, as on the map.
    pub fn link(&self) -> Option<Link> {
        let (layer, level) = (self.layer()?, self.level()?);
        let (row, col) = if self.arrangement.is_none() {
            self.cursor
        } else {
            let cell = level.cells.get(self.cell()?)?;
            (cell.row, cell.col)
        };
        Some(Link {
            layer: layer.name.clone(),
            grid: level.grid,
            row,
            col,
        })
    }

    /// What undo would come back to.
    pub fn look(&self) -> Look {
        Look {
            focus: self.focus,
            column: self.column.as_ref().map(|column| (column.kind, column.low)),
            filter: self.class_view.as_ref().map(|view| view.filter),
            arrangement: self.arrangement.clone(),
        }
    }

    /// The mark on the cell under the cursor.
    pub fn mark(&self) -> Option<&Mark> {
        let link = self.link()?;
        self.marks.iter().find(|mark| mark.cell == link)
    }

    /// Who hears the keys.
    pub fn mode(&self) -> Mode {
        match self.overlay {
            Some(Overlay::Search(_) | Overlay::Palette(_) | Overlay::Prompt(_)) => Mode::Line,
            Some(Overlay::Photos { .. } | Overlay::Shots { .. }) => Mode::Photos,
            Some(Overlay::Help { .. }) => Mode::Help,
            None if self.suspects.open && self.atlas.is_some() => Mode::Suspects,
            None => Mode::Map,
        }
    }

    /// The session, if it is another than the one that was restored.
    pub fn session_to_keep(&self) -> Option<Session> {
        self.atlas.as_ref()?;
        let session = Session::of(self);
        (self.restored.as_ref() != Some(&session)).then_some(session)
    }

    /// What the map is coloured by, ready to be asked cell by cell.
    pub fn tinting(&self) -> Option<Tinting<'_>> {
        let level = self.level()?;
        let intensity = self.display.intensity;
        if let Some(focus) = self.shown_focus() {
            let compared = self.arrangement.as_ref().map(|a| a.kind);
            // In a comparison the place says it, in the class view the size; colours would only hide the icons. While
            // another class is looked for, they are all that shows it.
            let plain = matches!(compared, Some(Kind::Compare(..)))
                || (self.class_view.is_some() && focus.colouring == Colouring::Supports);
            let plain = plain && !matches!(self.overlay, Some(Overlay::Search(_)));
            return (!plain).then(|| Tinting::Class(Influence::new(level, focus, intensity)));
        }
        let column = self.column.as_ref()?;
        Some(Tinting::Column(column, intensity))
    }

    /// Cells of the level on the screen that the located photograph's positions fall in, with their number.
    pub fn located_cells(&self) -> Vec<(usize, u32)> {
        let (Some(located), Some(layer), Some(level)) = (&self.located, self.layer(), self.level())
        else {
            return Vec::new();
        };
        let (Some(cells), Some(finest)) = (located.cells.get(self.layer), layer.levels.last())
        else {
            return Vec::new();
        };
        let mut counts = std::collections::BTreeMap::new();
        for cell in cells {
            let Some(cell) = finest.cells.get(usize::from(*cell)) else {
                continue;
            };
            let place = layout_from_grid(cell.row, cell.col, finest.grid);
            let (row, col) = grid_from_layout(place, level.grid);
            if let Some(cell) = level.cell_at(row, col) {
                *counts.entry(cell).or_insert(0) += 1;
            }
        }
        counts.into_iter().collect()
    }

    /// The exemplars of the side pane: those whose photographs are not known to be missing.
    pub fn shown_exemplars(&self) -> Vec<Exemplar> {
        let Some(layer) = self.layer() else {
            return Vec::new();
        };
        let there = |exemplar: &&Exemplar| {
            let part = super::photographs::seen_by(layer, exemplar.position);
            let key = super::made::crop_request(exemplar.image, part, false).key;
            self.gallery.why_not(key).is_none()
        };
        let there = self.about.exemplars.iter().filter(there);
        there.take(SIDE_EXEMPLARS).copied().collect()
    }

    /// True while the positions of the located photograph are shown as a grid of icons.
    pub fn in_photograph(&self) -> bool {
        matches!(
            self.arrangement.as_ref().map(|a| a.kind),
            Some(Kind::Photograph)
        )
    }

    /// True when the strip of layers is shown.
    pub fn has_strip(&self) -> bool {
        let several = self
            .atlas
            .as_ref()
            .is_some_and(|atlas| atlas.layers.len() > 1);
        let wanted = self
            .display
            .strip
            .unwrap_or(several && self.screen.rows >= 36);
        wanted && self.atlas.is_some()
    }

    /// Grid sizes of the layer's levels, coarse to fine.
    pub fn grids(&self) -> Vec<u32> {
        if let Some(arranged) = &self.arrangement {
            return vec![arranged.grid];
        }
        let levels = self.layer().map_or(&[][..], |layer| &layer.levels);
        levels.iter().map(|level| level.grid).collect()
    }

    /// The index of the cell under the cursor, if it is occupied.
    pub fn cell(&self) -> Option<usize> {
        self.cell_at(self.cursor.0, self.cursor.1)
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
            exemplars: self.screen.has_pictures() && self.has_photographs(),
            strip: self.has_strip(),
            list: self.suspects.open && self.atlas.is_some(),
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
            grid: self.level().map(|_| self.grid())?,
        })
    }

    /// True when the atlas has images to show, wherever they are.
    pub fn has_photographs(&self) -> bool {
        self.atlas
            .as_ref()
            .is_some_and(|atlas| !atlas.images.is_empty())
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
        let searched = match &self.overlay {
            Some(Overlay::Search(search)) => search.class(),
            _ => None,
        };
        match (searched, self.shown_focus()) {
            // Also while another class is only compared with the one that colours the map.
            (Some(class), Some(focus)) => {
                let focus = Focus { class, ..focus };
                strongest(self.level()?, focus).first().copied()
            }
            _ => self.cell().or_else(|| self.cell_before()),
        }
    }

    /// Over an empty square, the cell that the side pane was about before and still is: what nobody asked to see
    /// changed is not sent again and again over a slow line.
    pub fn cell_before(&self) -> Option<usize> {
        let (layer, level, cell, _, epoch) = self.about.of?;
        let here = (layer, level, epoch) == (self.layer, self.level_idx(), self.epoch);
        let n = self.level()?.cells.len();
        (here && cell < n && self.cell().is_none()).then_some(cell)
    }

    /// Row and column of [`State::shown_cell`], of the cursor when there is none.
    pub fn shown_place(&self) -> (u32, u32) {
        let searching = matches!(self.overlay, Some(Overlay::Search(_)));
        let cell = self.shown_cell().filter(|_| searching);
        let cell = cell.and_then(|idx| self.level()?.cells.get(idx));
        cell.map_or(self.cursor, |cell| (cell.row, cell.col))
    }

    /// True when something covers the map, so that no picture may be placed there.
    pub fn map_is_covered(&self) -> bool {
        match self.overlay {
            Some(Overlay::Help { .. } | Overlay::Photos { .. } | Overlay::Shots { .. }) => true,
            Some(Overlay::Search(_) | Overlay::Palette(_)) => self.panes().side.is_none(),
            Some(Overlay::Prompt(_)) | None => false,
        }
    }
}
