//! News of a running build.

use super::layers::nearest_grid;
use super::zoom::{fit, follow};
use super::{line, suspects};
use crate::atlas::Atlas;
use crate::explorer::Update;
use crate::explorer::camera::{grid_from_layout, layout_from_grid};
use crate::explorer::pictures::TileKeys;
use crate::explorer::state::{Stage, State};
use std::sync::Arc;

/// News of the build.
pub(super) fn absorb(state: &mut State, news: Update) {
    match news {
        Update::Atlas(atlas) => {
            replace_atlas(state, atlas);
        }
        Update::Progress {
            stage,
            done,
            total,
            eta,
        } => {
            state.building = true;
            let stage = Stage {
                name: stage,
                done,
                total,
                eta,
            };
            match state.stages.iter_mut().find(|s| s.name == stage.name) {
                Some(known) => *known = stage,
                None => state.stages.push(stage),
            }
        }
        Update::Done => {
            state.building = false;
            state.stages.clear();
            state.notice = Some("the atlas is complete".to_owned());
        }
        Update::Failed(why) => {
            state.building = false;
            state.notice = Some(format!("the build stopped: {why}"));
            state.failure = Some(why);
        }
    }
}

/// Takes a new snapshot: same layer, grid, cell and class where they still exist.
pub fn replace_atlas(state: &mut State, atlas: Arc<Atlas>) {
    let first = state.atlas.is_none();
    let layer_name = state.layer().map(|layer| layer.name.clone());
    let grid = state.level().map_or(0, |level| level.grid);
    state.tile_keys = TileKeys::of(&atlas);
    state.layer = layer_name
        .and_then(|name| atlas.layer_idx(&name))
        .unwrap_or(state.layer)
        .min(atlas.layers.len().saturating_sub(1));
    let level = atlas.layers.get(state.layer).map_or(0, |layer| {
        let same = layer.levels.iter().position(|level| level.grid == grid);
        same.unwrap_or_else(|| nearest_grid(layer, grid))
    });
    let n_classes = atlas.classes.len();
    state.atlas = Some(atlas);
    state.epoch += 1;
    state.walk = None;
    if let Some(arranged) = state.arrangement.take() {
        let holds = state
            .layer()
            .and_then(|layer| layer.levels.get(arranged.level))
            .is_some_and(|level| arranged.fits(level));
        state.arrangement = Some(arranged).filter(|_| holds);
    }
    state.focus = state
        .focus
        .filter(|focus| usize::from(focus.class) < n_classes);
    line::search_again(state);
    suspects::replaced(state);
    if first {
        state.place = densest_place(state);
        let grid = state.level().map_or(1, |level| level.grid);
        state.cursor = grid_from_layout(state.place, grid);
        fit(state);
        return;
    }
    if state.arrangement.is_some() {
        follow(state);
        return;
    }
    state.zoom.level = level;
    let Some(now) = state.level().map(|level| level.grid) else {
        return;
    };
    state.cursor = grid_from_layout(state.place, now);
    // A finer grid that was just drawn fits an untouched view better.
    if state.fitted {
        fit(state);
    }
    follow(state);
}

/// Where to begin: the middle of the cell with most samples on the coarsest grid.
fn densest_place(state: &State) -> (f32, f32) {
    let level = state.layer().and_then(|layer| layer.levels.first());
    let densest = level.and_then(|level| {
        let cell = level
            .cells
            .iter()
            .max_by_key(|c| (c.n_samples, std::cmp::Reverse((c.row, c.col))))?;
        Some(layout_from_grid(cell.row, cell.col, level.grid))
    });
    densest.unwrap_or((0.5, 0.5))
}
