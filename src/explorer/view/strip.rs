//! The names under the thumbnails of layers, and braille where there are no pictures.

use super::minimap;
use super::text::{cut, put};
use super::theme::Theme;
use crate::explorer::state::State;
use crate::explorer::strip;
use ratatui::buffer::Buffer;

/// Draws the strip's text.
pub(super) fn draw(state: &State, theme: &Theme, buf: &mut Buffer) {
    let Some(atlas) = &state.atlas else { return };
    for (idx, thumb, name) in strip::in_sight(state) {
        let layer = &atlas.layers[idx];
        let style = if idx == state.layer {
            theme.accent
        } else {
            theme.faint
        };
        let number = if idx < 9 {
            format!("{} ", idx + 1)
        } else {
            String::new()
        };
        let text = cut(&format!("{number}{}", layer.name), name.width);
        put(buf, name, (name.x, name.y), &text, style);
        if !state.screen.has_pictures() {
            minimap::density(layer, theme.plain, thumb, buf);
        }
    }
}
