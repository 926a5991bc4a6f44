//! Pictures over a slow line: bytes, delays and work, row by row.
//!
//! The real binary runs in a pseudo-terminal of 160 × 45 characters of 8 × 16 pixels, at the far end of a line of
//! 100 ms (there and back) and 10 Mbit/s that is made here, without compression. The near end answers as a terminal
//! does and takes the time at which bytes arrive; how long a terminal takes to draw them is not counted. Clocks run
//! from the start of the process. The atlas is invented: 52,000 samples, levels of 10, 20, 40 and 80 squares, icons
//! of 80 pixels that compress as badly as real ones do.
//!
//! ```text
//! cargo bench --bench link             # everything, about two minutes
//! cargo bench --bench link -- kitty    # only rows whose name has this in it
//! ```
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may stop"
)]

#[path = "../support/terminal.rs"]
#[allow(dead_code, reason = "shared with the tests, which use all of it")]
mod terminal;

use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use terminal::{Line, Personality, Piece, Shown, Terminal, pieces, split};

type Row = (&'static str, fn(&Atlases));

const SIZE: (u16, u16) = (160, 45);
/// Nothing more is on its way when nothing came for so long.
const QUIET: Duration = Duration::from_millis(700);

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let rows: [Row; 12] = [
        ("bytes kitty", bytes_kitty),
        ("bytes kitty, one image", bytes_one_image),
        ("bytes tmux", bytes_tmux),
        ("first kitty", first_kitty),
        ("first sixel", first_sixel),
        ("keys kitty", keys_kitty),
        ("keys sixel", keys_sixel),
        ("repeat sixel", repeat_sixel),
        ("repeat kitty", repeat_kitty),
        ("cpu", cpu),
        ("idle", idle),
        ("memory", memory),
    ];
    let atlases = Atlases::make();
    for (name, measure) in rows {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            measure(&atlases);
        }
    }
}

/// The atlases that are looked at.
struct Atlases {
    folder: tempfile::TempDir,
}

impl Atlases {
    fn make() -> Self {
        let atlases = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        atlases.write("usual", &usual());
        // Beside it lies where the last session was: closer, so that the map fills its pane.
        let session = r#"{"version": 1, "cell": "mixed4d,20,10,10", "cell_rows": 4}"#;
        let closer = atlases.file("closer");
        std::fs::copy(atlases.file("usual"), &closer).unwrap();
        std::fs::write(
            atlases.folder.path().join("closer.atlas.session.json"),
            session,
        )
        .unwrap();
        atlases
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.atlas"))
    }

    fn write(&self, name: &str, spec: &SampleSpec) {
        store::write(&self.file(name), &atlas(spec)).unwrap();
    }

    fn explore(&self, name: &str, personality: Personality, line: Option<Line>) -> Terminal {
        let file = self.file(name);
        explore(&file, personality, line)
    }
}

fn usual() -> SampleSpec {
    SampleSpec {
        n_samples: 52_000,
        n_images: 4_000,
        n_classes: 1_000,
        depth: 528,
        layers: vec!["mixed4d".to_owned()],
        grids: vec![10, 20, 40, 80],
        icon_size: 80,
        min_samples: 4,
        grain: 0.7,
        keep_activations: false,
        head: false,
        seed: 1,
    }
}

fn explore(file: &Path, personality: Personality, line: Option<Line>) -> Terminal {
    let env: &[(&str, &str)] = match (personality, line) {
        (Personality::Tmux, _) => &[("TMUX", "/tmp/tmux-0/default,1,0")],
        (_, Some(_)) => &[("SSH_TTY", "/dev/pts/9")],
        _ => &[],
    };
    let args = ["explore", file.to_str().unwrap()];
    Terminal::start_over(&args, env, personality, SIZE, line)
}

/// Leaves without waiting for what is still to come.
fn quit(mut terminal: Terminal) {
    terminal.send("q");
    terminal.wait_exit(60);
}

/// Row and column of the cursor's cell in a status line.
fn place(status: &str) -> Option<(u32, u32)> {
    let part = status.split(" · ").nth(2)?;
    let (row, column) = part.trim().split_once(',')?;
    Some((row.parse().ok()?, column.parse().ok()?))
}

fn ready(terminal: &Terminal) {
    terminal.wait_for("status line", 60, |screen| screen.contains("? help"));
    terminal.wait_quiet(QUIET);
}

/// Presses keys one by one, waiting until nothing moves, and gives what each cost: bytes of pictures and of text.
fn steps(terminal: &Terminal, keys: &str) -> Vec<(usize, usize)> {
    let cost = |key: char| {
        let before = terminal.last().1;
        terminal.send(&key.to_string());
        terminal.wait_quiet(Duration::from_millis(250));
        split(&terminal.raw()[before..])
    };
    keys.chars().map(cost).collect()
}

fn most(values: impl IntoIterator<Item = usize>) -> usize {
    values.into_iter().max().unwrap_or(0)
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let idx = ((values.len() - 1) as f64 * share).round() as usize;
    values[idx]
}

/// Walks to the edge of the view and back, so that later steps pan over what the terminal has already.
fn walk(terminal: &Terminal) {
    for keys in ["llllllllllll", "jjjjjjjj", "hhhhhhhhhhhh", "kkkkkkkk"] {
        for key in keys.chars() {
            terminal.send(&key.to_string());
            std::thread::sleep(Duration::from_millis(60));
        }
        terminal.wait_quiet(QUIET);
    }
}

fn print_pans(what: &str, costs: &[(usize, usize)]) {
    // Without new pictures: what the upper limit is about.
    let known: Vec<(usize, usize)> = costs.iter().copied().filter(|c| c.0 < 20_000).collect();
    let mut text: Vec<f64> = known.iter().map(|c| c.1 as f64).collect();
    println!(
        "{what}: pictures {} B at most, text {:.0} B p50, {:.0} B p95, {} B at most in {} of {} pans with nothing new in view",
        most(known.iter().map(|c| c.0)),
        percentile(&mut text, 0.5),
        percentile(&mut text, 0.95),
        most(known.iter().map(|c| c.1)),
        known.len(),
        costs.len(),
    );
}

fn bytes_kitty(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Kitty, None);
    ready(&terminal);
    walk(&terminal);
    let costs = steps(&terminal, "llllllllllllhhhhhhhhhhhhjjjjjjjjkkkkkkkk");
    print_pans("kitty, pages", &costs);
    quit(terminal);
}

fn bytes_one_image(atlases: &Atlases) {
    let _ = atlases;
    // A window so low that the map of a level which is one picture does not fit.
    let file = atlases.file("usual");
    let link = format!("{}#mixed4d,10,5,5", file.display());
    let args = ["explore", &link, "--no-session"];
    let terminal = Terminal::start_over(&args, &[], Personality::Kitty, (80, 16), None);
    ready(&terminal);
    terminal.send("S");
    walk(&terminal);
    let costs = steps(&terminal, "jjjjjjjjkkkkkkkkjjjjjjjj");
    print_pans("kitty, one image, without the side pane", &costs);
    terminal.send("S");
    walk(&terminal);
    let costs = steps(&terminal, "jjjjjjjjkkkkkkkkjjjjjjjj");
    print_pans("kitty, one image, with the side pane", &costs);
    quit(terminal);
}

fn bytes_tmux(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Tmux, None);
    ready(&terminal);
    terminal.send("L");
    terminal.wait_quiet(QUIET);
    walk(&terminal);
    let costs = steps(&terminal, "llllllllllllhhhhhhhhhhhhjjjjjjjjkkkkkkkk");
    let known = costs.iter().map(|c| c.0 + c.1).filter(|&n| n < 20_000);
    let mut sums: Vec<f64> = known.map(|n| n as f64).collect();
    println!(
        "tmux placeholders: {:.0} B p50, {:.0} B p95, {:.0} B at most in {} of {} pans",
        percentile(&mut sums, 0.5),
        percentile(&mut sums, 0.95),
        percentile(&mut sums, 1.0),
        sums.len(),
        costs.len()
    );
    quit(terminal);
}

/// Characters covered by pictures of the map's part of the screen, by picture placement.
#[derive(Default)]
struct Covered {
    cursor: (u32, u32),
    placed: HashMap<(String, String), (u32, u32, u32, u32)>,
}

impl Covered {
    fn take(&mut self, piece: &Piece) -> bool {
        if let Piece::Csi(parameters, b'H') = piece {
            let (row, column) = parameters.split_once(';').unwrap_or(("1", "1"));
            self.cursor = (row.parse().unwrap_or(1), column.parse().unwrap_or(1));
        }
        let key = |name: &str| piece.key(name).unwrap_or_default().to_owned();
        let number = |name: &str| key(name).parse::<u32>().unwrap_or(0);
        match piece.key("a") {
            Some("p") => {
                let (row, column) = self.cursor;
                let area = (row, column, number("r"), number("c"));
                self.placed.insert((key("i"), key("p")), area) != Some(area)
            }
            Some("d") => {
                self.placed.remove(&(key("i"), key("p")));
                false
            }
            _ => false,
        }
    }

    fn characters(&self) -> HashSet<(u32, u32)> {
        let areas = self.placed.values();
        let squares = areas.flat_map(|&(row, column, rows, columns)| {
            (row..row + rows).flat_map(move |r| (column..column + columns).map(move |c| (r, c)))
        });
        // The side pane begins behind the map.
        squares.filter(|&(_, column)| column < 110).collect()
    }
}

/// Times of the preview and the whole picture.
fn paint_times(raw: &[u8], shown: &[Shown], start: Instant) -> (f64, f64, usize, usize) {
    let mut covered = Covered::default();
    let mut frames = Vec::new();
    let mut at = 0;
    let mut placed = 0;
    for (n, piece) in pieces(raw) {
        at += n;
        if covered.take(&piece) && covered.cursor.1 < 110 {
            placed = at;
        }
        if piece == Piece::Csi("?2026".to_owned(), b'l') {
            frames.push((at, covered.characters().len()));
        }
    }
    let last = frames.last().map_or(0, |frame| frame.1);
    let enough = |&&(_, n): &&(usize, usize)| n as f64 >= 0.95 * last as f64;
    let preview = frames.iter().find(enough).map_or(0, |frame| frame.0);
    let time = |bytes: usize| {
        let end = shown.iter().find(|shown| shown.bytes >= bytes);
        end.map_or(f64::NAN, |end| (end.at - start).as_secs_f64() * 1e3)
    };
    (time(preview), time(placed), preview, placed)
}

fn first_kitty(atlases: &Atlases) {
    for name in ["usual", "closer"] {
        let mut previews = Vec::new();
        let mut full = Vec::new();
        let mut bytes = (0, 0);
        for _ in 0..5 {
            let start = Instant::now();
            let terminal = atlases.explore(name, Personality::Kitty, Some(Line::SLOW));
            ready(&terminal);
            let (preview, all, preview_bytes, all_bytes) =
                paint_times(&terminal.raw(), &terminal.shown(), start);
            previews.push(preview);
            full.push(all);
            bytes = (preview_bytes, all_bytes);
            quit(terminal);
        }
        println!(
            "first picture, kitty, {name}: preview {:.0} ms ({} B), full {:.0} ms ({} B); medians of 5, full {:.0} at most",
            percentile(&mut previews, 0.5),
            bytes.0,
            percentile(&mut full, 0.5),
            bytes.1,
            percentile(&mut full, 1.0),
        );
    }
}

fn first_sixel(atlases: &Atlases) {
    let start = Instant::now();
    let terminal = atlases.explore("closer", Personality::Xterm, Some(Line::SLOW));
    ready(&terminal);
    let shown = terminal.shown();
    let ms = |at: Instant| (at - start).as_secs_f64() * 1e3;
    println!(
        "first picture, sixel: preview {:.0} ms ({} B), full {:.0} ms ({} B)",
        ms(shown[0].at),
        shown[0].bytes,
        ms(terminal.last().0),
        terminal.last().1,
    );
    quit(terminal);
}

/// Milliseconds from each key to the end of the frame that shows its place.
fn key_times(terminal: &Terminal, keys: &str, pause: Duration) -> Vec<f64> {
    let mut times = Vec::new();
    for key in keys.chars() {
        let before = terminal
            .shown()
            .last()
            .and_then(|shown| place(&shown.status));
        let known = terminal.shown().len();
        let pressed = Instant::now();
        terminal.send(&key.to_string());
        let end = pressed + pause;
        std::thread::sleep(pause);
        let frame = loop {
            let shown = terminal.shown();
            let moved = |shown: &&Shown| place(&shown.status) != before;
            if let Some(frame) = shown[known.min(shown.len())..].iter().find(moved) {
                break Some(frame.at);
            }
            if Instant::now() > end + Duration::from_secs(3) {
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        // A key at the edge of the map moves nothing.
        times.extend(frame.map(|at| (at - pressed).as_secs_f64() * 1e3));
    }
    times
}

const TOUR: &str = "lllllljjjjjjhhhhhhhhhhhhkkkkkkkkkkkkllllllll";

fn keys_kitty(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Kitty, Some(Line::SLOW));
    ready(&terminal);
    let mut times = key_times(&terminal, TOUR, Duration::from_millis(330));
    println!(
        "key to picture, kitty: p50 {:.0} ms, p95 {:.0} ms, at most {:.0} ms of {} steps, three a second",
        percentile(&mut times, 0.5),
        percentile(&mut times, 0.95),
        percentile(&mut times, 1.0),
        times.len()
    );
    quit(terminal);
}

fn keys_sixel(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Xterm, Some(Line::SLOW));
    ready(&terminal);
    let mut times = key_times(&terminal, TOUR, Duration::from_millis(1200));
    println!(
        "key to picture, sixel: p50 {:.0} ms, p95 {:.0} ms, at most {:.0} ms of {} steps",
        percentile(&mut times, 0.5),
        percentile(&mut times, 0.95),
        percentile(&mut times, 1.0),
        times.len()
    );
    quit(terminal);
}

/// Three seconds of a key that repeats thirty times a second, there and back.
fn repeat(terminal: &Terminal) -> (Instant, usize, usize) {
    let (from, frames) = (terminal.last().1, terminal.shown().len());
    let begun = Instant::now();
    let mut last = begun;
    for n in 0..90u32 {
        // To and fro over the map, so that every key moves it.
        let key = if n / 10 % 2 == 0 { "l" } else { "h" };
        std::thread::sleep(
            (begun + n * Duration::from_micros(33_333)).saturating_duration_since(Instant::now()),
        );
        last = Instant::now();
        terminal.send(key);
    }
    (last, from, frames)
}

fn print_repeat(what: &str, terminal: &Terminal) {
    let (last, from, frames) = repeat(terminal);
    terminal.wait_quiet(Duration::from_millis(1500));
    let shown = terminal.shown();
    let end = shown.last().and_then(|shown| place(&shown.status));
    let moving = &shown[frames..];
    let behind = moving.iter().rposition(|shown| place(&shown.status) != end);
    let right = moving.get(behind.map_or(0, |at| at + 1)).unwrap();
    let mut before = from;
    let mut sizes: Vec<usize> = Vec::new();
    for frame in moving.iter().filter(|frame| frame.bytes <= right.bytes) {
        sizes.push(frame.bytes - before);
        before = frame.bytes;
    }
    println!(
        "3 s of 30 Hz, {what}: right place {:.0} ms, full quality {:.0} ms after the last key; {} frames while moving, {} B at most",
        (right.at - last).as_secs_f64() * 1e3,
        (terminal.last().0 - last).as_secs_f64() * 1e3,
        sizes.len(),
        most(sizes.iter().copied()),
    );
}

fn repeat_sixel(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Xterm, Some(Line::SLOW));
    ready(&terminal);
    print_repeat("sixel", &terminal);
    quit(terminal);
}

fn repeat_kitty(atlases: &Atlases) {
    let terminal = atlases.explore("closer", Personality::Kitty, Some(Line::SLOW));
    ready(&terminal);
    print_repeat("kitty", &terminal);
    quit(terminal);
}

/// Time on a processor, times a thread was put on one, and resident bytes.
fn usage(pid: u32) -> (Duration, u64, u64) {
    let (mut nanoseconds, mut switches) = (0u64, 0u64);
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
    {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let mut numbers = text
            .split_whitespace()
            .filter_map(|n| n.parse::<u64>().ok());
        nanoseconds += numbers.next().unwrap_or(0);
        switches += numbers.nth(1).unwrap_or(0);
    }
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    (
        Duration::from_nanos(nanoseconds),
        switches,
        1024 * resident.unwrap_or(0),
    )
}

fn cpu_times(terminal: &Terminal, keys: &str, pause: Duration) -> Vec<f64> {
    let pid = terminal.pid();
    let time = |key: char| {
        terminal.wait_quiet(Duration::from_millis(400));
        let before = usage(pid).0;
        terminal.send(&key.to_string());
        std::thread::sleep(pause);
        usage(pid).0.saturating_sub(before).as_secs_f64() * 1e3
    };
    keys.chars().map(time).collect()
}

fn cpu(atlases: &Atlases) {
    // A coarse frame is refined once the person stops, which is later than this.
    let preview = Duration::from_millis(100);
    for (what, personality) in [("kitty", Personality::Kitty), ("sixel", Personality::Xterm)] {
        let line = (personality == Personality::Xterm).then_some(Line::SLOW);
        let terminal = atlases.explore("closer", personality, line);
        ready(&terminal);
        if personality == Personality::Kitty {
            walk(&terminal);
        }
        let pause = if line.is_some() {
            preview + Duration::from_millis(55)
        } else {
            preview
        };
        let mut times = cpu_times(&terminal, "llllllllllllhhhhhhhhhhhhjjjjjjjjkkkkkkkk", pause);
        println!(
            "CPU per pan, {what}: p50 {:.2} ms, p95 {:.2} ms",
            percentile(&mut times, 0.5),
            percentile(&mut times, 0.95)
        );
        quit(terminal);
    }
}

fn idle(atlases: &Atlases) {
    for personality in [Personality::Kitty, Personality::Xterm, Personality::Tmux] {
        let terminal = atlases.explore("closer", personality, None);
        ready(&terminal);
        terminal.wait_quiet(Duration::from_secs(2));
        let (before, bytes) = (usage(terminal.pid()), terminal.last().1);
        std::thread::sleep(Duration::from_secs(8));
        let after = usage(terminal.pid());
        println!(
            "idle for 8 s, {personality:?}: {} wake-ups, {:.3} ms of CPU, {} bytes",
            after.1 - before.1,
            after.0.saturating_sub(before.0).as_secs_f64() * 1e3,
            terminal.last().1 - bytes
        );
        quit(terminal);
    }
}

fn memory(atlases: &Atlases) {
    for n_samples in [22_000, 150_000] {
        memory_of(atlases, n_samples);
    }
}

fn memory_of(atlases: &Atlases, n_samples: usize) {
    let spec = SampleSpec {
        n_samples,
        n_images: 12_000,
        grids: vec![20, 40, 80, 160],
        min_samples: 1,
        ..usual()
    };
    let made = atlas(&spec);
    let drawn = |steps: &Vec<u32>| steps.iter().filter(|&&steps| steps > 0).count();
    let icons: usize = made.layers[0]
        .levels
        .iter()
        .map(|level| drawn(&level.icons.steps))
        .sum();
    let file = atlases.file("many");
    store::write(&file, &made).unwrap();
    drop(made);
    for personality in [Personality::Kitty, Personality::Xterm] {
        let terminal = explore(&file, personality, None);
        ready(&terminal);
        let opened = usage(terminal.pid()).2;
        terminal.send("++++");
        terminal.wait_quiet(QUIET);
        walk(&terminal);
        let walked = usage(terminal.pid()).2;
        println!(
            "memory, {icons} icons, file of {} MB, {personality:?}: {} MB opened, {} MB after a walk",
            std::fs::metadata(&file).unwrap().len() >> 20,
            opened >> 20,
            walked >> 20
        );
        quit(terminal);
    }
}
