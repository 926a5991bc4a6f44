//! The side pane about a suspect: what tests found out so far, what the person said, pictures before and after.

use super::text::{cut, put, put_right, signed, width};
use super::theme::Theme;
use crate::explorer::action::Action;
use crate::explorer::panes::Side;
use crate::explorer::state::State;
use crate::explorer::suspects::{Head, Record, definition, heading, why_missing};
use crate::explorer::worker::Shot;
use crate::suspects::claim::{Estimate, Judgement, SweepPoint};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Rows of the chart of a sweep, without its heading and scale.
const CHART: (u16, u16) = (3, 6);
/// Lines of the chart beside these.
const AROUND: u16 = 3;

/// The parts of the pane below the icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    text: Rect,
    /// Pictures before and after, without their headings.
    shots: Rect,
}

fn parts(state: &State, side: &Side) -> Parts {
    // Where the exemplars begin, or at the end of the pane.
    let bottom = if side.exemplars.is_empty() {
        side.area.bottom()
    } else {
        side.exemplars.y.saturating_sub(1)
    };
    let all = Rect {
        height: bottom.saturating_sub(side.text.y),
        ..side.text
    };
    let pictures = state.screen.has_pictures() && !state.suspects.shots().is_empty();
    let rows = match all.height {
        _ if !pictures => 0,
        ..14 => 0,
        14..28 => 5,
        28..36 => 7,
        _ => 10,
    };
    let heading = u16::from(rows > 0);
    Parts {
        text: Rect {
            height: all.height - rows - heading,
            ..all
        },
        shots: Rect {
            y: all.bottom() - rows,
            height: rows,
            ..all
        },
    }
}

/// The pictures before and after with their places: pairs side by side, as many as fit.
pub(in crate::explorer) fn shot_rects(state: &State) -> Vec<(&Shot, [Rect; 2])> {
    let (Some(side), true) = (state.panes().side, state.suspects.open) else {
        return Vec::new();
    };
    if state.suspects.explains {
        return Vec::new();
    }
    let area = parts(state, &side).shots;
    if area.is_empty() {
        return Vec::new();
    }
    let wide = crate::explorer::camera::columns_for(area.height, state.screen.cell_pixels);
    // A pair may be narrower than it is high, so that at least one fits.
    let wide = wide.min((area.width.saturating_sub(1)) / 2).max(1);
    let step = 2 * wide + 3;
    let shots = state.suspects.shots().iter().enumerate();
    let shots = shots.map(|(at, shot)| {
        let x = area.x + at as u16 * step;
        let rect = |x: u16| Rect {
            x,
            width: wide,
            ..area
        };
        (shot, [rect(x), rect(x + wide + 1)])
    });
    shots
        .take_while(|(_, [_, after])| after.right() <= area.right())
        .collect()
}

/// Draws the pane's text.
pub(super) fn draw(state: &State, theme: &Theme, side: &Side, buf: &mut Buffer) {
    super::inspector::exemplars(state, theme, side, buf);
    let parts = parts(state, side);
    let mut sheet = Sheet {
        area: parts.text,
        buf,
    };
    if state.suspects.explains {
        sheet.area = sheet.area.union(parts.shots);
        explain(state, theme, &mut sheet);
        return;
    }
    about(state, theme, &mut sheet);
    if let Some(record) = state.suspects.record() {
        tested(state, theme, record, &mut sheet);
    } else {
        hint(state, theme, &mut sheet);
    }
    shots(state, theme, &parts, buf);
}

/// What is left of an area that is filled from the top.
struct Sheet<'a> {
    area: Rect,
    buf: &'a mut Buffer,
}

impl Sheet<'_> {
    fn line(&mut self, text: &str, style: ratatui::style::Style) {
        let area = self.area;
        if !area.is_empty() {
            put(
                self.buf,
                area,
                (area.x, area.y),
                &cut(text, area.width),
                style,
            );
        }
        self.skip(1);
    }

    fn paragraph(&mut self, text: &str, style: ratatui::style::Style) {
        for line in wrapped(text, self.area.width) {
            self.line(&line, style);
        }
    }

    fn skip(&mut self, lines: u16) {
        let lines = lines.min(self.area.height);
        self.area.y += lines;
        self.area.height -= lines;
    }
}

/// A text in lines of at most `columns`; a longer word is cut.
fn wrapped(text: &str, columns: u16) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.len() - 1;
        let with = if lines[line].is_empty() {
            word.to_owned()
        } else {
            format!("{} {word}", lines[line])
        };
        if width(&with) <= columns || lines[line].is_empty() {
            lines[line] = cut(&with, columns);
        } else {
            lines.push(cut(word, columns));
        }
    }
    lines
}

fn explain(state: &State, theme: &Theme, sheet: &mut Sheet<'_>) {
    let head = state.suspects.chosen();
    let (what, source) = definition(head);
    sheet.line(head.title(), theme.strong);
    sheet.paragraph(what, theme.plain);
    if !source.is_empty() {
        sheet.paragraph(source, theme.faint);
    }
    let list = state.suspects.suspects();
    if let Some(why) = list.and_then(|list| why_missing(list, head)) {
        sheet.skip(1);
        sheet.paragraph(&format!("not here: {why}"), theme.notice);
    }
    if let (Some(atlas), Some(row)) = (&state.atlas, state.suspects.row()) {
        sheet.skip(1);
        let value = state.suspects.text(atlas, head, row);
        sheet.line(&format!("this one: {value}"), theme.plain);
    }
    let key = |action| state.keymap.key(action);
    sheet.skip(1);
    sheet.paragraph(
        &format!(
            "{} {} other columns, {} orders by it, {} colours the map, {} back",
            key(Action::SuspectColumnLeft),
            key(Action::SuspectColumnRight),
            key(Action::SuspectSort),
            key(Action::SuspectColour),
            key(Action::SuspectExplain)
        ),
        theme.faint,
    );
}

/// What it is.
fn about(state: &State, theme: &Theme, sheet: &mut Sheet<'_>) {
    let (Some(atlas), board) = (&state.atlas, &state.suspects) else {
        return;
    };
    let Some(candidate) = board.candidate() else {
        if let Some(record) = board.record() {
            sheet.line(&record.claim.subject.class_name, theme.strong);
            sheet.line(&heading(&record.claim), theme.faint);
        }
        return;
    };
    let class = atlas.class_name(candidate.class);
    let class = match candidate.other {
        Some(other) => format!("{class} / {}", atlas.class_name(other)),
        None => class,
    };
    sheet.line(&class, theme.strong);
    let layer = atlas.layers.get(candidate.layer);
    let cell = candidate.cell;
    let nth = candidate.component.map(|n| format!(" {n}"));
    let row = board.row();
    let kind = row.map(|row| board.text(atlas, Head::Kind, row));
    sheet.line(
        &format!(
            "{}{} at {} {},{}",
            kind.unwrap_or_default(),
            nth.unwrap_or_default(),
            layer.map_or("", |layer| layer.name.as_str()),
            cell.row,
            cell.col
        ),
        theme.faint,
    );
}

fn hint(state: &State, theme: &Theme, sheet: &mut Sheet<'_>) {
    let key = |action| state.keymap.key(action);
    sheet.skip(1);
    if state.suspects.row().is_none() {
        return;
    }
    sheet.paragraph(
        &format!(
            "{} tests whether the model uses it; {} shortcut, {} core, {} unsure, {} a note",
            key(Action::SuspectTest),
            key(Action::JudgeShortcut),
            key(Action::JudgeCore),
            key(Action::JudgeUnsure),
            key(Action::SuspectNote)
        ),
        theme.faint,
    );
}

fn tested(state: &State, theme: &Theme, record: &Record, sheet: &mut Sheet<'_>) {
    let claim = &record.claim;
    if record.judged || !claim.note.is_empty() {
        let word = match claim.judgement {
            _ if !record.judged => "",
            Judgement::Core => "core",
            Judgement::Shortcut => "shortcut",
            Judgement::Unsure => "unsure",
        };
        let gap = if word.is_empty() || claim.note.is_empty() {
            ""
        } else {
            ": "
        };
        sheet.paragraph(&format!("{word}{gap}{}", claim.note), theme.notice);
    }
    let running = state.suspects.row();
    let running = running.is_some_and(|row| state.suspects.is_running(row));
    if running && claim.estimates.is_empty() {
        sheet.line(
            "testing: the network and its photographs are read",
            theme.accent,
        );
        return;
    }
    if let Some(why) = &record.failure {
        sheet.paragraph(why, theme.notice);
    }
    if claim.estimates.is_empty() {
        hint(state, theme, sheet);
        return;
    }
    sheet.skip(u16::from(sheet.area.height > 16));
    sheet.paragraph(&claim.verdict, theme.strong);
    if record.is_partial() && !running {
        sheet.line("the test was interrupted", theme.notice);
    }
    sheet.skip(u16::from(sheet.area.height > 12));
    estimates(theme, &claim.estimates, running, sheet);
    if !claim.sweep.is_empty() && sheet.area.height >= CHART.0 + AROUND {
        sheet.skip(u16::from(sheet.area.height > CHART.1 + AROUND));
        chart(theme, &claim.sweep, sheet);
    }
}

/// A line for each method, and below it its interval, that of the controls, and zero.
fn estimates(theme: &Theme, all: &[Estimate], running: bool, sheet: &mut Sheet<'_>) {
    let ends = all.iter().flat_map(|estimate| {
        let controls = estimate.controls;
        [estimate.ci, controls.ci, [0.0, 0.0]].concat()
    });
    let range = ends
        .filter(|v| v.is_finite())
        .fold((0.0, 0.0), |(lo, hi), v| (f32::min(lo, v), f32::max(hi, v)));
    for estimate in all {
        if sheet.area.height < 2 {
            return;
        }
        let more = if running && !estimate.done { "…" } else { "" };
        let delta = signed(estimate.delta);
        let [low, high] = estimate.ci.map(signed);
        let whole = format!("{delta} [{low}, {high}] n {}{more}", estimate.n);
        let (area, y) = (sheet.area, sheet.area.y);
        let x = put(
            sheet.buf,
            area,
            (area.x, y),
            &cut(estimate.method.name(), area.width),
            theme.plain,
        );
        // Beside a long name as much of it as there is room for.
        let room = area.right().saturating_sub(x + 1);
        let mut ways = [whole, format!("{delta} [{low}, {high}]{more}"), delta].into_iter();
        if let Some(numbers) = ways.find(|text| width(text) <= room) {
            put_right(sheet.buf, area, (x + 1, y), &numbers, theme.faint);
        }
        sheet.skip(1);
        interval(theme, estimate, range, sheet);
    }
}

fn interval(theme: &Theme, estimate: &Estimate, (lo, hi): (f32, f32), sheet: &mut Sheet<'_>) {
    let area = sheet.area;
    let wide = f32::from(area.width.saturating_sub(1));
    let span = (hi - lo).max(1e-6);
    let column = |v: f32| area.x + ((v.clamp(lo, hi) - lo) / span * wide).round() as u16;
    let mut bar = |ci: [f32; 2], middle: f32, signs: (&str, &str), style| {
        if !(ci[0].is_finite() && ci[1].is_finite() && middle.is_finite()) {
            return;
        }
        for x in column(ci[0])..=column(ci[1]) {
            put(sheet.buf, area, (x, area.y), signs.0, style);
        }
        put(sheet.buf, area, (column(middle), area.y), signs.1, style);
    };
    bar([0.0, 0.0], 0.0, ("│", "│"), theme.faint);
    let controls = estimate.controls;
    bar(controls.ci, controls.delta, ("┄", "○"), theme.faint);
    bar(estimate.ci, estimate.delta, ("━", "●"), theme.accent);
    sheet.skip(1);
}

/// The effect by size: bars, and where the controls stand; below them sizes and flips.
fn chart(theme: &Theme, points: &[SweepPoint], sheet: &mut Sheet<'_>) {
    const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let values = points.iter().flat_map(|p| [p.delta, p.controls]);
    let most = values.filter(|v| v.is_finite()).fold(1e-3, f32::max);
    sheet.line(
        &format!("by size of the patch, up to {} logit", signed(most)),
        theme.faint,
    );
    let area = sheet.area;
    let rows = (area.height.saturating_sub(AROUND - 1)).clamp(CHART.0, CHART.1);
    let step = (area.width / 9).clamp(2, 5);
    let column = |at: usize| area.x + at as u16 * step;
    for (at, point) in points.iter().enumerate() {
        let height = |v: f32| (v.max(0.0) / most * f32::from(8 * rows)).round() as u16;
        let (bar, controls) = (height(point.delta), height(point.controls));
        for row in 0..rows {
            let y = area.y + rows - 1 - row;
            let eighths = bar.saturating_sub(8 * row).min(8);
            let text = EIGHTHS[usize::from(eighths)].repeat(usize::from(step - 1));
            put(sheet.buf, area, (column(at), y), &text, theme.plus);
            let here = controls > 0 && (controls - 1) / 8 == row;
            if here {
                put(sheet.buf, area, (column(at), y), "○", theme.minus);
            }
        }
    }
    sheet.skip(rows);
    let mut row = |name: &str, of: &dyn Fn(&SweepPoint) -> String| {
        let area = sheet.area;
        for (at, point) in points.iter().enumerate() {
            let text = cut(&of(point), step);
            put(sheet.buf, area, (column(at), area.y), &text, theme.faint);
        }
        put_right(sheet.buf, area, (column(9), area.y), name, theme.faint);
        sheet.skip(1);
    };
    row("", &|point| format!(".{:.0}", point.ratio * 10.0));
    row("flips", &|point| point.flips.to_string());
}

fn shots(state: &State, theme: &Theme, parts: &Parts, buf: &mut Buffer) {
    let Some(y) = parts
        .shots
        .y
        .checked_sub(1)
        .filter(|_| !parts.shots.is_empty())
    else {
        return;
    };
    let area = Rect {
        y,
        height: 1,
        ..parts.shots
    };
    for (shot, [before, after]) in shot_rects(state) {
        let text = format!("P {:.2} → {:.2}", shot.probability[0], shot.probability[1]);
        let room = after.right() - before.x;
        put(buf, area, (before.x, y), &cut(&text, room), theme.faint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_longer_than_there_is_room() {
        let text = "used by the model: Δ +2.1 logit [1.6, 2.6], controls";
        for columns in 1..60 {
            for line in wrapped(text, columns) {
                assert!(width(&line) <= columns, "{columns}: {line}");
            }
        }
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
