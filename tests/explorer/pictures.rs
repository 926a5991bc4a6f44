//! Which pictures lie where.

use super::{HALF, early, listing, opened, press, sample, screen, show, tell};
use atlascope::atlas::TILE_SIZE;
use atlascope::explorer::{State, Update, pictures, placements};
use atlascope::graphics::{Placement, Protocol, Target, halfblock};
use std::collections::HashSet;
use std::sync::Arc;

#[test]
fn tiles_that_stay_keep_their_names_while_the_atlas_grows() {
    let mut state = show(early(sample()), screen(80, 24, Protocol::Kitty));
    let keys = |state: &State| -> HashSet<_> {
        let list = placements(state);
        list.iter()
            .filter(|p| p.z == 0)
            .map(|p| p.picture)
            .collect()
    };
    let before = keys(&state);
    assert!(!before.is_empty());
    tell(&mut state, Update::Atlas(Arc::new(early(sample()))));
    assert_eq!(keys(&state), before);
    for key in before {
        assert!(pictures::picture(&state, key).is_some());
    }
}

#[test]
fn placements_lie_in_their_panes_and_have_names_of_their_own() {
    for protocol in [Protocol::Kitty, HALF] {
        for keys in [
            "",
            "+",
            "++",
            "+++l",
            "d",
            "i",
            "++++++jjjj",
            "/tench",
            "/tench<Enter>",
            "/tench<Enter>c",
            "/tench<Enter>ccd",
        ] {
            let mut state = opened(80, 24, protocol);
            press(&mut state, keys);
            let list = placements(&state);
            let names: HashSet<u32> = list.iter().map(|p| p.id).collect();
            assert_eq!(names.len(), list.len(), "{keys}");
            let panes = state.panes();
            for p in &list {
                let Target {
                    column,
                    row,
                    columns,
                    rows,
                } = p.target;
                let target = ratatui::layout::Rect::new(column, row, columns, rows);
                let inside = |pane: ratatui::layout::Rect| pane.intersection(target) == target;
                assert!(
                    inside(panes.map) || inside(panes.side.unwrap().icon),
                    "{keys} {p:?}"
                );
                let picture = pictures::picture(&state, p.picture).unwrap();
                let s = p.source;
                assert!(
                    s.x + s.width <= picture.width && s.y + s.height <= picture.height,
                    "{keys} {p:?}"
                );
                assert!(columns > 0 && rows > 0 && s.width > 0 && s.height > 0);
            }
        }
    }
}

#[test]
fn an_icon_is_placed_on_its_own_cell() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "i");
    let (row, col) = state.cursor;
    let frame = placements(&state)
        .into_iter()
        .find(|p| p.z == 2)
        .unwrap()
        .target;
    // Whole tiles: find the one below the cursor and see that the cell's part of it lies there.
    let size = state.level().unwrap().icons.size;
    let tile = placements(&state)
        .into_iter()
        .filter(|p| p.z == 0 && p.source.width == size * TILE_SIZE)
        .find(|p| {
            let t = p.target;
            (t.column..t.column + t.columns).contains(&frame.column)
                && (t.row..t.row + t.rows).contains(&frame.row)
        })
        .unwrap();
    let across = u32::from(frame.column - tile.target.column) / u32::from(frame.columns);
    let down = u32::from(frame.row - tile.target.row) / u32::from(frame.rows);
    assert_eq!((down, across), (row % TILE_SIZE, col % TILE_SIZE));
}

#[test]
fn a_still_picture_is_placed_the_same_and_a_move_touches_little() {
    let mut state = opened(80, 24, Protocol::Kitty);
    let before: HashSet<String> = listing(&placements(&state))
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(before.len(), placements(&state).len());
    press(&mut state, "h");
    let place = |p: &Placement| (p.id, p.picture, p.target.column, p.target.row);
    let mut back = state.clone();
    press(&mut back, "l");
    let (a, b): (HashSet<_>, HashSet<_>) = (
        placements(&state).iter().map(place).collect(),
        placements(&back).iter().map(place).collect(),
    );
    // Only the cursor and the large icon.
    assert!(a.difference(&b).count() <= 2);
}

/// The faded colour of the map's pixel under a cell in half-blocks.
fn brightness(state: &State, place: (u32, u32)) -> u32 {
    let projection = state.projection().unwrap();
    let (x, y) = projection.screen_from_grid(i64::from(place.0), i64::from(place.1));
    let mut cache = halfblock::Cache::default();
    let list: Vec<Placement> = placements(state).into_iter().filter(|p| p.z < 2).collect();
    let find = |key| pictures::picture(state, key);
    let cells = halfblock::compose(&list, &find, [0, 0, 0], &mut cache);
    let inside = cells.iter().filter(|c| {
        let (column, row) = (i64::from(c.column), i64::from(c.row));
        (x..x + i64::from(projection.cell_columns)).contains(&column)
            && (y..y + i64::from(projection.cell_rows)).contains(&row)
    });
    inside
        .flat_map(|c| c.upper.into_iter().chain(c.lower))
        .map(u32::from)
        .sum()
}

#[test]
fn what_does_not_support_the_class_fades() {
    let mut state = opened(80, 24, HALF);
    press(&mut state, "/fireboat<Enter>");
    let strong = state.cursor;
    let focus = state.focus.unwrap();
    let level = state.level().unwrap().clone();
    let weak = (0..level.cells.len())
        .filter(|&idx| level.icons.steps[idx] > 0)
        .min_by(|&a, &b| {
            level
                .attribution(a, focus.class)
                .total_cmp(&level.attribution(b, focus.class))
        })
        .unwrap();
    let weak = (level.cells[weak].row, level.cells[weak].col);
    let coloured = (brightness(&state, strong), brightness(&state, weak));
    press(&mut state, "<Esc>");
    let plain = (brightness(&state, strong), brightness(&state, weak));
    assert_eq!(coloured.0, plain.0, "the strongest stays as it is");
    assert!(coloured.1 * 4 < plain.1, "{coloured:?} {plain:?}");
}

#[test]
fn density_icons_are_at_most_as_large_as_their_cells() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let sizes = |state: &State| {
        let list = placements(state);
        let icons = list.iter().filter(|p| p.z == 0 && p.id >= 1 << 24);
        icons.map(|p| p.target.rows).collect::<HashSet<u16>>()
    };
    assert!(sizes(&state).is_empty(), "whole tiles");
    press(&mut state, "d");
    let scaled = sizes(&state);
    assert!(scaled.len() > 1 && scaled.iter().all(|&rows| rows <= state.zoom.cell_rows));
}
