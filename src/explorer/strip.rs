//! The strip of all layers: where each thumbnail stands.

use super::camera::columns_for;
use super::state::State;
use ratatui::layout::Rect;

/// Characters that thumbnails make room for in a layer's name.
const LONGEST_NAME: usize = 14;

/// The layers in sight, each with the square of its thumbnail and the line of its name below.
pub fn in_sight(state: &State) -> Vec<(usize, Rect, Rect)> {
    let area = state.panes().strip;
    let Some(atlas) = state.atlas.as_ref().filter(|_| area.height >= 3) else {
        return Vec::new();
    };
    // One row of air above, one row for names.
    let rows = area.height - 2;
    // A name, with its number before it, is as wide as a low thumbnail at least.
    let names = atlas.layers.iter().map(|layer| layer.name.chars().count());
    let longest = names.max().unwrap_or(0).min(LONGEST_NAME) as u16 + 2;
    let columns = columns_for(rows, state.screen.cell_pixels).max(longest);
    let step = columns + 2;
    let fit = usize::from((area.width.saturating_sub(1)) / step).max(1);
    let n = atlas.layers.len();
    // The layer on the screen stays in sight.
    let first = (state.layer + 1)
        .saturating_sub(fit)
        .min(n.saturating_sub(fit));
    (first..n.min(first + fit))
        .map(|layer| {
            let x = area.x + 1 + (layer - first) as u16 * step;
            let thumb = Rect::new(
                x,
                area.y + 1,
                columns_for(rows, state.screen.cell_pixels),
                rows,
            );
            let name = Rect::new(x, area.bottom() - 1, columns, 1);
            (layer, thumb.intersection(area), name.intersection(area))
        })
        .collect()
}

/// The layer whose thumbnail lies under a column and row of the screen.
pub fn layer_at(state: &State, at: (u16, u16)) -> Option<usize> {
    in_sight(state)
        .into_iter()
        .find(|(_, thumb, name)| thumb.contains(at.into()) || name.contains(at.into()))
        .map(|(layer, ..)| layer)
}
