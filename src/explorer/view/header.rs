//! The first two rows: layers, and the line that says what the map shows.

use super::text::{counted, cut, magnitude, put, put_right, signed, width};
use super::theme::Theme;
use crate::explorer::focus::{Colouring, Influence};
use crate::explorer::panes::{Panes, Side};
use crate::explorer::state::{Overlay, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Name and layers.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let name = cut(&state.name, (area.width / 3).max(8));
    let mut x = put(buf, area, (area.x + 1, area.y), &name, theme.strong);
    let Some(atlas) = &state.atlas else { return };
    x += 2;
    for (idx, layer) in atlas.layers.iter().enumerate() {
        let caption = if atlas.layers.len() > 1 && idx < 9 {
            format!(" {} {} ", idx + 1, layer.name)
        } else {
            format!(" {} ", layer.name)
        };
        let style = if idx == state.layer {
            theme.accent.add_modifier(Modifier::REVERSED)
        } else {
            theme.faint
        };
        x = put(buf, area, (x, area.y), &caption, style) + 1;
    }
    let Some(layer) = state.layer() else { return };
    let full = format!(
        "{} of {} ",
        counted(layer.samples.len() as u64, "activation"),
        counted(atlas.images.len() as u64, "image")
    );
    put_right(buf, area, (x + 1, area.y), &full, theme.faint);
}

/// The line over map and side pane, with grid, legend and a tick over the cursor's column.
pub(super) fn rule(state: &State, theme: &Theme, panes: &Panes, buf: &mut Buffer) {
    let area = panes.rule;
    if area.is_empty() {
        return;
    }
    put(
        buf,
        area,
        (0, area.y),
        &"─".repeat(usize::from(area.width)),
        theme.faint,
    );
    let Some(level) = state.level() else { return };
    let over_map = Rect {
        width: panes.map.width,
        ..area
    };
    if let Some(projection) = state.projection() {
        let (x, _) = projection.screen_from_grid(0, i64::from(state.cursor.1));
        let middle = x + i64::from(projection.cell_columns) / 2;
        if (i64::from(area.x)..i64::from(over_map.right())).contains(&middle) {
            put(buf, over_map, (middle as u16, area.y), "┴", theme.plain);
        }
    }
    let side = level.grid;
    let grid = match state.shown_focus() {
        // The legend needs the room.
        Some(_) if over_map.width < 64 => format!(" {side} × {side} "),
        _ => {
            let cells = counted(level.cells.len() as u64, "cell");
            format!(" {side} × {side} · {cells} ")
        }
    };
    let x = put(buf, over_map, (1, area.y), &grid, theme.plain);
    legend(state, theme, over_map, x + 1, buf);
    if let Some(side) = panes.side {
        let (row, col) = state.shown_place();
        let caption = match state.overlay {
            Some(Overlay::Search(_)) => format!(" its strongest: row {row}, column {col} "),
            _ => format!(" row {row}, column {col} "),
        };
        put(buf, area, (side.area.x, area.y), &caption, theme.strong);
    }
}

/// What the colouring means, right-aligned over the map.
fn legend(state: &State, theme: &Theme, area: Rect, from: u16, buf: &mut Buffer) {
    let (Some(atlas), Some(level), Some(focus)) =
        (&state.atlas, state.level(), state.shown_focus())
    else {
        return;
    };
    let reference = Influence::new(level, focus, state.display.intensity).reference;
    let parts: Vec<(String, Style)> = match focus.colouring {
        Colouring::Supports => vec![
            ("supports ".to_owned(), theme.plus),
            ("░▒▓█ ".to_owned(), theme.plus),
            (signed(reference), theme.plus),
        ],
        Colouring::Opposes => vec![
            ("opposes ".to_owned(), theme.minus),
            ("░▒▓█ ".to_owned(), theme.minus),
            (signed(-reference), theme.minus),
        ],
        Colouring::Both => vec![
            ("−█▓▒░".to_owned(), theme.minus),
            (" ".to_owned(), theme.plain),
            ("░▒▓█+ ".to_owned(), theme.plus),
            (format!("±{}", magnitude(reference)), theme.plain),
        ],
    };
    let fixed: u16 = parts.iter().map(|(text, _)| width(text)).sum::<u16>() + 3;
    let room = area.right().saturating_sub(from + fixed);
    if room < 3 {
        return;
    }
    let name = cut(&atlas.class_name(focus.class), room);
    let x = area.right().saturating_sub(width(&name) + fixed);
    let mut x = put(buf, area, (x, area.y), &format!(" {name} "), theme.strong);
    for (text, style) in parts {
        x = put(buf, area, (x, area.y), &text, style);
    }
    put(buf, area, (x, area.y), " ", theme.plain);
}

/// The line between map and side pane.
pub(super) fn separator(theme: &Theme, side: &Side, buf: &mut Buffer) {
    let Some(x) = side.area.x.checked_sub(2) else {
        return;
    };
    let all = buf.area;
    for y in side.area.y..side.area.bottom() {
        put(buf, all, (x, y), "│", theme.faint);
    }
    if let Some(above) = side.area.y.checked_sub(1) {
        put(buf, all, (x, above), "┬", theme.faint);
    }
}
