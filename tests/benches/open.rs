//! How long it takes to open an atlas, how large its file is, and when the explorer's first picture is complete.
//!
//! The atlas is invented (`atlas::sample`): 52,000 samples of 528 channels, 1,000 classes, 4,000 images, four levels
//! with about 2,000 icons of 80 pixels with grain. The first paint is the real binary in a pseudo-terminal of 160 × 45
//! that answers as kitty does: from the start of the process to the end of the first frame with pictures.
//!
//! ```text
//! cargo bench --bench open             # one line per measurement
//! cargo bench --bench open -- --entries  # and the size of every entry
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
use std::path::Path;
use std::time::{Duration, Instant};
use terminal::{Personality, Terminal};

fn main() {
    let spec = SampleSpec {
        n_samples: 52_000,
        n_images: 4_000,
        n_classes: 1_000,
        depth: 528,
        layers: vec!["mixed4d".to_owned()],
        grids: vec![10, 20, 40, 80],
        icon_size: 80,
        min_samples: 16,
        grain: 0.5,
        keep_activations: false,
        head: false,
        seed: 1,
    };
    let made = atlas(&spec);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.atlas");
    let icons = made.layers[0].levels.iter().map(|level| {
        let drawn = level.icons.steps.iter().filter(|&&steps| steps > 0);
        drawn.count()
    });
    println!("icons per level {:?}", icons.collect::<Vec<_>>());

    let start = Instant::now();
    store::write(&path, &made).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    println!(
        "write {:6.0} ms, {:.2} MB",
        start.elapsed().as_secs_f64() * 1e3,
        size as f64 / 1e6
    );

    let mut times: Vec<f64> = (0..15)
        .map(|_| {
            let start = Instant::now();
            let read = store::read(&path).unwrap();
            let time = start.elapsed().as_secs_f64() * 1e3;
            assert_eq!(read.layers[0].samples.len(), 52_000);
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "open  {:6.1} ms median of 15, {:.1}..{:.1}",
        times[7], times[0], times[14]
    );
    first_paint(&path);
    if std::env::args().any(|arg| arg == "--entries") {
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
        let mut tiles = 0;
        for idx in 0..archive.len() {
            let file = archive.by_index(idx).unwrap();
            if file.name().unwrap().ends_with(".png") {
                tiles += file.compressed_size();
            } else {
                println!(
                    "{:>10} of {:>10}  {}",
                    file.compressed_size(),
                    file.size(),
                    file.name().unwrap()
                );
            }
        }
        println!("{tiles:>10} in tiles");
    }
}

/// Starts the explorer ten times and prints when its first frame with pictures was complete.
fn first_paint(path: &Path) {
    let args = ["explore", path.to_str().unwrap()];
    let mut times: Vec<f64> = (0..11)
        .map(|_| {
            let start = Instant::now();
            let mut terminal = Terminal::start(&args, Personality::Kitty, (160, 45));
            while !painted(&terminal.raw()) {
                assert!(start.elapsed() < Duration::from_secs(30), "no picture");
                std::thread::sleep(Duration::from_micros(200));
            }
            let time = start.elapsed().as_secs_f64() * 1e3;
            terminal.send("q");
            terminal.wait_exit(20);
            time
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "first paint {:6.1} ms median of 11, {:.1}..{:.1}",
        times[5], times[0], times[10]
    );
}

/// Whether a picture was placed and the synchronized update around it closed.
fn painted(raw: &[u8]) -> bool {
    let find = |from: usize, what: &[u8]| {
        let rest = &raw[from..];
        rest.windows(what.len())
            .position(|bytes| bytes == what)
            .map(|at| from + at)
    };
    find(0, b"\x1b_Ga=p").is_some_and(|at| find(at, b"\x1b[?2026l").is_some())
}
