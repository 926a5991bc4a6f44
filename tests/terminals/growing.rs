//! An atlas that grows while it is looked at: what is on the screen in the end, in the real binary's `demo`.
//!
//! At first the map has no icons and so no colours; both come later, and a terminal that was told the first colours
//! must be told the others.

use super::expected::{screen, state};
use super::painted::{Limits, compare, meant};
use super::{QUIET, SIZE, quit};
use crate::support::terminal::{Personality, Terminal};
use atlascope::atlas::Atlas;
use atlascope::explorer::{Message, State, Update, update};
use atlascope::graphics::Protocol;
use atlascope::store;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The state that saw `atlas` grow: first without icons, then as it is.
fn grown(atlas: &Atlas, protocol: Protocol) -> State {
    let mut bare = atlas.clone();
    bare.complete = false;
    for level in bare.layers.iter_mut().flat_map(|layer| &mut layer.levels) {
        level.icons.steps.fill(0);
        level.icons.score.fill(f32::NAN);
        level.icons.tiles.clear();
    }
    let mut state = state(&bare, screen(SIZE, (8, 16), protocol), "");
    for news in [Update::Atlas(Arc::new(atlas.clone())), Update::Done] {
        update(&mut state, Message::Update(news));
    }
    state
}

/// Grey is what a map without icons is made of.
fn has_colours(atlas: &Atlas) -> bool {
    let spread = |[r, g, b]: &[u8; 3]| r.max(g).max(b) - r.min(g).min(b);
    let colours = &atlas.layers[0].palette.colours;
    colours.iter().filter(|colour| spread(colour) > 30).count() > colours.len() / 4
}

fn shows_the_demo(personality: Personality, protocol: Protocol) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.atlas");
    let args = [
        "demo",
        "--scenes",
        "120",
        "--steps",
        "16",
        "--save",
        path.to_str().unwrap(),
    ];
    let env: &[(&str, &str)] = match personality {
        Personality::Tmux => &[("TMUX", "/tmp/tmux-0/default,1,0")],
        _ => &[],
    };
    let terminal = Terminal::start_with(&args, env, personality, SIZE);
    terminal.wait_for("finished atlas", 120, |screen| {
        screen.contains("the atlas is complete")
    });
    let atlas = store::read(&path).unwrap();
    assert!(has_colours(&atlas));
    let state = grown(&atlas, protocol);
    let meant = meant(&state, &atlas);
    let pane = state.projection().unwrap().pane;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        terminal.wait_quiet(QUIET);
        let shown = terminal.picture_on([0; 3]);
        let mut found = compare(&state, &meant, &shown);
        // Photographs beside the map are none of this test's business.
        let on_map =
            |&(column, row): &(u32, u32)| pane.contains((column as u16, row as u16).into());
        found.astray.retain(on_map);
        if Limits::of(protocol).admit_map(&state, &found) && found.astray.is_empty() {
            println!("{}: {found:?}", protocol.name());
            break;
        }
        if Instant::now() > deadline {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            for (name, picture) in [("meant", &meant), ("shown", &shown)] {
                let file = format!("{}-grown-{name}.png", protocol.name());
                picture.save(folder.join(file)).unwrap();
            }
            panic!("pictures in {}: {found:?}", folder.display());
        }
    }
    quit(terminal);
}

#[test]
fn kitty_shows_the_colours_that_came_later() {
    shows_the_demo(Personality::Kitty, Protocol::Kitty);
}

#[test]
fn placeholders_show_the_colours_that_came_later() {
    shows_the_demo(Personality::Tmux, Protocol::Placeholders);
}

#[test]
fn sixel_shows_the_colours_that_came_later() {
    shows_the_demo(Personality::Xterm, Protocol::Sixel);
}

#[test]
fn inline_pictures_show_the_colours_that_came_later() {
    shows_the_demo(Personality::Iterm, Protocol::Iterm);
}
