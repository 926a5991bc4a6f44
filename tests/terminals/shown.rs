//! The decoded picture after scripted moves, also at the map's edges, for every protocol.

use super::expected::{screen, state};
use super::painted::{Limits, compare, meant};
use super::{QUIET, SIZE, explore, quit, sample, shows};
use crate::support::terminal::{Line, Personality, Terminal};
use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::explorer::{Message, State, keymap, update};
use atlascope::graphics::Protocol;
use atlascope::store;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A program in a terminal, and a state in which the same keys were pressed.
struct Session {
    terminal: Terminal,
    atlas: Atlas,
    state: State,
    limits: Limits,
    keys: String,
}

impl Session {
    fn open(folder: &Path, personality: Personality, protocol: Protocol) -> Self {
        let path = folder.join("two.atlas");
        let made = atlas(&SampleSpec {
            layers: vec!["mixed4c".to_owned(), "mixed5b".to_owned()],
            icon_size: 96,
            ..super::spec()
        });
        store::write(&path, &made).unwrap();
        Self {
            terminal: explore(&path, personality, SIZE),
            state: state(&made, screen(SIZE, (8, 16), protocol), ""),
            atlas: made,
            limits: Limits::of(protocol),
            keys: String::new(),
        }
    }

    /// Presses keys on both sides.
    fn press(&mut self, keys: &str) {
        self.keys.push_str(keys);
        self.terminal.send(keys);
        for key in keymap::script(keys) {
            let message = keymap::message(&self.state, key);
            update(&mut self.state, message);
        }
        self.agrees();
    }

    fn resize(&mut self, size: (u16, u16)) {
        write!(self.keys, " {}x{} ", size.0, size.1).unwrap();
        self.terminal.resize(size);
        let smaller = Message::Resized {
            columns: size.0,
            rows: size.1,
            cell_pixels: (8, 16),
        };
        update(&mut self.state, smaller);
        self.agrees();
    }

    /// Waits until the terminal shows what the state means.
    fn agrees(&self) {
        let meant = meant(&self.state, &self.atlas);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            self.terminal.wait_quiet(QUIET);
            let shown = self.terminal.picture_on([0; 3]);
            assert_eq!(shown.dimensions(), meant.dimensions());
            let found = compare(&self.state, &meant, &shown);
            if self.limits.admit(&self.state, &found) {
                println!("{} {:?}: {found:?}", self.keys, self.state.zoom);
                return;
            }
            // A busy machine may have been quiet without being done.
            if Instant::now() > deadline {
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
                let name = self.state.screen.protocol.name();
                meant
                    .save(folder.join(format!("{name}-meant.png")))
                    .unwrap();
                shown
                    .save(folder.join(format!("{name}-shown.png")))
                    .unwrap();
                panic!(
                    "{} (pictures in {}): {found:?}",
                    self.keys,
                    folder.display()
                );
            }
        }
    }

    fn quit(self) {
        quit(self.terminal);
    }
}

/// Every kind of move: closer, across, to the edges and into the corners, there and back, to another layer, to another
/// grid, to windows whose edges cut icons, far out again.
fn follows(personality: Personality, protocol: Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::open(folder.path(), personality, protocol);
    session.agrees();
    for keys in [
        "+",
        "+",
        "llllllllll",
        "jjjjjjj",
        "G",
        "g",
        "$",
        "0",
        "GkkhJK",
        "]",
        "hhhjj",
        "[",
        "z",
        "Zll",
    ] {
        session.press(keys);
    }
    for size in [(147, 38), (61, 17), (23, 9), SIZE] {
        session.resize(size);
        session.press("lj");
        session.press("hk");
    }
    for keys in ["+", "G", "--", "i", "o", "om", "d", "jl", "di", "f"] {
        session.press(keys);
    }
    session.quit();
}

#[test]
fn kitty_shows_the_map() {
    follows(Personality::Kitty, Protocol::Kitty);
}

#[test]
fn placeholders_show_the_map() {
    follows(Personality::Tmux, Protocol::Placeholders);
}

#[test]
fn sixel_shows_the_map() {
    follows(Personality::Xterm, Protocol::Sixel);
}

#[test]
fn inline_pictures_show_the_map() {
    follows(Personality::Iterm, Protocol::Iterm);
}

#[test]
fn half_blocks_show_the_map() {
    let folder = tempfile::tempdir().unwrap();
    let (atlas, path) = sample(folder.path());
    let terminal = explore(&path, Personality::Plain, SIZE);
    let mut keys = String::new();
    // Whole icons; closer; to the right, down, into both corners, and far out again.
    for step in ["i++", "llllllllll", "jjjjjjj", "G", "g", "hk", "-lj"] {
        keys.push_str(step);
        terminal.send(step);
        let protocol = Protocol::HalfBlock { true_colour: false };
        let state = state(&atlas, screen(SIZE, (8, 16), protocol), &keys);
        // 256 colours.
        shows(&terminal, &state, (16.0, 48.0), &keys);
    }
    quit(terminal);
}

/// Nobody told us the terminal's background: it is seen where there is no icon all the same.
#[test]
fn squares_without_icon_are_left_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse.atlas");
    let made = atlas(&SampleSpec {
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
                assert_eq!(
                    pixel.0,
                    [255, 255, 255, 0],
                    "{keys}: row {row}, column {col}"
                );
            }
            n += 1;
        }
        assert!(n >= 5, "{n} empty squares in view after {keys}");
    }
    quit(terminal);
}

/// What covers a square in part is mixed with the background, of which such a terminal says nothing: a person or a
/// variable does.
#[test]
fn a_background_that_is_not_told_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let (atlas, path) = sample(folder.path());
    let path = path.to_str().unwrap();
    let said = ["explore", "--no-session", "--background", "light", path];
    let variable: &[(&str, &str)] = &[("COLORFGBG", "0;15")];
    for (args, env) in [
        (&said[..], &[][..]),
        (&["explore", "--no-session", path], variable),
    ] {
        let terminal = Terminal::start_with(args, env, Personality::Mlterm, SIZE);
        terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
        // A third of the colours of a class fades away.
        terminal.send("d/fire\r");
        let mut screen = screen(SIZE, (8, 16), Protocol::Sixel);
        screen.background = [255; 3];
        let state = state(&atlas, screen, "d/fire<Enter>");
        let meant = meant(&state, &atlas);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            terminal.wait_quiet(QUIET);
            let shown = terminal.picture_on([255; 3]);
            let found = compare(&state, &meant, &shown);
            if found.pixels > 10_000 && found.mean < 4.0 && found.astray.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "{found:?}");
        }
        quit(terminal);
    }
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
    let held = terminal.most_held();
    assert!(held > 1 << 20 && held < 200 << 20, "{held}");
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
        let smaller = Message::Resized {
            columns: SIZE.0,
            rows: SIZE.1 - 4,
            cell_pixels: (8, 16),
        };
        update(&mut state, smaller);
        shows(&terminal, &state, (5.0, 255.0), "after");
        let sent = terminal.raw()[before..].to_vec();
        let uploads = sent.windows(4).filter(|bytes| bytes == b"a=t,").count();
        assert_eq!(uploads, 0, "{personality:?}");
        quit(terminal);
    }
}
