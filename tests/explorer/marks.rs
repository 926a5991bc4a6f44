//! Marks, notes, links, and what is remembered of a session.

use super::{opened, press, sample, screen, show, text};
use atlascope::explorer::link::Link;
use atlascope::explorer::session::Session;
use atlascope::explorer::{Effect, Options, State, open, placements};
use atlascope::graphics::Protocol;
use atlascope::graphics::probe::{self, Choice, Hints, Replies};
use std::sync::Arc;

fn link(state: &atlascope::explorer::State) -> Link {
    state.link().unwrap()
}

#[test]
fn marks_are_set_noted_visited_and_taken_away() {
    let mut state = opened(100, 30, Protocol::Kitty);
    let first = link(&state);
    press(&mut state, "mMlooks like fur<Enter>");
    press(&mut state, "hhm");
    let second = link(&state);
    assert_eq!(state.marks.len(), 2);
    press(&mut state, "kk'");
    assert_eq!(link(&state), first);
    assert!(state.notice.as_ref().unwrap().contains("looks like fur"));
    assert!(text(&state).contains("◥ looks like fur") || text(&state).contains("looks like fur"));
    press(&mut state, "'");
    assert_eq!(link(&state), second);
    press(&mut state, "\"");
    assert_eq!(link(&state), first);
    // A flag lies on every marked cell in sight.
    let flags = placements(&state)
        .iter()
        .filter(|p| p.id >> 24 == 5)
        .count();
    assert_eq!(flags, 2);
    press(&mut state, "m");
    assert_eq!(state.marks.len(), 1);
    assert!(
        state.notice.as_ref().unwrap().contains("looks like fur"),
        "the note is not lost silently"
    );
    // On another layer and back.
    press(&mut state, "<Tab>'");
    assert_eq!(link(&state), second);
    press(&mut state, "m'");
    assert!(state.notice.as_ref().unwrap().contains("nothing is marked"));
}

#[test]
fn a_note_alone_marks_and_escape_leaves_it() {
    let mut state = opened(80, 24, Protocol::Kitty);
    press(&mut state, "Mdraft<Esc>");
    assert!(state.marks.is_empty());
    press(&mut state, "Mdraft<Enter>M text<Enter>");
    assert_eq!(state.marks[0].note, "draft text");
}

#[test]
fn links_are_copied_and_lead_back() {
    let mut state = opened(100, 30, Protocol::Kitty);
    let effects = press(&mut state, "y");
    let here = link(&state);
    assert_eq!(effects, [Effect::Copy(format!("sample.atlas#{here}"))]);
    assert_eq!(here.to_string(), "mixed4c,10,5,7");
    press(&mut state, "<Tab>GZ");
    press(&mut state, &format!("@sample.atlas#{here}<Enter>"));
    assert_eq!(link(&state), here);
    press(&mut state, "@2,3<Enter>");
    assert_eq!(state.cursor, (2, 3));
    press(&mut state, "@99,3<Enter>");
    assert!(state.notice.as_ref().unwrap().contains("outside"));
    press(&mut state, "@mixed9z,10,1,1<Enter>");
    assert!(state.notice.as_ref().unwrap().contains("no layer mixed9z"));
    press(&mut state, "@nonsense<Enter>");
    assert!(state.notice.as_ref().unwrap().contains("no ROW,COL"));
    assert_eq!(state.cursor, (2, 3));
}

fn options() -> Options {
    Options {
        capabilities: probe::decide(&Replies::default(), &Hints::default(), Choice::Kitty),
        colour: true,
        name: "sample.atlas".to_owned(),
        keymap: Arc::default(),
        session: None,
        link: None,
        remark: None,
        home: None,
    }
}

#[test]
fn a_session_is_found_again() {
    let mut state = opened(120, 40, Protocol::Kitty);
    press(&mut state, "<Tab>+hhkmMfur<Enter>jj/shar<Enter>cod(");
    let kept = state.session_to_keep().unwrap();
    let text = kept.to_json();
    let session = Session::from_json(&text).unwrap();
    assert_eq!(session, kept);
    let mut again =
        atlascope::explorer::State::new("sample.atlas", screen(120, 40, Protocol::Kitty));
    let options = Options {
        session: Some(session),
        ..options()
    };
    open(&mut again, &options, Arc::new(sample()));
    assert_eq!(link(&again), link(&state));
    assert_eq!(again.zoom, state.zoom);
    assert_eq!(again.focus, state.focus);
    assert_eq!(again.marks, state.marks);
    assert_eq!(again.display.outlines, state.display.outlines);
    assert!((again.display.density - state.display.density).abs() < 1e-6);
    assert!(
        again.session_to_keep().is_none(),
        "nothing changed, nothing is written"
    );
    press(&mut again, "h");
    assert!(again.session_to_keep().is_some());
    // A link goes before the session's place.
    let options = Options {
        link: Some("mixed4c,5,1,2".parse().unwrap()),
        ..options
    };
    let mut linked =
        atlascope::explorer::State::new("sample.atlas", screen(120, 40, Protocol::Kitty));
    open(&mut linked, &options, Arc::new(sample()));
    assert_eq!(link(&linked).to_string(), "mixed4c,5,1,2");
}

#[test]
fn a_session_of_another_atlas_does_no_harm() {
    let session = Session {
        version: 1,
        cell: Some("mixed9z,40,39,39".to_owned()),
        class: Some("n99999999".to_owned()),
        cell_rows: Some(60_000),
        column: Some("height".to_owned()),
        ..Session::default()
    };
    let mut state = show(sample(), screen(80, 24, Protocol::Kitty));
    session.restore(&mut state);
    assert!(state.focus.is_none() && state.column.is_none());
    placements(&state);
    assert!(
        Session::from_json("{\"version\": 99}")
            .unwrap_err()
            .contains("newer")
    );
    assert!(Session::from_json("[1,").is_err());
}

#[test]
fn what_the_terminal_lacks_is_said_unless_it_was_asked_for() {
    let opened_with = |choice: Choice| {
        let options = Options {
            capabilities: probe::decide(&Replies::default(), &Hints::default(), choice),
            ..options()
        };
        let protocol = options.capabilities.protocol;
        let mut state = State::new("sample.atlas", screen(80, 24, protocol));
        open(&mut state, &options, Arc::new(sample()));
        state
    };
    let coarse = opened_with(Choice::Auto);
    assert!(text(&coarse).contains("coarse pictures: `atlascope doctor` says why"));
    let none = opened_with(Choice::None);
    assert!(text(&none).contains("names and shades instead; `atlascope doctor` says why"));
    assert_eq!(opened_with(Choice::HalfBlock).notice, None);
}
