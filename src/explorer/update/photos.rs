//! Photographs: those of a cell, and one that is located in the atlas.

use super::classes;
use crate::explorer::action::{Action, Effect};
use crate::explorer::arrangement::Arrangement;
use crate::explorer::photos_grid;
use crate::explorer::state::{Overlay, State};
use crate::explorer::view::counted;
use crate::explorer::worker::{Answer, Located, Photo, Work};
use std::sync::Arc;

pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Photographs => open(state),
        Action::ActivationGrid => toggle_grid(state),
        Action::PhotoLocate => return locate_chosen(state),
        Action::PhotoWhole => {
            if let Some(Overlay::Photos { whole, .. }) = &mut state.overlay {
                *whole = !*whole;
            }
        }
        _ => step(state, action),
    }
    Vec::new()
}

fn open(state: &mut State) {
    if state.cell().is_none() {
        state.notice = Some("no activation fell in here".to_owned());
    } else if state.about.exemplars.is_empty() {
        state.notice = Some("no photograph is known for this cell".to_owned());
    } else {
        state.overlay = Some(Overlay::Photos {
            selected: 0,
            whole: false,
        });
    }
}

fn step(state: &mut State, action: Action) {
    let n_shots = state.suspects.shots().len();
    if let Some(Overlay::Shots { selected }) = &mut state.overlay {
        *selected = match action {
            Action::PhotoLeft | Action::PhotoUp => selected.saturating_sub(1),
            _ => (*selected + 1).min(n_shots.saturating_sub(1)),
        };
        return;
    }
    let (columns, n) = photos_grid::shape(state);
    if let Some(Overlay::Photos { selected, .. }) = &mut state.overlay {
        let at = *selected as i64;
        let to = match action {
            Action::PhotoLeft => at - 1,
            Action::PhotoRight => at + 1,
            Action::PhotoUp => at - i64::from(columns),
            _ => at + i64::from(columns),
        };
        if (0..n as i64).contains(&to) {
            *selected = to as usize;
        }
    }
}

/// The chosen photograph is one of the atlas's: where its positions lie is known, only its prediction is not.
fn locate_chosen(state: &mut State) -> Vec<Effect> {
    let Some(Overlay::Photos { selected, .. }) = state.overlay else {
        return Vec::new();
    };
    state.overlay = None;
    let Some(exemplar) = state.about.exemplars.get(selected).copied() else {
        return Vec::new();
    };
    let Some(atlas) = &state.atlas else {
        return Vec::new();
    };
    let row = exemplar.image as usize;
    let known: Vec<Vec<u16>> = atlas
        .layers
        .iter()
        .map(|layer| {
            let cells = &layer.position_cells;
            if row < cells.nrows() {
                cells.row(row).to_vec()
            } else {
                Vec::new()
            }
        })
        .collect();
    let name = atlas.images.path.get(row).cloned().unwrap_or_default();
    let here = known
        .get(state.layer)
        .is_some_and(|cells| !cells.is_empty());
    if here {
        take(
            state,
            Located {
                name,
                predictions: Vec::new(),
                cells: known,
                image: Some(exemplar.image),
                picture: None,
            },
        );
    } else {
        state.locating = true;
        state.notice = Some(format!("locating {name}"));
    }
    vec![Effect::Work(Work::Locate(Photo::Image(exemplar.image)))]
}

/// An answer of a worker.
pub(super) fn answer(state: &mut State, answer: Answer) {
    match answer {
        Answer::Crop(request, crop) => state.gallery.put(request.key, crop),
        Answer::Folder(Ok((folder, found))) => {
            state.folders.retain(|known| *known != folder);
            state.folders.insert(0, folder);
            state.gallery.hope_again();
            state.wanted.clear();
            state.notice = Some(found);
        }
        Answer::Folder(Err(why)) => state.notice = Some(why),
        Answer::Completed(typed, found) => super::line::completed(state, &typed, found),
        Answer::Bench(outcome) => super::suspects::answer(state, outcome),
        Answer::Located(Ok(located)) => {
            state.locating = false;
            take(state, *located);
        }
        Answer::Located(Err(why)) => {
            state.locating = false;
            // An image of the atlas is shown from what the atlas knows of it.
            if state.located.is_none() {
                state.notice = Some(why);
            }
        }
    }
}

/// Shows a located photograph: its cells are framed on the map, the cursor goes to the one with most positions.
fn take(state: &mut State, located: Located) {
    let again = state
        .located
        .as_ref()
        .is_some_and(|known| known.name == located.name);
    let summary = summary(state, &located);
    let in_grid = state.in_photograph();
    state.located = Some(Arc::new(located));
    state.notice = Some(summary);
    if again {
        return;
    }
    if in_grid {
        classes::leave_arrangement(state);
    }
    let cell = state
        .located_cells()
        .into_iter()
        .max_by_key(|&(cell, n)| (n, std::cmp::Reverse(cell)));
    if let Some((cell, _)) = cell {
        super::marks::remember_place(state);
        super::travel::put_on_cell(state, cell);
    }
    if in_grid {
        toggle_grid(state);
    }
}

fn summary(state: &State, located: &Located) -> String {
    let name = located.name.rsplit('/').next().unwrap_or(&located.name);
    let cells = located.cells.get(state.layer);
    let distinct = cells.map_or(0, |cells| {
        let mut cells = cells.clone();
        cells.sort_unstable();
        cells.dedup();
        cells.len()
    });
    let positions = cells.map_or(0, Vec::len);
    let seen = located.predictions.first().and_then(|&(class, p)| {
        let atlas = state.atlas.as_ref()?;
        Some(format!(", {} {:.0} %", atlas.class_name(class), 100.0 * p))
    });
    let key = state.keymap.key(Action::ActivationGrid);
    format!(
        "{name}{}: {} in {}; {key} shows their icons",
        seen.unwrap_or_default(),
        counted(positions as u64, "position"),
        counted(distinct as u64, "cell")
    )
}

fn toggle_grid(state: &mut State) {
    if state.in_photograph() {
        classes::leave_arrangement(state);
        return;
    }
    let Some(located) = state.located.clone() else {
        let (locate, photographs) = (
            state.keymap.key(Action::Locate),
            state.keymap.key(Action::Photographs),
        );
        state.notice = Some(format!(
            "no photograph yet: {locate} takes a path, {photographs} shows those of this cell"
        ));
        return;
    };
    let made = state.layer().and_then(|layer| {
        let cells = located.cells.get(state.layer)?;
        let finest = layer.levels.len().checked_sub(1)?;
        let n = layer.levels[finest].cells.len();
        let known = cells.iter().all(|&cell| usize::from(cell) < n);
        Arrangement::of_photograph(cells, layer.map_size, finest).filter(|_| known)
    });
    match made {
        Some(made) => {
            state.class_view = None;
            classes::arrange(state, made);
        }
        None => state.notice = Some("this layer's positions are not known".to_owned()),
    }
}
