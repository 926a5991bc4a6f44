//! One image of a test before and after, as large as the screen allows.

use super::text::{cut, put};
use super::theme::Theme;
use crate::explorer::camera::columns_for;
use crate::explorer::state::State;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Lines below the pictures.
const LINES: u16 = 3;

/// Where the picture before and the one after stand; empty where there is no room.
pub(in crate::explorer) fn rects(state: &State) -> [Rect; 2] {
    let body = state.panes().body;
    let half = body.width.saturating_sub(4) / 2;
    let rows = body.height.saturating_sub(LINES + 1);
    // Square in pixels, in the smaller of width and height.
    let mut fits = (0..=rows).rev();
    let rows = fits.find(|&rows| columns_for(rows, state.screen.cell_pixels) <= half);
    let rows = rows.unwrap_or(0);
    let columns = columns_for(rows, state.screen.cell_pixels).min(half);
    let rect = |x: u16| Rect::new(x, body.y, columns, rows).intersection(body);
    [rect(body.x + 1), rect(body.x + columns + 3)]
}

/// Draws what is said about them.
pub(super) fn draw(state: &State, theme: &Theme, selected: usize, buf: &mut Buffer) {
    let body = state.panes().body;
    let shots = state.suspects.shots();
    let (Some(shot), Some(atlas), Some(record)) =
        (shots.get(selected), &state.atlas, state.suspects.record())
    else {
        return;
    };
    let [before, after] = rects(state);
    let y = before.bottom();
    let mut line = |x: u16, y: u16, room: u16, text: &str, style| {
        if body.contains((x, y).into()) {
            put(buf, body, (x, y), &cut(text, room), style);
        }
    };
    for (nth, (rect, when)) in [(before, "before"), (after, "after")]
        .into_iter()
        .enumerate()
    {
        // Small pictures still have their words side by side.
        let room = rect.width.max((body.width.saturating_sub(4)) / 2);
        let x = body.x + 1 + nth as u16 * (room + 2).max(rect.width + 2);
        let x = if rect.width >= room { rect.x } else { x };
        let class = atlas.class_name(shot.predicted[nth]);
        line(x, y, room, &format!("{when}: {class}"), theme.strong);
        let of = &record.claim.subject.class_name;
        let text = format!("P({of}) = {:.2}", shot.probability[nth]);
        line(x, y + 1, room, &text, theme.plain);
    }
    let text = format!("{} of {}", selected + 1, shots.len());
    line(body.x + 1, y + 2, body.width, &text, theme.faint);
}
