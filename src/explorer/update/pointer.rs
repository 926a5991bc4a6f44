//! The mouse: a click puts the cursor, the wheel zooms at the pointer, dragging moves the map, or the view on the map
//! in small. Whatever can be seen in the side pane can be clicked.

use super::travel::put_cursor;
use super::{layers, marks, photos, travel, zoom};
use crate::explorer::action::Action;
use crate::explorer::camera::grid_from_layout;
use crate::explorer::mouse::{Grip, Held, Pointer, PointerKind};
use crate::explorer::photos_grid;
use crate::explorer::state::{Overlay, State};
use crate::explorer::strip;
use crate::explorer::view::{layer_at, nearest_rects, suspect_at};

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
    let grip = |state: &State, held: Held| Grip {
        held,
        at,
        camera: state.camera,
        moved: false,
    };
    if state.panes().map.contains(at.into()) {
        state.grip = Some(grip(state, Held::Map));
        return;
    }
    if state
        .panes()
        .side
        .is_some_and(|side| side.minimap.contains(at.into()))
    {
        state.grip = Some(grip(state, Held::View));
        return show_place(state, at);
    }
    if press_beside(state, at) {
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

/// What is clicked on the map in small comes into the middle of the screen.
fn show_place(state: &mut State, at: (u16, u16)) {
    let Some(side) = state.panes().side.filter(|_| state.arrangement.is_none()) else {
        return;
    };
    let area = side.minimap;
    let share = |at: u16, start: u16, length: u16| {
        (f32::from(at.saturating_sub(start)) + 0.5) / f32::from(length.max(1))
    };
    let place = (
        share(at.0, area.x, area.width),
        share(at.1, area.y, area.height),
    );
    let (row, col) = grid_from_layout(place, state.grid());
    put_cursor(state, i64::from(row), i64::from(col));
    zoom::centre(state);
}

/// An icon of the most alike cells is gone to, a photograph is shown with all of them. True when one was there.
fn press_beside(state: &mut State, at: (u16, u16)) -> bool {
    if state.suspects.open {
        return false;
    }
    let alike = nearest_rects(state).into_iter();
    if let Some((cell, _)) = alike.into_iter().find(|(_, rect)| rect.contains(at.into())) {
        marks::remember_place(state);
        travel::put_on_cell(state, cell);
        return true;
    }
    let Some(side) = state.panes().side else {
        return false;
    };
    let rects = side.exemplar_rects(state.screen.cell_pixels);
    let shown = state.shown_exemplars().into_iter().zip(rects);
    let Some((exemplar, _)) = shown.into_iter().find(|(_, rect)| rect.contains(at.into())) else {
        return false;
    };
    let among = state.about.exemplars.iter().position(|e| *e == exemplar);
    state.overlay = Some(Overlay::Photos {
        selected: among.unwrap_or(0),
        whole: false,
    });
    true
}

/// The map follows the hand; the cursor's cell stays the same until it would leave the pane.
fn drag(state: &mut State, at: (u16, u16)) {
    let (Some(mut grip), Some(projection)) = (state.grip, state.projection()) else {
        return;
    };
    grip.moved = true;
    if grip.held == Held::View {
        state.grip = Some(grip);
        return show_place(state, at);
    }
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
    if grip.held == Held::View || (grip.moved && grip.at != at) {
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
