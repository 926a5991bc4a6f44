//! The one place where the state changes. Pure: what must be done outside comes back as effects.

use super::Update;
use super::action::{Action, Effect, Heading, Message};
use super::camera::{Zoom, grid_from_layout, layout_from_grid};
use super::focus::{Colouring, strongest};
use super::pictures::TileKeys;
use super::search::Search;
use super::state::{Overlay, Stage, State};
use crate::atlas::{Atlas, ClassId, LayerAtlas, Level};
use std::collections::HashSet;
use std::sync::Arc;

/// Applies a message.
pub fn update(state: &mut State, message: Message) -> Vec<Effect> {
    match message {
        Message::Resized {
            columns,
            rows,
            cell_pixels,
        } => {
            state.screen.columns = columns;
            state.screen.rows = rows;
            state.screen.cell_pixels = cell_pixels;
            if state.fitted {
                fit(state);
            }
            follow(state);
            vec![Effect::PlaceAgain]
        }
        Message::Update(news) => absorb(state, news),
        Message::Ignored => {
            state.notice = None;
            Vec::new()
        }
        Message::Type(c) => {
            edit_search(state, |search| search.query.push(c));
            Vec::new()
        }
        Message::Layer(idx) => {
            state.notice = None;
            go_to_layer(state, idx);
            Vec::new()
        }
        Message::Act(action) => {
            state.notice = None;
            act(state, action)
        }
    }
}

fn act(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => return vec![Effect::Quit],
        Action::Redraw => return vec![Effect::StartAfresh],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Help => state.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::HelpClose | Action::SearchCancel => state.overlay = None,
        Action::HelpDown => scroll_help(state, 1),
        Action::HelpUp => scroll_help(state, -1),
        Action::HelpPageDown => scroll_help(state, i32::from(state.screen.rows / 2)),
        Action::HelpPageUp => scroll_help(state, -i32::from(state.screen.rows / 2)),
        Action::Search
        | Action::SearchAccept
        | Action::SearchDown
        | Action::SearchUp
        | Action::SearchErase
        | Action::SearchEraseWord
        | Action::SearchEraseAll => search(state, action),
        Action::NextStrongest => step_strongest(state, 1),
        Action::PreviousStrongest => step_strongest(state, -1),
        Action::CycleColouring => match &mut state.focus {
            Some(focus) => focus.colouring = focus.colouring.next(),
            None => state.notice = Some("no class chosen: / searches one".to_owned()),
        },
        Action::MoreIntense => intensify(state, 1.25),
        Action::LessIntense => intensify(state, 0.8),
        Action::Clear => state.focus = None,
        Action::DensityIcons => state.display.density_icons = !state.display.density_icons,
        Action::CropIcons => state.display.crop = !state.display.crop,
        Action::SidePane => {
            state.display.side = !state.display.side;
            if state.fitted {
                fit(state);
            }
            follow(state);
        }
        Action::NextLayer => go_to_layer(state, state.layer + 1),
        Action::PreviousLayer => go_to_layer(state, state.layer.wrapping_sub(1)),
        // The layer's number comes with `Message::Layer`.
        Action::GoToLayer => {}
        Action::ZoomIn
        | Action::ZoomOut
        | Action::Finer
        | Action::Coarser
        | Action::Fit
        | Action::Centre => zoom(state, action),
        _ => travel(state, action),
    }
    Vec::new()
}

/// Moves of the cursor.
fn travel(state: &mut State, action: Action) {
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
            let Some(level) = state.level() else { return };
            let mut cells = level.cells.iter();
            let in_row = |cell: &&crate::atlas::Cell| i64::from(cell.row) == row;
            let found = match action {
                Action::RowStart => cells.find(in_row),
                Action::RowEnd => cells.rfind(in_row),
                Action::FirstCell => cells.next(),
                _ => cells.next_back(),
            };
            if let Some((row, col)) = found.map(|cell| (cell.row, cell.col)) {
                put_cursor(state, i64::from(row), i64::from(col));
            }
        }
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
    let Some(level) = state.level() else { return };
    let (down, right) = heading.step();
    let side = i64::from(level.grid);
    let inside = |(r, c): (i64, i64)| (0..side).contains(&r) && (0..side).contains(&c);
    let occupied = |(r, c): (i64, i64)| level.cell_at(r as u32, c as u32).is_some();
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
fn put_cursor(state: &mut State, row: i64, col: i64) {
    let Some(grid) = state.level().map(|level| level.grid) else {
        return;
    };
    let last = i64::from(grid) - 1;
    let cursor = (row.clamp(0, last) as u32, col.clamp(0, last) as u32);
    if cursor != state.cursor {
        state.cursor = cursor;
        state.place = layout_from_grid(cursor.0, cursor.1, grid);
    }
    follow(state);
}

fn follow(state: &mut State) {
    if let Some(projection) = state.projection() {
        state.camera = projection.following(state.cursor.0, state.cursor.1);
    }
}

fn centre(state: &mut State) {
    if let Some(projection) = state.projection() {
        state.camera = projection.centred(state.cursor.0, state.cursor.1);
    }
}

fn fit(state: &mut State) {
    let grids = state.grids();
    if !grids.is_empty() {
        let zoom = Zoom::fit(state.panes().map, state.screen.cell_pixels, &grids);
        change_zoom(state, zoom);
        state.fitted = true;
    }
}

fn zoom(state: &mut State, action: Action) {
    let grids = state.grids();
    if grids.is_empty() {
        return;
    }
    let now = state.zoom;
    let next = match action {
        Action::ZoomIn => now.closer(&grids),
        Action::ZoomOut => now.farther(&grids),
        Action::Finer if now.level + 1 < grids.len() => now.at_level(now.level + 1, &grids),
        Action::Coarser if now.level > 0 => now.at_level(now.level - 1, &grids),
        Action::Fit => return fit(state),
        Action::Centre => return centre(state),
        _ => now,
    };
    if next == now {
        let end = match action {
            Action::Finer => "this is the finest grid",
            Action::Coarser => "this is the coarsest grid",
            Action::ZoomIn => "icons are as large as they get",
            _ => "icons are as small as they get",
        };
        state.notice = Some(end.to_owned());
        return;
    }
    change_zoom(state, next);
    state.fitted = false;
}

/// Changes level and icon size; the cursor stays on the same place of the map and of the screen.
fn change_zoom(state: &mut State, zoom: Zoom) {
    // Where the cursor stands on the screen, to keep it there.
    let before = state.projection().map(|p| {
        let (x, y) = p.screen_from_grid(i64::from(state.cursor.0), i64::from(state.cursor.1));
        (
            x + i64::from(p.cell_columns) / 2,
            y + i64::from(p.cell_rows) / 2,
        )
    });
    let old_grid = state.level().map_or(1, |level| level.grid);
    state.zoom = zoom;
    let Some(level) = state.level() else { return };
    let (cursor, moved) = refined(level, state.cursor, state.place, old_grid);
    let grid = level.grid;
    state.cursor = cursor;
    if moved {
        state.place = layout_from_grid(cursor.0, cursor.1, grid);
    }
    if let (Some((x, y)), Some(mut p)) = (before, state.projection()) {
        let (now_x, now_y) = p.screen_from_grid(i64::from(cursor.0), i64::from(cursor.1));
        p.camera.left += now_x + i64::from(p.cell_columns) / 2 - x;
        p.camera.top += now_y + i64::from(p.cell_rows) / 2 - y;
        state.camera = p.following(cursor.0, cursor.1);
    }
}

/// The cell of `level` at `place`. On a finer grid that cell may be empty although the coarse one was not; then
/// the nearest occupied one within the coarse cell. The flag says that the place had to move.
fn refined(
    level: &Level,
    cursor: (u32, u32),
    place: (f32, f32),
    old_grid: u32,
) -> ((u32, u32), bool) {
    let at = grid_from_layout(place, level.grid);
    if level.grid <= old_grid || level.cell_at(at.0, at.1).is_some() {
        return (at, false);
    }
    let within = |row: u32, col: u32| {
        grid_from_layout(layout_from_grid(row, col, level.grid), old_grid) == cursor
    };
    let distance = |row: u32, col: u32| {
        let (dr, dc) = (row.abs_diff(at.0), col.abs_diff(at.1));
        dr * dr + dc * dc
    };
    let inside = level.cells.iter().filter(|c| within(c.row, c.col));
    match inside.min_by_key(|c| distance(c.row, c.col)) {
        Some(cell) => ((cell.row, cell.col), true),
        None => (at, false),
    }
}

fn scroll_help(state: &mut State, by: i32) {
    if let Some(Overlay::Help { scroll }) = &mut state.overlay {
        let longest = super::view::help::height(state.screen.columns);
        let most = longest.saturating_sub(state.screen.rows.saturating_sub(1));
        *scroll = (i32::from(*scroll) + by).clamp(0, i32::from(most)) as u16;
    }
}

fn intensify(state: &mut State, factor: f32) {
    state.display.intensity = (state.display.intensity * factor).clamp(0.5, 2.0);
    if state.focus.is_some() {
        state.notice = Some(format!("colouring × {:.2}", state.display.intensity));
    }
}

/// Classes in the order of preference: by attribution to the cell under the cursor.
fn preference(state: &State) -> Vec<ClassId> {
    if let (Some(level), Some(idx)) = (state.level(), state.cell()) {
        let ranked = level.ranked_classes(idx);
        return ranked.into_iter().map(|(class, _)| class).collect();
    }
    let n = state.atlas.as_ref().map_or(0, |atlas| atlas.classes.len());
    (0..n as ClassId).collect()
}

fn edit_search(state: &mut State, edit: impl FnOnce(&mut Search)) {
    let order = preference(state);
    let Some(atlas) = state.atlas.clone() else {
        return;
    };
    if let Some(Overlay::Search(search)) = &mut state.overlay {
        edit(search);
        search.refresh(&atlas.classes, &order);
    }
}

/// The search of an older snapshot on a new one; the bar stays on its class.
fn search_again(state: &mut State) {
    let chosen = match &state.overlay {
        Some(Overlay::Search(search)) => search.class(),
        _ => return,
    };
    edit_search(state, |_| {});
    if let Some(Overlay::Search(search)) = &mut state.overlay {
        let at = search.hits.iter().position(|hit| Some(hit.class) == chosen);
        search.selected = at.unwrap_or(0);
    }
}

fn search(state: &mut State, action: Action) {
    match action {
        Action::Search => {
            let Some(atlas) = &state.atlas else { return };
            if atlas.classes.is_empty() {
                state.notice = Some("this network has no classes".to_owned());
                return;
            }
            state.overlay = Some(Overlay::Search(Search::default()));
            edit_search(state, |_| {});
        }
        Action::SearchErase => edit_search(state, |search| {
            search.query.pop();
        }),
        Action::SearchEraseWord => edit_search(state, Search::erase_word),
        Action::SearchEraseAll => edit_search(state, |search| search.query.clear()),
        Action::SearchAccept => {
            let focus = state.shown_focus();
            if let Some(Overlay::Search(search)) = state.overlay.take()
                && search.class().is_some()
            {
                state.focus = focus;
                step_strongest_from(state, None, 1);
            }
        }
        _ => {
            let by = if action == Action::SearchDown { 1 } else { -1 };
            if let Some(Overlay::Search(search)) = &mut state.overlay {
                search.select(by);
            }
        }
    }
}

/// To the cell whose rank for the class is `by` after that of the cell under the cursor, round the ends.
fn step_strongest(state: &mut State, by: i64) {
    let rank = match (state.level(), state.focus, state.cell()) {
        (Some(level), Some(focus), Some(cell)) => {
            strongest(level, focus).iter().position(|&idx| idx == cell)
        }
        _ => None,
    };
    step_strongest_from(state, rank, by);
}

fn step_strongest_from(state: &mut State, rank: Option<usize>, by: i64) {
    let (Some(focus), Some(level)) = (state.focus, state.level()) else {
        state.notice = Some("no class chosen: / searches one".to_owned());
        return;
    };
    let ranked = strongest(level, focus);
    let n = ranked.len() as i64;
    if n == 0 {
        let name = state.atlas.as_ref().map(|a| a.class_name(focus.class));
        let verb = match focus.colouring {
            Colouring::Supports => "supports",
            Colouring::Opposes => "opposes",
            Colouring::Both => "speaks about",
        };
        let name = name.unwrap_or_default();
        state.notice = Some(format!("no cell of this grid {verb} {name}"));
        return;
    }
    let next = match rank {
        Some(rank) => (rank as i64 + by).rem_euclid(n),
        None if by > 0 => 0,
        None => n - 1,
    };
    let cell = level.cells[ranked[next as usize]];
    put_cursor(state, i64::from(cell.row), i64::from(cell.col));
    state.notice = Some(format!("cell {} of {n} for this class", next + 1));
}

/// Shows another layer, near the cell that holds most of the samples under the cursor.
fn go_to_layer(state: &mut State, idx: usize) {
    let Some(atlas) = state.atlas.clone() else {
        return;
    };
    let Some(target) = atlas.layers.get(idx) else {
        let n = atlas.layers.len();
        let plural = if n == 1 { "" } else { "s" };
        state.notice = Some(format!("this atlas has {n} layer{plural}"));
        return;
    };
    if idx == state.layer {
        return;
    }
    let grid = state.level().map_or(1, |level| level.grid);
    let level = nearest_grid(target, grid);
    let twin = match (state.layer(), state.cell()) {
        (Some(layer), Some(cell)) => twin_cell(layer, state.zoom.level, cell, target, level),
        _ => None,
    };
    let cell_rows = state.zoom.cell_rows;
    state.layer = idx;
    change_zoom(state, Zoom { level, cell_rows });
    if let Some((row, col)) = twin {
        put_cursor(state, i64::from(row), i64::from(col));
    }
    if state.fitted {
        fit(state);
    }
}

fn nearest_grid(layer: &LayerAtlas, grid: u32) -> usize {
    let distance = |level: &Level| (f64::from(level.grid) / f64::from(grid.max(1))).ln().abs();
    (0..layer.levels.len())
        .min_by(|&a, &b| distance(&layer.levels[a]).total_cmp(&distance(&layer.levels[b])))
        .unwrap_or(0)
}

/// The cell of another layer with most samples (same image, row and column) of a cell.
fn twin_cell(
    from: &LayerAtlas,
    from_level: usize,
    cell: usize,
    to: &LayerAtlas,
    to_level: usize,
) -> Option<(u32, u32)> {
    let origin = |layer: &LayerAtlas, sample: u32| {
        let s = sample as usize;
        (
            layer.samples.image[s],
            layer.samples.row[s],
            layer.samples.col[s],
        )
    };
    let members = from.levels[from_level].members_of(cell);
    let wanted: HashSet<_> = members.iter().map(|&s| origin(from, s)).collect();
    let level = &to.levels[to_level];
    let shared = |idx: usize| {
        let members = level.members_of(idx).iter();
        members
            .filter(|&&s| wanted.contains(&origin(to, s)))
            .count()
    };
    let best = (0..level.cells.len())
        .map(|idx| (shared(idx), std::cmp::Reverse(idx)))
        .max()?;
    let cell = level.cells[best.1.0];
    (best.0 > 0).then_some((cell.row, cell.col))
}

/// News of the build.
fn absorb(state: &mut State, news: Update) -> Vec<Effect> {
    match news {
        Update::Atlas(atlas) => {
            replace_atlas(state, atlas);
            Vec::new()
        }
        Update::Progress {
            stage,
            done,
            total,
            eta,
        } => {
            state.building = true;
            let stage = Stage {
                name: stage,
                done,
                total,
                eta,
            };
            match state.stages.iter_mut().find(|s| s.name == stage.name) {
                Some(known) => *known = stage,
                None => state.stages.push(stage),
            }
            Vec::new()
        }
        Update::Done => {
            state.building = false;
            state.stages.clear();
            state.notice = Some("the atlas is complete".to_owned());
            Vec::new()
        }
        Update::Failed(why) => {
            state.building = false;
            state.notice = Some(format!("the build stopped: {why}"));
            state.failure = Some(why);
            Vec::new()
        }
    }
}

/// Takes a new snapshot: same layer, grid, cell and class where they still exist.
pub fn replace_atlas(state: &mut State, atlas: Arc<Atlas>) {
    let first = state.atlas.is_none();
    let layer_name = state.layer().map(|layer| layer.name.clone());
    let grid = state.level().map_or(0, |level| level.grid);
    state.tile_keys = TileKeys::of(&atlas);
    state.layer = layer_name
        .and_then(|name| atlas.layer_idx(&name))
        .unwrap_or(state.layer)
        .min(atlas.layers.len().saturating_sub(1));
    let level = atlas.layers.get(state.layer).map_or(0, |layer| {
        let same = layer.levels.iter().position(|level| level.grid == grid);
        same.unwrap_or_else(|| nearest_grid(layer, grid))
    });
    let n_classes = atlas.classes.len();
    state.atlas = Some(atlas);
    state.focus = state
        .focus
        .filter(|focus| usize::from(focus.class) < n_classes);
    search_again(state);
    if first {
        state.place = densest_place(state);
        let grid = state.level().map_or(1, |level| level.grid);
        state.cursor = grid_from_layout(state.place, grid);
        fit(state);
        return;
    }
    state.zoom.level = level;
    let Some(now) = state.level().map(|level| level.grid) else {
        return;
    };
    state.cursor = grid_from_layout(state.place, now);
    // A finer grid that just came fits an untouched view better.
    if state.fitted && now != grid {
        fit(state);
    }
    follow(state);
}

/// Where to begin: the middle of the cell with most samples on the coarsest grid.
fn densest_place(state: &State) -> (f32, f32) {
    let level = state.layer().and_then(|layer| layer.levels.first());
    let densest = level.and_then(|level| {
        let cell = level
            .cells
            .iter()
            .max_by_key(|c| (c.n_samples, std::cmp::Reverse((c.row, c.col))))?;
        Some(layout_from_grid(cell.row, cell.col, level.grid))
    });
    densest.unwrap_or((0.5, 0.5))
}
