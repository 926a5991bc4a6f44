//! The real binary at a real (pseudo-)terminal, from the first byte to the shell getting its terminal back.

mod suspects;

use crate::support::terminal::{Personality, Terminal};
use atlascope::atlas::sample::{self, SampleSpec};
use atlascope::store;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZE: (u16, u16) = (140, 42);

fn sample_file(folder: &Path) -> PathBuf {
    let path = folder.join("sample.atlas");
    store::write(&path, &sample::atlas(&SampleSpec::default())).unwrap();
    path
}

fn explore(folder: &Path, personality: Personality) -> Terminal {
    let path = sample_file(folder);
    let terminal = Terminal::start(&["explore", path.to_str().unwrap()], personality, SIZE);
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    terminal
}

/// The shell has its terminal back: normal screen, cursor shown, nothing of ours left in the terminal's memory.
fn assert_given_back(terminal: &Terminal) {
    assert!(
        !terminal.on_alternate_screen(),
        "still on the alternate screen"
    );
    assert!(!terminal.cursor_is_hidden(), "the cursor is hidden");
    let raw = terminal.raw();
    let text = String::from_utf8_lossy(&raw);
    let count = |what: &str| text.matches(what).count();
    assert!(
        count("\x1b[?2026l") >= count("\x1b[?2026h"),
        "a synchronized update is open"
    );
}

#[test]
fn from_the_demo_to_a_class_and_out() {
    let mut terminal = Terminal::start(&["demo", "--scenes", "3200"], Personality::Kitty, SIZE);
    terminal.wait_for("building screen", 20, |screen| {
        screen.contains("collect") || screen.contains("? help")
    });
    terminal.wait_for("first map", 120, |screen| {
        screen.contains("mixed4b") && !screen.contains("building the first map")
    });
    let before = terminal.screen();
    terminal.send("llj");
    terminal.wait_for("cursor", 10, |screen| screen != before);
    terminal.send("/barn");
    terminal.wait_for("search", 10, |screen| screen.contains("barn"));
    terminal.send("\r");
    terminal.wait_for("legend", 10, |screen| {
        screen.contains("barn") && screen.contains("supports")
    });
    terminal.send("n+");
    terminal.send("?");
    terminal.wait_for("help", 10, |screen| {
        screen.contains("one cell left") && screen.contains("larger icons")
    });
    terminal.send("q");
    terminal.wait_for("map", 10, |screen| !screen.contains("one cell left"));
    terminal.send("q");
    assert_eq!(terminal.wait_exit(20), 0);
    assert_given_back(&terminal);
}

#[test]
fn kitty_gets_pictures_and_a_plain_terminal_gets_blocks() {
    let folder = tempfile::tempdir().unwrap();
    for (personality, pictures, name) in [
        (Personality::Kitty, true, "kitty"),
        (Personality::Plain, false, "half"),
        (Personality::Mute, false, "half"),
    ] {
        let mut terminal = explore(folder.path(), personality);
        terminal.wait_for("protocol", 10, |screen| screen.contains(name));
        if !pictures {
            terminal.wait_for("blocks", 10, |screen| screen.contains('▀'));
        }
        terminal.send("q");
        assert_eq!(terminal.wait_exit(10), 0, "{personality:?}");
        let raw = terminal.raw();
        let sent = raw.windows(6).any(|bytes| bytes == b"\x1b_Ga=t");
        assert_eq!(sent, pictures, "{personality:?}");
        assert_given_back(&terminal);
    }
}

#[test]
fn no_color_and_dumb_terminals_get_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    for env in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let args = ["explore", path.to_str().unwrap()];
        let mut terminal = Terminal::start_with(&args, &[env], Personality::Kitty, SIZE);
        terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
        terminal.send("q");
        assert_eq!(terminal.wait_exit(10), 0);
        let raw = terminal.raw();
        assert!(
            !raw.windows(6).any(|bytes| bytes == b"\x1b_Ga=t"),
            "{env:?} got pictures"
        );
        // Before the screen there are only questions, one of which sets a colour to ask whether it was kept.
        let screen = raw
            .windows(8)
            .position(|bytes| bytes == b"\x1b[?1049h")
            .unwrap();
        let coloured = raw[screen..]
            .windows(7)
            .any(|bytes| bytes == b"\x1b[38;2;" || bytes == b"\x1b[48;2;");
        assert!(!coloured, "{env:?} got colours");
    }
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["TERM", "HUP", "INT"] {
        let mut terminal = explore(folder.path(), Personality::Kitty);
        assert!(terminal.on_alternate_screen());
        let session = folder.path().join("sample.atlas.session.json");
        let _ = std::fs::remove_file(&session);
        let before = terminal.screen();
        terminal.send("m");
        terminal.wait_for("mark", 10, |screen| screen != before);
        let status = Command::new("kill")
            .args([&format!("-{signal}"), &terminal.pid().to_string()])
            .status();
        assert!(status.unwrap().success());
        terminal.wait_exit(10);
        assert_given_back(&terminal);
        // Nothing of the session is lost.
        let kept = std::fs::read_to_string(&session).unwrap();
        assert!(
            kept.contains("\"marks\"") && kept.contains("mixed4c"),
            "{kept}"
        );
    }
    let mut terminal = explore(folder.path(), Personality::Kitty);
    terminal.send("\x03");
    terminal.wait_exit(10);
    assert_given_back(&terminal);
}

#[test]
fn resizes_to_nothing_and_back_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = explore(folder.path(), Personality::Kitty);
    for size in [(1, 1), (20, 5), (300, 80), (80, 24), SIZE] {
        terminal.resize(size);
        std::thread::sleep(std::time::Duration::from_millis(150));
    }
    terminal.wait_for("status line", 10, |screen| screen.contains("? help"));
    terminal.send("q");
    assert_eq!(terminal.wait_exit(10), 0);
    assert_given_back(&terminal);
}

#[test]
fn a_growing_build_is_followed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("x.atlas.part");
    std::fs::create_dir(&part).unwrap();
    let snapshot = part.join("snapshot.atlas");
    let mut young = sample::atlas(&SampleSpec {
        n_samples: 300,
        ..SampleSpec::default()
    });
    young.complete = false;
    store::write(&snapshot, &young).unwrap();
    let mut terminal = Terminal::start(
        &["explore", part.to_str().unwrap()],
        Personality::Kitty,
        SIZE,
    );
    terminal.wait_for("first snapshot", 20, |screen| {
        screen.contains("300 activations")
    });
    let mut grown = sample::atlas(&SampleSpec {
        n_samples: 900,
        ..SampleSpec::default()
    });
    grown.complete = false;
    store::write(&snapshot, &grown).unwrap();
    terminal.wait_for("second snapshot", 20, |screen| {
        screen.contains("900 activations")
    });
    // What a finished build does: the atlas appears beside the folder, then the folder goes.
    grown = sample::atlas(&SampleSpec {
        n_samples: 1200,
        ..SampleSpec::default()
    });
    store::write(&folder.path().join("x.atlas"), &grown).unwrap();
    std::fs::remove_dir_all(&part).unwrap();
    terminal.wait_for("finished atlas", 20, |screen| {
        screen.contains("1,200 activations")
    });
    terminal.send("q");
    assert_eq!(terminal.wait_exit(10), 0);
    assert_given_back(&terminal);
}

#[test]
fn the_prebuilt_atlas_opens_at_once() {
    let mut terminal = Terminal::start(&["demo", "--real"], Personality::Kitty, SIZE);
    terminal.wait_for("mixed4d", 20, |screen| {
        screen.contains("mixed4d") && screen.contains("? help")
    });
    terminal.send("/fireboat\r");
    terminal.wait_for("class", 10, |screen| screen.contains("fireboat"));
    terminal.send("q");
    assert_eq!(terminal.wait_exit(10), 0);
    assert_given_back(&terminal);
}
