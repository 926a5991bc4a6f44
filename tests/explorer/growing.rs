//! An atlas that grows while it is looked at.

use super::{early, opened, press, sample, screen, show, tell, text};
use atlascope::atlas::Atlas;
use atlascope::explorer::action::Action;
use atlascope::explorer::keymap::{self, KEYS};
use atlascope::explorer::{State, Update, placements};
use atlascope::graphics::Protocol;
use std::sync::Arc;
use std::time::Duration;

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
    let mut state = opened(80, 140, Protocol::Kitty);
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

/// All levels are laid out, the icons of the first `n` are drawn.
fn with_icons(n: usize) -> Atlas {
    let mut atlas = sample();
    atlas.complete = false;
    for layer in &mut atlas.layers {
        for level in layer.levels.iter_mut().skip(n) {
            level.icons.steps.fill(0);
            level.icons.score.fill(f32::NAN);
            level.icons.tiles.clear();
        }
    }
    atlas.check().unwrap();
    atlas
}

#[test]
fn the_finest_grid_that_is_drawn_is_shown_unless_the_person_moved() {
    let fresh = || show(with_icons(0), screen(160, 45, Protocol::Kitty));
    let mut state = fresh();
    assert_eq!(state.level().unwrap().grid, 5);
    tell(&mut state, Update::Atlas(Arc::new(with_icons(1))));
    assert_eq!(state.level().unwrap().grid, 5);
    tell(&mut state, Update::Atlas(Arc::new(with_icons(2))));
    assert_eq!(state.level().unwrap().grid, 10);
    let mut state = fresh();
    press(&mut state, "+");
    let chosen = state.zoom;
    tell(&mut state, Update::Atlas(Arc::new(with_icons(2))));
    assert_eq!(state.zoom, chosen);
}
