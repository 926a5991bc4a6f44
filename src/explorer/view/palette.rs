//! The palette: a line to type in and every action that matches, with its keys.

use super::text::{cut, put, put_right, tail, width};
use super::theme::Theme;
use crate::explorer::state::{Overlay, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// Draws the palette and says where the text cursor stands.
pub(super) fn draw(
    state: &State,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Option<(u16, u16)> {
    let Some(Overlay::Palette(palette)) = &state.overlay else {
        return None;
    };
    if area.is_empty() {
        return None;
    }
    let found = format!("{} of {}", palette.hits.len(), palette.entries.len());
    let x = put(buf, area, (area.x, area.y), ": ", theme.accent);
    let room = area.right().saturating_sub(x + width(&found) + 2);
    let typed = tail(&palette.query, room);
    let x = put(buf, area, (x, area.y), &typed, theme.plain);
    if typed.is_empty() {
        let hint = cut("type a few letters", room);
        put(buf, area, (x + 1, area.y), &hint, theme.faint);
    }
    put_right(buf, area, (x + 1, area.y), &found, theme.faint);
    let list = Rect {
        y: area.y.saturating_add(2).min(area.bottom()),
        height: area.height.saturating_sub(2),
        ..area
    };
    if palette.hits.is_empty() {
        put(buf, list, (list.x, list.y), "nothing matches", theme.faint);
    }
    let rows = usize::from(list.height);
    let first = palette.selected.saturating_sub(rows / 2);
    let first = first.min(palette.hits.len().saturating_sub(rows));
    let shown = palette.hits.iter().enumerate().skip(first).take(rows);
    for ((at, (idx, matched)), y) in shown.zip(list.y..) {
        let Some(entry) = palette.entries.get(*idx) else {
            continue;
        };
        let chosen = at == palette.selected;
        let bar = if chosen { "▌" } else { " " };
        put(buf, list, (list.x, y), bar, theme.accent);
        let end = list.right().saturating_sub(width(&entry.keys) + 1);
        let title = cut(&entry.title, end.saturating_sub(list.x + 2));
        let mut x = list.x + 2;
        let base = if chosen { theme.strong } else { theme.plain };
        for (nth, c) in title.chars().enumerate() {
            let hit = matched.contains(&(nth as u32));
            let style = if hit {
                theme.accent.add_modifier(Modifier::UNDERLINED)
            } else {
                base
            };
            x = put(buf, list, (x, y), c.encode_utf8(&mut [0; 4]), style);
        }
        put_right(buf, list, (x + 1, y), &entry.keys, theme.faint);
    }
    Some((x.min(area.right() - 1), area.y))
}
