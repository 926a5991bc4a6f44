//! Keys lead where they should; the table, the README and the help say the same.

use super::{opened, press, sample, screen, show, text};
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::explorer::Effect;
use atlascope::explorer::action::Action;
use atlascope::explorer::camera::layout_from_grid;
use atlascope::explorer::focus::{Colouring, strongest};
use atlascope::explorer::keymap::{self, KEYS, Mode};
use atlascope::explorer::palette::{Choice, Palette};
use atlascope::explorer::state::Overlay;
use atlascope::graphics::Protocol;

/// What a key script leads to.
#[derive(Debug, PartialEq)]
enum Expect {
    /// Row and column of the cursor.
    Cursor(u32, u32),
    /// Index of the level.
    Level(usize),
    /// Index of the layer.
    Layer(usize),
    /// The chosen class.
    Class(Option<&'static str>),
    /// What of it.
    Colouring(Colouring),
    /// The effects of the last key.
    Effects(&'static [Effect]),
    /// Something in the remark.
    Notice(&'static str),
}

/// Start, keys, expectation. The start is the sample's 10 × 10 map with the cursor on its densest cell, row 5,
/// column 7.
#[rustfmt::skip]
const KEY_TABLE: &[(&str, &str, Expect)] = &[
    ("start", "", Expect::Cursor(5, 7)),
    ("left", "h", Expect::Cursor(5, 6)),
    ("arrows do the same", "<Left><Up>", Expect::Cursor(4, 6)),
    ("round trip", "hjkl", Expect::Cursor(5, 7)),
    ("the map's edge holds", "lllllllllljjjjjjjjjjjjj", Expect::Cursor(9, 9)),
    ("first cell", "g", Expect::Cursor(0, 0)),
    ("half a page", "g<C-d>", Expect::Cursor(5, 0)),
    ("a page up", "G<PageUp>", Expect::Cursor(0, 7)),
    ("row's ends", "0", Expect::Cursor(5, 0)),
    ("row's ends", "0$", Expect::Cursor(5, 9)),
    ("quit", "q", Expect::Effects(&[Effect::Quit])),
    ("quit", "<C-c>", Expect::Effects(&[Effect::Quit])),
    ("q is a letter while searching", "/q", Expect::Effects(&[])),
    ("suspend", "<C-z>", Expect::Effects(&[Effect::Suspend])),
    ("redraw", "<C-l>", Expect::Effects(&[Effect::StartAfresh])),
    ("next layer", "<Tab>", Expect::Layer(1)),
    ("there and back", "][", Expect::Layer(0)),
    ("by number", "2", Expect::Layer(1)),
    ("no such layer", "9", Expect::Notice("2 layers")),
    ("coarser", "Z", Expect::Level(0)),
    ("coarser and back", "Zz", Expect::Cursor(5, 7)),
    ("finest already", "z", Expect::Notice("finest")),
    ("search chooses", "/shar<Enter>", Expect::Class(Some("great white shark"))),
    ("typing anew", "/xyz<C-u>loco<Enter>", Expect::Class(Some("steam locomotive"))),
    ("a word less", "/tench loco<C-w><Enter>", Expect::Class(Some("tench"))),
    ("erase", "/tenchx<Backspace><Enter>", Expect::Class(Some("tench"))),
    ("escape leaves things alone", "/shar<Esc>", Expect::Class(None)),
    ("nothing matches, nothing happens", "/xyzzy<Enter>", Expect::Class(None)),
    ("clear", "/shar<Enter><Esc>", Expect::Class(None)),
    ("signs", "/shar<Enter>c", Expect::Colouring(Colouring::Opposes)),
    ("signs", "/shar<Enter>cc", Expect::Colouring(Colouring::Both)),
    ("signs go round", "/shar<Enter>ccc", Expect::Colouring(Colouring::Supports)),
    ("colouring wants a class", "c", Expect::Notice("no class")),
    ("strongest wants a class", "n", Expect::Notice("no class")),
    ("remarks go with the next key", "c?", Expect::Effects(&[])),
    ];

#[test]
fn keys_lead_where_the_table_says() {
    for (why, keys, expected) in KEY_TABLE {
        let mut state = opened(80, 24, Protocol::Kitty);
        assert_eq!(state.cursor, (5, 7));
        let effects = press(&mut state, keys);
        let atlas = state.atlas.clone().unwrap();
        let focus = state.focus;
        let ok = match expected {
            Expect::Cursor(row, col) => state.cursor == (*row, *col),
            Expect::Level(idx) => state.zoom.level == *idx,
            Expect::Layer(idx) => state.layer == *idx,
            Expect::Class(name) => focus.map(|f| atlas.class_name(f.class)).as_deref() == *name,
            Expect::Colouring(c) => focus.map(|f| f.colouring) == Some(*c),
            Expect::Effects(list) => effects == *list,
            Expect::Notice(part) => state.notice.as_ref().is_some_and(|n| n.contains(part)),
        };
        assert!(
            ok,
            "{why}: {keys} should give {expected:?}: cursor {:?}, {effects:?}, {:?}",
            state.cursor, state.notice
        );
    }
}

#[test]
fn jumps_stop_at_the_edges_of_the_occupied_cells() {
    let mut state = opened(80, 24, Protocol::Kitty);
    let level = state.level().unwrap().clone();
    for cell in &level.cells {
        for (key, down, right) in [("L", 0, 1), ("H", 0, -1), ("J", 1, 0), ("K", -1, 0)] {
            state.cursor = (cell.row, cell.col);
            press(&mut state, key);
            let occupied = |by: i64| {
                let row = i64::from(state.cursor.0) + down * by;
                let col = i64::from(state.cursor.1) + right * by;
                let inside = (0..10).contains(&row) && (0..10).contains(&col);
                inside.then(|| level.cell_at(row as u32, col as u32).is_some())
            };
            let at_border = occupied(1).is_none();
            let at_edge = occupied(0) != occupied(1) || occupied(0) != occupied(-1);
            assert!(
                at_border || at_edge,
                "{key} from {cell:?} to {:?}",
                state.cursor
            );
        }
    }
}

#[test]
fn strongest_cells_are_visited_in_order_and_back() {
    let mut state = opened(80, 24, Protocol::Kitty);
    press(&mut state, "/fireboat<Enter>");
    let level = state.level().unwrap().clone();
    let ranked = strongest(&level, state.focus.unwrap());
    let place = |rank: usize| (level.cells[ranked[rank]].row, level.cells[ranked[rank]].col);
    assert_eq!(state.cursor, place(0));
    press(&mut state, "nn");
    assert_eq!(state.cursor, place(2));
    press(&mut state, "N");
    assert_eq!(state.cursor, place(1));
    press(&mut state, "NN");
    assert_eq!(state.cursor, place(ranked.len() - 1));
    // From a cell that says nothing about the class, the next one is the strongest.
    let other = (0..level.cells.len())
        .find(|idx| !ranked.contains(idx))
        .unwrap();
    state.cursor = (level.cells[other].row, level.cells[other].col);
    press(&mut state, "n");
    assert_eq!(state.cursor, place(0));
}

#[test]
fn the_search_shows_its_class_before_it_is_chosen() {
    let mut state = opened(120, 30, Protocol::Kitty);
    press(&mut state, "/shar");
    assert!(text(&state).contains("great white shark supports"));
    assert_eq!(state.focus, None);
    press(&mut state, "<Esc>");
    assert!(!text(&state).contains("great white shark supports"));
    // Nothing typed: the classes of the cell under the cursor come first.
    press(&mut state, "/");
    let Some(Overlay::Search(search)) = &state.overlay else {
        panic!("no search");
    };
    let best = state.level().unwrap().ranked_classes(state.cell().unwrap())[0].0;
    assert_eq!(search.class(), Some(best));
    press(&mut state, "<Down><Down><Up><Enter>");
    assert_ne!(state.focus.unwrap().class, best);
}

#[test]
fn zooming_keeps_the_place_of_the_map() {
    let spec = SampleSpec {
        n_samples: 6000,
        grids: vec![10, 20, 40],
        ..SampleSpec::default()
    };
    let mut state = show(atlas(&spec), screen(100, 30, Protocol::Kitty));
    press(&mut state, "zzzz");
    let finest = state.level().unwrap().clone();
    for cell in finest.cells.iter().step_by(17) {
        state.cursor = (cell.row, cell.col);
        state.place = layout_from_grid(cell.row, cell.col, finest.grid);
        press(&mut state, "-------");
        assert_eq!(state.zoom.level, 0);
        assert_eq!(state.cursor, (cell.row / 4, cell.col / 4));
        press(&mut state, "zz");
        assert_eq!(state.cursor, (cell.row, cell.col), "out and in again");
    }
    // Into a finer grid the cursor goes to an occupied cell within the coarse one.
    press(&mut state, "ZZZ");
    for cell in state.level().unwrap().cells.clone() {
        state.cursor = (cell.row, cell.col);
        state.place = layout_from_grid(cell.row, cell.col, 10);
        press(&mut state, "z");
        assert!(state.cell().is_some(), "{cell:?}");
        assert_eq!(
            (state.cursor.0 / 2, state.cursor.1 / 2),
            (cell.row, cell.col)
        );
        press(&mut state, "Z");
    }
}

#[test]
fn another_layer_keeps_the_samples_under_the_cursor() {
    let mut atlas = sample();
    // The second layer holds the same samples at mirrored places.
    let mut mirrored = atlas.layers[0].clone();
    mirrored.name = "mirrored".to_owned();
    for level in &mut mirrored.levels {
        let twin = level.clone();
        let mut order: Vec<usize> = (0..level.cells.len()).collect();
        order.sort_by_key(|&idx| (twin.cells[idx].row, level.grid - twin.cells[idx].col));
        level.cells = order.iter().map(|&idx| twin.cells[idx]).collect();
        for cell in &mut level.cells {
            cell.col = level.grid - 1 - cell.col;
        }
        level.members = order
            .iter()
            .flat_map(|&idx| twin.members_of(idx).to_vec())
            .collect();
        let counts = level.cells.iter().scan(0, |sum, cell| {
            *sum += cell.n_samples;
            Some(*sum)
        });
        level.starts = std::iter::once(0).chain(counts).collect();
    }
    atlas.layers[1] = mirrored;
    atlas.check().unwrap();
    let mut state = show(atlas, screen(80, 24, Protocol::Kitty));
    let (row, col) = state.cursor;
    press(&mut state, "<Tab>");
    assert_eq!(state.cursor, (row, 9 - col));
    press(&mut state, "<S-Tab>");
    assert_eq!(state.cursor, (row, col));
    // From an empty cell: the same place.
    let empty = (0..10)
        .find(|&c| state.level().unwrap().cell_at(9, c).is_none())
        .unwrap();
    press(&mut state, "Ghhhhhhhhhjjjjj");
    while state.cursor.1 < empty {
        press(&mut state, "l");
    }
    let before = state.cursor;
    press(&mut state, "<Tab>");
    assert_eq!(state.cursor, before);
}

/// Layers of other sizes sample other positions; where those lie is known all the same.
#[test]
fn a_layer_of_another_size_keeps_the_place_in_the_photographs() {
    let mut atlas = sample();
    let (rows, cols) = atlas.layers[1].map_size;
    assert_ne!(atlas.layers[0].map_size, (rows, cols));
    // Whatever the cell under the cursor saw lies in one cell of the other layer; everything else in another.
    let (here, there) = (5, 7);
    let first = &atlas.layers[0];
    let level = first.levels.last().unwrap();
    let (n_rows, n_cols) = first.map_size;
    let seen: Vec<(usize, usize)> = level
        .members_of(here)
        .iter()
        .map(|&s| {
            let s = s as usize;
            let share = |at: u8, n: u32| (f64::from(at) + 0.5) / f64::from(n);
            let row = (share(first.samples.row[s], n_rows) * f64::from(rows)) as usize;
            let col = (share(first.samples.col[s], n_cols) * f64::from(cols)) as usize;
            (first.samples.image[s] as usize, row * cols as usize + col)
        })
        .collect();
    let place = (level.cells[here].row, level.cells[here].col);
    let second = &mut atlas.layers[1];
    second.position_cells.fill(3);
    for &(image, position) in &seen {
        second.position_cells[[image, position]] = there;
    }
    // None of them is a sample of the other layer.
    for s in 0..second.samples.len() {
        second.samples.image[s] = 0;
        (second.samples.row[s], second.samples.col[s]) = (0, 0);
    }
    let finest = second.levels.last().unwrap();
    let wanted = finest.cells[usize::from(there)];
    let grid = finest.grid;
    let mut state = show(atlas, screen(160, 45, Protocol::Kitty));
    let link = format!("@{},{grid},{},{}<Enter>", "mixed4c", place.0, place.1);
    press(&mut state, &link);
    assert_eq!(state.cell(), Some(here));
    press(&mut state, "<Tab>");
    assert_eq!(state.level().unwrap().grid, grid);
    assert_eq!(state.cursor, (wanted.row, wanted.col));
}

#[test]
fn the_readme_has_the_table_of_keys() {
    let readme = include_str!("../../README.md");
    let table = keymap::markdown();
    assert!(
        readme.contains(&table),
        "put this into the README:\n{table}"
    );
}

#[test]
fn the_palette_holds_every_action_of_the_map() {
    let state = opened(80, 24, Protocol::Kitty);
    let palette = Palette::open(&state, "");
    let map = KEYS.iter().filter(|b| b.group.mode() == Mode::Map);
    // A layer of a number stands there by its name instead.
    for binding in map.filter(|b| b.action != Action::GoToLayer) {
        let here =
            |e: &atlascope::explorer::palette::Entry| e.choice == Choice::Action(binding.action);
        assert!(palette.entries.iter().any(here), "{}", binding.name);
    }
    assert!(palette.entries.iter().any(|e| e.choice == Choice::Layer(1)));
    assert_eq!(palette.hits.len(), palette.entries.len());
}

#[test]
fn the_palette_does_what_is_chosen() {
    let mut state = opened(100, 30, Protocol::Kitty);
    press(&mut state, ":outl");
    assert!(text(&state).contains("outlines of cells"));
    press(&mut state, "<Enter>");
    assert!(state.display.outlines && state.overlay.is_none());
    press(&mut state, ":mixed5b<Enter>");
    assert_eq!(state.layer, 1);
    assert_eq!(press(&mut state, ":quit<Enter>"), [Effect::Quit]);
    press(&mut state, ":xyzzy<Enter>");
    assert!(state.overlay.is_none());
}

#[test]
fn other_keys_are_heard_shown_and_offered() {
    let mut state = opened(160, 80, Protocol::Kitty);
    let written = "[keys]\nzoom-in = 'Space'\nhelp = ['C-g']\nquit = 'Z'\n";
    let map = keymap::parse(written, &[]).unwrap();
    state.keymap = std::sync::Arc::new(map);
    let before = state.zoom;
    press(&mut state, "+");
    assert_eq!(state.zoom, before);
    press(&mut state, "<Space>");
    assert_ne!(state.zoom, before);
    assert_eq!(press(&mut state, "q"), []);
    assert_eq!(press(&mut state, "Z"), [Effect::Quit]);
    assert!(text(&state).contains("Ctrl-g help") && text(&state).contains("Z quit"));
    press(&mut state, "<C-g>");
    assert!(matches!(state.overlay, Some(Overlay::Help { .. })));
    assert!(text(&state).contains("Space"));
}
