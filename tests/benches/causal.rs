//! Benchmark: do the causal tests tell true cells from natural ones?
//!
//! ```text
//! cargo bench --bench causal -- NET … [--at own|corner] [--clusters N] [--json FILE]  (0 clusters: groups of driven positions)
//! cargo bench --bench causal -- --times ATLAS --weights FILE --images DIR… [--class tench] [--rounds 3]
//! ```
//!
//! Each NET is a folder of the planted-shortcut benchmark: `net.onnx`, `truth.json`, `carries.json`, `classes.txt`,
//! `images/<class>/*.png`. In every class with a learned shortcut the positions of its images are clustered by their
//! activations (spherical k-means). A cluster is *true* when at least half of its positions are driven by the artefact
//! (by the paired counterfactual), *other* when less than a tenth is; *natural* are groups of random positions of other
//! classes' images, the matched control of suspects. The table gives the area under the ROC curve of each test's
//! contrast, true against natural and true against other, over all nets, by kind of artefact.
#![allow(missing_docs, unreachable_pub, reason = "a program, not a library")]
#![allow(clippy::print_stdout, reason = "a benchmark prints its numbers")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first error"
)]

#[path = "causal/times.rs"]
mod times;

use atlascope::atlas::ClassId;
use atlascope::causal::ablate::{Ablation, Ablator};
use atlascope::causal::paste::{self, At, Paste, Piece};
use atlascope::causal::pixels::{self, Corner};
use atlascope::causal::transfer::{self, Transfer};
use atlascope::causal::{Album, Lab};
use atlascope::math::rng::Rng;
use atlascope::network::manifest::parse_classes;
use atlascope::network::{Channels, InputSpec, Layer, Resize, onnx};
use atlascope::suspects::claim::{Estimate, Method, Outcome, outcome};
use candle_core::Device;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Exemplars of a cluster.
const EXEMPLARS: usize = 10;
/// Groups of natural positions per class.
const NATURAL: usize = 24;

/// A position of an image.
type Place = (u32, usize, usize);

struct Net {
    lab: Lab,
    layer: Layer,
    truth: Value,
    /// Per image: artefacts and the positions that they drive.
    carries: Vec<HashMap<String, HashSet<(usize, usize)>>>,
}

/// One candidate of the benchmark.
struct Group {
    exemplars: Vec<Place>,
    mean: Vec<f32>,
    share: f32,
}

fn open(folder: &Path) -> Net {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let truth: Value = serde_json::from_str(&text("truth.json")).unwrap();
    let carries: Value = serde_json::from_str(&text("carries.json")).unwrap();
    let number = |key: &str| truth[key].as_f64().unwrap() as f32;
    let input = InputSpec {
        size: number("side") as usize,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [number("mean"); 3],
        scale: [number("scale"); 3],
    };
    let bytes = std::fs::read(folder.join("net.onnx")).unwrap();
    let external = |_: &str, _: u64, _: Option<u64>| Err(std::io::Error::other("none"));
    let source = onnx::Source {
        name: "planted",
        model: &bytes,
        external: &external,
    };
    let classes = parse_classes(&text("classes.txt")).unwrap();
    let network = onnx::load(&source, input, Some(classes.clone()), &Device::Cpu).unwrap();
    let layer = network.layer(truth["layer"].as_str().unwrap()).unwrap();
    let album = Album::of_folders(&[folder.join("images")], &classes).unwrap();
    let position = |p: &Value| {
        let at = |i: usize| p[i].as_u64().unwrap() as usize;
        (at(0), at(1))
    };
    let carried = |image: &Value| {
        let one = |c: &Value| {
            let positions = c["positions"].as_array().unwrap().iter().map(position);
            (
                c["artefact"].as_str().unwrap().to_owned(),
                positions.collect(),
            )
        };
        image["carries"]
            .as_array()
            .unwrap()
            .iter()
            .map(one)
            .collect()
    };
    Net {
        lab: Lab::new(network, album, 1).unwrap(),
        layer,
        carries: carries.as_array().unwrap().iter().map(carried).collect(),
        truth,
    }
}

/// Activations of some images at the layer: per image positions × depth, each of length 1, with their lengths.
fn activations(net: &mut Net, images: &[u32]) -> Vec<(Place, Vec<f32>)> {
    let (_, cols) = net.layer.map_size;
    let mut all = Vec::new();
    for some in images.chunks(32) {
        let squares: Vec<_> = net.lab.squares(some).into_iter().flatten().collect();
        let squares: Vec<_> = squares.iter().map(|square| (**square).clone()).collect();
        let batch = net.lab.batch(&squares).unwrap();
        let out = net.lab.network().forward(&batch, &[net.layer.id]).unwrap();
        let maps = out[0].flatten_from(2).unwrap().to_vec3::<f32>().unwrap();
        for (&image, map) in some.iter().zip(maps) {
            for at in 0..map[0].len() {
                let values: Vec<f32> = map.iter().map(|channel| channel[at]).collect();
                all.push(((image, at / cols, at % cols), values));
            }
        }
    }
    all
}

fn unit(values: &[f32]) -> Vec<f32> {
    let norm = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    values.iter().map(|v| v / norm).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Clusters of a class's positions.
fn clusters(net: &mut Net, class: ClassId, artefact: &str, k: usize) -> Vec<Group> {
    let images = net.lab.album().of_class(class);
    let all = activations(net, &images);
    let units: Vec<Vec<f32>> = all.iter().map(|(_, values)| unit(values)).collect();
    let mut rng = Rng::new(7);
    let mut centres: Vec<Vec<f32>> = rng
        .sample(units.len(), k)
        .iter()
        .map(|&i| units[i].clone())
        .collect();
    let nearest = |centres: &[Vec<f32>], v: &[f32]| {
        let mut best = (f32::MIN, 0);
        for (at, centre) in centres.iter().enumerate() {
            let near = dot(centre, v);
            if near > best.0 {
                best = (near, at);
            }
        }
        best
    };
    for _ in 0..8 {
        let mut sums = vec![vec![0f32; units[0].len()]; k];
        for v in units.iter().step_by(3) {
            let sum = &mut sums[nearest(&centres, v).1];
            sum.iter_mut().zip(v).for_each(|(sum, v)| *sum += v);
        }
        centres = sums.iter().map(|sum| unit(sum)).collect();
    }
    let mut members: Vec<Vec<(f32, usize)>> = vec![Vec::new(); k];
    for (at, v) in units.iter().enumerate() {
        let (near, cluster) = nearest(&centres, v);
        members[cluster].push((near, at));
    }
    let group = |mut members: Vec<(f32, usize)>| {
        members.sort_by(|a, b| b.0.total_cmp(&a.0));
        let driven = |&&(_, at): &&(f32, usize)| {
            let (image, row, col) = all[at].0;
            let carried = net.carries[image as usize].get(artefact);
            carried.is_some_and(|positions| positions.contains(&(row, col)))
        };
        let share = members.iter().filter(driven).count() as f32 / members.len() as f32;
        let mut mean = vec![0f32; all[0].1.len()];
        for &(_, at) in &members {
            mean.iter_mut()
                .zip(&all[at].1)
                .for_each(|(m, v)| *m += v / members.len() as f32);
        }
        let mut seen = HashSet::new();
        let places = members.iter().map(|&(_, at)| all[at].0);
        let exemplars = places
            .filter(|place| seen.insert(place.0))
            .take(EXEMPLARS)
            .collect();
        Group {
            exemplars,
            mean,
            share,
        }
    };
    members
        .into_iter()
        .filter(|m| m.len() >= 20)
        .map(group)
        .collect()
}

/// Random positions of images of other classes.
fn natural(net: &mut Net, class: ClassId, seed: u64) -> Group {
    let n = net.lab.album().len();
    let (rows, cols) = net.layer.map_size;
    let mut rng = Rng::stream(seed, 11);
    let mut exemplars = Vec::new();
    while exemplars.len() < EXEMPLARS {
        let image = rng.below(n) as u32;
        if net.lab.album().class(image) != Some(class) {
            exemplars.push((image, rng.below(rows), rng.below(cols)));
        }
    }
    Group {
        exemplars,
        mean: Vec::new(),
        share: 0.0,
    }
}

fn test(net: &mut Net, group: &Group, class: ClassId, at: At) -> Vec<Estimate> {
    let on = &mut |_: &Estimate| ControlFlow::Continue(());
    let layer = net.layer.clone();
    let lab = &mut net.lab;
    let side = lab.field(&layer).unwrap();
    let mut pieces = Vec::new();
    for &(image, row, col) in &group.exemplars {
        let window = pixels::window(lab.centre(&layer, (row, col)), side, lab.side());
        let square = lab.square(image).unwrap();
        let picture = pixels::cut(&square, window);
        pieces.push(Piece {
            picture,
            shape: None,
            from: Some((window[0], window[1])),
        });
    }
    let images: Vec<u32> = group.exemplars.iter().map(|e| e.0).collect();
    let mut own = lab.album().of_class(class);
    own.retain(|idx| !images.contains(idx));
    Rng::stream(1, 13).shuffle(&mut own);
    let paste = Paste {
        method: Method::Paste,
        target: class,
        avoid: vec![class],
        without: images.iter().copied().collect(),
        pieces,
        class: own,
        at,
        n: 32,
        early: false,
    };
    let mut estimates = vec![paste::paste(lab, &paste, on).unwrap().estimate];
    let without: Vec<u32> = lab.album().of_class(class);
    let without = without
        .into_iter()
        .filter(|idx| !images.contains(idx))
        .take(32);
    let without: Vec<u32> = without.collect();
    let groups = Transfer {
        target: class,
        avoid: vec![class],
        with: images.clone(),
        without: without.clone(),
        n: 32,
        early: false,
    };
    for method in transfer::METHODS {
        estimates.push(transfer::transfer(lab, &groups, method, on).unwrap());
    }
    if !group.mean.is_empty() {
        let ablation = Ablation {
            layer,
            target: class,
            cell: group.mean.clone(),
            with: images,
            without,
        };
        estimates.extend(Ablator::default().ablate(lab, &ablation));
    }
    estimates
}

fn auroc(trues: &[f32], others: &[f32]) -> f32 {
    let pairs = trues
        .iter()
        .flat_map(|a| others.iter().map(move |b| (a, b)));
    let wins: f32 = pairs
        .map(|(a, b)| f32::from(u8::from(a > b)) + 0.5 * f32::from(u8::from((a - b).abs() < 1e-9)))
        .sum();
    wins / (trues.len() * others.len()).max(1) as f32
}

fn score(estimate: &Estimate) -> f32 {
    estimate.delta - estimate.controls.delta
}

type Tested = Vec<Vec<Estimate>>;
/// By kind of artefact: true, other, natural.
type Table = BTreeMap<String, [Tested; 3]>;

/// Random positions that the artefact drives, one per image: a cell as good as cells can be.
fn driven(net: &Net, class: ClassId, artefact: &str, seed: u64) -> Option<Group> {
    let mut rng = Rng::stream(seed, 12);
    let mut images = net.lab.album().of_class(class);
    rng.shuffle(&mut images);
    let mut exemplars = Vec::new();
    for image in images {
        let Some(positions) = net.carries[image as usize].get(artefact) else {
            continue;
        };
        let mut positions: Vec<(usize, usize)> = positions.iter().copied().collect();
        positions.sort_unstable();
        if !positions.is_empty() && exemplars.len() < EXEMPLARS {
            let (row, col) = positions[rng.below(positions.len())];
            exemplars.push((image, row, col));
        }
    }
    let enough = exemplars.len() >= 4;
    enough.then_some(Group {
        exemplars,
        mean: Vec::new(),
        share: 1.0,
    })
}

fn measure(net: &mut Net, at: At, k: usize, table: &mut Table) {
    for planted in net.truth["outcomes"].clone().as_array().unwrap() {
        if planted["learned"] != Value::Bool(true) {
            continue;
        }
        let artefact = planted["artefact"].as_str().unwrap();
        let class = planted["class"].as_u64().unwrap() as ClassId;
        let row = table.entry(artefact.to_owned()).or_default();
        let groups = if k > 0 {
            clusters(net, class, artefact, k)
        } else {
            let all = (0..NATURAL as u64).filter_map(|seed| driven(net, class, artefact, seed));
            all.collect()
        };
        for group in groups {
            let kind = match group.share {
                share if share >= 0.5 => 0,
                share if share < 0.1 => 1,
                _ => continue,
            };
            row[kind].push(test(net, &group, class, at));
        }
        for seed in 0..NATURAL as u64 {
            let group = natural(net, class, seed);
            row[2].push(test(net, &group, class, at));
        }
    }
}

fn print(table: &Table) {
    println!(
        "artefact     n true/other/natural   test                   true/natural  true/other   used: true other natural"
    );
    for (artefact, [trues, others, natural]) in table {
        let methods = [
            Method::Paste,
            Method::Colour,
            Method::Difference,
            Method::Spectrum,
            Method::Ablate,
        ];
        for method in methods {
            let of = |group: &Tested| -> Vec<f32> {
                let all = group.iter().flatten().filter(|e| e.method == method);
                all.map(score).collect()
            };
            let used = |group: &Tested| {
                let all = group.iter().flatten().filter(|e| e.method == method);
                all.filter(|e| e.outcome() == Outcome::Used).count()
            };
            println!(
                "{artefact:10} {:4} {:5} {:5}        {:22} {:.3}  {:.3}     {:4} {:4} {:4}",
                trues.len(),
                others.len(),
                natural.len(),
                method.name(),
                auroc(&of(trues), &of(natural)),
                auroc(&of(trues), &of(others)),
                used(trues),
                used(others),
                used(natural)
            );
        }
        let all = |group: &Tested| group.iter().filter(|e| outcome(e) == Outcome::Used).count();
        println!(
            "{artefact:10} verdict used: {} {} {}",
            all(trues),
            all(others),
            all(natural)
        );
    }
}

fn main() {
    let mut nets: Vec<PathBuf> = Vec::new();
    let (mut at, mut k, mut json) = (At::Own, 80, None);
    let mut asked = times::Asked {
        atlas: PathBuf::new(),
        weights: PathBuf::new(),
        images: Vec::new(),
        class: "tench".to_owned(),
        rounds: 3,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--at" if args.next().as_deref() == Some("corner") => at = At::Corner(Corner::TopLeft),
            "--at" | "--bench" => {}
            "--clusters" => k = args.next().unwrap().parse().unwrap(),
            "--json" => json = args.next(),
            "--times" => asked.atlas = args.next().unwrap().into(),
            "--weights" => asked.weights = args.next().unwrap().into(),
            "--images" => asked.images.push(args.next().unwrap().into()),
            "--class" => asked.class = args.next().unwrap(),
            "--rounds" => asked.rounds = args.next().unwrap().parse().unwrap(),
            _ => nets.push(arg.into()),
        }
    }
    if !asked.atlas.as_os_str().is_empty() {
        times::table(&asked);
    }
    if nets.is_empty() {
        return;
    }
    let mut table = Table::new();
    for folder in &nets {
        let mut net = open(folder);
        measure(&mut net, at, k, &mut table);
        let layer = net.layer.clone();
        let side = net.lab.field(&layer).unwrap();
        println!("{}: crops of {side} pixels", folder.display());
    }
    print(&table);
    if let Some(path) = json {
        std::fs::write(path, serde_json::to_string(&table).unwrap()).unwrap();
    }
}
