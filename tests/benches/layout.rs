//! Layout: seconds and quality of neighbours and maps, on generated activations or on a given `.npy`.
//!
//! `cargo bench --bench layout -- [--n 10000] [--depth 512] [--k 15] [--min-dist 0.1] [--epochs 0]
//! [--attraction one-end] [--npy FILE | --rows FILE] [--write FILE]`
//!
//! `--rows` maps the first `n` activations of a file of bare little-endian floats, `depth` each, as a running
//! build keeps them in its `.part` folder (`collect-…/0.activations.rows`); memory is then reported without and
//! with what is mapped. `--write` saves the generated activations, so that `peers/umap_learn.py` can run on the same numbers and
//! print the same columns.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot start should say where"
)]
#![allow(clippy::print_stdout, reason = "a benchmark prints its table")]

use atlascope::atlas::{Attraction, LayoutMetric, LayoutRecipe};
use atlascope::layout::{Points, descent, graph, initial, neighbours, normalise, quality};
use atlascope::mapped::Mapped;
use atlascope::math::Rng;
use atlascope::progress::Silent;
use ndarray::{Array2, ArrayView2};
use npyz::WriterBuilder;
use std::collections::HashSet;
use std::time::Instant;

/// Queries on which recall and trustworthiness are measured.
const QUERIES: u32 = 2000;

/// Rectified mixtures of 12-dimensional clusters: n × depth.
fn generated(n: usize, depth: usize) -> Array2<f32> {
    let mut rng = Rng::new(1);
    let (n_clusters, latent) = (50, 12);
    let centres = Array2::from_shape_fn((n_clusters, latent), |_| 1.5 * rng.normal());
    let mixing = Array2::from_shape_fn((latent, depth), |_| rng.normal());
    let mut points = Array2::zeros((n, latent));
    for mut point in points.rows_mut() {
        let centre = centres.row(rng.below(n_clusters));
        point.zip_mut_with(&centre, |p, &c| *p = c + rng.normal());
    }
    points.dot(&mixing).mapv(|v: f32| v.max(0.0))
}

fn read(path: &str) -> Array2<f32> {
    let file = npyz::NpyFile::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
    let file = file.unwrap();
    let shape: Vec<usize> = file.shape().iter().map(|&s| s as usize).collect();
    Array2::from_shape_vec((shape[0], shape[1]), file.into_vec().unwrap()).unwrap()
}

/// Kilobytes after `name` in this process's status, in gigabytes.
fn gigabytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().nth(1)?.parse::<f64>().ok());
    number.unwrap_or(f64::NAN) / 1e6
}

fn memory(stage: &str) {
    println!(
        "{stage:<11} {:6.2} GB own, {:6.2} GB with mapped files, {:6.2} GB at most so far",
        gigabytes("RssAnon"),
        gigabytes("VmRSS"),
        gigabytes("VmHWM"),
    );
}

fn write(path: &str, rows: &Array2<f32>) {
    let shape = [rows.nrows() as u64, rows.ncols() as u64];
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(std::io::BufWriter::new(
            std::fs::File::create(path).unwrap(),
        ))
        .begin_nd()
        .unwrap();
    writer.extend(rows.iter().copied()).unwrap();
    writer.finish().unwrap();
}

/// User and system seconds of this process, from the kernel's clock ticks.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, String) {
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let value = work();
    let seconds = format!(
        "{:6.1} wall {:6.1} cpu",
        wall.elapsed().as_secs_f64(),
        cpu_seconds() - cpu
    );
    (value, seconds)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let given = |name: &str| {
        let place = args.iter().position(|a| a == name)?;
        args.get(place + 1).map(String::as_str)
    };
    let number = |name: &str, default: u32| given(name).map_or(default, |v| v.parse().unwrap());
    let recipe = LayoutRecipe {
        n_neighbors: number("--k", 15),
        min_dist: given("--min-dist").map_or(0.1, |v| v.parse().unwrap()),
        metric: LayoutMetric::Cosine,
        n_epochs: number("--epochs", 0),
        attraction: match given("--attraction") {
            Some("one-end") => Attraction::OneEnd,
            _ => Attraction::BothEnds,
        },
        ..LayoutRecipe::default()
    };
    let seed = u64::from(number("--seed", 1));
    let (n, depth) = (
        number("--n", 10_000) as usize,
        number("--depth", 512) as usize,
    );
    if let Some(path) = given("--rows") {
        let file = std::fs::File::open(path).unwrap();
        let rows = Mapped::<f32>::open(&file, 0, (n, depth)).unwrap();
        return measure(&rows.view(), &recipe, seed);
    }
    let rows = given("--npy").map_or_else(|| generated(n, depth), read);
    if let Some(path) = given("--write") {
        write(path, &rows);
    }
    measure(&rows.view(), &recipe, seed);
}

fn measure(view: &ArrayView2<'_, f32>, recipe: &LayoutRecipe, seed: u64) {
    memory("start");
    let points = Points::new(view, recipe.metric).unwrap();
    let k = recipe.n_neighbors as usize;
    let (found, seconds) = timed(|| neighbours::find(&points, k, seed, &Silent).unwrap());
    println!("neighbours  {seconds}");
    memory("");
    let queries: Vec<u32> = Rng::new(2)
        .sample(view.nrows(), QUERIES as usize)
        .into_iter()
        .map(|q| q as u32)
        .collect();
    let truth = neighbours::among(&points, &queries, found.k, &Silent).unwrap();
    let hits: usize = (queries.iter().enumerate())
        .map(|(q, &v)| {
            let (near, _) = found.of(v as usize);
            truth.of(q).0.iter().filter(|j| near.contains(j)).count()
        })
        .sum();
    let recall = hits as f64 / truth.index.len() as f64;
    println!("            recall@{} {recall:.4}", found.k);
    let (graph, seconds) = timed(|| graph::fuzzy(found));
    println!("graph       {seconds}");
    memory("");
    let (start, seconds) = timed(|| initial::positions(&graph, &points, seed, &Silent).unwrap());
    println!(
        "initial     {seconds}   {} components",
        graph.components().1
    );
    let (raw, seconds) = timed(|| descent::descend(graph, start, recipe, seed, &Silent).unwrap());
    println!("descent     {seconds}");
    memory("");
    let raw = Array2::from_shape_fn((raw.len(), 2), |(row, axis)| raw[row][axis]);
    let found = quality(view, &raw.view(), recipe.metric, 15, QUERIES, seed);
    println!(
        "trust@15 {:.4}  recall@15 on the map {:.3}",
        found.trustworthiness, found.neighbour_recall
    );
    let position = normalise(&raw.view());
    for grid in [10, 20, 40] {
        let bin = |v: f32| ((v * grid as f32) as usize).min(grid - 1);
        let occupied: HashSet<(usize, usize)> = position
            .rows()
            .into_iter()
            .map(|p| (bin(p[1]), bin(p[0])))
            .collect();
        let share = 100.0 * occupied.len() as f32 / (grid * grid) as f32;
        println!("occupied    {grid:3} × {grid:<3} {share:5.1} %");
    }
}
