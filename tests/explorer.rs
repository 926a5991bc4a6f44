//! Tests of the explorer: keys in; state, screens and placements out. No terminal is needed for any of it.

mod growing;
mod keys;
mod marks;
mod photographs;
mod pictures;
mod pointer;
mod ready;
mod screens;
mod suspects;
mod views;

use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::atlas::{Atlas, TILE_SIZE};
use atlascope::explorer::{Effect, Message, Screen, State, Update, keymap, update, view};
use atlascope::graphics::{Placement, Protocol};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

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
