//! The screen before the first snapshot of a build: its stages.

use super::bars::blocks;
use super::text::{cut, duration, grouped, put, put_right, width};
use super::theme::Theme;
use crate::explorer::state::{Stage, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the stages in the middle of `area`.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let columns = area.width.saturating_sub(4).min(76);
    let n = (state.stages.len() as u16).saturating_mul(2) + 2;
    let rows = n.min(area.height);
    let mut block = Rect {
        x: area.x + (area.width - columns) / 2,
        y: area.y + (area.height - rows) / 3,
        width: columns,
        height: rows,
    };
    let title = match (&state.failure, state.building) {
        (Some(_), _) => "the build stopped",
        (None, true) => "building the first map",
        (None, false) => "waiting for the first map",
    };
    put(buf, block, (block.x, block.y), title, theme.strong);
    skip(&mut block, 2);
    if let Some(why) = &state.failure {
        let line = cut(why, block.width);
        put(buf, block, (block.x, block.y), &line, theme.notice);
        return;
    }
    // The stage at work matters most when there is no room for all.
    let fit = usize::from(block.height.div_ceil(2)).max(1);
    let first = state.stages.len().saturating_sub(fit);
    let last = state.stages.len().saturating_sub(1);
    for (idx, stage) in state.stages.iter().enumerate().skip(first) {
        if idx == last {
            at_work(stage, theme, block, buf);
        } else {
            finished(stage, theme, block, buf);
        }
        skip(&mut block, 2);
    }
}

fn skip(block: &mut Rect, lines: u16) {
    let lines = lines.min(block.height);
    block.y += lines;
    block.height -= lines;
}

fn finished(stage: &Stage, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let x = put(buf, area, (area.x, area.y), "✓ ", theme.accent);
    let x = put(buf, area, (x, area.y), &stage.name, theme.plain);
    if stage.total > 0 {
        put_right(
            buf,
            area,
            (x + 1, area.y),
            &grouped(stage.total),
            theme.faint,
        );
    }
}

fn at_work(stage: &Stage, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let y = area.y;
    let x = put(buf, area, (area.x, y), "▸ ", theme.accent);
    let x = put(buf, area, (x, y), &stage.name, theme.strong);
    let mut facts = Vec::new();
    if stage.total > 0 {
        let (done, total) = (grouped(stage.done), grouped(stage.total));
        facts.push(format!("{done} of {total}"));
    } else if stage.done > 0 {
        facts.push(grouped(stage.done));
    }
    if let Some(rate) = stage.rate() {
        facts.push(if rate >= 10.0 {
            format!("{rate:.0}/s")
        } else {
            format!("{rate:.1}/s")
        });
    }
    if let Some(eta) = stage.eta {
        facts.push(format!("{} left", duration(eta)));
    }
    put_right(buf, area, (x + 1, y), &facts.join("   "), theme.faint);
    let Some(share) = stage.share() else { return };
    let percent = format!(" {:3.0} %", share * 100.0);
    let columns = area.width.saturating_sub(2 + width(&percent));
    let below = (area.x + 2, y + 1);
    let track = "─".repeat(usize::from(columns));
    put(buf, area, below, &track, theme.faint);
    let bar = blocks(share as f32, columns);
    put(buf, area, below, &bar, theme.accent);
    put_right(buf, area, (below.0, below.1), &percent, theme.plain);
}
