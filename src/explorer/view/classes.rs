//! The class search: a line to type in and the classes that match, with their strongest attribution on this grid.

use super::text::{cut, put, put_right, signed, tail, width};
use super::theme::Theme;
use crate::atlas::short_name;
use crate::explorer::focus::{Colouring, Focus, Influence};
use crate::explorer::search::{Hit, Purpose, Search};
use crate::explorer::state::{Overlay, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// Draws the search and says where the text cursor stands.
pub(super) fn draw(
    state: &State,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Option<(u16, u16)> {
    let Some(Overlay::Search(search)) = &state.overlay else {
        return None;
    };
    if area.is_empty() {
        return None;
    }
    let n_classes = state.atlas.as_ref().map_or(0, |atlas| atlas.classes.len());
    let found = format!("{} of {n_classes}", search.hits.len());
    let line = area.y;
    let x = put(buf, area, (area.x, line), "/ ", theme.accent);
    // The end of a long query is what is being typed.
    let room = area.right().saturating_sub(x + width(&found) + 2);
    let typed = tail(&search.query, room);
    let x = put(buf, area, (x, line), &typed, theme.plain);
    if typed.is_empty() {
        let hint = match search.purpose {
            Purpose::Focus => "type a class".to_owned(),
            Purpose::Compare(left) | Purpose::Contrast(left) => {
                let name = state.atlas.as_ref().map(|atlas| atlas.class_name(left));
                format!("compare {} with …", name.unwrap_or_default())
            }
        };
        let hint = cut(&hint, room);
        put(buf, area, (x + 1, line), &hint, theme.faint);
    }
    put_right(buf, area, (x + 1, line), &found, theme.faint);
    let list = Rect {
        y: area.y.saturating_add(2).min(area.bottom()),
        height: area.height.saturating_sub(2),
        ..area
    };
    hits(state, theme, search, list, buf);
    Some((x.min(area.right() - 1), line))
}

fn hits(state: &State, theme: &Theme, search: &Search, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    if search.hits.is_empty() {
        put(buf, area, (area.x, area.y), "no class matches", theme.faint);
        return;
    }
    let rows = usize::from(area.height);
    let first = search.selected.saturating_sub(rows / 2);
    let first = first.min(search.hits.len().saturating_sub(rows));
    let shown = search.hits.iter().enumerate().skip(first).take(rows);
    for ((idx, hit), y) in shown.zip(area.y..) {
        row(
            state,
            theme,
            (hit, idx == search.selected),
            Rect {
                y,
                height: 1,
                ..area
            },
            buf,
        );
    }
}

fn row(state: &State, theme: &Theme, (hit, chosen): (&Hit, bool), area: Rect, buf: &mut Buffer) {
    let (Some(atlas), Some(level)) = (&state.atlas, state.level()) else {
        return;
    };
    let names = atlas
        .classes
        .get(usize::from(hit.class))
        .map_or("", |class| class.names.as_str());
    let focus = Focus {
        class: hit.class,
        colouring: Colouring::Supports,
    };
    let strongest = Influence::new(level, focus, 1.0).reference;
    let number = if strongest > 0.0 {
        signed(strongest)
    } else {
        String::new()
    };
    let base = if chosen { theme.strong } else { theme.plain };
    put(
        buf,
        area,
        (area.x, area.y),
        if chosen { "▌" } else { " " },
        theme.accent,
    );
    let end = area.right().saturating_sub(width(&number) + 1);
    let usual = short_name(names).chars().count();
    let mut x = area.x + 2;
    for (idx, c) in names.chars().enumerate() {
        if x + 1 >= end && idx + 1 < names.chars().count() {
            put(buf, area, (x, area.y), "…", theme.faint);
            break;
        }
        let style = if hit.matched.contains(&(idx as u32)) {
            theme.accent.add_modifier(Modifier::UNDERLINED)
        } else if idx >= usual {
            theme.faint
        } else {
            base
        };
        x = put(buf, area, (x, area.y), c.encode_utf8(&mut [0; 4]), style);
    }
    put_right(buf, area, (area.x + 2, area.y), &number, theme.plus);
}
