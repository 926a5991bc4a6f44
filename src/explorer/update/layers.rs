//! Other layers: the cursor stays with the samples that are under it.

use super::travel::put_cursor;
use super::zoom::{change_zoom, fit};
use crate::atlas::{LayerAtlas, Level};
use crate::explorer::camera::{Zoom, grid_from_layout, layout_from_grid};
use crate::explorer::state::State;
use std::collections::HashMap;

/// Shows another layer, near the cell that holds most of the samples under the cursor.
pub(super) fn go_to_layer(state: &mut State, idx: usize) {
    let Some(atlas) = state.atlas.clone() else {
        return;
    };
    let Some(target) = atlas.layers.get(idx) else {
        let n = atlas.layers.len();
        let plural = if n == 1 { "" } else { "s" };
        state.notice = Some(format!("this atlas has {n} layer{plural}"));
        return;
    };
    if idx == state.layer {
        return;
    }
    super::classes::leave_arrangement(state);
    let grid = state.level().map_or(1, |level| level.grid);
    let level = nearest_grid(target, grid);
    let twin = match (state.layer(), state.cell()) {
        (Some(layer), Some(cell)) => twin_cell(layer, state.zoom.level, cell, target, level),
        _ => None,
    };
    let cell_rows = state.zoom.cell_rows;
    state.layer = idx;
    change_zoom(state, Zoom { level, cell_rows });
    if let Some((row, col)) = twin {
        put_cursor(state, i64::from(row), i64::from(col));
    }
    if state.fitted {
        fit(state);
    }
}

pub(super) fn nearest_grid(layer: &LayerAtlas, grid: u32) -> usize {
    let distance = |level: &Level| (f64::from(level.grid) / f64::from(grid.max(1))).ln().abs();
    (0..layer.levels.len())
        .min_by(|&a, &b| distance(&layer.levels[a]).total_cmp(&distance(&layer.levels[b])))
        .unwrap_or(0)
}

/// The cell of another layer with most samples of a cell: the same images, and the positions that lie at the same place
/// of them, for layers differ in rows and columns. Where a position was not sampled there, the cell that a build found
/// nearest to it counts.
fn twin_cell(
    from: &LayerAtlas,
    from_level: usize,
    cell: usize,
    to: &LayerAtlas,
    to_level: usize,
) -> Option<(u32, u32)> {
    let level = to.levels.get(to_level)?;
    let along = |at: u8, n: u32, m: u32| (2 * u32::from(at) + 1) * m / (2 * n.max(1));
    let (n, m) = (from.map_size, to.map_size);
    let mut wanted: HashMap<(u32, u32, u32), u32> = HashMap::new();
    for &sample in from.levels.get(from_level)?.members_of(cell) {
        let s = sample as usize;
        let (row, col) = (from.samples.row[s], from.samples.col[s]);
        let place = (along(row, n.0, m.0), along(col, n.1, m.1));
        *wanted
            .entry((from.samples.image[s], place.0, place.1))
            .or_default() += 1;
    }
    let mut votes = vec![0; level.cells.len()];
    for (idx, votes) in votes.iter_mut().enumerate() {
        for &sample in level.members_of(idx) {
            let s = sample as usize;
            let (row, col) = (to.samples.row[s], to.samples.col[s]);
            let there = (to.samples.image[s], u32::from(row), u32::from(col));
            *votes += wanted.remove(&there).unwrap_or(0);
        }
    }
    for ((image, row, col), n) in wanted {
        if let Some(idx) = cell_of_position(to, level, image, row * m.1 + col) {
            votes[idx] += n;
        }
    }
    let best = (0..votes.len())
        .map(|idx| (votes[idx], std::cmp::Reverse(idx)))
        .max()?;
    let cell = level.cells[best.1.0];
    (best.0 > 0).then_some((cell.row, cell.col))
}

/// The cell of a level in which a position of an image falls, where that is known.
fn cell_of_position(layer: &LayerAtlas, level: &Level, image: u32, position: u32) -> Option<usize> {
    let finest = layer.levels.last()?;
    let known = layer
        .position_cells
        .get((image as usize, position as usize))?;
    let cell = finest.cells.get(usize::from(*known))?;
    let place = layout_from_grid(cell.row, cell.col, finest.grid);
    let (row, col) = grid_from_layout(place, level.grid);
    level.cell_at(row, col)
}
