//! What the map is coloured by, and which cells it shows: classes, columns, the class view, comparisons.

use super::travel::{put_cursor, put_on_cell};
use super::zoom;
use crate::atlas::ClassId;
use crate::explorer::action::Action;
use crate::explorer::arrangement::{Arrangement, Kind};
use crate::explorer::classview::{ClassView, Filter};
use crate::explorer::column::{Coloured, Column};
use crate::explorer::focus::{Colouring, Focus, strongest};
use crate::explorer::search::Purpose;
use crate::explorer::state::{Look, State};
use crate::explorer::view::counted;
use std::sync::Arc;

const NO_CLASS: &str = "no class chosen: / searches one";

pub(super) fn act(state: &mut State, action: Action) {
    match action {
        Action::NextStrongest => step_strongest(state, 1),
        Action::PreviousStrongest => step_strongest(state, -1),
        Action::CycleColouring => cycle(state),
        Action::MoreIntense => intensify(state, 1.25),
        Action::LessIntense => intensify(state, 0.8),
        Action::ClassView => next_filter(state),
        Action::Compare => compare_or_leave(state),
        Action::Undo => undo(state),
        Action::RedoView => redo(state),
        _ => clear(state),
    }
}

/// A class was chosen in the search: colour by it and go to its strongest cell.
pub(super) fn choose(state: &mut State, class: ClassId) {
    let colouring = state
        .focus
        .map_or(Colouring::Supports, |focus| focus.colouring);
    leave_arrangement(state);
    state.column = None;
    state.focus = Some(Focus { class, colouring });
    if let Some(view) = state.class_view.take() {
        set_filter(state, Some(view.filter));
    }
    super::marks::remember_place(state);
    step_from(state, None, 1);
}

fn cycle(state: &mut State) {
    if let Some(focus) = &mut state.focus {
        focus.colouring = focus.colouring.next();
    } else if let Some(column) = &mut state.column {
        column.low = !column.low;
    } else {
        state.notice = Some(NO_CLASS.to_owned());
    }
}

fn intensify(state: &mut State, factor: f32) {
    state.display.intensity = (state.display.intensity * factor).clamp(0.5, 2.0);
    if state.focus.is_some() || state.column.is_some() {
        state.notice = Some(format!("colouring × {:.2}", state.display.intensity));
    }
}

/// Colours the map by a column.
pub fn colour_by(state: &mut State, column: Column) {
    set_column(state, Some((column, false)));
    state.focus = None;
    state.class_view = None;
}

pub(super) fn set_column(state: &mut State, column: Option<(Column, bool)>) {
    if let Some((kind @ Column::Suspect(head), low)) = column {
        let values = super::suspects::values(state, head);
        state.column = values.map(|values| Coloured::with(kind, low, values));
        return;
    }
    state.column = match (column, &state.atlas, state.layer(), state.level()) {
        (Some((kind, low)), Some(atlas), Some(layer), Some(level)) => {
            Some(Coloured::of(kind, low, atlas, layer, level))
        }
        _ => None,
    };
}

/// All cells, those of the class's top samples, those that it wins, all again.
fn next_filter(state: &mut State) {
    if state.focus.is_none() {
        state.notice = Some(NO_CLASS.to_owned());
        return;
    }
    let next = match state.class_view.as_ref().map(|view| view.filter) {
        None => Some(Filter::Top),
        Some(Filter::Top) => Some(Filter::Winner),
        Some(Filter::Winner) => None,
    };
    leave_arrangement(state);
    set_filter(state, next);
    let Some(view) = &state.class_view else {
        state.notice = Some("all cells".to_owned());
        return;
    };
    let (samples, cells) = view.totals();
    let strongest = view.ranked().first().copied();
    let how = match view.filter {
        Filter::Top => "that speak most for it",
        Filter::Winner => "that speak for no class more",
    };
    state.notice = Some(format!(
        "{} {how}, in {}",
        counted(samples, "activation"),
        counted(cells, "cell")
    ));
    // The cursor does not stay where nothing is shown.
    if !state.cell().is_some_and(|cell| state.shows(cell))
        && let Some(cell) = strongest
    {
        put_on_cell(state, cell);
    }
}

fn set_filter(state: &mut State, filter: Option<Filter>) {
    let of = (state.layer, state.level_idx(), state.epoch);
    state.class_view = match (filter, state.focus, state.layer(), state.level()) {
        (Some(filter), Some(focus), Some(layer), Some(level)) => {
            Some(ClassView::of((focus.class, filter), layer, level, of))
        }
        _ => None,
    };
}

/// What was derived from another level, layer or snapshot is made again.
pub(super) fn derive_again(state: &mut State) {
    let n = state.level().map_or(0, |level| level.cells.len());
    let now = (state.layer, state.level_idx(), state.epoch);
    if let Some(view) = &state.class_view {
        let class = state.focus.map(|focus| focus.class);
        if view.of != now || class != Some(view.class) {
            set_filter(state, Some(view.filter));
        }
    }
    if let Some(column) = &state.column
        && (column.values.len() != n || state.about.of.map(|of| (of.0, of.1, of.4)) != Some(now))
    {
        set_column(state, Some((column.kind, column.low)));
    }
}

fn compare_or_leave(state: &mut State) {
    if matches!(
        state.arrangement.as_ref().map(|a| a.kind),
        Some(Kind::Compare(..))
    ) {
        leave_arrangement(state);
        return;
    }
    let Some(focus) = state.focus else {
        state.notice =
            Some("choose a class with / first, then another to compare it with".to_owned());
        return;
    };
    super::line::open_search(state, Purpose::Compare(focus.class));
}

/// Shows the difference atlas of two classes; the cursor stays on its cell if that is in it.
pub(super) fn compare(state: &mut State, left: ClassId, right: ClassId) {
    leave_arrangement(state);
    let level_idx = state.level_idx();
    let made = match (state.level(), &state.units) {
        (Some(level), Some((_, units))) => {
            Arrangement::comparing((left, right), level, level_idx, units)
        }
        _ => None,
    };
    let Some(made) = made else {
        state.notice = Some("no cell of this grid speaks for either class".to_owned());
        return;
    };
    state.class_view = None;
    arrange(state, made);
}

/// Shows another order of the cells.
pub(super) fn arrange(state: &mut State, made: Arrangement) {
    // Out of another order first, so that the cursor's cell is known by its place on the map.
    leave_arrangement(state);
    if made.level != state.zoom.level {
        let grids = state.grids();
        let zoom = state.zoom.at_level(made.level, &grids);
        zoom::change_zoom(state, zoom);
    }
    let cell = state.cell();
    state.arrangement = Some(Arc::new(made));
    state.fitted = true;
    let place = cell.and_then(|cell| state.place_of(cell));
    let place = place.or_else(|| middle_of(state));
    state.cursor = place.unwrap_or_default();
    zoom::fit(state);
    zoom::follow(state);
}

/// The occupied square nearest to the middle.
fn middle_of(state: &State) -> Option<(u32, u32)> {
    let half = state.grid() / 2;
    let distance = |&(row, col): &(u32, u32)| row.abs_diff(half).pow(2) + col.abs_diff(half).pow(2);
    state.occupied().into_iter().min_by_key(distance)
}

/// Back to the map, with the cursor on the same cell. True when there was another order.
pub(super) fn leave_arrangement(state: &mut State) -> bool {
    if state.arrangement.is_none() {
        return false;
    }
    let cell = state.cell();
    state.arrangement = None;
    let place = cell.and_then(|cell| state.place_of(cell));
    let (row, col) = place
        .unwrap_or_else(|| crate::explorer::camera::grid_from_layout(state.place, state.grid()));
    state.fitted = true;
    zoom::fit(state);
    // Fitting may have changed the grid: by place.
    let grid = state.grid();
    if let Some(level) = state.level()
        && level.grid == grid
        && cell.is_some_and(|cell| state.place_of(cell) == Some((row, col)))
    {
        put_cursor(state, i64::from(row), i64::from(col));
    }
    true
}

/// Leaves what is narrowest first: another order, the class view, the colours.
fn clear(state: &mut State) {
    if leave_arrangement(state) {
        return;
    }
    if state.class_view.take().is_some() {
        state.notice = Some("all cells".to_owned());
        return;
    }
    if state.focus.is_none() && state.column.is_none() {
        state.located = None;
    }
    state.focus = None;
    state.column = None;
}

fn undo(state: &mut State) {
    match state.undo.pop() {
        Some(look) => {
            state.redo.push(state.look());
            wear(state, look);
        }
        None => state.notice = Some("nothing to undo".to_owned()),
    }
}

fn redo(state: &mut State) {
    match state.redo.pop() {
        Some(look) => {
            state.undo.push(state.look());
            wear(state, look);
        }
        None => state.notice = Some("nothing to do again".to_owned()),
    }
}

fn wear(state: &mut State, look: Look) {
    leave_arrangement(state);
    state.focus = look.focus;
    set_column(state, look.column);
    set_filter(state, look.filter);
    if let Some(arranged) = look.arrangement {
        let level = state
            .layer()
            .and_then(|layer| layer.levels.get(arranged.level));
        if level.is_some_and(|level| arranged.fits(level)) {
            arrange(state, Arrangement::clone(&arranged));
        }
    }
}

/// Cells by how much they matter for what is shown.
fn ranked(state: &State) -> Option<Vec<usize>> {
    let level = state.level()?;
    let cells = match (&state.class_view, state.focus, &state.column) {
        (Some(view), ..) => view.ranked(),
        (None, Some(focus), _) => strongest(level, focus),
        (None, None, Some(column)) => column.ranked(),
        (None, None, None) if state.located.is_some() => by_positions(state),
        (None, None, None) => return None,
    };
    let here = cells
        .into_iter()
        .filter(|&cell| state.place_of(cell).is_some());
    Some(here.collect())
}

/// The cells of the located photograph, those with most of its positions first.
fn by_positions(state: &State) -> Vec<usize> {
    let mut cells = state.located_cells();
    cells.sort_by_key(|&(cell, n)| (std::cmp::Reverse(n), cell));
    cells.into_iter().map(|(cell, _)| cell).collect()
}

/// To the cell whose rank is `by` after that of the cell under the cursor, round the ends.
fn step_strongest(state: &mut State, by: i64) {
    let rank = match (ranked(state), state.cell()) {
        (Some(ranked), Some(cell)) => ranked.iter().position(|&idx| idx == cell),
        _ => None,
    };
    step_from(state, rank, by);
}

fn step_from(state: &mut State, rank: Option<usize>, by: i64) {
    let Some(ranked) = ranked(state) else {
        state.notice = Some(NO_CLASS.to_owned());
        return;
    };
    let n = ranked.len() as i64;
    if n == 0 {
        state.notice = Some(nothing(state));
        return;
    }
    let next = match rank {
        Some(rank) => (rank as i64 + by).rem_euclid(n),
        None if by > 0 => 0,
        None => n - 1,
    };
    put_on_cell(state, ranked[next as usize]);
    let of = match (&state.class_view, state.focus) {
        (Some(_), _) => "by activations of this class",
        (None, Some(_)) => "for this class",
        (None, None) if state.column.is_some() => "for this column",
        (None, None) => "by positions of the photograph",
    };
    state.notice = Some(format!("cell {} of {n} {of}", next + 1));
}

fn nothing(state: &State) -> String {
    let Some(focus) = state.focus else {
        return "no cell of this grid has a value".to_owned();
    };
    let name = state.atlas.as_ref().map(|a| a.class_name(focus.class));
    let verb = match focus.colouring {
        Colouring::Supports => "supports",
        Colouring::Opposes => "opposes",
        Colouring::Both => "speaks about",
    };
    format!("no cell of this grid {verb} {}", name.unwrap_or_default())
}
