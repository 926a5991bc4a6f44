//! The last row: a remark or where we are, how the build goes, how pictures are drawn.

use super::text::{cut, duration, put, put_right, width};
use super::theme::Theme;
use crate::explorer::state::{Overlay, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the status line.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let y = area.y;
    let hint = match state.overlay {
        Some(Overlay::Search(_)) => "Enter go  Esc back",
        Some(Overlay::Help { .. }) => "j k scroll  Esc back",
        None => "/ class  ? help  q quit",
    };
    // From the right: hints, protocol, build; each only as far as there is room.
    let mut end = area;
    let mut place = |text: &str, style| {
        if width(text) + 2 < end.width {
            let x = put_right(buf, end, (end.x, y), text, style);
            end.width = x.saturating_sub(end.x + 2);
        }
    };
    place(&format!("{hint} "), theme.faint);
    if state.building && state.atlas.is_some() {
        place(&build(state), theme.accent);
    }
    place(state.screen.protocol.name(), theme.faint);
    let (text, style) = match (&state.notice, &state.failure) {
        (Some(notice), _) => (notice.clone(), theme.notice),
        (None, Some(why)) if state.atlas.is_some() => {
            (format!("the build stopped: {why}"), theme.notice)
        }
        _ => (place_on_map(state), theme.plain),
    };
    let room = end.width.saturating_sub(1);
    put(buf, area, (area.x + 1, y), &cut(&text, room), style);
}

fn place_on_map(state: &State) -> String {
    let (Some(layer), Some(level)) = (state.layer(), state.level()) else {
        return String::new();
    };
    let (row, col) = state.cursor;
    let count = match state.cell() {
        Some(idx) => format!("{} act.", level.cells[idx].n_samples),
        None => "empty".to_owned(),
    };
    let grid = level.grid;
    format!("{} · {grid}² · {row},{col} · {count}", layer.name)
}

fn build(state: &State) -> String {
    let Some(stage) = state.stages.last() else {
        return "building".to_owned();
    };
    let share = stage
        .share()
        .map(|share| format!(" {:.0} %", share * 100.0));
    let left = stage.eta.map(|eta| format!(", {} left", duration(eta)));
    [Some(stage.name.clone()), share, left]
        .into_iter()
        .flatten()
        .collect()
}
