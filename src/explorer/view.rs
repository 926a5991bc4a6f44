//! The text on the screen. Pure: drawn from the state alone, pictures come from [`super::placement`].
//!
//! Colours are few and come from the terminal's palette or are readable on light and dark backgrounds; plain text
//! has the terminal's own colours. Nothing is said by colour alone.

mod bars;
mod building;
mod classes;
mod header;
pub(super) mod help;
mod inspector;
mod map;
mod minimap;
mod palette;
mod photos;
mod shots;
mod status;
mod strip;
mod suspects;
mod text;
mod theme;
mod verdict;

pub use map::marks;
pub use theme::Theme;

pub(super) use header::layer_at;
pub(super) use inspector::nearest_rects;
pub(super) use shots::rects as large_shot_rects;
pub(super) use suspects::row_at as suspect_at;
pub(super) use text::counted;
pub(super) use verdict::shot_rects;

use super::state::{Overlay, State};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the text of the screen.
pub fn view(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.is_empty() {
        return;
    }
    let cursor = draw(state, frame.buffer_mut());
    if let Some(at) = cursor.filter(|&at| area.contains(at.into())) {
        frame.set_cursor_position(at);
    }
}

/// Draws into a buffer and says where the text cursor stands, if there is one.
fn draw(state: &State, buf: &mut Buffer) -> Option<(u16, u16)> {
    let theme = Theme::of(&state.screen);
    let panes = state.panes();
    header::draw(state, &theme, panes.header, buf);
    if let Some(Overlay::Help { scroll }) = state.overlay {
        let area = panes.rule.union(panes.body);
        help::draw(state, &theme, scroll, area, buf);
        status::draw(state, &theme, panes.status, buf);
        return None;
    }
    if let Some(Overlay::Photos { .. }) = state.overlay {
        header::rule(state, &theme, &panes, buf);
        photos::draw(state, &theme, buf);
        status::draw(state, &theme, panes.status, buf);
        return None;
    }
    if let Some(Overlay::Shots { selected }) = state.overlay {
        header::rule(state, &theme, &panes, buf);
        shots::draw(state, &theme, selected, buf);
        status::draw(state, &theme, panes.status, buf);
        return None;
    }
    if state.atlas.is_none() {
        let area = panes.rule.union(panes.body);
        let cursor = if matches!(state.overlay, Some(Overlay::Palette(_))) {
            palette::draw(state, &theme, area, buf)
        } else {
            building::draw(state, &theme, area, buf);
            None
        };
        status::draw(state, &theme, panes.status, buf);
        return cursor;
    }
    let mut cursor = None;
    header::rule(state, &theme, &panes, buf);
    if !state.map_is_covered() {
        map::draw(state, &theme, buf);
    }
    if !state.map_is_covered() {
        strip::draw(state, &theme, buf);
    }
    if !state.map_is_covered() {
        suspects::draw(state, &theme, panes.list, buf);
    }
    let searching = matches!(state.overlay, Some(Overlay::Search(_)));
    let choosing = matches!(state.overlay, Some(Overlay::Palette(_)));
    if let Some(side) = panes.side {
        header::separator(&theme, &side, buf);
        if !(state.in_photograph() && state.screen.has_pictures()) {
            minimap::draw(state, &theme, side.minimap, buf);
        }
        // A list takes the room of the photographs as well.
        let list = Rect {
            height: side.area.bottom().saturating_sub(side.text.y),
            ..side.text
        };
        if searching {
            cursor = classes::draw(state, &theme, list, buf);
        } else if choosing {
            cursor = palette::draw(state, &theme, list, buf);
        } else if state.suspects.open {
            verdict::draw(state, &theme, &side, buf);
        } else {
            inspector::draw(state, &theme, &side, buf);
        }
    } else if searching {
        cursor = classes::draw(state, &theme, panes.body, buf);
    } else if choosing {
        cursor = palette::draw(state, &theme, panes.body, buf);
    }
    let typed = status::draw(state, &theme, panes.status, buf);
    cursor.or(typed)
}
