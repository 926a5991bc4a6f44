//! The side pane about one cell: counts, classes for and against, labels of the images behind it.

use super::bars::{self, Bar};
use super::text::{counted, cut, grouped, magnitude, put, signed, width};
use super::theme::Theme;
use crate::atlas::{Atlas, ClassId, LayerAtlas, Level};
use crate::explorer::action::Action;
use crate::explorer::column::{Coloured, Column};
use crate::explorer::panes::Side;
use crate::explorer::state::State;
use crate::explorer::{made, photographs};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::collections::HashMap;

/// Draws the pane's text.
pub(super) fn draw(state: &State, theme: &Theme, side: &Side, buf: &mut Buffer) {
    let area = side.text;
    let (Some(layer), Some(level)) = (state.layer(), state.level()) else {
        return;
    };
    let Some(idx) = state.shown_cell() else {
        put(buf, area, (area.x, area.y), "empty", theme.strong);
        let below = (area.x, area.y + 1);
        put(buf, area, below, "no activation fell in here", theme.faint);
        return;
    };
    let (head, rest) = heading(state, layer, level, idx);
    let x = put(buf, area, (area.x, area.y), &head, theme.strong);
    put(buf, area, (x, area.y), &rest, theme.plain);
    let second = second_line(state, idx, area.height >= 10);
    if let Some((text, notable)) = &second {
        let style = if *notable { theme.notice } else { theme.faint };
        put(
            buf,
            area,
            (area.x, area.y + 1),
            &cut(text, area.width),
            style,
        );
    }
    nearest(state, theme, side, buf);
    exemplars(state, theme, side, buf);
    let used = 1 + u16::from(second.is_some());
    let rest = Rect {
        y: area.y.saturating_add(used).min(area.bottom()),
        height: area.height.saturating_sub(used),
        ..area
    };
    sections(state, theme, idx, rest, buf);
}

/// How many activations of how many images; over an empty square, which cell is still shown.
fn heading(state: &State, layer: &LayerAtlas, level: &Level, idx: usize) -> (String, String) {
    if let (Some(_), Some((row, col))) = (state.cell_before(), state.place_of(idx)) {
        return (
            "empty".to_owned(),
            format!("; this is still row {row}, column {col}"),
        );
    }
    let n = u64::from(level.cells[idx].n_samples);
    let images = counted(n_images(layer, level, idx), "image");
    (counted(n, "activation"), format!(" of {images}"))
}

/// What there is to say beside the counts: the note (which is notable), how many samples the class view keeps, the
/// icon where there is room.
fn second_line(state: &State, idx: usize, with_icon: bool) -> Option<(String, bool)> {
    let (atlas, level) = (state.atlas.as_ref()?, state.level()?);
    if let Some(mark) = state.mark() {
        let note = if mark.note.is_empty() {
            "marked"
        } else {
            &mark.note
        };
        return Some((format!("◥ {note}"), true));
    }
    if let Some(view) = &state.class_view {
        let n = counted(u64::from(view.count(idx)), "activation");
        return Some((format!("{n} of {}", atlas.class_name(view.class)), false));
    }
    if let Some(column) = &state.column {
        let value = column.values.get(idx).copied().unwrap_or(f32::NAN);
        let text = format!("{} {}", column.kind.name(), column_value(column, value));
        return Some((text, false));
    }
    let located = state.located_cells();
    if let Some((_, n)) = located.into_iter().find(|&(cell, _)| cell == idx) {
        let n = counted(u64::from(n), "position");
        return Some((format!("{n} of the photograph"), false));
    }
    with_icon.then(|| (about_icon(atlas, level, idx), false))
}

/// A value with its unit; a dash where there is none.
pub(super) fn column_value(column: &Coloured, value: f32) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match column.kind {
        Column::Count => grouped(value as u64),
        Column::Purity | Column::Mistakes => format!("{value:.0} %"),
        Column::Entropy => format!("{value:.1} bits"),
        Column::IconScore => magnitude(value),
        Column::Suspect(_) => crate::explorer::suspects::brief(value),
    }
}

/// The cells that are most like the one under the cursor, with the places of their icons.
pub(in crate::explorer) fn nearest_rects(state: &State) -> Vec<(usize, Rect)> {
    let Some(side) = state.panes().side else {
        return Vec::new();
    };
    let rects = side.nearest_rects(state.screen.cell_pixels);
    let drawn = |cell: usize| {
        let steps = state.level().and_then(|level| level.icons.steps.get(cell));
        steps.is_some_and(|&steps| steps > 0)
    };
    let cells = state.about.nearest.iter().map(|&(cell, _)| cell);
    cells.filter(|&cell| drawn(cell)).zip(rects).collect()
}

fn nearest(state: &State, theme: &Theme, side: &Side, buf: &mut Buffer) {
    let area = side.nearest;
    let (Some(y), false) = (area.y.checked_sub(1), state.about.nearest.is_empty()) else {
        return;
    };
    if area.is_empty() {
        return;
    }
    let key = state.keymap.key(Action::NearestCell);
    let title = format!("most alike, {key} walks");
    put(buf, side.area, (area.x, y), &title, theme.faint);
}

/// The heading of the photographs, and what stands where they are still to come or missing.
pub(super) fn exemplars(state: &State, theme: &Theme, side: &Side, buf: &mut Buffer) {
    let area = side.exemplars;
    let Some(y) = area.y.checked_sub(1).filter(|_| !area.is_empty()) else {
        return;
    };
    let (Some(layer), Some(atlas)) = (state.layer(), &state.atlas) else {
        return;
    };
    let list = &state.about.exemplars;
    let key = state.keymap.key(Action::Photographs);
    let title = match state.focus {
        Some(focus) => format!(
            "photographs for {}, {key} all",
            atlas.class_name(focus.class)
        ),
        None => match list.len() {
            shown if shown < state.about.n_images => {
                format!(
                    "photographs, {key} shows {shown} of {}",
                    state.about.n_images
                )
            }
            _ => format!("photographs, {key} shows all"),
        },
    };
    put(
        buf,
        side.area,
        (area.x, y),
        &cut(&title, area.width),
        theme.faint,
    );
    let shown = state.shown_exemplars();
    if let (true, Some(exemplar)) = (shown.is_empty(), list.first()) {
        let part = photographs::seen_by(layer, exemplar.position);
        let key = made::crop_request(exemplar.image, part, false).key;
        let folder = state.keymap.key(Action::ImageFolder);
        let why = state.gallery.why_not(key).unwrap_or_default();
        wrap(buf, area, why, theme.faint);
        let text = format!("{folder} asks for their folder");
        put(buf, area, (area.x, area.bottom() - 1), &text, theme.faint);
        return;
    }
    let rects = side.exemplar_rects(state.screen.cell_pixels);
    for (exemplar, rect) in shown.iter().zip(&rects) {
        let part = photographs::seen_by(layer, exemplar.position);
        let key = made::crop_request(exemplar.image, part, false).key;
        if state.gallery.get(key).is_none() {
            // Few characters: on a slow line they would come and go with every step.
            let middle = (rect.x + rect.width / 2, rect.y + rect.height / 2);
            put(buf, *rect, middle, "…", theme.faint);
        }
    }
}

/// Writes a text over several lines, all but the last of the area.
fn wrap(buf: &mut Buffer, area: Rect, text: &str, style: Style) {
    let mut y = area.y;
    let mut line = String::new();
    for word in text.split(' ').chain(std::iter::once("")) {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if word.is_empty() || width(&longer) > area.width {
            if line.is_empty() {
                word.clone_into(&mut line);
                continue;
            }
            if y + 1 < area.bottom() {
                put(buf, area, (area.x, y), &cut(&line, area.width), style);
            }
            y += 1;
            word.clone_into(&mut line);
        } else {
            line = longer;
        }
    }
}

fn about_icon(atlas: &Atlas, level: &Level, idx: usize) -> String {
    let steps = level.icons.steps.get(idx).copied().unwrap_or(0);
    if steps > 0 {
        let score = level.icons.score.get(idx).copied().unwrap_or(f32::NAN);
        return if score.is_finite() {
            format!("{steps} steps, score {score:.2}")
        } else {
            format!("{steps} steps")
        };
    }
    let least = atlas.recipe.icons.min_samples;
    if level.cells[idx].n_samples < least {
        format!("no icon below {}", counted(u64::from(least), "activation"))
    } else if atlas.complete {
        "no icon".to_owned()
    } else {
        "icon still to come".to_owned()
    }
}

fn n_images(layer: &LayerAtlas, level: &Level, idx: usize) -> u64 {
    let members = level.members_of(idx).iter();
    let mut images: Vec<u32> = members
        .filter_map(|&s| layer.samples.image.get(s as usize).copied())
        .collect();
    images.sort_unstable();
    images.dedup();
    images.len() as u64
}

/// How many lines each section gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shares {
    /// Lines of supporting classes.
    supports: u16,
    /// Lines of opposing classes.
    opposes: u16,
    /// Lines of labels.
    labels: u16,
    /// An empty line before each heading?
    airy: bool,
}

/// Divides `height` lines among the sections; each takes a heading as well.
fn shares(height: u16, with_labels: bool) -> Shares {
    let n = if with_labels { 3 } else { 2 };
    let airy = height >= 4 * n + 4;
    let lines = height.saturating_sub(n * if airy { 2 } else { 1 });
    let labels = if with_labels {
        (lines * 3 / 11).min(8)
    } else {
        0
    };
    let supports = (lines - labels).div_ceil(2).min(10);
    let opposes = (lines - labels - supports).min(8);
    Shares {
        supports,
        opposes,
        labels,
        airy,
    }
}

fn sections(state: &State, theme: &Theme, idx: usize, area: Rect, buf: &mut Buffer) {
    let (Some(atlas), Some(layer), Some(level)) = (&state.atlas, state.layer(), state.level())
    else {
        return;
    };
    let (caption, labels) = label_counts(atlas, layer, level, idx);
    let shares = shares(area.height, !labels.is_empty());
    let mut sheet = Sheet {
        area,
        airy: shares.airy,
    };
    let values = level.attributions.row(idx);
    let classes = || {
        let numbered = values.iter().enumerate();
        numbered.map(|(class, value)| (class as ClassId, value.to_f32()))
    };
    let longest = classes().map(|(_, v)| v.abs()).fold(0.0, f32::max);
    // Bars too short to be seen say nothing.
    let least = 0.01 * longest;
    let bar =
        |&(class, value): &(ClassId, f32)| attribution_bar(state, theme, class, value, longest);
    let chosen = state.shown_focus().map(|focus| focus.class);
    let bars = |mut classes: Vec<(ClassId, f32)>, lines: u16| -> Vec<Bar> {
        strongest(&mut classes, usize::from(lines), chosen);
        classes.iter().map(bar).collect()
    };
    let supporting = classes().filter(|(_, v)| *v > least);
    let supporting = bars(supporting.collect(), shares.supports);
    let opposing = classes().filter(|(_, v)| *v < -least);
    let opposing = bars(opposing.collect(), shares.opposes);
    if !atlas.classes.is_empty() {
        sheet.section(theme, "supports", &supporting, shares.supports, buf);
        sheet.section(theme, "opposes", &opposing, shares.opposes, buf);
    }
    if !labels.is_empty() {
        let n = f32::from(u16::try_from(labels[0].1).unwrap_or(u16::MAX)).max(1.0);
        let total: u32 = labels.iter().map(|(_, count)| count).sum();
        let bars: Vec<Bar> = labels
            .iter()
            .take(usize::from(shares.labels))
            .map(|(name, count)| Bar {
                name: name.clone(),
                share: *count as f32 / n,
                number: format!("{:.0} %", 100.0 * *count as f32 / total.max(1) as f32),
                name_style: theme.plain,
                style: theme.faint,
            })
            .collect();
        sheet.section(theme, caption, &bars, shares.labels, buf);
    }
}

/// Leaves the `lines` classes of the largest values, whatever their signs, in order; the chosen one in the place of the
/// last when it comes later. A pan asks this twice of a thousand classes: the others are not sorted.
fn strongest(classes: &mut Vec<(ClassId, f32)>, lines: usize, chosen: Option<ClassId>) {
    let order = |a: &(ClassId, f32), b: &(ClassId, f32)| {
        b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0))
    };
    let mut late = None;
    if lines > 0 && classes.len() > lines {
        classes.select_nth_unstable_by(lines - 1, order);
        let mut others = classes[lines..].iter();
        late = others.find(|(class, _)| Some(*class) == chosen).copied();
    }
    classes.truncate(lines);
    classes.sort_unstable_by(order);
    if let (Some(late), Some(last)) = (late, classes.last_mut()) {
        *last = late;
    }
}

fn attribution_bar(state: &State, theme: &Theme, class: ClassId, value: f32, longest: f32) -> Bar {
    let name = state.atlas.as_ref().map(|atlas| atlas.class_name(class));
    let chosen = state
        .shown_focus()
        .is_some_and(|focus| focus.class == class);
    Bar {
        name: name.unwrap_or_default(),
        share: if longest > 0.0 {
            value.abs() / longest
        } else {
            0.0
        },
        number: signed(value),
        name_style: if chosen { theme.accent } else { theme.plain },
        style: theme.signed(value),
    }
}

/// What is left of the pane while it is filled from the top.
struct Sheet {
    area: Rect,
    airy: bool,
}

impl Sheet {
    fn section(&mut self, theme: &Theme, title: &str, bars: &[Bar], lines: u16, buf: &mut Buffer) {
        if lines == 0 {
            return;
        }
        if self.airy {
            self.skip(1);
        }
        put(
            buf,
            self.area,
            (self.area.x, self.area.y),
            title,
            theme.faint,
        );
        self.skip(1);
        if bars.is_empty() {
            put(
                buf,
                self.area,
                (self.area.x, self.area.y),
                "none",
                theme.plain,
            );
        }
        bars::draw(bars, self.area, buf);
        self.skip((bars.len() as u16).clamp(1, lines));
    }

    fn skip(&mut self, lines: u16) {
        let lines = lines.min(self.area.height);
        self.area.y += lines;
        self.area.height -= lines;
    }
}

/// How often each label occurs among a cell's samples, most frequent first; predictions where there are no labels.
fn label_counts(
    atlas: &Atlas,
    layer: &LayerAtlas,
    level: &Level,
    idx: usize,
) -> (&'static str, Vec<(String, u32)>) {
    let images = level
        .members_of(idx)
        .iter()
        .filter_map(|&s| layer.samples.image.get(s as usize).copied());
    let mut labels: HashMap<u16, u32> = HashMap::new();
    let mut predictions: HashMap<u16, u32> = HashMap::new();
    for image in images {
        let image = image as usize;
        if let Some(label) = atlas.images.label.get(image).copied().flatten() {
            *labels.entry(label).or_default() += 1;
        }
        if let Some(class) = atlas.images.prediction.get(image).copied().flatten() {
            *predictions.entry(class).or_default() += 1;
        }
    }
    let named = |counts: HashMap<u16, u32>, name: &dyn Fn(u16) -> String| {
        let mut rows: Vec<(u16, u32)> = counts.into_iter().collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let rows = rows.into_iter().map(|(id, n)| (name(id), n));
        rows.collect::<Vec<_>>()
    };
    if labels.is_empty() {
        return (
            "predicted",
            named(predictions, &|class| atlas.class_name(class)),
        );
    }
    let label_name = |label: u16| {
        let label = usize::from(label);
        match atlas.images.label_class.get(label).copied().flatten() {
            Some(class) => atlas.class_name(class),
            None => atlas
                .images
                .label_names
                .get(label)
                .cloned()
                .unwrap_or_default(),
        }
    };
    ("labels of the images", named(labels, &label_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_never_take_more_than_there_is() {
        for height in 0..60 {
            for with_labels in [false, true] {
                let s = shares(height, with_labels);
                let n = if with_labels { 3 } else { 2 };
                let heads = n * if s.airy { 2 } else { 1 };
                let used = s.supports + s.opposes + s.labels;
                assert!(used == 0 || used + heads <= height, "{height} {s:?}");
            }
        }
        assert_eq!(shares(10, true).supports, 3);
    }

    #[test]
    fn the_chosen_class_is_always_among_the_bars() {
        let kept = |lines, chosen| {
            let mut classes = vec![(9, 1.0), (5, 2.0), (1, 0.5), (7, 3.0)];
            strongest(&mut classes, lines, chosen);
            classes
        };
        assert_eq!(kept(2, None), [(7, 3.0), (5, 2.0)]);
        assert_eq!(kept(2, Some(7)), [(7, 3.0), (5, 2.0)]);
        assert_eq!(kept(2, Some(1)), [(7, 3.0), (1, 0.5)]);
        assert_eq!(kept(2, Some(4)), [(7, 3.0), (5, 2.0)]);
        assert_eq!(kept(9, Some(1)), [(7, 3.0), (5, 2.0), (9, 1.0), (1, 0.5)]);
        assert!(kept(0, Some(1)).is_empty());
    }

    #[test]
    fn the_strongest_classes_are_those_of_a_full_sort() {
        for n in [1, 7, 300] {
            // Few values, so that many are equal.
            let classes: Vec<(ClassId, f32)> = (0..n)
                .map(|class| (class, -f32::from(class * 7 % 20)))
                .collect();
            let mut sorted = classes.clone();
            sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            for lines in [1, 2, 8] {
                let mut found = classes.clone();
                strongest(&mut found, lines, None);
                assert_eq!(found, sorted[..lines.min(sorted.len())]);
            }
        }
    }
}
