//! The first two rows: layers, and the line that says what the map shows.

use super::text::{counted, cut, magnitude, put, put_right, signed, width};
use super::theme::Theme;
use crate::atlas::Level;
use crate::explorer::arrangement::Kind;
use crate::explorer::column::Coloured;
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
    for (idx, tab, caption) in tabs(state, area) {
        let style = if idx == state.layer {
            theme.accent.add_modifier(Modifier::REVERSED)
        } else {
            theme.faint
        };
        x = put(buf, area, (tab.x, area.y), &caption, style) + 1;
    }
    let Some(layer) = state.layer() else { return };
    let full = format!(
        "{} of {} ",
        counted(layer.samples.len() as u64, "activation"),
        counted(atlas.images.len() as u64, "image")
    );
    put_right(buf, area, (x + 1, area.y), &full, theme.faint);
}

/// The layers' names with their places.
fn tabs(state: &State, area: Rect) -> Vec<(usize, Rect, String)> {
    let Some(atlas) = &state.atlas else {
        return Vec::new();
    };
    let name = cut(&state.name, (area.width / 3).max(8));
    let mut x = area.x + 1 + width(&name) + 2;
    let mut tabs = Vec::new();
    for (idx, layer) in atlas.layers.iter().enumerate() {
        let caption = if atlas.layers.len() > 1 && idx < 9 {
            format!(" {} {} ", idx + 1, layer.name)
        } else {
            format!(" {} ", layer.name)
        };
        let tab = Rect::new(x, area.y, width(&caption), 1);
        x += tab.width + 1;
        tabs.push((idx, tab, caption));
    }
    tabs
}

/// The layer whose name stands at a column and row of the screen.
pub(in crate::explorer) fn layer_at(state: &State, at: (u16, u16)) -> Option<usize> {
    let tabs = tabs(state, state.panes().header);
    let found = tabs.into_iter().find(|(_, tab, _)| tab.contains(at.into()));
    found.map(|(idx, ..)| idx)
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
    if let Some(arranged) = &state.arrangement {
        arranged_rule(state, theme, arranged.kind, over_map, buf);
    } else {
        let grid = what_is_shown(state, level, over_map.width);
        let x = put(buf, over_map, (1, area.y), &grid, theme.plain);
        legend(state, theme, over_map, x + 1, buf);
    }
    if let Some(side) = panes.side {
        let (row, col) = state.shown_place();
        let caption = match state.overlay {
            Some(Overlay::Search(_)) => format!(" its strongest: row {row}, column {col} "),
            Some(Overlay::Palette(_)) => " actions ".to_owned(),
            Some(Overlay::Photos { .. }) => " what speaks most comes first ".to_owned(),
            Some(Overlay::Shots { .. }) => " before and after ".to_owned(),
            _ => format!(" row {row}, column {col} "),
        };
        put(buf, area, (side.area.x, area.y), &caption, theme.strong);
    }
}

/// The grid, how many cells, and what the class view leaves of them.
fn what_is_shown(state: &State, level: &Level, columns: u16) -> String {
    let side = level.grid;
    if let Some(view) = &state.class_view {
        let (samples, cells) = view.totals();
        let cells = counted(cells, "cell");
        return if columns < 64 {
            format!(" {} · {cells} ", view.filter.name())
        } else {
            let samples = counted(samples, "activation");
            format!(
                " {side} × {side} · {}: {samples} in {cells} ",
                view.filter.name()
            )
        };
    }
    // The legend needs the room.
    if columns < 64 && (state.shown_focus().is_some() || state.column.is_some()) {
        return format!(" {side} × {side} ");
    }
    format!(
        " {side} × {side} · {} ",
        counted(level.cells.len() as u64, "cell")
    )
}

/// Over a comparison: which side speaks for which class. Over a photograph: which, and what the network sees.
fn arranged_rule(state: &State, theme: &Theme, kind: Kind, area: Rect, buf: &mut Buffer) {
    let Some(atlas) = &state.atlas else { return };
    match kind {
        Kind::Compare(left, right) => {
            let room = (area.width / 2).saturating_sub(5);
            let left = cut(&atlas.class_name(left), room);
            put(buf, area, (1, area.y), &format!(" ◀ {left} "), theme.minus);
            let right = format!(" {} ▶ ", cut(&atlas.class_name(right), room));
            let x = area.right().saturating_sub(width(&right) + 1);
            put(buf, area, (x, area.y), &right, theme.plus);
        }
        Kind::Photograph => {
            let Some(located) = &state.located else {
                return;
            };
            let seen: Vec<String> = located
                .predictions
                .iter()
                .take(3)
                .map(|&(class, p)| format!("{} {:.0} %", atlas.class_name(class), 100.0 * p))
                .collect();
            let text = match &seen[..] {
                [] => format!(" {} ", located.name),
                seen => format!(" {}: {} ", located.name, seen.join(", ")),
            };
            let text = cut(&text, area.width.saturating_sub(2));
            put(buf, area, (1, area.y), &text, theme.strong);
        }
    }
}

/// The scale of a column: what fades and what stays.
fn column_legend(
    state: &State,
    theme: &Theme,
    column: &Coloured,
    at: (Rect, u16),
    buf: &mut Buffer,
) {
    let (area, from) = at;
    let (lo, hi) = column.range;
    let value = |v: f32| super::inspector::column_value(column, v);
    let (faded, clear) = if column.low { (hi, lo) } else { (lo, hi) };
    let scale = format!(" {} ░▒▓█ {} ", value(faded), value(clear));
    let name = format!(" {} ", column.kind.name());
    let x = area
        .right()
        .saturating_sub(width(&scale) + width(&name) + 1);
    if x <= from || state.level().is_none() {
        return;
    }
    let x = put(buf, area, (x, area.y), &name, theme.strong);
    put(buf, area, (x, area.y), &scale, theme.plain);
}

/// What the colouring means, right-aligned over the map.
fn legend(state: &State, theme: &Theme, area: Rect, from: u16, buf: &mut Buffer) {
    if let (Some(column), None) = (&state.column, state.shown_focus()) {
        column_legend(state, theme, column, (area, from), buf);
        return;
    }
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
