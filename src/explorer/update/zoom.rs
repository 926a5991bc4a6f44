//! Zoom, grids, and where the map lies.

use crate::atlas::Level;
use crate::explorer::action::Action;
use crate::explorer::camera::{Zoom, grid_from_layout, layout_from_grid};
use crate::explorer::state::State;

pub(super) fn follow(state: &mut State) {
    if let Some(projection) = state.projection() {
        state.camera = projection.following(state.cursor.0, state.cursor.1);
    }
}

pub(super) fn centre(state: &mut State) {
    if let Some(projection) = state.projection() {
        state.camera = projection.centred(state.cursor.0, state.cursor.1);
    }
}

pub(super) fn fit(state: &mut State) {
    let grids = state.grids();
    if !grids.is_empty() {
        // A growing atlas opens with the finest grid that is drawn already.
        let ready = match &state.arrangement {
            Some(_) => grids.len(),
            None => drawn_levels(state),
        };
        let zoom = Zoom::fit(state.panes().map, state.screen.cell_pixels, &grids[..ready]);
        change_zoom(state, zoom);
        state.fitted = true;
    }
}

pub(super) fn zoom(state: &mut State, action: Action) {
    let grids = state.grids();
    if grids.is_empty() {
        return;
    }
    // Another order of the cells has one grid of its own.
    let level = if state.arrangement.is_some() {
        0
    } else {
        state.zoom.level
    };
    let now = Zoom {
        level,
        ..state.zoom
    };
    let next = match action {
        Action::ZoomIn => now.closer(&grids),
        Action::ZoomOut => now.farther(&grids),
        Action::Finer if now.level + 1 < grids.len() => now.at_level(now.level + 1, &grids),
        Action::Coarser if now.level > 0 => now.at_level(now.level - 1, &grids),
        Action::Fit => return fit(state),
        Action::Centre => return centre(state),
        _ => now,
    };
    if next == now {
        let end = match action {
            Action::Finer => "this is the finest grid",
            Action::Coarser => "this is the coarsest grid",
            Action::ZoomIn => "icons are as large as they get",
            _ => "icons are as small as they get",
        };
        state.notice = Some(end.to_owned());
        return;
    }
    change_zoom(state, next);
    state.fitted = false;
}

/// How many levels, from the coarsest, have their icons; at least one.
fn drawn_levels(state: &State) -> usize {
    let levels = state.layer().map_or(&[][..], |layer| &layer.levels);
    let Some(atlas) = state.atlas.as_ref().filter(|atlas| !atlas.complete) else {
        return levels.len().max(1);
    };
    let least = atlas.recipe.icons.min_samples;
    let drawn = |level: &&Level| {
        let wanted = level.cells.iter().zip(&level.icons.steps);
        let wanted = wanted.filter(|(cell, _)| cell.n_samples >= least);
        let (n, done) = wanted.fold((0, 0), |(n, done), (_, &steps)| {
            (n + 1, done + usize::from(steps > 0))
        });
        done * 10 >= n * 9
    };
    levels.iter().take_while(drawn).count().max(1)
}

/// The whole map again, unless the person zoomed; the cursor is in sight in every case.
pub(super) fn fit_if_untouched(state: &mut State) {
    if state.fitted {
        fit(state);
    }
    follow(state);
}

/// Cells of the nearest height that there is, as a session remembers it.
pub fn set_cell_rows(state: &mut State, rows: u16) {
    let nearest = super::super::camera::CELL_ROWS.iter().copied();
    if let Some(cell_rows) = nearest.min_by_key(|r| r.abs_diff(rows)) {
        change_zoom(
            state,
            Zoom {
                cell_rows,
                ..state.zoom
            },
        );
        state.fitted = false;
        centre(state);
    }
}

/// Changes level and icon size; the cursor stays on the same place of the map and of the screen.
pub(super) fn change_zoom(state: &mut State, zoom: Zoom) {
    // Where the cursor stands on the screen, to keep it there.
    let before = state.projection().map(|p| {
        let (x, y) = p.screen_from_grid(i64::from(state.cursor.0), i64::from(state.cursor.1));
        (
            x + i64::from(p.cell_columns) / 2,
            y + i64::from(p.cell_rows) / 2,
        )
    });
    let old_grid = state.grid();
    if state.arrangement.is_some() {
        state.zoom.cell_rows = zoom.cell_rows;
        hold(state, before);
        return;
    }
    state.zoom = zoom;
    let Some(level) = state.level() else { return };
    let (cursor, moved) = refined(level, state.cursor, state.place, old_grid);
    let grid = level.grid;
    state.cursor = cursor;
    if moved {
        state.place = layout_from_grid(cursor.0, cursor.1, grid);
    }
    hold(state, before);
}

/// Moves the camera so that the cursor's middle is on the screen where it was.
fn hold(state: &mut State, before: Option<(i64, i64)>) {
    let cursor = state.cursor;
    if let (Some((x, y)), Some(mut p)) = (before, state.projection()) {
        let (now_x, now_y) = p.screen_from_grid(i64::from(cursor.0), i64::from(cursor.1));
        p.camera.left += now_x + i64::from(p.cell_columns) / 2 - x;
        p.camera.top += now_y + i64::from(p.cell_rows) / 2 - y;
        state.camera = p.following(cursor.0, cursor.1);
    }
}

/// The cell of `level` at `place`. On a finer grid that cell may be empty although the coarse one was not; then
/// the nearest occupied one within the coarse cell. The flag says that the place had to move.
fn refined(
    level: &Level,
    cursor: (u32, u32),
    place: (f32, f32),
    old_grid: u32,
) -> ((u32, u32), bool) {
    let at = grid_from_layout(place, level.grid);
    if level.grid <= old_grid || level.cell_at(at.0, at.1).is_some() {
        return (at, false);
    }
    let within = |row: u32, col: u32| {
        grid_from_layout(layout_from_grid(row, col, level.grid), old_grid) == cursor
    };
    let distance = |row: u32, col: u32| {
        let (dr, dc) = (row.abs_diff(at.0), col.abs_diff(at.1));
        dr * dr + dc * dc
    };
    let inside = level.cells.iter().filter(|c| within(c.row, c.col));
    match inside.min_by_key(|c| distance(c.row, c.col)) {
        Some(cell) => ((cell.row, cell.col), true),
        None => (at, false),
    }
}
