//! The last row: a remark or where we are, how the build goes, how pictures are drawn.

use super::text::{cut, duration, put, put_right, tail, width};
use super::theme::Theme;
use crate::explorer::action::Action;
use crate::explorer::arrangement::Kind;
use crate::explorer::state::{Overlay, Prompt, PromptKind, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the status line, and says where the text cursor stands when a line is typed there.
pub(super) fn draw(
    state: &State,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Option<(u16, u16)> {
    if area.is_empty() {
        return None;
    }
    if let Some(Overlay::Prompt(prompt)) = &state.overlay {
        return Some(typed(theme, prompt, area, buf));
    }
    let y = area.y;
    let hint = hint(state);
    let (text, style) = match (&state.notice, &state.failure) {
        (Some(notice), _) => (notice.clone(), theme.notice),
        (None, Some(why)) if state.atlas.is_some() => {
            (format!("the build stopped: {why}"), theme.notice)
        }
        _ => (place_on_map(state), theme.plain),
    };
    // A remark is told whole; what is always there makes room for it.
    let wanted = match state.notice {
        Some(_) => width(&text),
        None => 0,
    };
    // From the right: hints, protocol, build; each only as far as there is room.
    let mut end = area;
    let mut place = |text: &str, style| {
        if width(text) + 2 + wanted < end.width {
            let x = put_right(buf, end, (end.x, y), text, style);
            end.width = x.saturating_sub(end.x + 2);
        }
    };
    place(&format!("{hint} "), theme.faint);
    if state.building && state.atlas.is_some() {
        place(&build(state), theme.accent);
    }
    place(state.screen.protocol.name(), theme.faint);
    let room = end.width.saturating_sub(1);
    put(buf, area, (area.x + 1, y), &cut(&text, room), style);
    None
}

/// What the next keys do, by the keys that there are.
fn hint(state: &State) -> String {
    let key = |action| state.keymap.key(action);
    match &state.overlay {
        Some(Overlay::Search(_) | Overlay::Palette(_)) => format!(
            "{} go  {} back",
            key(Action::SearchAccept),
            key(Action::SearchCancel)
        ),
        Some(Overlay::Photos { .. }) => format!(
            "{} locate  {} whole  {} back",
            key(Action::PhotoLocate),
            key(Action::PhotoWhole),
            key(Action::PhotoClose)
        ),
        Some(Overlay::Shots { .. }) => format!(
            "{} {} other pictures  {} back",
            key(Action::PhotoLeft),
            key(Action::PhotoRight),
            key(Action::PhotoClose)
        ),
        Some(Overlay::Help { .. }) => format!(
            "{} {} scroll  {} back",
            key(Action::HelpDown),
            key(Action::HelpUp),
            "Esc"
        ),
        Some(Overlay::Prompt(_)) => String::new(),
        None if state.suspects.open => format!(
            "{} test  {} shortcut  {} core  {} report  {} help",
            key(Action::SuspectTest),
            key(Action::JudgeShortcut),
            key(Action::JudgeCore),
            key(Action::SuspectReport),
            key(Action::Help)
        ),
        None if state.arrangement.is_some() => {
            format!(
                "{} map  {} help  {} quit",
                key(Action::Clear),
                key(Action::Help),
                key(Action::Quit)
            )
        }
        None => format!(
            "{} class  {} all  {} help  {} quit",
            key(Action::Search),
            key(Action::Palette),
            key(Action::Help),
            key(Action::Quit)
        ),
    }
}

/// A line that is typed, over the whole width.
fn typed(theme: &Theme, prompt: &Prompt, area: Rect, buf: &mut Buffer) -> (u16, u16) {
    let title = match prompt.kind {
        PromptKind::Note => "note: ",
        PromptKind::Folder => "folder of the photographs: ",
        PromptKind::Locate => "photograph to locate: ",
        PromptKind::GoTo => "go to ROW,COL or link: ",
        PromptKind::Filter => "only suspects with: ",
        PromptKind::Patch => "picture to paste: ",
        PromptKind::Opinion => "note on the suspect: ",
    };
    let blank = " ".repeat(usize::from(area.width));
    put(buf, area, (area.x, area.y), &blank, theme.plain);
    let x = put(buf, area, (area.x + 1, area.y), title, theme.accent);
    let room = area.right().saturating_sub(x + 1);
    let x = put(
        buf,
        area,
        (x, area.y),
        &tail(&prompt.text, room),
        theme.plain,
    );
    let hint = cut(&prompt.hint, area.right().saturating_sub(x + 3));
    put(buf, area, (x + 2, area.y), &hint, theme.faint);
    (x.min(area.right() - 1), area.y)
}

fn place_on_map(state: &State) -> String {
    let (Some(layer), Some(level)) = (state.layer(), state.level()) else {
        return String::new();
    };
    let (row, col) = state.cursor;
    let count = match state.cell() {
        Some(idx) => format!("{} act.", level.cells[idx].n_samples),
        None => "empty".to_owned(),
    };
    let view = match state.arrangement.as_ref().map(|a| a.kind) {
        Some(Kind::Compare(..)) => "comparison".to_owned(),
        Some(Kind::Photograph) => "photograph".to_owned(),
        None => format!("{}²", level.grid),
    };
    format!("{} · {view} · {row},{col} · {count}", layer.name)
}

fn build(state: &State) -> String {
    let Some(stage) = state.stages.last() else {
        return "building".to_owned();
    };
    let share = stage
        .share()
        .map(|share| format!(" {:.0} %", share * 100.0));
    let left = stage.eta.map(|eta| format!(", {} left", duration(eta)));
    [Some(stage.name.clone()), share, left]
        .into_iter()
        .flatten()
        .collect()
}
