//! Names of classes on the map. As in the article's viewer they are thinned by rows and columns of the grid, so that
//! they stay with their cells while the map moves and never meet.

use super::camera::Projection;
use super::placement::visible_cells;
use super::state::State;
use crate::atlas::{ClassId, Level};
use std::collections::HashSet;

/// Columns that a name wants, with a space behind it.
const WIDTH: u16 = 11;
/// Cells with pictures need this many rows for a name below the icon.
pub const LEAST_ROWS: u16 = 3;

/// A name and its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Row and column of the cell.
    pub place: (u32, u32),
    /// The cell's strongest class.
    pub class: ClassId,
    /// Screen column and row where it begins; may lie outside the pane.
    pub at: (i64, i64),
    /// Columns that it may take.
    pub room: u16,
}

/// True when the map carries names: they are wanted and there is room, or there is nothing else.
pub fn are_shown(state: &State, projection: &Projection) -> bool {
    if !state.screen.has_pictures() {
        return true;
    }
    state.display.labels && projection.cell_rows >= LEAST_ROWS
}

/// Every so many rows and columns of the grid have a name, and the columns of the screen that one may take.
fn thinning(projection: &Projection) -> (u32, u32, u16) {
    let every_row = u32::from(2u16.div_ceil(projection.cell_rows.max(1)));
    let every_col = u32::from(WIDTH.div_ceil(projection.cell_columns.max(1)));
    let room = (u32::from(projection.cell_columns) * every_col - 1).min(60) as u16;
    (every_row, every_col, room)
}

/// The names in sight.
pub fn labels(state: &State, projection: &Projection) -> Vec<Label> {
    let Some(level) = state.level().filter(|_| are_shown(state, projection)) else {
        return Vec::new();
    };
    let (every_row, every_col, room) = thinning(projection);
    let thinned = |&(_, row, col): &(usize, u32, u32)| row % every_row == 0 && col % every_col == 0;
    visible_cells(state, projection)
        .into_iter()
        .filter(thinned)
        .filter_map(|(idx, row, col)| {
            let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
            let down = if state.screen.has_pictures() {
                projection.cell_rows - 1
            } else {
                projection.cell_rows / 2
            };
            Some(Label {
                place: (row, col),
                class: strongest_class(level, idx)?,
                at: (x, y + i64::from(down)),
                room,
            })
        })
        .collect()
}

/// Cells in sight whose lowest row a name takes, also one that begins out of sight: pages of pictures are parts of the
/// map, and a name goes on from one to the next.
pub fn covered(state: &State, projection: &Projection) -> HashSet<(u32, u32)> {
    let Some(level) = state.level().filter(|_| are_shown(state, projection)) else {
        return HashSet::new();
    };
    let (every_row, every_col, room) = thinning(projection);
    let span = u32::from(room.div_ceil(projection.cell_columns.max(1)).max(1));
    let named = |row: u32, col: u32| {
        let cell = state.cell_at(row, col).filter(|&cell| state.shows(cell));
        cell.and_then(|cell| strongest_class(level, cell)).is_some()
    };
    let taken = |&(row, col): &(u32, u32)| {
        let along = col % every_col;
        row % every_row == 0 && along < span && named(row, col - along)
    };
    let cells = visible_cells(state, projection).into_iter();
    cells
        .map(|(_, row, col)| (row, col))
        .filter(taken)
        .collect()
}

/// The class that a cell speaks for most.
pub fn strongest_class(level: &Level, idx: usize) -> Option<ClassId> {
    let row = level.attributions.row(idx);
    let best = row
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    Some(best.0 as ClassId)
}
