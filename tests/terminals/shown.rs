//! The decoded picture after scripted moves, also at the map's edges, for every protocol.

use super::expected::{screen, state};
use super::{QUIET, SIZE, explore, quit, sample, shows};
use crate::support::terminal::{Line, Personality, Pictures, Terminal};
use atlascope::atlas::sample::SampleSpec;
use atlascope::graphics::Protocol;
use atlascope::store;

/// Mean and largest difference that colours of fewer kinds, JPEG and per cents may make.
fn follows(personality: Personality, protocol: Protocol, limits: (f64, f64)) {
    let folder = tempfile::tempdir().unwrap();
    let (atlas, path) = sample(folder.path());
    let terminal = explore(&path, personality, SIZE);
    let mut keys = String::new();
    // Whole icons; closer; to the right, down, into both corners, and far out again.
    for step in ["i++", "llllllllll", "jjjjjjj", "G", "g", "hk", "-lj"] {
        keys.push_str(step);
        terminal.send(step);
        let state = state(&atlas, screen(SIZE, (8, 16), protocol), &keys);
        shows(&terminal, &state, limits, &keys);
    }
    quit(terminal);
}

#[test]
fn kitty_shows_the_map() {
    follows(Personality::Kitty, Protocol::Kitty, (5.0, 16.0));
}

#[test]
fn placeholders_show_the_map() {
    follows(Personality::Tmux, Protocol::Placeholders, (5.0, 16.0));
}

#[test]
fn sixel_shows_the_map() {
    follows(Personality::Xterm, Protocol::Sixel, (5.0, 16.0));
}

#[test]
fn inline_pictures_show_the_map() {
    follows(Personality::Iterm, Protocol::Iterm, (5.0, 16.0));
}

#[test]
fn half_blocks_show_the_map() {
    // 256 colours.
    let protocol = Protocol::HalfBlock { true_colour: false };
    follows(Personality::Plain, protocol, (16.0, 48.0));
}

/// Nobody told us the terminal's background: it is seen where there is no icon all the same.
#[test]
fn squares_without_icon_are_left_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.atlas");
    let made = atlascope::atlas::sample::atlas(&SampleSpec {
        n_samples: 700,
        ..super::spec()
    });
    store::write(&path, &made).unwrap();
    let terminal = explore(&path, Personality::Mlterm, SIZE);
    let mut keys = String::new();
    for step in ["i+", "llllll", "jjj", "hhhkkk"] {
        keys.push_str(step);
        terminal.send(step);
        let state = state(&made, screen(SIZE, (8, 16), Protocol::Sixel), &keys);
        shows(&terminal, &state, (5.0, 16.0), &keys);
        let picture = terminal.picture_on([255; 3]);
        let projection = state.projection().unwrap();
        let (rows, cols) = projection.wholly_visible();
        let all = rows.flat_map(|row| cols.clone().map(move |col| (row, col)));
        let empty = all.filter(|&(row, col)| state.cell_at(row, col).is_none());
        let mut n = 0;
        for (row, col) in empty.filter(|&place| place != state.cursor) {
            let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
            let (width, height) = (projection.cell_columns * 8, projection.cell_rows * 16);
            for at in 0..u32::from(width) * u32::from(height) {
                let (dx, dy) = (at % u32::from(width), at / u32::from(width));
                let pixel = picture.get_pixel(x as u32 * 8 + dx, y as u32 * 16 + dy);
                assert_eq!(pixel.0, [255; 3], "{keys}: row {row}, column {col}");
            }
            n += 1;
        }
        assert!(n >= 5, "{n} empty squares in view after {keys}");
    }
    quit(terminal);
}

/// Pictures come while somebody types: the cursor stays where the text goes.
#[test]
fn the_cursor_stays_in_the_line_that_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let args = ["explore", "--no-session", path.to_str().unwrap()];
    for personality in [Personality::Kitty, Personality::Xterm] {
        let line = Some(Line::SLOW);
        let terminal = Terminal::start_over(&args, &[], personality, SIZE, line);
        terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
        terminal.send("+++/");
        for (at, letter) in "fire".char_indices() {
            let typed = format!("/ {}", &"fire"[..=at]);
            terminal.send(&letter.to_string());
            terminal.wait_for(&typed, 10, |screen| screen.contains(&typed));
            terminal.wait_quiet(QUIET);
            let screen = terminal.screen();
            let (row, text) = (screen.lines().enumerate())
                .find(|(_, text)| text.contains(&typed))
                .unwrap();
            let end = text[..text.find(&typed).unwrap()].chars().count() + typed.len();
            assert!(!terminal.cursor_is_hidden());
            let (at_row, at_column) = terminal.cursor();
            let at = (usize::from(at_row), usize::from(at_column));
            assert_eq!(at, (row, end), "{personality:?}");
        }
        terminal.send("\x1b");
        terminal.wait_for("the map's keys", 10, |screen| screen.contains("? help"));
        quit(terminal);
    }
}

/// Behind `ssh -t host atlascope …` nobody could continue what stops.
#[test]
fn without_a_shell_nothing_stops() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let terminal = explore(&path, Personality::Kitty, (100, 30));
    terminal.send("\x1a");
    terminal.wait_for("a remark", 20, |screen| screen.contains("no shell here"));
    assert!(terminal.on_alternate_screen());
    quit(terminal);
}

/// A terminal may hold 320 MiB; we stay below 200, and what is not looked at any more goes.
#[test]
fn what_a_terminal_holds_is_bounded_and_freed_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let mut terminal = explore(&path, Personality::Kitty, SIZE);
    // Every size of every level: each has pages of its own.
    for keys in ["+", "+", "+", "+", "+", "G", "g", "z", "-", "-", "-", "Z"] {
        terminal.send(keys);
        terminal.wait_quiet(QUIET);
    }
    let mut pictures = Pictures::new(SIZE);
    pictures.feed(&terminal.raw());
    assert!(pictures.most_held > 1 << 20 && pictures.most_held < 200 << 20);
    terminal.send("q");
    terminal.wait_exit(20);
    let raw = terminal.raw();
    let text = String::from_utf8_lossy(&raw);
    let count = |what: &str| text.matches(what).count();
    assert_eq!(count("a=t,"), count("d=I,"), "every picture is freed");
    // Old kitty loses a sequence that begins an update and comes in two pieces.
    assert!(count("\x1b[?2026h") > 10);
    assert_eq!(count("\x1b[?2026h\x1b"), 0);
}

#[test]
fn a_resize_sends_no_picture_again() {
    let folder = tempfile::tempdir().unwrap();
    let (atlas, path) = sample(folder.path());
    for personality in [Personality::Kitty, Personality::Tmux] {
        let terminal = explore(&path, personality, SIZE);
        // A zoom of one's own stays at a resize.
        let protocol = if personality == Personality::Kitty {
            Protocol::Kitty
        } else {
            Protocol::Placeholders
        };
        let mut state = state(&atlas, screen(SIZE, (8, 16), protocol), "i++.");
        terminal.send("i++.");
        shows(&terminal, &state, (5.0, 16.0), "before");
        let before = terminal.last().1;
        terminal.resize((SIZE.0, SIZE.1 - 4));
        let smaller = atlascope::explorer::Message::Resized {
            columns: SIZE.0,
            rows: SIZE.1 - 4,
            cell_pixels: (8, 16),
        };
        atlascope::explorer::update(&mut state, smaller);
        shows(&terminal, &state, (5.0, 255.0), "after");
        let sent = terminal.raw()[before..].to_vec();
        let uploads = sent.windows(4).filter(|bytes| bytes == b"a=t,").count();
        assert_eq!(uploads, 0, "{personality:?}");
        quit(terminal);
    }
}
