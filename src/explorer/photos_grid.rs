//! How the photographs of a cell are laid on the screen: shared by keys, text and pictures.

use super::state::{Overlay, State};
use ratatui::layout::Rect;

/// Rows of a photograph among others.
const ROWS: u16 = 6;

/// Where everything goes while photographs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotosArea {
    /// The chosen one, large.
    pub large: Rect,
    /// The text about it.
    pub text: Rect,
    /// All of them.
    pub grid: Rect,
    /// Columns and rows of one of them, with a space behind and below.
    pub step: (u16, u16),
    /// How many stand beside each other.
    pub across: u16,
}

/// The parts of the map's pane and side pane together.
pub fn area(state: &State) -> PhotosArea {
    let body = state.panes().body;
    let (pw, ph) = (
        state.screen.cell_pixels.0.max(1),
        state.screen.cell_pixels.1.max(1),
    );
    let square = |rows: u16| {
        let columns = (u32::from(rows) * u32::from(ph) + u32::from(pw) / 2) / u32::from(pw);
        (columns as u16).max(1)
    };
    let inner = Rect {
        x: body.x + 1.min(body.width),
        width: body.width.saturating_sub(2),
        ..body
    };
    let large_rows = (inner.height * 3 / 5).min(24);
    let large_columns = square(large_rows).min(inner.width / 2);
    let large = Rect::new(inner.x, inner.y, large_columns, large_rows);
    let text = Rect::new(
        inner.x,
        (inner.y + large_rows + 1).min(inner.bottom()),
        large_columns.max(inner.width / 3),
        inner.height.saturating_sub(large_rows + 1),
    );
    let left = large_columns.max(text.width) + 2;
    let grid = Rect::new(
        (inner.x + left).min(inner.right()),
        inner.y,
        inner.width.saturating_sub(left),
        inner.height,
    );
    let rows = ROWS.min(grid.height.max(1));
    let step = (square(rows) + 1, rows + 1);
    PhotosArea {
        large,
        text,
        grid,
        step,
        across: (grid.width + 1).checked_div(step.0).unwrap_or(0).max(1),
    }
}

/// Columns of the grid, and how many photographs there are.
pub fn shape(state: &State) -> (u16, usize) {
    (area(state).across, state.about.exemplars.len())
}

/// The photographs in sight, with their rectangles, without the gap.
pub fn in_sight(state: &State) -> Vec<(usize, Rect)> {
    let Some(Overlay::Photos { selected, .. }) = state.overlay else {
        return Vec::new();
    };
    let area = area(state);
    let across = usize::from(area.across);
    let down = usize::from((area.grid.height + 1) / area.step.1.max(1)).max(1);
    // The row of the chosen one stays in sight.
    let first_row = (selected / across).saturating_sub(down - 1);
    let n = state.about.exemplars.len();
    (first_row * across..n.min((first_row + down) * across))
        .map(|idx| {
            let at = idx - first_row * across;
            let rect = Rect::new(
                area.grid.x + (at % across) as u16 * area.step.0,
                area.grid.y + (at / across) as u16 * area.step.1,
                area.step.0 - 1,
                area.step.1 - 1,
            );
            (idx, rect.intersection(area.grid))
        })
        .filter(|(_, rect)| !rect.is_empty())
        .collect()
}
