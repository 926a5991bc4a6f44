//! Marks, notes, links, and the way back.

use super::travel::put_cursor;
use super::{classes, layers, zoom};
use crate::explorer::action::{Action, Effect};
use crate::explorer::camera::layout_from_grid;
use crate::explorer::link::{Link, split};
use crate::explorer::state::{Mark, State};

/// Places that the way back remembers.
const JUMPS: usize = 50;

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::Mark => toggle(state),
        Action::NextMark => step(state, 1),
        Action::PreviousMark => step(state, -1),
        _ => back(state),
    }
}

fn toggle(state: &mut State) {
    let Some(link) = state.link() else { return };
    let n = state.marks.len();
    let note = state
        .mark()
        .map(|mark| mark.note.clone())
        .filter(|note| !note.is_empty());
    state.marks.retain(|mark| mark.cell != link);
    if state.marks.len() < n {
        state.notice = Some(match note {
            // A note is work: say what went, so that it can be typed again.
            Some(note) => format!("mark and note taken away: {note}"),
            None => "mark taken away".to_owned(),
        });
        return;
    }
    state.marks.push(Mark {
        cell: link,
        note: String::new(),
    });
    let note_key = state.keymap.key(Action::Note);
    state.notice = Some(format!("marked; {note_key} writes a note"));
}

pub(super) fn write_note(state: &mut State, text: &str) {
    let Some(link) = state.link() else { return };
    match state.marks.iter_mut().find(|mark| mark.cell == link) {
        Some(mark) => text.clone_into(&mut mark.note),
        None if text.is_empty() => {}
        None => state.marks.push(Mark {
            cell: link,
            note: text.to_owned(),
        }),
    }
}

fn step(state: &mut State, by: i64) {
    let n = state.marks.len() as i64;
    if n == 0 {
        let key = state.keymap.key(Action::Mark);
        state.notice = Some(format!("nothing is marked: {key} marks a cell"));
        return;
    }
    let here = state.link();
    let at = state
        .marks
        .iter()
        .position(|mark| Some(&mark.cell) == here.as_ref());
    let next = match at {
        Some(at) => (at as i64 + by).rem_euclid(n),
        None if by > 0 => 0,
        None => n - 1,
    };
    go_to_mark(state, next as usize);
}

/// Goes to a mark and says its note.
pub(super) fn go_to_mark(state: &mut State, idx: usize) {
    let Some(mark) = state.marks.get(idx).cloned() else {
        return;
    };
    remember_place(state);
    let n = state.marks.len();
    state.notice = Some(match go_to_link(state, &mark.cell) {
        Err(why) => why,
        Ok(()) if mark.note.is_empty() => format!("mark {} of {n}", idx + 1),
        Ok(()) => format!("mark {} of {n}: {}", idx + 1, mark.note),
    });
}

/// Remembers where the cursor is, for the way back.
pub(super) fn remember_place(state: &mut State) {
    let Some(here) = state.link() else { return };
    if state.jumps.last() != Some(&here) {
        state.jumps.push(here);
        if state.jumps.len() > JUMPS {
            state.jumps.remove(0);
        }
    }
}

fn back(state: &mut State) {
    let here = state.link();
    while let Some(link) = state.jumps.pop() {
        if Some(&link) != here.as_ref() {
            if let Err(why) = go_to_link(state, &link) {
                state.notice = Some(why);
            }
            return;
        }
    }
    state.notice = Some("nothing to go back to".to_owned());
}

/// Goes to a cell by name. In another order of the cells it goes there if the cell is in it, else back to the map.
///
/// # Errors
/// What is missing: the layer, the grid.
pub fn go_to_link(state: &mut State, link: &Link) -> Result<(), String> {
    let atlas = state.atlas.clone().ok_or("there is no atlas yet")?;
    let Some(layer_idx) = atlas.layer_idx(&link.layer) else {
        let names: Vec<&str> = atlas
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect();
        return Err(format!(
            "no layer {}; there is {}",
            link.layer,
            names.join(", ")
        ));
    };
    let levels = &atlas.layers[layer_idx].levels;
    let Some(level_idx) = levels.iter().position(|level| level.grid == link.grid) else {
        let grids: Vec<String> = levels.iter().map(|level| level.grid.to_string()).collect();
        return Err(format!(
            "no grid of {}; there is {}",
            link.grid,
            grids.join(", ")
        ));
    };
    if link.row >= link.grid || link.col >= link.grid {
        return Err(format!(
            "row {}, column {} lie outside the grid",
            link.row, link.col
        ));
    }
    if let Some(arranged) = &state.arrangement {
        let cell = levels[level_idx].cell_at(link.row, link.col);
        let same = state.layer == layer_idx && arranged.level == level_idx;
        if let Some((row, col)) = cell
            .filter(|_| same)
            .and_then(|cell| arranged.place_of(cell))
        {
            put_cursor(state, i64::from(row), i64::from(col));
            return Ok(());
        }
        classes::leave_arrangement(state);
    }
    if layer_idx != state.layer {
        layers::go_to_layer(state, layer_idx);
    }
    if level_idx != state.zoom.level {
        let zoom = state.zoom.at_level(level_idx, &state.grids());
        zoom::change_zoom(state, zoom);
        state.fitted = false;
    }
    put_cursor(state, i64::from(link.row), i64::from(link.col));
    state.place = layout_from_grid(link.row, link.col, link.grid);
    Ok(())
}

/// Goes to what was typed: `ROW,COL` on this grid, or a link, with or without a file before it.
pub(super) fn go_to_text(state: &mut State, text: &str) {
    if text.is_empty() {
        return;
    }
    remember_place(state);
    let (_, link) = split(&format!("#{}", text.rsplit('#').next().unwrap_or(text)));
    if let Some(link) = link {
        if let Err(why) = go_to_link(state, &link) {
            state.notice = Some(why);
        }
        return;
    }
    let pair = text.split_once(',').and_then(|(row, col)| {
        let number = |part: &str| part.trim().parse::<u32>().ok();
        Some((number(row)?, number(col)?))
    });
    let grid = state.grid();
    match pair {
        Some((row, col)) if row < grid && col < grid => {
            put_cursor(state, i64::from(row), i64::from(col));
        }
        Some((row, col)) => {
            state.notice = Some(format!(
                "row {row}, column {col} lie outside this grid of {grid}"
            ));
        }
        None => {
            let example = state
                .link()
                .map(|link| link.to_string())
                .unwrap_or_default();
            state.notice = Some(format!("{text:?} is no ROW,COL and no link like {example}"));
        }
    }
}

/// The cell's link for the clipboard.
pub(super) fn copy_link(state: &mut State) -> Vec<Effect> {
    let Some(link) = state.link() else {
        return Vec::new();
    };
    let link = format!("{}#{link}", state.name);
    state.notice = Some(format!("copied {link}"));
    vec![Effect::Copy(link)]
}
