//! Screens of every size, and pictures of them.

use super::{
    HALF, drawn, drawn_on, early, listing, opened, press, sample, screen, show, tell, text,
};
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::explorer::{Effect, Message, State, Update, placements, update, view};
use atlascope::graphics::Protocol;
use ratatui::style::Color;

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
        "S",
        "2",
        "GgjkJK$0",
        "<C-d><PageUp>",
        "f.",
        "n<Esc>",
        ":",
        ":col<Down><Enter>",
        "Ccount<Enter>c>",
        "/fire<Enter>v",
        "/fire<Enter>vvn",
        "/fire<Enter>xtench<Enter>hjkl+",
        "eeE<Backspace>",
        "p",
        "pljw",
        "p<Enter>A++hj",
        "mMnote<Enter>'ya",
        "I/x",
        "@3,3<Enter>",
        "toa((",
        "u<C-r>O",
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
    assert!(update(&mut state, resize(200, 60)).contains(&Effect::PlaceAgain));
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
        let mut state = opened(columns, rows, Protocol::Kitty);
        press(&mut state, "/fire<Enter>xtench<Enter>");
        insta::assert_snapshot!(name("comparison"), text(&state));
        press(&mut state, "<Esc>v");
        insta::assert_snapshot!(name("class_view"), text(&state));
        press(&mut state, "<Esc>Cpurity<Enter>");
        insta::assert_snapshot!(name("column"), text(&state));
        press(&mut state, ":mark");
        insta::assert_snapshot!(name("palette"), text(&state));
        press(&mut state, "<Esc>p");
        insta::assert_snapshot!(name("photographs"), text(&state));
        let state = opened(columns, rows, Protocol::None);
        insta::assert_snapshot!(name("no_pictures"), text(&state));
        let state = show(early(sample()), screen(columns, rows, Protocol::Kitty));
        insta::assert_snapshot!(name("growing"), text(&state));
    }
}
