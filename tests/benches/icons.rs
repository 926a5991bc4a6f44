//! Draws icons of InceptionV1 and measures them: the look, the score without transforms, and icon-steps per second;
//! beside a peer's icons when they are given.
//!
//! ```text
//! cargo bench --bench icons -- --directions D.npy [--whitening S.npy] [--peer PEER.npy] [--out SHEET.png]
//!     [--layer mixed4d] [--steps 64] [--size 80] [--attempts 1] [--objective article|lucid] [--power 2]
//!     [--transforms recipe|notebook] [--penalty 1] [--rate 0.05] [--seed 0] [--precision full|half]
//!     [--only 16] [--reference]
//! ```
//!
//! `tests/benches/peers/dreamlens_icons.py` makes the directions, the whitening matrix and the peer's icons. The weights come
//! from `ATLASCOPE_DATA`. Both sets of icons are scored without transforms, in 8 bits, with the same whitening.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program for people at a terminal"
)]

use atlascope::atlas::{IconRecipe, ObjectiveForm, Precision, TransformForm};
use atlascope::featurevis::{Icon, Job, NetworkTap, Renderer, Tap, look};
use atlascope::network::{Compute, NetworkError, inception_v1};
use atlascope::progress::Silent;
use candle_core::{Device, Tensor};
use ndarray::Array2;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

struct Args(Vec<String>);

impl Args {
    fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.iter().position(|arg| arg == name)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, name: &str, default: T) -> T {
        self.get(name).map_or(default, |text| text.parse().unwrap())
    }
}

fn main() {
    let args = Args(std::env::args().collect());
    let (Some(directions), Some(data)) =
        (args.get("--directions"), std::env::var_os("ATLASCOPE_DATA"))
    else {
        println!(
            "skipped: give --directions FILE.npy and ATLASCOPE_DATA (see the head of this file)"
        );
        return;
    };
    let weights = std::fs::read(Path::new(&data).join("inception_v1/weights.safetensors")).unwrap();
    let mut network = inception_v1::load(&weights, &Device::Cpu).unwrap();
    if args.0.iter().any(|arg| arg == "--reference") {
        network = network.with_compute(Compute::Reference);
    }
    let layer = network
        .layer(args.get("--layer").unwrap_or("mixed4d"))
        .unwrap();
    let tap = Timed {
        inner: NetworkTap {
            network: &network,
            node: layer.id,
        },
        nanoseconds: AtomicU64::new(0),
    };
    let (shape, values) = npy(directions);
    let jobs: Vec<Job> = values
        .chunks_exact(shape[1])
        .take(args.number("--only", usize::MAX))
        .enumerate()
        .map(|(key, direction)| Job {
            key: key as u64,
            direction: direction.to_vec(),
        })
        .collect();
    let whitening = args.get("--whitening").map(|path| {
        let (shape, values) = npy(path);
        Array2::from_shape_vec((shape[0], shape[1]), values).unwrap()
    });
    let recipe = recipe(&args);
    let seed = args.number("--seed", 0);
    let renderer = Renderer::new(&tap, whitening.as_ref(), &recipe, seed);
    let start = Instant::now();
    let mut icons: Vec<Option<Icon>> = vec![None; jobs.len()];
    renderer
        .render(&jobs, &Silent, &mut |idx, icon| icons[idx] = Some(icon))
        .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let icons: Vec<Icon> = icons.into_iter().map(Option::unwrap).collect();
    let icon_steps = f64::from(recipe.steps * recipe.attempts) * jobs.len() as f64;
    let inside = tap.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
    // Threads are in the network at the same time.
    let threads = rayon::current_num_threads() as f64;
    println!(
        "{:.1} icon-steps/s; per icon-step {:.2} ms of a thread in the network, {:.2} ms outside",
        icon_steps / seconds,
        1e3 * inside / icon_steps,
        1e3 * (seconds * threads - inside) / icon_steps,
    );

    // Both sets in 8 bits, so that neither profits from what a file cannot hold.
    let mut sets = vec![("ours", icons)];
    if let Some(path) = args.get("--peer") {
        sets.push(("peer", from_npy(path, jobs.len())));
    }
    let table: Vec<_> = sets
        .iter()
        .map(|(name, icons)| {
            println!("{name}: {:?}", look(&icons.iter().collect::<Vec<_>>()));
            scores(&tap, &jobs, whitening.as_ref(), &recipe, icons)
        })
        .collect();
    compare(&table);
    if let Some(path) = args.get("--out") {
        let icons: Vec<&Icon> = sets.iter().flat_map(|(_, icons)| icons).collect();
        contact_sheet(Path::new(path), &icons, 8);
    }
}

/// What the sets of icons are compared in.
const MEASURES: [&str; 4] = ["lucid, power 2", "dot", "cosine (≥ .1)", "article, power 4"];

/// Scores of finished icons without transforms, in each of [`MEASURES`], one per job.
fn scores(
    tap: &dyn Tap,
    jobs: &[Job],
    whitening: Option<&Array2<f32>>,
    recipe: &IconRecipe,
    icons: &[Icon],
) -> [Vec<f32>; 4] {
    let planes: Vec<Vec<f32>> = icons.iter().map(planes).collect();
    let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
    let score = |objective, cosine_power| {
        let recipe = IconRecipe {
            objective,
            cosine_power,
            ..*recipe
        };
        Renderer::new(tap, whitening, &recipe, 0)
            .scores(jobs, &planes)
            .unwrap()
    };
    let dot = score(ObjectiveForm::Article, 0.0);
    let once = score(ObjectiveForm::Article, 1.0);
    let cosine = once.iter().zip(&dot).map(|(s, d)| s / d).collect();
    let lucid = score(ObjectiveForm::Lucid, 2.0);
    [lucid, dot, cosine, score(ObjectiveForm::Article, 4.0)]
}

/// Prints the mean of every measure, and how often ours is the better one.
fn compare(table: &[[Vec<f32>; 4]]) {
    for (k, measure) in MEASURES.iter().enumerate() {
        print!("{measure:>16}:");
        for scores in table {
            print!("  {:.4e}", mean(&scores[k]));
        }
        if let [ours, peer] = table {
            let wins = ours[k].iter().zip(&peer[k]).filter(|(a, b)| a > b).count();
            print!("  ours better in {wins} of {}", ours[k].len());
            let pairs = ours[k].iter().zip(&peer[k]).enumerate();
            for (direction, (a, b)) in pairs.filter(|(_, (a, b))| a <= b) {
                print!("; not in {direction}: {a:.3} to {b:.3}");
            }
        }
        println!();
    }
}

/// A tap that knows how long the network took.
struct Timed<'a> {
    inner: NetworkTap<'a>,
    nanoseconds: AtomicU64,
}

impl Timed<'_> {
    fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let nanoseconds = start.elapsed().as_nanos() as u64;
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        result
    }
}

impl Tap for Timed<'_> {
    fn device(&self) -> &Device {
        self.inner.device()
    }

    fn unit_affine(&self) -> [(usize, f32, f32); 3] {
        self.inner.unit_affine()
    }

    fn activation(&self, images: &Tensor) -> Result<Tensor, NetworkError> {
        self.time(|| self.inner.activation(images))
    }

    fn vjp(
        &self,
        images: &Tensor,
        precision: Precision,
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor, NetworkError>,
    ) -> Result<Tensor, NetworkError> {
        self.time(|| self.inner.vjp(images, precision, cotangent))
    }
}

fn recipe(args: &Args) -> IconRecipe {
    let default = IconRecipe::default();
    IconRecipe {
        size: args.number("--size", 80),
        steps: args.number("--steps", 64),
        attempts: args.number("--attempts", 1),
        learning_rate: args.number("--rate", default.learning_rate),
        objective: match args.get("--objective") {
            Some("article") => ObjectiveForm::Article,
            Some("lucid") => ObjectiveForm::Lucid,
            _ => default.objective,
        },
        cosine_power: args.number("--power", default.cosine_power),
        whiten: true,
        transforms: match args.get("--transforms") {
            Some("notebook") => TransformForm::Notebook,
            Some("recipe") => TransformForm::Recipe,
            _ => default.transforms,
        },
        boundary_penalty: args.number("--penalty", default.boundary_penalty),
        decay: args.number("--decay", default.decay),
        precision: match args.get("--precision") {
            Some("full") => Precision::Full,
            Some("half") => Precision::Half,
            _ => default.precision,
        },
        ..default
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// Shape and values of a single-precision array.
fn npy(path: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = file.shape().iter().map(|n| *n as usize).collect();
    (shape, file.into_vec().unwrap())
}

/// The first `n` of unit RGB icons `[n, size, size, 3]`.
fn from_npy(path: &str, n: usize) -> Vec<Icon> {
    let (shape, values) = npy(path);
    values
        .chunks_exact(shape[1] * shape[2] * shape[3])
        .take(n)
        .map(|values| Icon {
            rgb: values.iter().map(|v| (v * 255.0).round() as u8).collect(),
            score: 0.0,
            steps: 0,
        })
        .collect()
}

/// Unit RGB planes of an icon.
fn planes(icon: &Icon) -> Vec<f32> {
    (0..3)
        .flat_map(|channel| icon.rgb.iter().skip(channel).step_by(3))
        .map(|v| f32::from(*v) / 255.0)
        .collect()
}

/// Icons side by side, `columns` in a row.
fn contact_sheet(path: &Path, icons: &[&Icon], columns: usize) {
    let size = icons[0].size();
    let rows = icons.len().div_ceil(columns);
    let mut sheet = image::RgbImage::new((columns * size) as u32, (rows * size) as u32);
    for (idx, icon) in icons.iter().enumerate() {
        let (left, top) = (idx % columns * size, idx / columns * size);
        for (k, pixel) in icon.rgb.chunks_exact(3).enumerate() {
            let (x, y) = (left + k % size, top + k / size);
            sheet.put_pixel(
                x as u32,
                y as u32,
                image::Rgb([pixel[0], pixel[1], pixel[2]]),
            );
        }
    }
    sheet.save(path).unwrap();
}
