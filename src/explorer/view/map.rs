//! The text of the map: what stands where no icon is, and the whole map on terminals without pictures.

use super::text::{cut, put, width};
use super::theme::Theme;
use crate::explorer::camera::Projection;
use crate::explorer::focus::{STRENGTHS, Shade};
use crate::explorer::labels;
use crate::explorer::pictures::SIGNED_FROM;
use crate::explorer::placement::visible_cells;
use crate::explorer::state::State;
use crate::graphics::Protocol;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

const SHADES: [char; 4] = ['░', '▒', '▓', '█'];

/// Draws cells without icons; without pictures, all cells and their labels.
pub(super) fn draw(state: &State, theme: &Theme, buf: &mut Buffer) {
    let (Some(level), Some(projection)) = (state.level(), state.projection()) else {
        return;
    };
    let pictures = state.screen.has_pictures();
    let densest = level.cells.iter().map(|c| c.n_samples).max().unwrap_or(1);
    let tinting = state.tinting();
    for (idx, row, col) in visible_cells(state, &projection) {
        let drawn = level.icons.steps.get(idx).is_some_and(|&steps| steps > 0);
        if pictures && drawn {
            continue;
        }
        let Some(rect) = cell_rect(&projection, row, col) else {
            continue;
        };
        let n = level.cells[idx].n_samples;
        let share = (n as f32 / densest as f32).sqrt();
        if pictures {
            placeholder(state, theme, (rect, n, share), buf);
            continue;
        }
        let shade = tinting.as_ref().map(|tinting| tinting.shade(idx));
        let (share, style) = match shade {
            None => (share, theme.faint),
            Some(shade) => (strength(shade), style_of(shade, theme)),
        };
        fill(buf, rect, glyph(share), style);
        if let Some(sign) = shade.and_then(sign) {
            put(buf, rect, (rect.x, rect.y), sign, style);
        }
    }
    if !pictures {
        labels(state, &projection, theme.plain, buf);
        text_cursor(state, &projection, buf);
        signs(state, &projection, buf);
    } else if matches!(state.screen.protocol, Protocol::HalfBlock { .. }) {
        // The pictures come later and would cover them: see `marks`.
    } else {
        labels(state, &projection, theme.strong, buf);
    }
}

/// A cell whose icon is still to come is shaded by its density; one that never gets an icon is a dot.
fn placeholder(state: &State, theme: &Theme, (rect, n, share): (Rect, u32, f32), buf: &mut Buffer) {
    let least = state
        .atlas
        .as_ref()
        .map_or(0, |atlas| atlas.recipe.icons.min_samples);
    if n < least && state.class_view.is_some() {
        // Among icons of all sizes a dot says nothing.
    } else if n < least {
        let middle = (rect.x + rect.width / 2, rect.y + rect.height / 2);
        put(buf, rect, middle, "·", theme.faint);
    } else {
        fill(buf, rect, glyph(share * 0.75), theme.faint);
    }
}

fn glyph(share: f32) -> char {
    let idx = (share * SHADES.len() as f32) as usize;
    SHADES[idx.min(SHADES.len() - 1)]
}

/// How much of a shade is left to see, 0..=1.
fn strength(shade: Shade) -> f32 {
    let most = f32::from(STRENGTHS - 1);
    match shade {
        Shade::Faded(by) | Shade::FadedMinus(by) => 1.0 - f32::from(by) / most,
        Shade::Plus(by) | Shade::Minus(by) => f32::from(by) / most,
    }
}

fn style_of(shade: Shade, theme: &Theme) -> Style {
    match shade {
        Shade::Faded(by) if by >= STRENGTHS - 1 => theme.faint,
        Shade::Faded(_) | Shade::Plus(_) => theme.plus,
        Shade::FadedMinus(_) | Shade::Minus(_) => theme.minus,
    }
}

fn sign(shade: Shade) -> Option<&'static str> {
    match shade {
        Shade::Plus(by) if by >= SIGNED_FROM => Some("+"),
        Shade::Minus(by) if by >= SIGNED_FROM => Some("−"),
        Shade::FadedMinus(_) => Some("−"),
        _ => None,
    }
}

/// The visible part of a cell, if any.
fn cell_rect(projection: &Projection, row: u32, col: u32) -> Option<Rect> {
    let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
    let pane = projection.pane;
    let x1 = (x + i64::from(projection.cell_columns)).min(i64::from(pane.right()));
    let y1 = (y + i64::from(projection.cell_rows)).min(i64::from(pane.bottom()));
    let x0 = x.max(i64::from(pane.x));
    let y0 = y.max(i64::from(pane.y));
    let empty = x0 >= x1 || y0 >= y1;
    (!empty).then(|| Rect::new(x0 as u16, y0 as u16, (x1 - x0) as u16, (y1 - y0) as u16))
}

fn fill(buf: &mut Buffer, rect: Rect, glyph: char, style: Style) {
    for position in rect.intersection(buf.area).positions() {
        if let Some(cell) = buf.cell_mut(position) {
            cell.set_char(glyph).set_style(style);
        }
    }
}

/// The names of the strongest classes.
fn labels(state: &State, projection: &Projection, style: Style, buf: &mut Buffer) {
    let Some(atlas) = &state.atlas else { return };
    for label in labels::labels(state, projection) {
        let name = cut(&atlas.class_name(label.class), label.room);
        let (x, y) = label.at;
        // A name whose cell begins left of the pane is not cut in its middle.
        if let (Ok(x), Ok(y)) = (u16::try_from(x), u16::try_from(y)) {
            put(buf, projection.pane, (x, y), &name, style);
        }
    }
}

/// Without pictures the cursor is reversed text between brackets: reversed alone, a full shade is as dark as nothing.
fn text_cursor(state: &State, projection: &Projection, buf: &mut Buffer) {
    let (row, col) = state.cursor;
    if let Some(rect) = cell_rect(projection, row, col) {
        buf.set_style(
            rect.intersection(buf.area),
            Style::new().add_modifier(Modifier::REVERSED),
        );
        let strong = Style::reset().add_modifier(Modifier::BOLD);
        for (x, bracket) in [(rect.x, "["), (rect.right() - 1, "]")] {
            if let Some(cell) = buf.cell_mut((x, rect.y)).filter(|_| rect.width > 1) {
                cell.set_symbol(bracket).set_style(strong);
            }
        }
    }
}

/// Signs over half-block pictures, whose pixels are too coarse to hold them: drawn after the pictures, on their
/// colours.
pub fn marks(state: &State, buf: &mut Buffer) {
    if !matches!(state.screen.protocol, Protocol::HalfBlock { .. }) || state.map_is_covered() {
        return;
    }
    let (Some(level), Some(projection)) = (state.level(), state.projection()) else {
        return;
    };
    if let Some(tinting) = state.tinting() {
        for (idx, row, col) in visible_cells(state, &projection) {
            let drawn = level.icons.steps.get(idx).is_some_and(|&steps| steps > 0);
            let (Some(sign), Some(rect)) =
                (sign(tinting.shade(idx)), cell_rect(&projection, row, col))
            else {
                continue;
            };
            let at = (rect.x + rect.width / 2, rect.y + rect.height / 2);
            if drawn && let Some(cell) = buf.cell_mut(at) {
                let bold = Style::new()
                    .fg(ratatui::style::Color::White)
                    .add_modifier(Modifier::BOLD);
                debug_assert_eq!(width(sign), 1);
                cell.set_symbol(sign).set_style(bold);
            }
        }
    }
    labels(state, &projection, Theme::of(&state.screen).strong, buf);
}

/// Without pictures: a corner on marked cells, a ring's letter on those of a located photograph.
fn signs(state: &State, projection: &Projection, buf: &mut Buffer) {
    let strong = Style::new().add_modifier(Modifier::BOLD);
    let mut sign = |(row, col): (u32, u32), sign: &str, at_end: bool| {
        if let Some(rect) = cell_rect(projection, row, col) {
            let x = if at_end { rect.right() - 1 } else { rect.x };
            if let Some(cell) = buf.cell_mut((x, rect.y)) {
                cell.set_symbol(sign).set_style(strong);
            }
        }
    };
    if state.arrangement.is_none() {
        for (cell, _) in state.located_cells() {
            if let Some(place) = state.place_of(cell) {
                sign(place, "○", false);
            }
        }
    }
    let Some(here) = state.link() else { return };
    for mark in &state.marks {
        let same = mark.cell.layer == here.layer && mark.cell.grid == here.grid;
        if same && state.arrangement.is_none() {
            sign((mark.cell.row, mark.cell.col), "◥", true);
        }
    }
}
