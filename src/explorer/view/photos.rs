//! The text around the photographs of a cell.

use super::text::{cut, put, signed};
use super::theme::Theme;
use crate::explorer::action::Action;
use crate::explorer::photographs::{self, Exemplar, Part};
use crate::explorer::state::{Overlay, State};
use crate::explorer::{made, photos_grid};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Draws what is said about the chosen photograph, what is still to come, and a bar under the chosen one.
pub(super) fn draw(state: &State, theme: &Theme, buf: &mut Buffer) {
    let Some(Overlay::Photos { selected, whole }) = state.overlay else {
        return;
    };
    let area = photos_grid::area(state).text;
    if let Some(exemplar) = state.about.exemplars.get(selected) {
        let lines = about(state, theme, exemplar);
        for ((text, style), y) in lines.into_iter().zip(area.y..area.bottom()) {
            put(buf, area, (area.x, y), &cut(&text, area.width), style);
        }
    }
    let Some(layer) = state.layer() else { return };
    for (idx, rect) in photos_grid::in_sight(state) {
        let Some(exemplar) = state.about.exemplars.get(idx) else {
            continue;
        };
        let part = if whole {
            Part::WHOLE
        } else {
            photographs::seen_by(layer, exemplar.position)
        };
        let key = made::crop_request(exemplar.image, part, false).key;
        if state.gallery.lacks(key) {
            fill(buf, rect, theme);
        } else if state.gallery.why_not(key).is_some() {
            put(buf, rect, (rect.x, rect.y), "missing", theme.faint);
        }
        let below = Rect::new(rect.x, rect.bottom(), rect.width, 1).intersection(buf.area);
        if idx == selected && !below.is_empty() {
            let bar = "▀".repeat(usize::from(below.width));
            put(buf, below, (below.x, below.y), &bar, theme.accent);
        }
    }
}

/// What there is to say about one.
fn about(state: &State, theme: &Theme, exemplar: &Exemplar) -> Vec<(String, Style)> {
    let (Some(atlas), Some(layer)) = (&state.atlas, state.layer()) else {
        return Vec::new();
    };
    let images = &atlas.images;
    let image = exemplar.image as usize;
    let path = images.path.get(image).map_or("", String::as_str);
    let mut lines = vec![(path.to_owned(), theme.strong)];
    if let Some(label) = images.label.get(image).copied().flatten() {
        let label = usize::from(label);
        let class = images.label_class.get(label).copied().flatten();
        let name = images.label_names.get(label).cloned().unwrap_or_default();
        let name = class.map_or(name, |class| atlas.class_name(class));
        lines.push((format!("label {name}"), theme.plain));
    }
    if let Some(class) = images.prediction.get(image).copied().flatten() {
        lines.push((
            format!("predicted {}", atlas.class_name(class)),
            theme.plain,
        ));
    }
    let (row, col) = exemplar.position;
    let (rows, cols) = layer.map_size;
    lines.push((
        format!("position {row},{col} of {rows} × {cols}"),
        theme.plain,
    ));
    if let Some(value) = exemplar.attribution {
        let strongest = || {
            let ranked = state.level()?.ranked_classes(state.cell()?);
            ranked.first().map(|&(class, _)| class)
        };
        let class = state.focus.map(|focus| focus.class).or_else(strongest);
        let name = class
            .map(|class| atlas.class_name(class))
            .unwrap_or_default();
        lines.push((format!("{} for {name}", signed(value)), theme.signed(value)));
    }
    let part = photographs::seen_by(layer, exemplar.position);
    let framed = made::crop_request(exemplar.image, part, true);
    if let Some(why) = state.gallery.why_not(framed.key) {
        lines.push((why.to_owned(), theme.notice));
        let key = state.keymap.key(Action::ImageFolder);
        let back = state.keymap.key(Action::PhotoClose);
        lines.push((
            format!("{back}, then {key}: say where the photographs are"),
            theme.notice,
        ));
    } else if !state.screen.has_pictures() {
        lines.push(("this terminal shows no pictures".to_owned(), theme.notice));
    }
    lines
}

fn fill(buf: &mut Buffer, rect: Rect, theme: &Theme) {
    let line = "░".repeat(usize::from(rect.width));
    for y in rect.y..rect.bottom() {
        put(buf, rect, (rect.x, y), &line, theme.faint);
    }
}
