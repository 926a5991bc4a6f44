//! Which part of which picture belongs where. Pure: the same state gives the same list.
//!
//! Large icons come as whole tiles, so that a screen is a handful of placements. Small ones come one by one, each
//! with the middle of its picture only: the rim of an icon is blurry, and a small one is better spent on its
//! middle. The article's viewer crops icons of every size; from 48 pixels on the difference cannot be seen and
//! whole tiles are much cheaper to move.

use super::camera::Projection;
use super::focus::Shade;
use super::pictures;
use super::state::State;
use crate::atlas::{Icons, Level, TILE_SIZE};
use crate::graphics::{Placement, Protocol, Source, Target};
use ratatui::layout::Rect;

/// Icons of at least this many pixels on the screen are drawn whole.
const UNCROPPED: u32 = 48;

/// Names of placements: the kind in the upper bits, the cell or tile in the lower.
const ICON_ID: u32 = 1 << 24;
const TILE_ID: u32 = 1 << 16;
const TINT_ID: u32 = 3 << 24;
const CURSOR_ID: u32 = 2;

/// Stacking of icons, tints and the cursor.
const ICON_Z: i32 = 0;
const TINT_Z: i32 = 1;
const CURSOR_Z: i32 = 2;

/// All pictures on the screen. Empty when the terminal has none or there is no atlas.
pub fn placements(state: &State) -> Vec<Placement> {
    let mut list = Vec::new();
    let mut over = Vec::new();
    around_map(state, &mut list, &mut over);
    if let (false, Some(projection)) = (state.map_is_covered(), state.projection()) {
        let first = list.len();
        if state.screen.has_pictures() {
            list.extend(on_sheet(state, &projection));
        }
        nearest_first(state, &projection, &mut list[first..]);
    }
    list.append(&mut over);
    list
}

/// Everything but the map: pictures beside it, and those over it (the cursor, rings, flags).
pub(super) fn around_map(state: &State, beside: &mut Vec<Placement>, over: &mut Vec<Placement>) {
    if !state.screen.has_pictures() {
        return;
    }
    let (Some(level), Some(projection)) = (state.level(), state.projection()) else {
        return;
    };
    super::beside::side_pane(state, beside);
    if !state.map_is_covered() {
        over.extend(cursor(state, &projection));
        super::beside::over_map(state, level, &projection, over);
    }
}

/// The map through `projection`: icons, and what veils or frames every one of them.
pub(super) fn on_sheet(state: &State, projection: &Projection) -> Vec<Placement> {
    let mut list = Vec::new();
    let Some(level) = state.level() else {
        return list;
    };
    map(state, level, projection, &mut list);
    tints(state, level, projection, &mut list);
    super::beside::over_icons(state, projection, &mut list);
    list
}

/// True when icons are drawn as whole tiles, as they are stored.
fn shows_tiles(state: &State) -> bool {
    let Some(projection) = state.projection() else {
        return false;
    };
    let width = u32::from(projection.cell_columns) * pixels_per_cell(state).0;
    let whole = !state.display.crop || width >= UNCROPPED;
    let alone = state.class_view.is_some() || state.arrangement.is_some() || state.display.labels;
    whole && !state.display.density_icons && !alone
}

/// Pictures are sent in this order, so those around the cursor come first.
fn nearest_first(state: &State, projection: &Projection, list: &mut [Placement]) {
    let (row, col) = state.cursor;
    let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
    list.sort_by_key(|placement| {
        let t = placement.target;
        let across = 2 * (i64::from(t.column) - x) + i64::from(t.columns);
        // A row is about two columns high.
        let down = 4 * (i64::from(t.row) - y) + 2 * i64::from(t.rows);
        across * across + down * down
    });
}

/// Width and height in pixels of one terminal column and row, as pictures see them.
pub(super) fn pixels_per_cell(state: &State) -> (u32, u32) {
    if state.screen.protocol.has_pixels() {
        let (w, h) = state.screen.cell_pixels;
        (u32::from(w.max(1)), u32::from(h.max(1)))
    } else {
        (1, 2)
    }
}

/// A rectangle of the screen that may stick out, in columns and rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: i64,
    pub(super) y: i64,
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// The visible part of a picture's part.
pub(super) fn clipped(pane: Rect, area: Area, source: Source) -> Option<(Source, Target)> {
    let (right, bottom) = (
        area.x + i64::from(area.columns),
        area.y + i64::from(area.rows),
    );
    let x0 = area.x.max(i64::from(pane.x));
    let y0 = area.y.max(i64::from(pane.y));
    let x1 = right.min(i64::from(pane.right()));
    let y1 = bottom.min(i64::from(pane.bottom()));
    if x0 >= x1 || y0 >= y1 {
        return None;
    }
    let across = |column: i64| scaled(column - area.x, area.columns, source.width);
    let down = |row: i64| scaled(row - area.y, area.rows, source.height);
    let source = Source {
        x: source.x + across(x0),
        y: source.y + down(y0),
        width: (across(x1) - across(x0)).max(1),
        height: (down(y1) - down(y0)).max(1),
    };
    let target = Target {
        column: x0 as u16,
        row: y0 as u16,
        columns: (x1 - x0) as u16,
        rows: (y1 - y0) as u16,
    };
    Some((source, target))
}

/// `part` of `whole` terminal units in pixels, rounded.
fn scaled(part: i64, whole: u16, pixels: u32) -> u32 {
    let whole = i64::from(whole.max(1));
    ((part * i64::from(pixels) * 2 + whole) / (2 * whole)) as u32
}

fn map(state: &State, level: &Level, projection: &Projection, list: &mut Vec<Placement>) {
    if level.icons.size == 0 {
        return;
    }
    if shows_tiles(state) {
        tiles(state, level, projection, list);
    } else {
        single_icons(state, level, projection, list);
    }
}

fn tiles(state: &State, level: &Level, projection: &Projection, list: &mut Vec<Placement>) {
    let (rows, cols) = projection.visible();
    let side = level.icons.size * TILE_SIZE;
    let source = Source {
        x: 0,
        y: 0,
        width: side,
        height: side,
    };
    let blocks = level.grid.div_ceil(TILE_SIZE);
    for (idx, tile) in level.icons.tiles.iter().enumerate() {
        let (row, col) = (tile.row * TILE_SIZE, tile.col * TILE_SIZE);
        let seen = row < rows.end && row + TILE_SIZE > rows.start;
        if !(seen && col < cols.end && col + TILE_SIZE > cols.start) {
            continue;
        }
        let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
        let area = Area {
            x,
            y,
            columns: projection.cell_columns * TILE_SIZE as u16,
            rows: projection.cell_rows * TILE_SIZE as u16,
        };
        let key = state.tile_keys.key(state.layer, state.zoom.level, idx);
        let visible = clipped(projection.pane, area, source);
        if let (Some(picture), Some((source, target))) = (key, visible) {
            list.push(Placement {
                id: TILE_ID + tile.row * blocks + tile.col,
                picture,
                source,
                target,
                z: ICON_Z,
            });
        }
    }
}

fn single_icons(state: &State, level: &Level, projection: &Projection, list: &mut Vec<Placement>) {
    let width = u32::from(projection.cell_columns) * pixels_per_cell(state).0;
    let shown = if state.display.crop {
        shown_share(width)
    } else {
        1.0
    };
    let covered = super::labels::covered(state, projection);
    for (idx, row, col) in visible_cells(state, projection) {
        let scale = if state.display.density_icons || state.class_view.is_some() {
            density_scale(state, level, idx)
        } else {
            1.0
        };
        let area = cell_area(projection, row, col, scale);
        let mut pane = projection.pane;
        if covered.contains(&(row, col)) {
            // A name stands in the lowest row of the cell: the icon ends above it.
            let bottom = projection.screen_from_grid(i64::from(row) + 1, 0).1 - 1;
            pane.height = (bottom - i64::from(pane.y)).clamp(0, i64::from(pane.height)) as u16;
        }
        list.extend(icon(
            state,
            (pane, area),
            (state.level_idx(), idx),
            shown,
            ICON_ID + row * projection.grid + col,
        ));
    }
}

/// The share of an icon's side that is shown when it is `width` pixels wide: the crop takes min(8 / width, 0.6)
/// away (the article's viewer).
fn shown_share(width: u32) -> f32 {
    if width >= UNCROPPED {
        1.0
    } else {
        1.0 - (8.0 / width.max(1) as f32).min(0.6)
    }
}

/// Side of a cell's icon relative to the cell: the square root of its density, times the chosen factor, relative to
/// the mean over the whole grid, at most 1 (the article's viewer). In the class view by the samples that are kept,
/// relative to the mean over the cells that are shown.
fn density_scale(state: &State, level: &Level, idx: usize) -> f32 {
    let (n, average) = if let Some(view) = &state.class_view {
        let (samples, cells) = view.totals();
        (view.count(idx), samples as f32 / cells.max(1) as f32)
    } else {
        let squares = level.grid as f32 * level.grid as f32;
        let average = level.members.len() as f32 / squares.max(1.0);
        (level.cells[idx].n_samples, average)
    };
    (n as f32 * state.display.density / average.max(f32::MIN_POSITIVE))
        .sqrt()
        .min(1.0)
}

/// The cells in sight, as (index, row, column); those that the class view leaves out are not.
pub fn visible_cells(state: &State, projection: &Projection) -> Vec<(usize, u32, u32)> {
    let Some(level) = state.level() else {
        return Vec::new();
    };
    let (rows, cols) = projection.visible();
    if let Some(arranged) = &state.arrangement {
        let seen = arranged.squares();
        return seen
            .filter(|(_, row, col)| rows.contains(row) && cols.contains(col))
            .collect();
    }
    let cells = on_map(level, rows, cols);
    cells.filter(|&(idx, ..)| state.shows(idx)).collect()
}

fn on_map(
    level: &Level,
    rows: std::ops::Range<u32>,
    cols: std::ops::Range<u32>,
) -> impl Iterator<Item = (usize, u32, u32)> {
    let first = level.cells.partition_point(|cell| cell.row < rows.start);
    let cells = level.cells.iter().enumerate().skip(first);
    cells
        .take_while(move |(_, cell)| cell.row < rows.end)
        .filter(move |(_, cell)| cols.contains(&cell.col))
        .map(|(idx, cell)| (idx, cell.row, cell.col))
}

pub(super) fn cell_area(projection: &Projection, row: u32, col: u32, scale: f32) -> Area {
    let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
    // In whole rows, and as wide as those are high: a cell of one row keeps its shape.
    let whole = projection.cell_rows;
    let rows = ((f32::from(whole) * scale).round() as u16).clamp(1, whole);
    let columns = (rows * projection.cell_columns + whole / 2) / whole.max(1);
    let columns = columns.clamp(1, projection.cell_columns.max(1));
    Area {
        x: x + i64::from((projection.cell_columns - columns) / 2),
        y: y + i64::from((projection.cell_rows - rows) / 2),
        columns,
        rows,
    }
}

/// The part of a tile that holds a cell's icon, its middle `shown` share.
fn icon_source(icons: &Icons, row: u32, col: u32, shown: f32) -> Source {
    let side = ((icons.size as f32 * shown).round() as u32).clamp(1, icons.size);
    let inset = (icons.size - side) / 2;
    Source {
        x: (col % TILE_SIZE) * icons.size + inset,
        y: (row % TILE_SIZE) * icons.size + inset,
        width: side,
        height: side,
    }
}

/// The icon of a cell, given by level and index, in an area of a pane; `None` when it has none yet or is out of
/// sight.
pub(super) fn icon(
    state: &State,
    (pane, area): (Rect, Area),
    (level_idx, idx): (usize, usize),
    shown: f32,
    id: u32,
) -> Option<Placement> {
    let level = state.layer()?.levels.get(level_idx)?;
    let icons = &level.icons;
    let cell = level.cells.get(idx)?;
    if icons.size == 0 || icons.steps.get(idx).is_none_or(|&steps| steps == 0) {
        return None;
    }
    let block = (cell.row / TILE_SIZE, cell.col / TILE_SIZE);
    let tiles = &icons.tiles;
    let tile = tiles
        .binary_search_by_key(&block, |t| (t.row, t.col))
        .ok()?;
    let picture = state.tile_keys.key(state.layer, level_idx, tile)?;
    let source = icon_source(icons, cell.row, cell.col, shown);
    let (source, target) = clipped(pane, area, source)?;
    Some(Placement {
        id,
        picture,
        source,
        target,
        z: ICON_Z,
    })
}

fn cursor(state: &State, projection: &Projection) -> Option<Placement> {
    let (row, col) = state.cursor;
    let area = cell_area(projection, row, col, 1.0);
    let (pw, ph) = pixels_per_cell(state);
    let (width, height) = (u32::from(area.columns) * pw, u32::from(area.rows) * ph);
    let source = Source {
        x: 0,
        y: 0,
        width,
        height,
    };
    let (source, target) = clipped(projection.pane, area, source)?;
    Some(Placement {
        id: CURSOR_ID,
        picture: pictures::frame_key(width, height),
        source,
        target,
        z: CURSOR_Z,
    })
}

/// Veils over the icons while a class is looked at.
fn tints(state: &State, level: &Level, projection: &Projection, list: &mut Vec<Placement>) {
    let Some(tinting) = state.tinting() else {
        return;
    };
    let coarse = matches!(state.screen.protocol, Protocol::HalfBlock { .. });
    let picture = pictures::swatches_key(state.screen.background, coarse);
    for (idx, row, col) in visible_cells(state, projection) {
        if level.icons.steps.get(idx).is_none_or(|&steps| steps == 0) {
            continue;
        }
        let shade: Shade = tinting.shade(idx);
        let area = cell_area(projection, row, col, 1.0);
        let Some(source) = pictures::swatch(shade) else {
            continue;
        };
        // View writes the signs over half-blocks.
        let source = if coarse {
            pictures::unsigned(source)
        } else {
            source
        };
        if let Some((source, target)) = clipped(projection.pane, area, source) {
            list.push(Placement {
                id: TINT_ID + row * projection.grid + col,
                picture,
                source,
                target,
                z: TINT_Z,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clipped_picture_keeps_its_scale() {
        let pane = Rect::new(2, 1, 10, 5);
        let area = Area {
            x: -6,
            y: -1,
            columns: 16,
            rows: 8,
        };
        let source = Source {
            x: 100,
            y: 0,
            width: 320,
            height: 320,
        };
        let (source, target) = clipped(pane, area, source).unwrap();
        // 8 of 16 columns and 2 of 8 rows are cut away.
        assert_eq!((source.x, source.width), (100 + 160, 160));
        assert_eq!((source.y, source.height), (80, 200));
        let target = (target.column, target.row, target.columns, target.rows);
        assert_eq!(target, (2, 1, 8, 5));
    }

    #[test]
    fn what_is_out_of_sight_is_not_placed() {
        let area = Area {
            x: 12,
            y: 1,
            columns: 2,
            rows: 1,
        };
        let source = Source {
            x: 0,
            y: 0,
            width: 9,
            height: 9,
        };
        assert!(clipped(Rect::new(2, 1, 10, 5), area, source).is_none());
    }

    #[test]
    fn the_crop_follows_the_article() {
        assert!((shown_share(10) - 0.4).abs() < 1e-6);
        assert!((shown_share(32) - 0.75).abs() < 1e-6);
        assert!((shown_share(64) - 1.0).abs() < 1e-6);
    }
}
