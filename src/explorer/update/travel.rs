//! Moves of the cursor.

use super::marks;
use super::zoom::follow;
use crate::explorer::action::{Action, Heading};
use crate::explorer::camera::layout_from_grid;
use crate::explorer::state::{State, Walk};

/// How many alike cells a walk goes through.
pub(super) const WALK: usize = 12;

/// Moves of the cursor.
pub(super) fn travel(state: &mut State, action: Action) {
    let Some(projection) = state.projection() else {
        return;
    };
    let page = i64::from(projection.page().0);
    let (row, col) = (i64::from(state.cursor.0), i64::from(state.cursor.1));
    match action {
        Action::Left => step(state, Heading::Left),
        Action::Down => step(state, Heading::Down),
        Action::Up => step(state, Heading::Up),
        Action::Right => step(state, Heading::Right),
        Action::JumpLeft => jump(state, Heading::Left),
        Action::JumpDown => jump(state, Heading::Down),
        Action::JumpUp => jump(state, Heading::Up),
        Action::JumpRight => jump(state, Heading::Right),
        Action::HalfPageDown => put_cursor(state, row + (page / 2).max(1), col),
        Action::HalfPageUp => put_cursor(state, row - (page / 2).max(1), col),
        Action::PageDown => put_cursor(state, row + page, col),
        Action::PageUp => put_cursor(state, row - page, col),
        Action::RowStart | Action::RowEnd | Action::FirstCell | Action::LastCell => {
            let occupied = state.occupied();
            let mut cells = occupied.iter();
            let in_row = |cell: &&(u32, u32)| i64::from(cell.0) == row;
            let found = match action {
                Action::RowStart => cells.find(in_row),
                Action::RowEnd => cells.rfind(in_row),
                Action::FirstCell => cells.next(),
                _ => cells.next_back(),
            };
            if let Some(&(row, col)) = found {
                put_cursor(state, i64::from(row), i64::from(col));
            }
        }
        Action::NearestCell => walk(state, 1),
        Action::PreviousNearest => walk(state, -1),
        _ => {}
    }
}

fn step(state: &mut State, heading: Heading) {
    let (down, right) = heading.step();
    let (row, col) = state.cursor;
    put_cursor(state, i64::from(row) + down, i64::from(col) + right);
}

/// Like control and arrow in a spreadsheet: to the last occupied cell before a gap, or over the gap to the next
/// occupied cell, or to the edge of the map.
fn jump(state: &mut State, heading: Heading) {
    let (down, right) = heading.step();
    let side = i64::from(state.grid());
    let inside = |(r, c): (i64, i64)| (0..side).contains(&r) && (0..side).contains(&c);
    let shown = |cell: usize| state.shows(cell);
    let occupied = |(r, c): (i64, i64)| state.cell_at(r as u32, c as u32).is_some_and(shown);
    let next = |(r, c): (i64, i64)| (r + down, c + right);
    let mut at = (i64::from(state.cursor.0), i64::from(state.cursor.1));
    if !inside(next(at)) {
        return;
    }
    let in_run = occupied(at) && occupied(next(at));
    at = next(at);
    while inside(next(at)) {
        let stop = if in_run {
            !occupied(next(at))
        } else {
            occupied(at)
        };
        if stop {
            break;
        }
        at = next(at);
    }
    put_cursor(state, at.0, at.1);
}

/// Puts the cursor on a cell, within the map, and the camera after it.
pub(super) fn put_cursor(state: &mut State, row: i64, col: i64) {
    if state.level().is_none() {
        return;
    }
    let grid = state.grid();
    let last = i64::from(grid) - 1;
    let cursor = (row.clamp(0, last) as u32, col.clamp(0, last) as u32);
    if cursor != state.cursor {
        state.cursor = cursor;
        // In another order of the cells the place of the map stays as it was.
        if state.arrangement.is_none() {
            state.place = layout_from_grid(cursor.0, cursor.1, grid);
        }
    }
    follow(state);
}

/// Puts the cursor on a cell, wherever it lies; true when it lies anywhere.
pub(super) fn put_on_cell(state: &mut State, cell: usize) -> bool {
    let Some((row, col)) = state.place_of(cell) else {
        return false;
    };
    put_cursor(state, i64::from(row), i64::from(col));
    true
}

/// To the next or previous of the cells that are most like the one where the walk began.
fn walk(state: &mut State, by: i64) {
    let Some(here) = state.link() else { return };
    let Some(cell) = state.cell() else {
        state.notice = Some("no activation fell in here, so nothing is like it".to_owned());
        return;
    };
    let on_walk = state.walk.as_ref().is_some_and(|walk| {
        let at = walk.at.checked_sub(1).and_then(|at| walk.stops.get(at));
        at == Some(&cell) || (walk.at == 0 && walk.from == here)
    });
    if !on_walk {
        let stops = match &state.units {
            Some((_, units)) => units.nearest(cell, WALK),
            None => Vec::new(),
        };
        marks::remember_place(state);
        state.walk = Some(Walk {
            from: here,
            stops: stops.into_iter().map(|(cell, _)| cell).collect(),
            at: 0,
        });
    }
    let Some(walk) = state.walk.clone() else {
        return;
    };
    let at = (walk.at as i64 + by).rem_euclid(walk.stops.len() as i64 + 1) as usize;
    let from = walk.from.clone();
    let moved = match at.checked_sub(1).and_then(|at| walk.stops.get(at)) {
        Some(&stop) => put_on_cell(state, stop),
        None => marks::go_to_link(state, &from).is_ok(),
    };
    if let Some(walk) = &mut state.walk {
        walk.at = at;
    }
    state.notice = Some(match (moved, at) {
        (false, _) => "that cell is not in this view".to_owned(),
        (true, 0) => "back where the walk began".to_owned(),
        (true, at) => format!(
            "number {at} of the cells most like row {}, column {}",
            from.row, from.col
        ),
    });
}
