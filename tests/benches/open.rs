//! How long it takes to open an atlas, and how large its file is.
//!
//! The atlas is invented (`atlas::sample`) in the size of the largest that the program is made for: 52,000 samples of
//! 528 channels, 1,000 classes, 4,000 images, two levels, 80-pixel icons with grain.
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

use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store;
use std::time::Instant;

fn main() {
    let spec = SampleSpec {
        n_samples: 52_000,
        n_images: 4_000,
        n_classes: 1_000,
        depth: 528,
        layers: vec!["mixed4d".to_owned()],
        grids: vec![10, 20],
        icon_size: 80,
        min_samples: 3,
        grain: 0.5,
        keep_activations: false,
        seed: 1,
    };
    let made = atlas(&spec);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.atlas");
    let cells: Vec<usize> = made.layers[0]
        .levels
        .iter()
        .map(|level| level.cells.len())
        .collect();
    println!("cells per level {cells:?}");

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
