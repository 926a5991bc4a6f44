//! Other layers: the cursor stays with the samples that are under it.

use super::travel::put_cursor;
use super::zoom::{change_zoom, fit};
use crate::atlas::{LayerAtlas, Level};
use crate::explorer::camera::Zoom;
use crate::explorer::state::State;
use std::collections::HashSet;

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

/// The cell of another layer with most samples (same image, row and column) of a cell.
fn twin_cell(
    from: &LayerAtlas,
    from_level: usize,
    cell: usize,
    to: &LayerAtlas,
    to_level: usize,
) -> Option<(u32, u32)> {
    let origin = |layer: &LayerAtlas, sample: u32| {
        let s = sample as usize;
        (
            layer.samples.image[s],
            layer.samples.row[s],
            layer.samples.col[s],
        )
    };
    let members = from.levels[from_level].members_of(cell);
    let wanted: HashSet<_> = members.iter().map(|&s| origin(from, s)).collect();
    let level = &to.levels[to_level];
    let shared = |idx: usize| {
        let members = level.members_of(idx).iter();
        members
            .filter(|&&s| wanted.contains(&origin(to, s)))
            .count()
    };
    let best = (0..level.cells.len())
        .map(|idx| (shared(idx), std::cmp::Reverse(idx)))
        .max()?;
    let cell = level.cells[best.1.0];
    (best.0 > 0).then_some((cell.row, cell.col))
}
