//! Pictures beside the map and over it: the cell's large icon, photographs, thumbnails of layers, outlines, the signs
//! of marks, the rings of a located photograph.

use super::camera::Projection;
use super::made;
use super::photographs::{self, Part};
use super::photos_grid;
use super::placement::{Area, cell_area, clipped, icon, pixels_per_cell, visible_cells};
use super::state::{Overlay, State};
use super::strip;
use crate::atlas::{Level, TILE_SIZE};
use crate::graphics::{Picture, Placement, Protocol, Source, Target};
use ratatui::layout::Rect;

/// Names of placements. Those of the map begin at 1 << 24.
const LARGE_ICON_ID: u32 = 1;
const FINER_ID: u32 = 16;
const EXEMPLAR_ID: u32 = 256;
const PHOTO_ID: u32 = 1024;
const THUMBNAIL_ID: u32 = 4096;
pub(super) const NEAREST_ID: u32 = 8192;
const SHOT_ID: u32 = 16384;
const OUTLINE_ID: u32 = 4 << 24;
const FLAG_ID: u32 = 5 << 24;
const RING_ID: u32 = 6 << 24;

/// Over icons and tints; the cursor is at 2.
const OUTLINE_Z: i32 = 1;
const RING_Z: i32 = 3;
const FLAG_Z: i32 = 4;

/// Everything outside the map's pane.
pub(super) fn side_pane(state: &State, list: &mut Vec<Placement>) {
    match state.overlay {
        Some(Overlay::Help { .. }) => return,
        Some(Overlay::Photos { .. }) => return photos(state, list),
        Some(Overlay::Shots { selected }) => return large_shots(state, selected, list),
        _ => {}
    }
    if let Some(side) = state.panes().side {
        large_icon(state, side.icon, list);
        located_photograph(state, side.minimap, list);
        if !matches!(
            state.overlay,
            Some(Overlay::Search(_) | Overlay::Palette(_))
        ) {
            exemplars(state, &side.exemplar_rects(state.screen.cell_pixels), list);
            if state.suspects.open {
                shots(state, list);
            } else {
                nearest(state, list);
            }
        }
    }
    if !state.map_is_covered() {
        thumbnails(state, list);
    }
}

fn area_of(rect: Rect) -> Area {
    Area {
        x: i64::from(rect.x),
        y: i64::from(rect.y),
        columns: rect.width,
        rows: rect.height,
    }
}

/// The icon of the cell in the side pane: the cells of the next finer grid inside it where they are drawn, which show
/// what it is made of, else its own.
fn large_icon(state: &State, pane: Rect, list: &mut Vec<Placement>) {
    let Some(cell) = state.shown_cell().filter(|_| !pane.is_empty()) else {
        return;
    };
    let level = state.level_idx();
    let finer = if state.display.finer_icon {
        finer_cells(state, cell)
    } else {
        Vec::new()
    };
    if finer.is_empty() {
        let place = (pane, area_of(pane));
        let own = icon(state, place, (level, cell), 1.0, LARGE_ICON_ID);
        list.push(own.unwrap_or_else(|| no_icon(state, pane)));
        return;
    }
    let side = finer_side(state).unwrap_or(1);
    for (idx, row, col) in finer {
        let (x0, x1) = (
            col * u32::from(pane.width) / side,
            (col + 1) * u32::from(pane.width) / side,
        );
        let (y0, y1) = (
            row * u32::from(pane.height) / side,
            (row + 1) * u32::from(pane.height) / side,
        );
        let part = Rect::new(
            pane.x + x0 as u16,
            pane.y + y0 as u16,
            (x1 - x0) as u16,
            (y1 - y0) as u16,
        );
        let id = FINER_ID + row * side + col;
        list.extend(icon(
            state,
            (pane, area_of(part)),
            (level + 1, idx),
            1.0,
            id,
        ));
    }
}

/// A flat square in the place of the icon.
fn no_icon(state: &State, pane: Rect) -> Placement {
    Placement {
        id: LARGE_ICON_ID,
        picture: made::no_icon_key(state.screen.is_dark()),
        source: Source {
            x: 0,
            y: 0,
            width: made::NO_ICON_SIDE,
            height: made::NO_ICON_SIDE,
        },
        target: Target {
            column: pane.x,
            row: pane.y,
            columns: pane.width,
            rows: pane.height,
        },
        z: 0,
    }
}

/// The photograph stands beside its grid of icons, where the map in small is otherwise.
fn located_photograph(state: &State, pane: Rect, list: &mut Vec<Placement>) {
    let Some(located) = state.located.as_ref().filter(|_| state.in_photograph()) else {
        return;
    };
    let picture = match (located.image, &located.picture) {
        (Some(image), _) => {
            let key = made::crop_request(image, Part::WHOLE, false).key;
            state.gallery.get(key)
        }
        (None, crop) => crop.as_ref().map(|crop| &crop.picture),
    };
    if let Some(picture) = picture {
        list.extend(whole(state, picture, pane, PHOTO_ID));
    }
}

/// Cells of the next finer grid along a side of one of this grid, when the grids fit.
fn finer_side(state: &State) -> Option<u32> {
    let layer = state.layer()?;
    let (now, finer) = (
        state.level()?.grid,
        layer.levels.get(state.level_idx() + 1)?.grid,
    );
    (finer.is_multiple_of(now) && finer / now <= 8).then_some(finer / now)
}

/// The drawn cells of the next finer grid inside a cell, as (index, row, column) within it; none when fewer than two
/// are drawn, which would say less than the cell's own icon.
pub(super) fn finer_cells(state: &State, cell: usize) -> Vec<(usize, u32, u32)> {
    let (Some(side), Some(level)) = (finer_side(state), state.level()) else {
        return Vec::new();
    };
    let finer = state
        .layer()
        .and_then(|layer| layer.levels.get(state.level_idx() + 1));
    let (Some(finer), Some(cell)) = (finer, level.cells.get(cell)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for row in 0..side {
        for col in 0..side {
            let idx = finer.cell_at(cell.row * side + row, cell.col * side + col);
            let drawn = |idx: &usize| finer.icons.steps.get(*idx).is_some_and(|&steps| steps > 0);
            found.extend(idx.filter(drawn).map(|idx| (idx, row, col)));
        }
    }
    if found.len() < 2 { Vec::new() } else { found }
}

/// A whole picture in a rectangle, its aspect kept, in the middle.
fn whole(state: &State, picture: &Picture, rect: Rect, id: u32) -> Option<Placement> {
    if rect.is_empty() || picture.width == 0 || picture.height == 0 {
        return None;
    }
    let (pw, ph) = state.screen.cell_pixels;
    let (pw, ph) = (f32::from(pw.max(1)), f32::from(ph.max(1)));
    let room = (f32::from(rect.width) * pw, f32::from(rect.height) * ph);
    let scale = (room.0 / picture.width as f32).min(room.1 / picture.height as f32);
    let fit = |pixels: u32, unit: f32, most: u16| {
        ((pixels as f32 * scale / unit).round() as u16).clamp(1, most)
    };
    let (columns, rows) = (
        fit(picture.width, pw, rect.width),
        fit(picture.height, ph, rect.height),
    );
    Some(Placement {
        id,
        picture: picture.key,
        source: Source {
            x: 0,
            y: 0,
            width: picture.width,
            height: picture.height,
        },
        target: Target {
            column: rect.x + (rect.width - columns) / 2,
            row: rect.y + (rect.height - rows) / 2,
            columns,
            rows,
        },
        z: 0,
    })
}

fn exemplars(state: &State, rects: &[Rect], list: &mut Vec<Placement>) {
    let Some(layer) = state.layer() else { return };
    for ((idx, exemplar), rect) in state.shown_exemplars().iter().enumerate().zip(rects) {
        let part = photographs::seen_by(layer, exemplar.position);
        let key = made::crop_request(exemplar.image, part, false).key;
        if let Some(picture) = state.gallery.get(key) {
            list.extend(whole(state, picture, *rect, EXEMPLAR_ID + idx as u32));
        }
    }
}

/// Pictures of a test, before and after.
fn shots(state: &State, list: &mut Vec<Placement>) {
    let shots = super::view::shot_rects(state).into_iter().enumerate();
    for (at, (shot, rects)) in shots {
        for (nth, picture) in [&shot.before, &shot.after].into_iter().enumerate() {
            let id = SHOT_ID + (2 * at + nth) as u32;
            list.extend(whole(state, picture, rects[nth], id));
        }
    }
}

/// One of them, large.
fn large_shots(state: &State, selected: usize, list: &mut Vec<Placement>) {
    let Some(shot) = state.suspects.shots().get(selected) else {
        return;
    };
    let rects = super::view::large_shot_rects(state);
    for (nth, (picture, rect)) in [&shot.before, &shot.after]
        .into_iter()
        .zip(rects)
        .enumerate()
    {
        list.extend(whole(state, picture, rect, SHOT_ID + nth as u32));
    }
}

/// Icons of the cells that are most like the one under the cursor.
fn nearest(state: &State, list: &mut Vec<Placement>) {
    for (at, (cell, rect)) in super::view::nearest_rects(state).into_iter().enumerate() {
        let id = NEAREST_ID + at as u32;
        let level = state.level_idx();
        list.extend(icon(state, (rect, area_of(rect)), (level, cell), 1.0, id));
    }
}

/// The photographs of a cell: the chosen one large with a frame around what the cell sees, and all of them.
fn photos(state: &State, list: &mut Vec<Placement>) {
    let (
        Some(Overlay::Photos {
            selected,
            whole: all,
        }),
        Some(layer),
    ) = (&state.overlay, state.layer())
    else {
        return;
    };
    let key = |idx: usize, framed: bool| {
        let exemplar = state.about.exemplars.get(idx)?;
        let part = if *all && !framed {
            Part::WHOLE
        } else {
            photographs::seen_by(layer, exemplar.position)
        };
        Some(made::crop_request(exemplar.image, part, framed).key)
    };
    let area = photos_grid::area(state);
    if let Some(picture) = key(*selected, true).and_then(|key| state.gallery.get(key)) {
        list.extend(whole(state, picture, area.large, PHOTO_ID));
    }
    for (idx, rect) in photos_grid::in_sight(state) {
        if let Some(picture) = key(idx, false).and_then(|key| state.gallery.get(key)) {
            list.extend(whole(state, picture, rect, PHOTO_ID + 1 + idx as u32));
        }
    }
}

fn thumbnails(state: &State, list: &mut Vec<Placement>) {
    let tint = state
        .shown_focus()
        .map(|focus| (focus.class, focus.colouring));
    for (layer, rect, _) in strip::in_sight(state) {
        let key = made::thumbnail_key(layer, tint, state.epoch);
        if let Some(picture) = made::picture(state, key) {
            list.extend(whole(state, &picture, rect, THUMBNAIL_ID + layer as u32));
        }
    }
}

/// What belongs to every icon: outlines.
pub(super) fn over_icons(state: &State, projection: &Projection, list: &mut Vec<Placement>) {
    // A half-block is too thick a line.
    let coarse = matches!(state.screen.protocol, Protocol::HalfBlock { .. });
    if state.display.outlines && !coarse {
        outlines(state, projection, list);
    }
}

/// Rings and flags over single icons.
pub(super) fn over_map(
    state: &State,
    level: &Level,
    projection: &Projection,
    list: &mut Vec<Placement>,
) {
    let (pw, ph) = pixels_per_cell(state);
    let mut over_cell = |(row, col): (u32, u32), id: u32, z: i32, key: &dyn Fn(u32, u32) -> _| {
        let area = cell_area(projection, row, col, 1.0);
        let (width, height) = (u32::from(area.columns) * pw, u32::from(area.rows) * ph);
        let source = Source {
            x: 0,
            y: 0,
            width,
            height,
        };
        if let Some((source, target)) = clipped(projection.pane, area, source) {
            list.push(Placement {
                id: id + row * projection.grid + col,
                picture: key(width, height),
                source,
                target,
                z,
            });
        }
    };
    if state.arrangement.is_none() {
        let located = state.located_cells();
        let most = located.iter().map(|&(_, n)| n).max().unwrap_or(1);
        for (cell, n) in located {
            if let Some(place) = state.place_of(cell) {
                let strength = (3 * n).div_ceil(most.max(1)) as u8;
                over_cell(place, RING_ID, RING_Z, &|w, h| {
                    made::ring_key(strength, w, h)
                });
            }
        }
    }
    let layer = state.layer().map_or("", |layer| layer.name.as_str());
    let here =
        |mark: &&super::state::Mark| mark.cell.layer == layer && mark.cell.grid == level.grid;
    for mark in state.marks.iter().filter(here) {
        let place = match &state.arrangement {
            None => Some((mark.cell.row, mark.cell.col)),
            Some(arranged) => level
                .cell_at(mark.cell.row, mark.cell.col)
                .and_then(|cell| arranged.place_of(cell)),
        };
        if let Some(place) = place {
            over_cell(place, FLAG_ID, FLAG_Z, &made::flag_key);
        }
    }
}

/// One picture for each block of cells, so that a screen of outlines is a handful of placements.
fn outlines(state: &State, projection: &Projection, list: &mut Vec<Placement>) {
    let mut masks = std::collections::BTreeMap::new();
    for (_, row, col) in visible_cells(state, projection) {
        let bit = (row % TILE_SIZE) * TILE_SIZE + col % TILE_SIZE;
        *masks
            .entry((row / TILE_SIZE, col / TILE_SIZE))
            .or_insert(0u16) |= 1 << bit;
    }
    let (pw, ph) = pixels_per_cell(state);
    let side = TILE_SIZE as u16;
    let (columns, rows) = (projection.cell_columns * side, projection.cell_rows * side);
    let (width, height) = (u32::from(columns) * pw, u32::from(rows) * ph);
    let blocks = projection.grid.div_ceil(TILE_SIZE);
    for ((row, col), mask) in masks {
        let (x, y) =
            projection.screen_from_grid(i64::from(row * TILE_SIZE), i64::from(col * TILE_SIZE));
        let area = Area {
            x,
            y,
            columns,
            rows,
        };
        let source = Source {
            x: 0,
            y: 0,
            width: width.min(4095),
            height: height.min(4095),
        };
        if let Some((source, target)) = clipped(projection.pane, area, source) {
            list.push(Placement {
                id: OUTLINE_ID + row * blocks + col,
                picture: made::outline_key(mask, width, height),
                source,
                target,
                z: OUTLINE_Z,
            });
        }
    }
}
