//! Bytes of an action, by protocol.

use super::{QUIET, SIZE, explore, quit, sample, steps};
use crate::support::terminal::{Line, Personality, Piece, Terminal, pieces};
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store;
use std::time::Duration;

/// The costs of pans over what the terminal has already seen.
fn pans(personality: Personality) -> Vec<(usize, usize)> {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let terminal = explore(&path, personality, SIZE);
    terminal.send("++");
    terminal.wait_quiet(QUIET);
    // To the edge of the view, beyond it step by step, and back; then the same steps again.
    terminal.send("0llllllllll");
    terminal.wait_quiet(QUIET);
    steps(&terminal, "llllll");
    terminal.send("0llllllllll");
    terminal.wait_quiet(QUIET);
    let costs = steps(&terminal, "llllll");
    quit(terminal);
    costs
}

fn most(costs: &[(usize, usize)], part: impl Fn(&(usize, usize)) -> usize) -> usize {
    costs.iter().map(part).max().unwrap()
}

#[test]
fn kitty_moves_pictures_in_a_packet() {
    let costs = pans(Personality::Kitty);
    assert!(most(&costs, |c| c.0) <= 1200, "{costs:?}");
    assert!(most(&costs, |c| c.1) <= 1500, "{costs:?}");
}

#[test]
fn placeholders_move_in_two_packets() {
    let costs = pans(Personality::Tmux);
    // Every row of the map and of the large icon begins anew, and the side pane's names and numbers change.
    // In this atlas neighbours have no class in common, so nothing of the pane stays.
    let mut sums: Vec<usize> = costs.iter().map(|c| c.0 + c.1).collect();
    sums.sort_unstable();
    assert!(
        sums[sums.len() / 2] <= 1500 && sums[sums.len() - 1] <= 1600,
        "{costs:?}"
    );
}

#[test]
fn a_level_that_is_one_picture_moves_by_one_command() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let terminal = explore(&path, Personality::Kitty, (80, 16));
    terminal.send("ZS");
    terminal.send("jjjjjjjjjjjjkkkkkkkkkkkk");
    terminal.wait_quiet(QUIET);
    let costs = steps(&terminal, "jjjjjjjj");
    assert!(most(&costs, |c| c.0) <= 200, "{costs:?}");
    quit(terminal);
}

#[test]
fn half_blocks_and_inline_pictures_stay_below_what_they_stand_for() {
    // A screen of raw pixels would be 2.7 MB.
    let blocks = pans(Personality::Plain);
    assert!(most(&blocks, |c| c.0 + c.1) <= 120_000, "{blocks:?}");
    let inline = pans(Personality::Iterm);
    assert!(most(&inline, |c| c.0 + c.1) <= 600_000, "{inline:?}");
}

/// Pans for most of a second over a slow line, on a map of rough icons. Bytes of every moving frame, and the pictures
/// that came, first while it moved and then once the person had stopped.
fn moving(personality: Personality) -> (Vec<usize>, Vec<Piece>, Vec<Piece>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grainy.atlas");
    let spec = SampleSpec {
        grain: 0.7,
        ..super::spec()
    };
    store::write(&path, &atlas(&spec)).unwrap();
    let link = format!("{}#mixed4c,20,10,4", path.display());
    let args = ["explore", "--no-session", &link];
    let line = Some(Line::SLOW);
    let terminal = Terminal::start_over(&args, &[], personality, SIZE, line);
    terminal.wait_for("status line", 30, |screen| screen.contains("? help"));
    terminal.send("++");
    terminal.wait_quiet(2 * QUIET);
    let (before, frames) = (terminal.last().1, terminal.shown().len());
    for _ in 0..24 {
        terminal.send("l");
        std::thread::sleep(Duration::from_millis(33));
    }
    let moving = terminal.shown()[frames..].to_vec();
    terminal.wait_quiet(2 * QUIET);
    let raw = terminal.raw();
    quit(terminal);
    let ends: Vec<usize> = moving.iter().map(|frame| frame.bytes).collect();
    let starts = std::iter::once(before).chain(ends.iter().copied());
    let bytes = ends.iter().zip(starts).map(|(end, start)| end - start);
    let last = ends.last().copied().unwrap_or(before);
    let pictures = |bytes: &[u8]| -> Vec<Piece> {
        let found = pieces(bytes).into_iter().map(|(_, piece)| piece);
        found.filter(Piece::is_picture).collect()
    };
    (
        bytes.collect(),
        pictures(&raw[before..last]),
        pictures(&raw[last..]),
    )
}

/// On a slow line a moving sixel picture is coarse, and good once the person stops.
#[test]
fn sixel_is_coarse_while_it_moves() {
    let (frames, moving, after) = moving(Personality::Xterm);
    assert!(frames.iter().all(|&n| n <= 200_000), "{frames:?}");
    assert!(moving.len() > 3, "{}", moving.len());
    // In the end every part has its full resolution.
    let all: usize = after.iter().map(bytes_of).sum();
    assert!(all > 200_000, "{all}");
}

/// The same for JPEG: of quality 60 at most while it moves, of 80 in the end.
#[test]
fn inline_pictures_are_coarse_while_they_move() {
    let (frames, moving, after) = moving(Personality::Iterm);
    assert!(frames.iter().all(|&n| n <= 200_000), "{frames:?}");
    assert!(moving.len() > 3, "{}", moving.len());
    // Small ones (the cursor's frame, the large icon) can be good at once.
    let large = |pictures: &[Piece]| -> Vec<u8> {
        let large = pictures.iter().filter(|piece| bytes_of(piece) > 32_000);
        large.filter_map(quantizer).collect()
    };
    // The first step of quantization: 16 at quality 50, 13 at 60, 6 at 80 (JPEG, annex K).
    let moved = large(&moving);
    assert!(moved.iter().all(|&step| step >= 13), "{moved:?}");
    let last = large(&after);
    assert!(last.len() > 1 && last.ends_with(&[6]), "{last:?}");
}

fn bytes_of(piece: &Piece) -> usize {
    match piece {
        Piece::Sixel(bytes) | Piece::Inline(_, bytes) => bytes.len(),
        _ => 0,
    }
}

/// The first step of an inline JPEG's first table of quantization.
fn quantizer(piece: &Piece) -> Option<u8> {
    use base64::Engine as _;
    let Piece::Inline(_, data) = piece else {
        return None;
    };
    let jpeg = base64::engine::general_purpose::STANDARD
        .decode(data)
        .unwrap();
    let table = jpeg.windows(2).position(|pair| pair == [0xff, 0xdb])?;
    // Marker, length, number of the table.
    jpeg.get(table + 5).copied()
}

/// What else a person does, and its kind: zooming, looking at a class, a mark, the help and back.
const ACTIONS: [(&str, usize); 10] = [
    ("+", 0),
    ("-", 0),
    ("/fire", 1),
    ("\r", 1),
    ("c", 1),
    ("\x1b", 1),
    ("m", 2),
    ("m", 2),
    ("?", 3),
    ("\x1b", 3),
];

/// Bytes of an action of each kind at most, once the terminal has seen what it shows.
fn stays_within(personality: Personality, limits: [usize; 4]) {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    let terminal = explore(&path, personality, SIZE);
    let act = |keys: &str| {
        let before = terminal.last().1;
        terminal.send(keys);
        terminal.wait_quiet(QUIET);
        terminal.last().1 - before
    };
    // The search moves the cursor, so the second time shows other parts of the map than the first.
    for (keys, _) in ACTIONS.repeat(2) {
        act(keys);
    }
    for (keys, kind) in ACTIONS {
        let cost = act(keys);
        assert!(cost > 0, "{personality:?}: {keys:?} shows nothing");
        assert!(
            cost <= limits[kind],
            "{personality:?}: {cost} bytes for {keys:?}"
        );
    }
    quit(terminal);
}

#[test]
fn actions_cost_little_where_the_terminal_keeps_pictures() {
    stays_within(Personality::Kitty, [4000, 6000, 1500, 9000]);
    // Every character of the map is written.
    stays_within(Personality::Tmux, [30_000, 8000, 1500, 30_000]);
}

#[test]
fn actions_cost_a_frame_where_it_keeps_none() {
    stays_within(Personality::Xterm, [1_500_000, 1_500_000, 6000, 1_500_000]);
    stays_within(Personality::Iterm, [500_000, 500_000, 6000, 500_000]);
    stays_within(Personality::Plain, [120_000, 120_000, 2000, 120_000]);
}

#[test]
fn nothing_happens_while_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = sample(folder.path());
    for personality in [Personality::Kitty, Personality::Xterm, Personality::Plain] {
        let terminal = explore(&path, personality, SIZE);
        terminal.wait_quiet(Duration::from_millis(800));
        let before = terminal.last().1;
        // An answer that nobody asked for draws nothing either.
        terminal.send("\x1b[0n");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(terminal.last().1, before, "{personality:?}");
        quit(terminal);
    }
}
