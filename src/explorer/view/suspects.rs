//! The table of suspects below the map: a line about the list, headings, rows.

use super::text::{counted, cut, grouped, put, put_right, width};
use super::theme::Theme;
use crate::atlas::Atlas;
use crate::explorer::action::Action;
use crate::explorer::state::State;
use crate::explorer::suspects::{FIXED, Head, Row, Which, why_missing};
use crate::suspects::{Evidence, MIN_IMAGES, Suspects};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Lines above the rows.
const ABOVE: u16 = 2;
/// The column of classes is at least so wide.
const CLASS: u16 = 8;

/// Draws the list.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(atlas) = state.atlas.as_ref().filter(|_| !area.is_empty()) else {
        return;
    };
    title(state, theme, atlas, area, buf);
    if area.height < 2 {
        return;
    }
    let heads = laid_out(state, area);
    headings(state, theme, (area, &heads), buf);
    let list = rows_area(area);
    if state.suspects.rows.is_empty() {
        let text = nothing(state);
        put(
            buf,
            list,
            (list.x, list.y),
            &cut(&text, list.width),
            theme.faint,
        );
        return;
    }
    for ((at, row), y) in in_sight(state, list).zip(list.y..list.bottom()) {
        let chosen = at == state.suspects.selected;
        let base = if chosen { theme.strong } else { theme.plain };
        let bar = if chosen { "▌" } else { " " };
        put(buf, list, (list.x, y), bar, theme.accent);
        for &(head, x, width) in &heads {
            let text = state.suspects.text(atlas, head, row);
            let style = match head {
                Head::Verdict => verdict_style(theme, &text, base),
                Head::Judgement if text == "shortcut" => theme.notice,
                _ => base,
            };
            let text = cut(&text, width);
            if right(head) {
                let at = Rect::new(x, y, width, 1).intersection(list);
                put_right(buf, at, (x, y), &text, style);
            } else {
                put(buf, list, (x, y), &text, style);
            }
        }
    }
}

/// Is it written from the right?
fn right(head: Head) -> bool {
    matches!(
        head,
        Head::Rank | Head::Cell | Head::Score | Head::Q | Head::Column(_)
    )
}

fn verdict_style(theme: &Theme, word: &str, base: Style) -> Style {
    match word {
        "used" => theme.minus.add_modifier(Modifier::BOLD),
        "no-patch" => theme.minus,
        "testing" => theme.accent,
        "untested" => theme.faint,
        _ => base,
    }
}

fn rows_area(area: Rect) -> Rect {
    let above = ABOVE.min(area.height);
    Rect {
        y: area.y + above,
        height: area.height - above,
        ..area
    }
}

/// The rows in sight with their places in the list.
fn in_sight(state: &State, list: Rect) -> impl Iterator<Item = (usize, Row)> {
    let board = &state.suspects;
    let n = usize::from(list.height);
    let first = board.selected.saturating_sub(n / 2);
    let first = first.min(board.rows.len().saturating_sub(n));
    let rows = board.rows.iter().copied().enumerate();
    rows.skip(first).take(n)
}

/// The row at a place of the screen.
pub(in crate::explorer) fn row_at(state: &State, (x, y): (u16, u16)) -> Option<usize> {
    let list = rows_area(state.panes().list);
    if !list.contains((x, y).into()) {
        return None;
    }
    let rows = in_sight(state, list).zip(list.y..);
    rows.into_iter()
        .find(|(_, line)| *line == y)
        .map(|((at, _), _)| at)
}

fn list_name(state: &State, atlas: &Atlas) -> String {
    match state.suspects.which {
        Which::All => "suspects".to_owned(),
        Which::MultiUse => "cells of two uses".to_owned(),
        Which::Contrast(a, b) => format!("{} or {}", atlas.class_name(a), atlas.class_name(b)),
    }
}

fn title(state: &State, theme: &Theme, atlas: &Atlas, area: Rect, buf: &mut Buffer) {
    let line = "─".repeat(usize::from(area.width));
    put(buf, area, (area.x, area.y), &line, theme.faint);
    let board = &state.suspects;
    let mut parts = Vec::new();
    if let Some(list) = board.suspects() {
        let (shown, all) = (board.rows.len(), list.candidates.len());
        parts.push(if shown == all {
            grouped(all as u64)
        } else {
            format!("{} of {}", grouped(shown as u64), grouped(all as u64))
        });
        if !board.filter.is_empty() {
            parts.push(format!("with {}", board.filter));
        }
        parts.push(evidence(list).to_owned());
        if list.n_tested > 0 {
            parts.push(format!("q over {}", counted(list.n_tested as u64, "pair")));
        }
        let n_small = list.too_small.len() as u64;
        if n_small > 0 {
            parts.push(format!(
                "{} below {MIN_IMAGES} images left out",
                counted(n_small, "class").replace("classs", "classes")
            ));
        }
    }
    let name = format!(" {} ", list_name(state, atlas));
    let x = put(
        buf,
        area,
        (area.x + 1, area.y),
        &cut(&name, area.width),
        theme.strong,
    );
    let text = parts.join(" · ");
    let room = area.right().saturating_sub(x + 1);
    let text = cut(&text, room);
    if !text.is_empty() {
        put(buf, area, (x, area.y), &format!("{text} "), theme.faint);
    }
}

fn evidence(list: &Suspects) -> &'static str {
    match list.evidence {
        Evidence::Labels => "by labels",
        Evidence::Predictions => "by predictions",
        Evidence::Nothing => "no labels, no predictions",
    }
}

/// What stands in place of the rows.
fn nothing(state: &State) -> String {
    let board = &state.suspects;
    let Some(list) = board.suspects() else {
        return "looking for candidates".to_owned();
    };
    if !board.filter.is_empty() {
        let key = state.keymap.key(Action::SuspectBack);
        return format!("nothing matches {}; {key} shows all", board.filter);
    }
    if list.evidence == Evidence::Nothing {
        return "the images have no labels and the network no classes: nothing to go with"
            .to_owned();
    }
    if state.atlas.as_ref().is_some_and(|atlas| !atlas.complete) {
        return "the atlas still grows: candidates are found once it is complete".to_owned();
    }
    format!("no feature of a class with at least {MIN_IMAGES} images stands out")
}

/// How wide a column is.
fn columns_of(head: Head) -> u16 {
    match head {
        Head::Rank => 4,
        Head::Kind => 9,
        Head::Class | Head::Verdict | Head::Judgement => CLASS,
        Head::Cell | Head::Score => 6,
        Head::Q => 5,
        Head::Column(_) => width(head.title()).max(6) + 1,
    }
}

/// What goes first where there is no room for all.
const DROPPED: [Head; 6] = [
    Head::Q,
    Head::Kind,
    Head::Cell,
    Head::Judgement,
    Head::Score,
    Head::Rank,
];

/// The columns in sight, with their first terminal column and their width. The chosen one is always among them.
fn laid_out(state: &State, area: Rect) -> Vec<(Head, u16, u16)> {
    let chosen = state.suspects.chosen();
    let room = area.width.saturating_sub(1);
    let mut heads: Vec<Head> = FIXED.to_vec();
    if matches!(chosen, Head::Column(_)) {
        heads.push(chosen);
    }
    let needed = |heads: &[Head]| heads.iter().map(|&head| columns_of(head) + 1).sum::<u16>();
    for dropped in DROPPED {
        if needed(&heads) > room && dropped != chosen {
            heads.retain(|&head| head != dropped);
        }
    }
    // Scores as far as there is room, the chosen one among them.
    heads.retain(|head| !matches!(head, Head::Column(_)));
    let scores: Vec<Head> = Head::all().skip(FIXED.len()).collect();
    let mut left = room.saturating_sub(needed(&heads));
    let fits = |from: usize| {
        let mut left = left;
        let fit = |head: &&Head| {
            let fits = columns_of(**head) < left;
            left = left.saturating_sub(columns_of(**head) + 1);
            fits
        };
        scores[from..].iter().take_while(fit).count()
    };
    let at = scores.iter().position(|&head| head == chosen).unwrap_or(0);
    let first = (0..=at).find(|&from| from + fits(from) > at).unwrap_or(at);
    let mut n = fits(first);
    if matches!(chosen, Head::Column(_)) {
        n = n.max(1);
    }
    for &head in scores[first..].iter().take(n) {
        heads.push(head);
        left = left.saturating_sub(columns_of(head) + 1);
    }
    // The class takes what is left.
    let mut x = area.x + 1;
    let mut placed = Vec::with_capacity(heads.len());
    for head in heads {
        let mut width = columns_of(head);
        if head == Head::Class {
            width += left.min(24);
        }
        placed.push((head, x, width));
        x += width + 1;
    }
    placed
}

fn headings(
    state: &State,
    theme: &Theme,
    (area, heads): (Rect, &[(Head, u16, u16)]),
    buf: &mut Buffer,
) {
    let y = area.y + 1;
    for &(head, x, width) in heads {
        let order = state.suspects.order.filter(|(by, _)| *by == head);
        let sign = match order {
            Some((_, false)) => "▼",
            Some((_, true)) => "▲",
            None => "",
        };
        let missing = state.suspects.suspects();
        let missing = missing.is_some_and(|list| why_missing(list, head).is_some());
        let style = if head == state.suspects.chosen() {
            theme.accent.add_modifier(Modifier::REVERSED)
        } else if missing {
            theme.faint.add_modifier(Modifier::CROSSED_OUT)
        } else {
            theme.faint
        };
        let text = cut(&format!("{}{sign}", head.title()), width);
        let at = Rect::new(x, y, width, 1).intersection(area);
        if right(head) {
            put_right(buf, at, (x, y), &text, style);
        } else {
            put(buf, at, (x, y), &text, style);
        }
    }
}
