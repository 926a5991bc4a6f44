//! Tests of the explorer: keys in; state, screens and placements out. No terminal is needed for any of it.

mod pictures;

use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::atlas::{Atlas, TILE_SIZE};
use atlascope::explorer::action::Action;
use atlascope::explorer::camera::layout_from_grid;
use atlascope::explorer::focus::{Colouring, strongest};
use atlascope::explorer::keymap::{self, KEYS};
use atlascope::explorer::state::Overlay;
use atlascope::explorer::{Effect, Message, Screen, State, Update, placements, update, view};
use atlascope::graphics::{Placement, Protocol};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

const HALF: Protocol = Protocol::HalfBlock { true_colour: true };

fn sample() -> Atlas {
    atlas(&SampleSpec::default())
}

fn screen(columns: u16, rows: u16, protocol: Protocol) -> Screen {
    Screen {
        columns,
        rows,
        cell_pixels: (8, 16),
        protocol,
        colour: true,
        background: [0, 0, 0],
    }
}

fn show(atlas: Atlas, screen: Screen) -> State {
    let mut state = State::new("sample.atlas", screen);
    tell(&mut state, Update::Atlas(Arc::new(atlas)));
    state
}

fn opened(columns: u16, rows: u16, protocol: Protocol) -> State {
    static SAMPLE: LazyLock<Arc<Atlas>> = LazyLock::new(|| Arc::new(sample()));
    let mut state = State::new("sample.atlas", screen(columns, rows, protocol));
    tell(&mut state, Update::Atlas(SAMPLE.clone()));
    state
}

fn tell(state: &mut State, news: Update) {
    update(state, Message::Update(news));
}

/// Presses the keys of a script; returns the effects of the last one.
fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keymap::script(keys) {
        let message = keymap::message(state, key);
        effects = update(state, message);
    }
    effects
}

fn drawn(state: &State) -> Buffer {
    let backend = TestBackend::new(state.screen.columns, state.screen.rows);
    let mut terminal = Terminal::new(backend).unwrap();
    terminal.draw(|frame| view(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The terminal may be smaller already than the state knows.
fn drawn_on(state: &State, columns: u16, rows: u16) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| {
        view(state, frame);
        view::marks(state, frame.buffer_mut());
    };
    terminal.draw(draw).unwrap();
}

fn text(state: &State) -> String {
    let buffer = drawn(state);
    let line = |y| {
        let line: String = (0..buffer.area.width)
            .map(|x| buffer[(x, y)].symbol())
            .collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = (0..buffer.area.height).map(line).collect();
    lines.join("\n")
}

/// Placements as lines: what, which part, where. Tiles are named by their place in the list of keys seen.
fn listing(placements: &[Placement]) -> String {
    let mut seen = Vec::new();
    let mut out = String::new();
    for p in placements {
        let name = seen.iter().position(|&key| key == p.picture);
        let name = name.unwrap_or_else(|| {
            seen.push(p.picture);
            seen.len() - 1
        });
        let (s, t) = (p.source, p.target);
        writeln!(
            out,
            "{:>8x} picture {name}: {}+{} {}×{} -> column {} row {} {}×{} z {}",
            p.id, s.x, s.y, s.width, s.height, t.column, t.row, t.columns, t.rows, p.z
        )
        .unwrap();
    }
    out
}

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

/// The atlas as it looked when only the first third of its icons were drawn.
fn early(mut atlas: Atlas) -> Atlas {
    atlas.complete = false;
    for level in atlas.layers.iter_mut().flat_map(|layer| &mut layer.levels) {
        let n = level.cells.len() / 3;
        level.icons.steps[n..].fill(0);
        level.icons.score[n..].fill(f32::NAN);
        let kept: HashSet<(u32, u32)> = level.cells[..n]
            .iter()
            .map(|cell| (cell.row / TILE_SIZE, cell.col / TILE_SIZE))
            .collect();
        level
            .icons
            .tiles
            .retain(|tile| kept.contains(&(tile.row, tile.col)));
    }
    atlas.layers[0].levels.truncate(1);
    atlas
}

#[test]
fn a_growing_atlas_keeps_the_view() {
    let mut state = State::new("demo", screen(80, 24, Protocol::Kitty));
    let progress = |done| Update::Progress {
        stage: "draw icons".to_owned(),
        done,
        total: 200,
        eta: Some(Duration::from_secs(8)),
    };
    tell(&mut state, progress(40));
    let waiting = text(&state);
    assert!(
        waiting.contains("draw icons") && waiting.contains("40 of 200"),
        "{waiting}"
    );
    assert!(
        waiting.contains("20/s") && waiting.contains("8 s left"),
        "{waiting}"
    );
    assert!(placements(&state).is_empty());
    tell(&mut state, Update::Atlas(Arc::new(early(sample()))));
    press(&mut state, "/tench<Enter>c+hk");
    let before = (
        state.cursor,
        state.camera,
        state.zoom,
        state.focus,
        state.place,
    );
    tell(&mut state, progress(90));
    assert!(text(&state).contains("draw icons 45 %"));
    tell(&mut state, Update::Atlas(Arc::new(sample())));
    let after = (
        state.cursor,
        state.camera,
        state.zoom,
        state.focus,
        state.place,
    );
    assert_eq!(before, after);
    // A search that is open when a snapshot comes stays on its class.
    press(&mut state, "/<Down><Down>");
    let chosen = state.shown_focus();
    tell(&mut state, Update::Atlas(Arc::new(sample())));
    assert_eq!(state.shown_focus(), chosen);
    press(&mut state, "<Esc>");
    tell(&mut state, Update::Done);
    assert!(!state.building);
    assert!(text(&state).contains("the atlas is complete"));
    press(&mut state, "l");
    assert!(!text(&state).contains("the atlas is complete"));
}

#[test]
fn a_failed_build_says_why_and_keeps_what_there_is() {
    let mut state = State::new("demo", screen(80, 24, Protocol::Kitty));
    tell(&mut state, Update::Failed("the disk is full".to_owned()));
    assert!(text(&state).contains("the build stopped"));
    assert!(text(&state).contains("the disk is full"));
    let mut state = opened(80, 24, Protocol::Kitty);
    tell(&mut state, Update::Failed("the disk is full".to_owned()));
    press(&mut state, "h");
    assert!(text(&state).contains("the disk is full"));
    assert!(!placements(&state).is_empty());
}

#[test]
fn help_lists_every_key() {
    let mut state = opened(80, 80, Protocol::Kitty);
    press(&mut state, "?");
    assert!(placements(&state).is_empty());
    let shown = text(&state);
    for binding in KEYS {
        assert!(shown.contains(binding.doc), "{}", binding.doc);
        if binding.action != Action::GoToLayer {
            for key in binding.keys {
                assert!(shown.contains(&keymap::readable(key)), "{key}");
            }
        }
    }
    // On a low screen it scrolls, but not beyond its end.
    let mut state = opened(80, 24, Protocol::Kitty);
    press(&mut state, "?");
    let top = text(&state);
    for _ in 0..30 {
        press(&mut state, "<Space>");
    }
    let end = text(&state);
    assert_ne!(top, end);
    assert!(end.contains(KEYS.last().unwrap().doc), "{end}");
    press(&mut state, "j");
    assert_eq!(text(&state), end);
    press(&mut state, "<Esc>");
    assert_eq!(state.overlay, None);
}

#[test]
fn any_size_and_any_keys_are_survived() {
    let sizes = [
        (0, 0),
        (1, 1),
        (20, 5),
        (5, 40),
        (56, 3),
        (57, 9),
        (80, 24),
        (300, 80),
    ];
    let scripts = [
        "",
        "?",
        "?jjj",
        "/",
        "/fire",
        "/fire<Enter>cnN",
        "++++++++",
        "--------",
        "zZ",
        "d",
        "i",
        "s",
        "2",
        "GgjkJK$0",
        "<C-d><PageUp>",
        "f.",
        "n<Esc>",
    ];
    for protocol in [Protocol::Kitty, HALF, Protocol::None] {
        for (columns, rows) in sizes {
            for keys in scripts {
                let mut state = opened(columns, rows, protocol);
                press(&mut state, keys);
                let mut buffer = drawn(&state);
                view::marks(&state, &mut buffer);
                for p in placements(&state) {
                    let (t, s) = (p.target, p.source);
                    assert!(t.column + t.columns <= columns && t.row + t.rows <= rows);
                    assert!(s.width > 0 && s.height > 0);
                }
                drawn_on(&state, columns / 2, rows / 3);
                // And when the terminal changes under it.
                for (columns, rows) in [(1, 1), (200, 60), (0, 9), (80, 24)] {
                    let cell_pixels = (7, 15);
                    update(
                        &mut state,
                        Message::Resized {
                            columns,
                            rows,
                            cell_pixels,
                        },
                    );
                    drawn(&state);
                    placements(&state);
                }
            }
        }
    }
}

#[test]
fn the_building_screen_fits_any_size() {
    for (columns, rows) in [(0, 0), (1, 1), (20, 5), (80, 24), (300, 80)] {
        let mut state = State::new("demo", screen(columns, rows, Protocol::Kitty));
        drawn(&state);
        for idx in 0..12 {
            tell(
                &mut state,
                Update::Progress {
                    stage: format!("stage {idx}"),
                    done: 3,
                    total: idx,
                    eta: None,
                },
            );
            drawn(&state);
        }
        press(&mut state, "hjkl+-zZfg/?<Esc>n c2<Tab>");
        drawn(&state);
        assert_eq!(press(&mut state, "q"), [Effect::Quit]);
    }
}

#[test]
fn odd_atlases_are_shown() {
    let one_cell = SampleSpec {
        n_samples: 1,
        n_images: 1,
        grids: vec![1],
        min_samples: 1,
        ..SampleSpec::default()
    };
    let no_classes = SampleSpec {
        n_classes: 0,
        ..SampleSpec::default()
    };
    let no_icons = SampleSpec {
        min_samples: 10_000,
        ..SampleSpec::default()
    };
    for spec in [one_cell, no_classes, no_icons] {
        for protocol in [Protocol::Kitty, HALF, Protocol::None] {
            let mut state = show(atlas(&spec), screen(80, 24, protocol));
            drawn(&state);
            press(&mut state, "/a<Enter>cnhjklHJKL+-zZ2g$");
            drawn(&state);
            placements(&state);
        }
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    let mut state = opened(100, 30, Protocol::None);
    state.screen.colour = false;
    for keys in ["", "/tench", "<Enter>cc", "?"] {
        press(&mut state, keys);
        let buffer = drawn(&state);
        for cell in &buffer.content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{keys}");
        }
    }
}

#[test]
fn without_pictures_the_map_is_text() {
    let mut state = opened(160, 45, Protocol::None);
    assert!(placements(&state).is_empty());
    let plain = text(&state);
    assert!(plain.contains("fireboat") && plain.contains('▓'), "{plain}");
    press(&mut state, "/fireboat<Enter>cc");
    let both = text(&state);
    assert!(
        both.contains('+') && both.contains('−'),
        "signs beside shades"
    );
}

#[test]
fn a_resize_fits_again_until_the_person_zooms() {
    let mut state = opened(80, 24, Protocol::Kitty);
    let resize = |columns, rows| Message::Resized {
        columns,
        rows,
        cell_pixels: (8, 16),
    };
    assert_eq!(update(&mut state, resize(200, 60)), [Effect::PlaceAgain]);
    let fitted = state.zoom.cell_rows;
    assert!(fitted > 2);
    press(&mut state, "+");
    let chosen = state.zoom;
    update(&mut state, resize(80, 24));
    assert_eq!(state.zoom, chosen);
    let (rows, cols) = state.projection().unwrap().visible();
    assert!(rows.contains(&state.cursor.0) && cols.contains(&state.cursor.1));
    press(&mut state, "f");
    assert_eq!(state.zoom.cell_rows, 2);
}

#[test]
fn screens() {
    for (columns, rows) in [(80, 24), (160, 45)] {
        let mut state = opened(columns, rows, Protocol::Kitty);
        let name = |what: &str| format!("{what}_{columns}x{rows}");
        insta::assert_snapshot!(name("map"), text(&state));
        insta::assert_snapshot!(name("map_placements"), listing(&placements(&state)));
        press(&mut state, "/fire");
        insta::assert_snapshot!(name("search"), text(&state));
        press(&mut state, "<Enter>cc");
        insta::assert_snapshot!(name("class"), text(&state));
        press(&mut state, "?");
        insta::assert_snapshot!(name("help"), text(&state));
        let state = opened(columns, rows, Protocol::None);
        insta::assert_snapshot!(name("no_pictures"), text(&state));
        let state = show(early(sample()), screen(columns, rows, Protocol::Kitty));
        insta::assert_snapshot!(name("growing"), text(&state));
    }
}
