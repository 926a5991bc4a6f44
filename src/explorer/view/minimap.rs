//! The whole map in braille dots: denser where more activations are, bright where the viewport is.

use super::theme::Theme;
use crate::atlas::{LayerAtlas, Level};
use crate::explorer::camera::{grid_from_layout, layout_from_grid};
use crate::explorer::state::State;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Thresholds of ordered dithering (2 × 2).
const DITHER: [[f32; 2]; 2] = [[0.1, 0.6], [0.85, 0.35]];

/// Bits of a braille character by dot row and column.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Draws the mini-map into a square (in pixels) area.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (Some(layer), Some(projection)) = (state.layer(), state.projection()) else {
        return;
    };
    let dots = (u32::from(area.width) * 2, u32::from(area.height) * 4);
    let Some(level) = layer
        .levels
        .iter()
        .min_by_key(|level| level.grid.abs_diff(dots.0))
    else {
        return;
    };
    let densest = level.cells.iter().map(|c| c.n_samples).max().unwrap_or(1);
    let (rows, cols) = projection.visible();
    // In another order of the cells the whole map is in sight, and the cursor at its cell's place.
    let arranged = state.arrangement.is_some();
    let under_cursor = {
        let (row, col, grid) = match state.link().filter(|_| arranged) {
            Some(link) => (link.row, link.col, link.grid),
            None => (state.cursor.0, state.cursor.1, projection.grid),
        };
        let (x, y) = layout_from_grid(row, col, grid);
        let at = |v: f32, side: u16| (v * f32::from(side)) as u16;
        (area.x + at(x, area.width), area.y + at(y, area.height))
    };
    for position in area.intersection(buf.area).positions() {
        let (across, down) = (
            u32::from(position.x - area.x),
            u32::from(position.y - area.y),
        );
        let symbol = braille(level, (across, down), dots, densest);
        let place = (
            (across as f32 + 0.5) / f32::from(area.width),
            (down as f32 + 0.5) / f32::from(area.height),
        );
        let (row, col) = grid_from_layout(place, projection.grid);
        let seen = arranged || (rows.contains(&row) && cols.contains(&col));
        let mut style = if seen { theme.plain } else { theme.faint };
        if (position.x, position.y) == under_cursor {
            style = theme.accent.add_modifier(Modifier::REVERSED);
        }
        if let Some(cell) = buf.cell_mut(position) {
            cell.set_char(symbol).set_style(style);
        }
    }
}

/// A layer's density alone.
pub(super) fn density(layer: &LayerAtlas, style: Style, area: Rect, buf: &mut Buffer) {
    let dots = (u32::from(area.width) * 2, u32::from(area.height) * 4);
    let nearest = layer.levels.iter();
    let Some(level) = nearest.min_by_key(|level| level.grid.abs_diff(dots.0)) else {
        return;
    };
    let densest = level.cells.iter().map(|c| c.n_samples).max().unwrap_or(1);
    for position in area.intersection(buf.area).positions() {
        let at = (
            u32::from(position.x - area.x),
            u32::from(position.y - area.y),
        );
        if let Some(cell) = buf.cell_mut(position) {
            cell.set_char(braille(level, at, dots, densest))
                .set_style(style);
        }
    }
}

fn braille(level: &Level, (across, down): (u32, u32), dots: (u32, u32), densest: u32) -> char {
    let mut bits = 0;
    for (dy, line) in DOTS.iter().enumerate() {
        for (dx, bit) in line.iter().enumerate() {
            let (x, y) = (across * 2 + dx as u32, down * 4 + dy as u32);
            let place = (
                (x as f32 + 0.5) / dots.0.max(1) as f32,
                (y as f32 + 0.5) / dots.1.max(1) as f32,
            );
            let (row, col) = grid_from_layout(place, level.grid);
            let n = level
                .cell_at(row, col)
                .map_or(0, |idx| level.cells[idx].n_samples);
            let share = (n as f32 / densest as f32).sqrt();
            if n > 0 && 0.3 + 0.7 * share > DITHER[y as usize % 2][x as usize % 2] {
                bits |= bit;
            }
        }
    }
    if bits == 0 {
        return ' ';
    }
    char::from_u32(0x2800 + bits).unwrap_or(' ')
}
