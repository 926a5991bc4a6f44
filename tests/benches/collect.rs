//! A whole build in its stages: how many photographs a second go from their files to activations and attributions,
//! beside the bare network in the same run, and how long every stage takes.
//!
//! ```text
//! ATLASCOPE_DATA=… cargo bench --bench collect -- [--images DIR] [--n 1000] [--positions 10] [--steps 16]
//! ```
//!
//! InceptionV1, layer mixed4d, grid 10. `--images` is `imagenet-sample` unless given. The rate of *collect* counts
//! reading, decoding, resizing, the network up to its logits and the attribution of every position to all 1,000
//! classes; *locate* runs the same images up to the layer and finds the nearest cell of all positions. The peer is
//! `peers/collect_torch.py`. The last line is the largest memory that the process had.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints and may stop"
)]

use atlascope::atlas::{
    AttributionRecipe, CollectRecipe, IconRecipe, LayoutRecipe, Recipe, Source,
};
use atlascope::images::ImageSet as _;
use atlascope::images::folder::Folder;
use atlascope::network::{Network, inception_v1};
use atlascope::pipeline::{self, COLLECT, Job, LOCATE, Sourced, Workspace};
use atlascope::progress::Progress;
use candle_core::{Device, Tensor};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

/// Images that the bare network takes at once.
const BATCH: usize = 16;

/// Notes when each stage begins.
#[derive(Default)]
struct Stages(Mutex<Vec<(String, Instant)>>);

impl Progress for Stages {
    fn begin(&self, name: &str, _: u64, _: &str) {
        let mut stages = self.0.lock().unwrap();
        stages.push((name.to_owned(), Instant::now()));
    }
    fn advance(&self, _: u64) {}
    fn note(&self, text: &str) {
        println!("note: {text}");
    }
    fn cancelled(&self) -> bool {
        false
    }
}

impl Stages {
    /// Seconds of every stage, in order.
    fn seconds(&self) -> Vec<(String, f64)> {
        let stages = self.0.lock().unwrap();
        let ends = stages.iter().skip(1).map(|(_, at)| *at);
        stages
            .iter()
            .zip(ends.chain([Instant::now()]))
            .map(|((name, start), end)| (name.clone(), (end - *start).as_secs_f64()))
            .collect()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number =
        |name: &str, usual: usize| option(name).map_or(usual, |text| text.parse().unwrap());
    let Some(data) = std::env::var_os("ATLASCOPE_DATA").map(PathBuf::from) else {
        println!("skipped: photographs and weights need ATLASCOPE_DATA");
        return;
    };
    let weights = std::fs::read(data.join("inception_v1/weights.safetensors")).unwrap();
    let network = inception_v1::load(&weights, &Device::Cpu).unwrap();
    let images = option("--images").map_or(data.join("photos/imagenet-sample"), PathBuf::from);
    let set = Folder::open(&images, None)
        .unwrap()
        .thinned(number("--n", 1000));
    let (positions, steps) = (number("--positions", 10), number("--steps", 16));

    let bare = bare(&network, set.len().min(320));
    println!("the bare network to its logits, batch {BATCH}: {bare:.1} images/s");
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(&folder.path().join("bench.atlas.part")).unwrap();
    let job = Job {
        network: &network,
        layers: vec![network.layer("mixed4d").unwrap()],
        sources: vec![Sourced {
            set: &set,
            positions: positions as u32,
        }],
        recipe: recipe(&images, positions as u32, steps as u32),
        truth: None,
        keep_activations: false,
        keep_head: true,
    };
    let stages = Stages::default();
    let atlas = pipeline::build(&job, &workspace, &stages, &mut |_| {}).unwrap();
    let n = set.len() as f64;
    for (name, seconds) in stages.seconds() {
        print!("{name:<24} {seconds:7.1} s");
        if name == COLLECT.name || name == LOCATE.name {
            let rate = n / seconds;
            print!(
                "  {rate:.1} images/s, {:.0} % of the bare network",
                100.0 * rate / bare
            );
        }
        println!();
    }
    println!(
        "{} activations of {} images; peak memory {} MB",
        atlas.layers[0].samples.len(),
        atlas.images.len(),
        peak_megabytes()
    );
}

/// Images per second of the network alone, after one round that packs its weights.
fn bare(network: &Network, n: usize) -> f64 {
    let side = network.input.size;
    let x = Tensor::zeros(
        (BATCH, 3, side, side),
        candle_core::DType::F32,
        &Device::Cpu,
    )
    .unwrap();
    let logits = network.logits.unwrap();
    network.forward(&x, &[logits]).unwrap();
    let rounds = n.div_ceil(BATCH);
    let start = Instant::now();
    for _ in 0..rounds {
        network.forward(&x, &[logits]).unwrap();
    }
    (rounds * BATCH) as f64 / start.elapsed().as_secs_f64()
}

fn recipe(images: &Path, positions: u32, steps: u32) -> Recipe {
    Recipe {
        network: "inception_v1".to_owned(),
        weights_sha256: String::new(),
        input: None,
        sources: vec![Source {
            name: "photographs".to_owned(),
            path: Some(images.display().to_string()),
            n_images: 0,
            n_skipped: 0,
            positions,
            mirrored: false,
        }],
        layers: vec!["mixed4d".to_owned()],
        grids: vec![10],
        collect: CollectRecipe::default(),
        layout: LayoutRecipe::default(),
        attribution: AttributionRecipe::default(),
        icons: IconRecipe {
            steps,
            ..IconRecipe::default()
        },
        seed: 1,
        device: "cpu".to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The process's largest resident memory in MB; 0 where the system does not tell.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}
