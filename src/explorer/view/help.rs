//! The help screen, made from the key table.

use super::text::{put, width};
use super::theme::Theme;
use crate::explorer::keymap::{Binding, Group, KEYS, readable};
use crate::explorer::state::State;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Width of the column with the keys.
const KEY_COLUMNS: u16 = 22;
/// Empty columns around a row.
const MARGIN: u16 = 6;

/// A line of the help screen.
enum HelpLine {
    Empty,
    Title(&'static str),
    Keys(&'static Binding),
}

fn lines(groups: &[Group]) -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for &group in groups {
        if !lines.is_empty() {
            lines.push(HelpLine::Empty);
        }
        lines.push(HelpLine::Title(group.title()));
        lines.extend(KEYS.iter().filter(|b| b.group == group).map(HelpLine::Keys));
    }
    lines
}

/// The groups in two columns where every row fits, else in one.
fn columns(screen: u16) -> Vec<Vec<HelpLine>> {
    let longest = KEYS.iter().map(|b| width(b.doc)).max().unwrap_or(0);
    if screen >= 2 * (KEY_COLUMNS + longest + MARGIN) {
        let (left, right) = Group::ALL.split_at(3);
        vec![lines(left), lines(right)]
    } else {
        vec![lines(&Group::ALL)]
    }
}

/// Height of the whole help text on a screen of this width.
pub(in crate::explorer) fn height(width: u16) -> u16 {
    let longest = columns(width).iter().map(Vec::len).max().unwrap_or(0);
    longest as u16 + 2
}

/// Draws the help text, `scroll` lines of it scrolled away.
pub(super) fn draw(state: &State, theme: &Theme, scroll: u16, area: Rect, buf: &mut Buffer) {
    let columns = columns(area.width);
    let share = area.width / columns.len() as u16;
    for (idx, lines) in columns.iter().enumerate() {
        let column = Rect {
            x: area.x + share * idx as u16 + 2.min(share),
            width: share.saturating_sub(3),
            ..area
        };
        let shown = lines.iter().skip(usize::from(scroll));
        // One empty line at the top.
        for (line, y) in shown.zip(area.y.saturating_add(1)..area.bottom()) {
            match line {
                HelpLine::Empty => {}
                HelpLine::Title(title) => {
                    put(buf, column, (column.x, y), title, theme.accent);
                }
                HelpLine::Keys(binding) => keys(state, theme, (binding, y), column, buf),
            }
        }
    }
}

fn keys(state: &State, theme: &Theme, (binding, y): (&Binding, u16), area: Rect, buf: &mut Buffer) {
    let keys = state.keymap.keys_of(binding.action);
    let single = keys.iter().all(|key| key.len() == 1) && keys.len() > 4;
    let keys = match keys {
        [] => "–".to_owned(),
        [first, .., last] if single => format!("{first} … {last}"),
        keys => {
            let keys: Vec<String> = keys.iter().map(|key| readable(key)).collect();
            keys.join("  ")
        }
    };
    let x = put(buf, area, (area.x + 2, y), &keys, theme.strong);
    let doc_x = (area.x + 2 + KEY_COLUMNS).max(x + 1);
    debug_assert!(width(binding.doc) < 80);
    put(buf, area, (doc_x, y), binding.doc, theme.plain);
}
