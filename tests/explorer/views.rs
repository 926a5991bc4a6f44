//! Colours by columns, the class view, comparisons, the way back.

use super::{HALF, opened, press, sample, screen, show, text};
use atlascope::atlas::sample::SampleSpec;
use atlascope::explorer::arrangement::Kind;
use atlascope::explorer::column::Column;
use atlascope::explorer::focus::Shade;
use atlascope::explorer::placement::visible_cells;
use atlascope::explorer::{labels, placements};
use atlascope::graphics::Protocol;
use std::collections::HashSet;

#[test]
fn a_column_colours_the_map_and_n_visits_its_cells() {
    let mut state = opened(120, 30, Protocol::Kitty);
    press(&mut state, "Ccount<Enter>");
    let level = state.level().unwrap().clone();
    let densest = (0..level.cells.len())
        .max_by_key(|&i| level.cells[i].n_samples)
        .unwrap();
    let tinting = state.tinting().unwrap();
    assert_eq!(tinting.shade(densest), Shade::Faded(0));
    let thinnest = (0..level.cells.len())
        .min_by_key(|&i| level.cells[i].n_samples)
        .unwrap();
    assert_eq!(tinting.shade(thinnest), Shade::Faded(15));
    let most = level.cells[densest].n_samples;
    let shown = text(&state);
    assert!(shown.contains(&format!("count  1 ░▒▓█ {most}")), "{shown}");
    // After the last comes the first.
    let last = *state.column.as_ref().unwrap().ranked().last().unwrap();
    state.cursor = state.place_of(last).unwrap();
    press(&mut state, "n");
    assert_eq!(state.cell().map(|c| level.cells[c].n_samples), Some(most));
    // The other way round.
    press(&mut state, "c");
    assert_eq!(state.tinting().unwrap().shade(thinnest), Shade::Faded(0));
    // A class takes its place, and undo brings it back.
    press(&mut state, "/tench<Enter>");
    assert!(state.column.is_none() && state.focus.is_some());
    press(&mut state, "u");
    let column = state.column.as_ref().unwrap();
    assert!(column.kind == Column::Count && column.low && state.focus.is_none());
}

#[test]
fn undo_goes_back_step_by_step_and_redo_forward() {
    let mut state = opened(120, 30, Protocol::Kitty);
    press(&mut state, "/tench<Enter>cv");
    let full = state.look();
    press(&mut state, "u");
    assert!(state.class_view.is_none() && state.focus.is_some());
    press(&mut state, "uu");
    assert!(state.focus.is_none());
    press(&mut state, "u");
    assert!(state.notice.as_ref().unwrap().contains("nothing to undo"));
    press(&mut state, "<C-r><C-r><C-r>");
    assert_eq!(state.look(), full);
    // Moving is no change of the look.
    press(&mut state, "hjkl");
    press(&mut state, "u");
    assert!(state.class_view.is_none());
}

#[test]
fn the_class_view_leaves_only_cells_of_the_class() {
    for protocol in [Protocol::Kitty, HALF] {
        let mut state = opened(160, 45, protocol);
        press(&mut state, "/fireboat<Enter>v");
        let view = state.class_view.clone().unwrap();
        let icons = |state: &atlascope::explorer::State| {
            let level = state.level().unwrap();
            let cell = |p: &atlascope::graphics::Placement| {
                let at = p.id.checked_sub(1 << 24).filter(|at| *at < 1 << 24)?;
                level.cell_at(at / level.grid, at % level.grid)
            };
            placements(state)
                .iter()
                .filter(|p| p.z == 0)
                .filter_map(cell)
                .collect::<HashSet<_>>()
        };
        let shown = icons(&state);
        assert!(!shown.is_empty() && shown.iter().all(|&cell| view.count(cell) > 0));
        assert!(text(&state).contains("top:"));
        press(&mut state, "v");
        assert!(text(&state).contains("winner:"));
        assert!(icons(&state).len() < state.level().unwrap().cells.len());
        press(&mut state, "v");
        assert!(state.class_view.is_none());
    }
    let mut state = opened(80, 24, Protocol::Kitty);
    press(&mut state, "v");
    assert!(state.notice.as_ref().unwrap().contains("no class"));
}

#[test]
fn remarks_are_told_whole_on_a_small_screen() {
    for keys in [
        "/fireboat<Enter>",
        "v",
        "vv",
        "vvv",
        "x",
        "P",
        "A",
        "m",
        "C<Enter>",
        ")",
        "e",
    ] {
        let mut state = opened(80, 24, Protocol::Kitty);
        press(&mut state, "/fireboat<Enter>");
        press(&mut state, keys);
        if let Some(notice) = &state.notice {
            let screen = text(&state);
            let last = screen.lines().last().unwrap();
            assert!(
                last.contains(notice.as_str()),
                "{keys}: {notice:?} in {last:?}"
            );
        }
    }
}

#[test]
fn a_comparison_keeps_the_cursor_on_its_cell() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "/fireboat<Enter>");
    let cell = state.cell();
    press(&mut state, "xtench<Enter>");
    let arranged = state.arrangement.clone().unwrap();
    assert!(matches!(arranged.kind, Kind::Compare(..)));
    assert_eq!(
        state.cell(),
        cell,
        "the strongest cell of the first class is in it"
    );
    let shown = text(&state);
    assert!(
        shown.contains("◀ fireboat") && shown.contains("tench ▶"),
        "{shown}"
    );
    // Every cell of the comparison has an icon at its place.
    let icons = placements(&state)
        .iter()
        .filter(|p| p.z == 0 && p.id >> 24 == 1)
        .count();
    assert_eq!(icons, arranged.squares().count());
    // Another cell is chosen here, and the map has it as well.
    press(&mut state, "L");
    let chosen = state.cell();
    press(&mut state, "x");
    assert!(state.arrangement.is_none());
    assert_eq!(state.cell(), chosen);
    // Undo shows it again.
    press(&mut state, "u");
    assert!(state.arrangement.is_some());
    press(&mut state, "<Esc>");
    assert!(state.arrangement.is_none() && state.focus.is_some());
    press(&mut state, "<Esc>x");
    assert!(state.notice.as_ref().unwrap().contains("choose a class"));
}

/// While the second class is looked for, the map and the pane show the one under the bar, as in the first search; in
/// the class view and over a comparison as well.
#[test]
fn a_class_to_compare_with_is_seen_before_it_is_taken() {
    for before in ["", "v", "xtench<Enter>"] {
        let mut state = opened(160, 45, Protocol::Kitty);
        press(&mut state, "/fireboat<Enter>");
        press(&mut state, before);
        let first = state.focus.unwrap().class;
        // Over a comparison x goes back to the map.
        let keys = if before.starts_with('x') { "/" } else { "x" };
        press(&mut state, keys);
        press(&mut state, "baseball");
        let shown = state.shown_focus().unwrap().class;
        assert_ne!(shown, first, "{before}");
        let level = state.level().unwrap();
        let strongest = state.shown_cell().unwrap();
        let tinting = state.tinting().expect("the map is coloured");
        assert_eq!(tinting.shade(strongest), Shade::Faded(0), "{before}");
        let most = (0..level.cells.len())
            .max_by(|&a, &b| {
                level
                    .attribution(a, first)
                    .total_cmp(&level.attribution(b, first))
            })
            .unwrap();
        assert_ne!(
            tinting.shade(most),
            Shade::Faded(0),
            "{before}: the first class's cell"
        );
        press(&mut state, "<Esc>");
        assert_eq!(state.focus.map(|focus| focus.class), Some(first));
    }
}

#[test]
fn a_class_is_not_compared_with_itself() {
    let mut state = opened(100, 30, Protocol::Kitty);
    press(&mut state, "/tench<Enter>xtench<Enter>");
    assert!(state.arrangement.is_none());
}

#[test]
fn alike_cells_are_walked_through_and_back() {
    let mut state = opened(100, 30, Protocol::Kitty);
    let start = state.cursor;
    let nearest: Vec<usize> = state.about.nearest.iter().map(|n| n.0).collect();
    press(&mut state, "e");
    assert_eq!(state.cell(), Some(nearest[0]));
    press(&mut state, "e");
    assert_eq!(state.cell(), Some(nearest[1]), "from where the walk began");
    press(&mut state, "EE");
    assert_eq!(state.cursor, start);
    press(&mut state, "e");
    assert_eq!(state.cell(), Some(nearest[0]));
    press(&mut state, "<Backspace>");
    assert_eq!(state.cursor, start);
}

#[test]
fn names_on_the_map_never_meet() {
    let spec = SampleSpec {
        n_samples: 6000,
        grids: vec![10, 20],
        ..SampleSpec::default()
    };
    let mut state = show(
        atlascope::atlas::sample::atlas(&spec),
        screen(160, 45, Protocol::Kitty),
    );
    for keys in ["a", "+", "+", "+", "+lll", "-----", "zjj"] {
        press(&mut state, keys);
        let projection = state.projection().unwrap();
        let mut taken = HashSet::new();
        for label in labels::labels(&state, &projection) {
            for x in label.at.0..label.at.0 + i64::from(label.room) {
                assert!(taken.insert((x, label.at.1)), "{keys}: {label:?}");
            }
        }
        if projection.cell_rows >= labels::LEAST_ROWS {
            assert!(!taken.is_empty(), "{keys}");
        }
        // No icon lies over a name.
        for p in placements(&state).iter().filter(|p| p.id >> 24 == 1) {
            let t = p.target;
            for y in t.row..t.row + t.rows {
                for x in t.column..t.column + t.columns {
                    assert!(
                        !taken.contains(&(i64::from(x), i64::from(y))),
                        "{keys}: {p:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_name_keeps_its_room_wherever_the_map_is_cut() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "a");
    let whole = state.projection().unwrap();
    let all = labels::covered(&state, &whole);
    assert!(!all.is_empty());
    for columns in 1..whole.pane.width {
        let mut part = whole;
        part.pane.x += columns;
        part.pane.width -= columns;
        part.camera.left += i64::from(columns);
        let cells = visible_cells(&state, &part).into_iter();
        let seen: HashSet<(u32, u32)> = cells.map(|(_, row, col)| (row, col)).collect();
        let wanted: HashSet<_> = all.intersection(&seen).copied().collect();
        assert_eq!(
            labels::covered(&state, &part),
            wanted,
            "{columns} columns cut"
        );
    }
}

#[test]
fn density_factor_makes_icons_larger_up_to_their_cells() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let area = |state: &atlascope::explorer::State| -> u32 {
        let icons = placements(state);
        let icons = icons.iter().filter(|p| p.id >> 24 == 1);
        icons
            .map(|p| u32::from(p.target.columns) * u32::from(p.target.rows))
            .sum()
    };
    press(&mut state, "d");
    let plain = area(&state);
    press(&mut state, "((((");
    let small = area(&state);
    press(&mut state, "))))))))))))");
    let large = area(&state);
    assert!(small < plain && plain < large, "{small} {plain} {large}");
    let rows = state.zoom.cell_rows;
    assert!(
        placements(&state)
            .iter()
            .filter(|p| p.id >> 24 == 1)
            .all(|p| p.target.rows <= rows)
    );
}

#[test]
fn the_large_icon_is_made_of_the_finer_grid() {
    let mut state = opened(160, 45, Protocol::Kitty);
    press(&mut state, "Z");
    let icon = state.panes().side.unwrap().icon;
    let inside = |state: &atlascope::explorer::State| {
        let list = placements(state);
        let within = |p: &&atlascope::graphics::Placement| {
            icon.contains((p.target.column, p.target.row).into())
        };
        list.iter().filter(within).count()
    };
    assert!((2..=4).contains(&inside(&state)), "{}", inside(&state));
    press(&mut state, "O");
    assert_eq!(inside(&state), 1);
    press(&mut state, "Oz");
    assert_eq!(inside(&state), 1, "there is no finer grid");
}

#[test]
fn layers_stand_in_a_strip_tinted_by_the_class() {
    let mut state = opened(160, 45, Protocol::Kitty);
    assert!(state.has_strip());
    let thumbs = |state: &atlascope::explorer::State| {
        let list = placements(state);
        let thumbs = list.iter().filter(|p| (4096..8192).contains(&p.id));
        thumbs.map(|p| p.picture).collect::<Vec<_>>()
    };
    let plain = thumbs(&state);
    assert_eq!(plain.len(), 2);
    press(&mut state, "/tench<Enter>");
    assert!(thumbs(&state).iter().zip(&plain).all(|(a, b)| a != b));
    press(&mut state, "t");
    assert!(thumbs(&state).is_empty());
    let mut one = sample();
    one.layers.truncate(1);
    assert!(!show(one, screen(160, 45, Protocol::Kitty)).has_strip());
}

/// Over an empty square the pane stays what it was, and says so: on a slow line it would be sent twice.
#[test]
fn the_side_pane_stays_over_empty_squares() {
    let mut state = opened(160, 45, Protocol::Kitty);
    let level = state.level().unwrap().clone();
    // A cell with an empty square to its right.
    let cell = level
        .cells
        .iter()
        .find(|c| c.col + 1 < level.grid && level.cell_at(c.row, c.col + 1).is_none())
        .unwrap();
    let go = format!("@{},{}<Enter>", cell.row, cell.col);
    press(&mut state, &go);
    let (before, pictures) = (state.about.clone(), beside(&state));
    press(&mut state, "l");
    assert!(state.cell().is_none());
    assert_eq!(state.about, before);
    assert_eq!(beside(&state), pictures);
    let shown = text(&state);
    let still = format!("empty; this is still row {}, column {}", cell.row, cell.col);
    assert!(shown.contains(&still), "{shown}");
    // What is asked of the cell under the cursor is still asked of an empty one.
    press(&mut state, "p");
    assert!(state.overlay.is_none());
    assert!(state.notice.as_ref().unwrap().contains("no activation"));
    // On another grid the pane is about another cell.
    press(&mut state, "zg");
    assert!(state.cell().is_some() && !text(&state).contains("this is still"));
}

/// What stands right of the map.
fn beside(state: &atlascope::explorer::State) -> Vec<atlascope::graphics::Placement> {
    let from = state.panes().side.unwrap().area.x;
    let all = placements(state).into_iter();
    all.filter(|p| p.target.column >= from).collect()
}

/// Icons that shrink with their density keep their shape, in rows of any height.
#[test]
fn shrunk_icons_stay_square() {
    for (columns, rows) in [(80, 24), (160, 45), (300, 80)] {
        let mut state = opened(columns, rows, Protocol::Kitty);
        press(&mut state, "d((((");
        let icons = placements(&state).into_iter();
        let icons = icons.filter(|p| (1 << 24..2 << 24).contains(&p.id));
        let mut n = 0;
        for icon in icons.filter(|icon| {
            let pane = state.panes().map;
            icon.target.column > pane.x
                && icon.target.row > pane.y
                && icon.target.column + icon.target.columns < pane.right()
                && icon.target.row + icon.target.rows < pane.bottom()
        }) {
            // A character is 8 × 16 pixels.
            assert_eq!(icon.target.columns, 2 * icon.target.rows, "{icon:?}");
            n += 1;
        }
        assert!(n > 5, "{n}");
    }
}
