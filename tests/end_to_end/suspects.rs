//! From an atlas to a confirmed shortcut and its report, by keys alone.

use super::{SIZE, assert_given_back};
use crate::support::terminal::{Personality, Terminal};
use atlascope::explorer::session::Session;
use atlascope::paths::session_beside;
use atlascope::suspects::claim::{Judgement, Outcome, outcome};
use std::process::Command;
use std::time::{Duration, Instant};

/// Keys that may be pressed and time that may be taken from the opening to the report.
const KEYS: usize = 12;
const TIME: Duration = Duration::from_secs(60);

/// The demo's network learned that letters at the lower right mean a barn.
#[test]
fn a_planted_shortcut_is_confirmed_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.atlas");
    let built = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .args(["demo", "--no-explore", "--scenes", "1600", "--steps", "1"])
        .arg("--save")
        .arg(&path)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    let mut keys = 0;
    let mut terminal = Terminal::start(
        &["explore", path.to_str().unwrap()],
        Personality::Kitty,
        SIZE,
    );
    let begun = Instant::now();
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    let mut press = |key: &str| {
        terminal.send(key);
        keys += 1;
    };
    press("s");
    terminal.wait_for("the list", 20, |screen| screen.contains("by labels"));
    // Down to the first candidate for barns.
    let barn = |screen: &str| {
        let bar = screen.lines().find(|line| line.contains('▌'));
        bar.is_some_and(|line| line.contains("barn"))
    };
    for _ in 0..8 {
        if barn(&terminal.screen()) {
            break;
        }
        let before = terminal.screen();
        press("j");
        terminal.wait_for("the next candidate", 10, |screen| screen != before);
    }
    terminal.wait_for("a candidate for barns", 1, barn);
    press("t");
    terminal.wait_for("verdict", 40, |screen| screen.contains("used by the model"));
    press("x");
    terminal.wait_for("judgement", 10, |screen| screen.contains("shortcut"));
    press("r");
    terminal.wait_for("report", 20, |screen| {
        screen.contains("demo.atlas.report.html")
    });
    assert!(keys <= KEYS, "{keys} keys");
    assert!(begun.elapsed() <= TIME, "{:?}", begun.elapsed());
    terminal.send("qq");
    assert_eq!(terminal.wait_exit(20), 0);
    assert_given_back(&terminal);
    let page = std::fs::read_to_string(folder.path().join("demo.atlas.report.html")).unwrap();
    assert!(page.contains("barn") && page.contains("data:image/png"));
    // What was found is there the next time.
    let session = std::fs::read_to_string(session_beside(&path)).unwrap();
    let session = Session::from_json(&session).unwrap();
    let [claim] = &session.claims[..] else {
        panic!("{:?}", session.claims);
    };
    assert_eq!(claim.judgement, Judgement::Shortcut);
    assert_eq!(outcome(&claim.estimates), Outcome::Used);
    let mut terminal = Terminal::start(
        &["explore", path.to_str().unwrap()],
        Personality::Plain,
        SIZE,
    );
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    terminal.send("s");
    terminal.wait_for("the verdict of before", 20, |screen| {
        screen.contains("used") && screen.contains("shortcut")
    });
    terminal.send("qq");
    assert_eq!(terminal.wait_exit(10), 0);
}
