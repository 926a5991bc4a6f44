//! The mouse: a click puts the cursor, the wheel zooms at the pointer, dragging moves the map.

use super::travel::put_cursor;
use super::{layers, photos, zoom};
use crate::explorer::action::Action;
use crate::explorer::mouse::{Grip, Pointer, PointerKind};
use crate::explorer::photos_grid;
use crate::explorer::state::{Overlay, State};
use crate::explorer::strip;
use crate::explorer::view::{layer_at, suspect_at};

/// Rows of a list that a step of the wheel goes.
const WHEEL_ROWS: usize = 3;

pub(super) fn pointer(state: &mut State, pointer: Pointer) {
    let at = (pointer.column, pointer.row);
    match &mut state.overlay {
        Some(Overlay::Photos { .. }) => return over_photos(state, pointer),
        Some(Overlay::Help { .. }) => {
            return match pointer.kind {
                PointerKind::WheelUp => super::scroll_help(state, -3),
                PointerKind::WheelDown => super::scroll_help(state, 3),
                _ => {}
            };
        }
        Some(Overlay::Shots { .. }) => {
            match pointer.kind {
                PointerKind::WheelUp => drop(photos::act(state, Action::PhotoUp)),
                PointerKind::WheelDown => drop(photos::act(state, Action::PhotoDown)),
                _ => {}
            }
            return;
        }
        Some(Overlay::Search(_) | Overlay::Palette(_)) => {
            return match pointer.kind {
                PointerKind::WheelUp => super::line::act(state, Action::SearchUp),
                PointerKind::WheelDown => super::line::act(state, Action::SearchDown),
                _ => {}
            };
        }
        Some(Overlay::Prompt(_)) => return,
        None => {}
    }
    match pointer.kind {
        PointerKind::Press => press(state, at),
        PointerKind::Drag => drag(state, at),
        PointerKind::Release => release(state, at),
        PointerKind::WheelUp => wheel(state, at, Action::ZoomIn),
        PointerKind::WheelDown => wheel(state, at, Action::ZoomOut),
    }
}

fn over_photos(state: &mut State, pointer: Pointer) {
    let sight = photos_grid::in_sight(state);
    let hit = sight
        .iter()
        .find(|(_, rect)| rect.contains((pointer.column, pointer.row).into()));
    if let Some(Overlay::Photos { selected, .. }) = &mut state.overlay {
        match (pointer.kind, hit) {
            (PointerKind::Press, Some((idx, _))) => *selected = *idx,
            (PointerKind::WheelUp, _) => drop(photos::act(state, Action::PhotoUp)),
            (PointerKind::WheelDown, _) => drop(photos::act(state, Action::PhotoDown)),
            _ => {}
        }
    }
}

fn press(state: &mut State, at: (u16, u16)) {
    state.notice = None;
    if state.panes().map.contains(at.into()) {
        state.grip = Some(Grip {
            at,
            camera: state.camera,
            moved: false,
        });
        return;
    }
    if let Some(row) = suspect_at(state, at) {
        super::suspects::select(state, row);
        return;
    }
    let layer = layer_at(state, at).or_else(|| strip::layer_at(state, at));
    if let Some(layer) = layer {
        layers::go_to_layer(state, layer);
    }
}

/// The map follows the hand; the cursor's cell stays the same until it would leave the pane.
fn drag(state: &mut State, at: (u16, u16)) {
    let (Some(mut grip), Some(projection)) = (state.grip, state.projection()) else {
        return;
    };
    grip.moved = true;
    let along = |from: u16, to: u16| i64::from(from) - i64::from(to);
    let mut moved = projection;
    moved.camera.left = grip.camera.left + along(grip.at.0, at.0);
    moved.camera.top = grip.camera.top + along(grip.at.1, at.1);
    state.grip = Some(grip);
    state.camera = moved.within_map();
    state.fitted = false;
    keep_cursor_in_sight(state);
}

fn keep_cursor_in_sight(state: &mut State) {
    let Some(projection) = state.projection() else {
        return;
    };
    let camera = state.camera;
    let (rows, cols) = projection.wholly_visible();
    let (row, col) = state.cursor;
    let into = |v: u32, range: std::ops::Range<u32>| {
        v.clamp(range.start, range.end.saturating_sub(1).max(range.start))
    };
    let to = (into(row, rows), into(col, cols));
    if to != (row, col) {
        put_cursor(state, i64::from(to.0), i64::from(to.1));
        state.camera = camera;
    }
}

fn release(state: &mut State, at: (u16, u16)) {
    let Some(grip) = state.grip.take() else {
        return;
    };
    if grip.moved && grip.at != at {
        return;
    }
    let Some(projection) = state.projection() else {
        return;
    };
    let camera = state.camera;
    let (row, col) = projection.grid_from_screen(i64::from(at.0), i64::from(at.1));
    let side = i64::from(state.grid());
    if (0..side).contains(&row) && (0..side).contains(&col) {
        put_cursor(state, row, col);
        // What was clicked stays under the pointer.
        state.camera = camera;
    }
}

/// Zooms with the pointer's cell as the cursor's, so that it stays where it is.
fn wheel(state: &mut State, at: (u16, u16), action: Action) {
    if state.panes().list.contains(at.into()) {
        let at = state.suspects.selected;
        let to = match action {
            Action::ZoomIn => at.saturating_sub(WHEEL_ROWS),
            _ => at + WHEEL_ROWS,
        };
        return super::suspects::select(state, to);
    }
    let Some(projection) = state.projection() else {
        return;
    };
    if !projection.pane.contains(at.into()) {
        return;
    }
    let (row, col) = projection.grid_from_screen(i64::from(at.0), i64::from(at.1));
    let side = i64::from(state.grid());
    if (0..side).contains(&row) && (0..side).contains(&col) {
        let camera = state.camera;
        put_cursor(state, row, col);
        state.camera = camera;
    }
    zoom::zoom(state, action);
}
