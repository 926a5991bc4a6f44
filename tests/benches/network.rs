//! Benchmarks: what networks cost, with the kernels and with plain candle operators, in turns.
//!
//! ```text
//! ATLASCOPE_DATA=… cargo bench --bench network -- [--compute auto|reference|both] [--rounds N] [--part WORD]
//! ```
//!
//! Every line is the median over the rounds, with the slowest and fastest round, processor time (of all threads)
//! per item, which a busy machine disturbs less, and for forward passes the share of the machine's peak: products
//! with their sums as the definition of the network counts them, over what multiply-add instructions in registers reach
//! on as many threads. (Winograd's algorithm makes fewer products than the definition counts, so its share may pass 100 %.) `--part` keeps the
//! lines whose name holds the word. Peers: `peers/network_speed.py` runs this program and theirs in turns.
#![allow(clippy::print_stdout, reason = "a benchmark prints its numbers")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first error"
)]

use atlascope::atlas::{IconRecipe, Relaxation};
use atlascope::featurevis::{Job, NetworkTap, Renderer};
use atlascope::network::kernels::{Engine, Isa, fma_loop};
use atlascope::network::{
    Channels, Compute, InputSpec, Network, NodeId, Resize, inception_v1, onnx,
};
use atlascope::progress::Silent;
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

/// One thing to measure: its name, what is counted, and how many of them one run makes.
struct Part {
    name: String,
    unit: &'static str,
    count: usize,
    /// Floating-point operations of one of them, where that means something.
    flops: f64,
    run: Box<dyn Fn(&Network)>,
}

fn images(batch: usize, side: usize) -> Tensor {
    let n = batch * 3 * side * side;
    let value = |i: usize| ((i * 2_654_435_761) >> 7) % 256;
    let values: Vec<f32> = (0..n).map(|i| value(i) as f32 - 117.0).collect();
    Tensor::from_vec(values, (batch, 3, side, side), &Device::Cpu).unwrap()
}

/// Operations up to a node at 224 pixels.
fn flops(network: &Network, to: NodeId) -> f64 {
    let mut needed = vec![false; to.0 + 1];
    needed[to.0] = true;
    let mut macs = 0;
    for idx in (0..=to.0).rev().filter(|idx| *idx > 0) {
        if needed[idx] {
            macs += network.macs(NodeId(idx));
            for input in &network.graph.nodes[idx].inputs {
                needed[input.0] = true;
            }
        }
    }
    2.0 * macs as f64
}

fn forward(network: &Network, batch: usize, to: &'static str) -> Part {
    let side = network.input.size;
    let x = images(batch, side);
    let tap = network.graph.find(to).or(network.logits).unwrap();
    Part {
        name: format!("{} forward to {to}, {side} px, batch {batch}", network.name),
        unit: "images/s",
        count: batch,
        flops: flops(network, tap),
        run: Box::new(move |network| {
            network.forward(&x, &[tap]).unwrap();
        }),
    }
}

fn gradient(network: &Network, batch: usize, side: usize, from: &'static str) -> Part {
    let x = images(batch, side);
    let name = &network.name;
    Part {
        name: format!("{name} gradient of {from} to the image, {side} px, batch {batch}"),
        unit: "images/s",
        count: batch,
        flops: 0.0,
        run: Box::new(move |network| {
            let tap = network.graph.find(from).unwrap();
            let mut objective = |h: &Tensor| Ok(h.ones_like()?);
            network.vjp(&x, tap, &mut objective).unwrap();
        }),
    }
}

fn activation(network: &Network, layer: &str, batch: usize) -> Tensor {
    let tap = network.layer(layer).unwrap().id;
    let side = network.input.size;
    let mut values = network.forward(&images(batch, side), &[tap]).unwrap();
    values.remove(0)
}

fn attribution(network: &Network, positions: usize, layer: &'static str) -> Part {
    let tap = network.layer(layer).unwrap();
    let activation = activation(network, layer, 1);
    let (rows, cols) = tap.map_size;
    let positions: Vec<(usize, usize)> = (0..positions)
        .map(|i| (1 + i * 5 % (rows - 2), 1 + i * 3 % (cols - 2)))
        .collect();
    let name = &network.name;
    Part {
        name: format!(
            "{name} attribution at {layer}, {} positions",
            positions.len()
        ),
        unit: "positions/s",
        count: positions.len(),
        flops: 0.0,
        run: Box::new(move |network| {
            network
                .attribution(tap.id, &activation, &positions, Relaxation::Average)
                .unwrap();
        }),
    }
}

/// What an attribution is held against: the network behind the layer, forward.
fn tail(network: &Network, batch: usize, layer: &'static str) -> Part {
    let tap = network.layer(layer).unwrap().id;
    let activation = activation(network, layer, batch);
    let logits = network.logits.unwrap();
    let name = &network.name;
    Part {
        name: format!("{name} forward from {layer} to logits, batch {batch}"),
        unit: "images/s",
        count: batch,
        flops: flops(network, logits) - flops(network, tap),
        run: Box::new(move |network| {
            network.forward_from(tap, &activation, &[logits]).unwrap();
        }),
    }
}

/// Icons of directions that images have at the layer's middle, by the default recipe.
fn icons(network: &Network, batch: usize, steps: u32, layer: &'static str) -> Part {
    let tap = network.layer(layer).unwrap();
    let (row, col) = (tap.map_size.0 / 2, tap.map_size.1 / 2);
    let jobs: Vec<Job> = (0..batch)
        .map(|key| {
            let h = activation(network, layer, batch).narrow(0, key, 1).unwrap();
            let h = h.narrow(2, row, 1).unwrap().narrow(3, col, 1).unwrap();
            Job {
                key: key as u64,
                direction: h.flatten_all().unwrap().to_vec1().unwrap(),
            }
        })
        .collect();
    let recipe = IconRecipe {
        steps,
        ..IconRecipe::default()
    };
    let name = &network.name;
    Part {
        name: format!("{name} icons of {layer}, 80 px, batch {batch}"),
        unit: "icon-steps/s",
        count: batch * steps as usize,
        flops: 0.0,
        run: Box::new(move |network| {
            let tap = NetworkTap {
                network,
                node: tap.id,
            };
            let renderer = Renderer::new(&tap, None, &recipe, 0);
            renderer.render(&jobs, &Silent, &mut |_, _| {}).unwrap();
        }),
    }
}

/// An ONNX file as a network of its own input size.
fn onnx(name: &str, model: &[u8]) -> Network {
    let size = onnx::input_size(model).unwrap();
    let input = InputSpec {
        size: size.map_or(if name == "squeezenet1_1" { 227 } else { 224 }, |size| {
            size.0
        }),
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [127.0; 3],
        scale: [128.0; 3],
    };
    let external = |_: &str, _: u64, _: Option<u64>| Err(std::io::ErrorKind::NotFound.into());
    let source = onnx::Source {
        name,
        model,
        external: &external,
    };
    let network = onnx::load(&source, input, None, &Device::Cpu).unwrap();
    let extents = network
        .graph
        .extents((network.input.size, network.input.size))
        .unwrap();
    if let Some(engine) = Engine::new(&network.graph, &extents) {
        println!(
            "{name}: candle runs {:?} between the kernels",
            engine.plain_nodes()
        );
    }
    network
}

fn inception_parts(network: &Network) -> Vec<Part> {
    vec![
        forward(network, 1, "logits"),
        forward(network, 8, "logits"),
        forward(network, 32, "logits"),
        forward(network, 8, "mixed4d"),
        gradient(network, 8, 224, "logits"),
        gradient(network, 8, 224, "mixed4d"),
        gradient(network, 16, 80, "mixed4d"),
        attribution(network, 40, "mixed3b"),
        attribution(network, 40, "mixed4d"),
        tail(network, 2, "mixed4d"),
        attribution(network, 40, "mixed5b"),
        icons(network, 16, 16, "mixed4d"),
    ]
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1).cloned())
            .unwrap_or_else(|| default.to_owned())
    };
    let computes = match option("--compute", "both").as_str() {
        "auto" => vec![Compute::Auto],
        "reference" => vec![Compute::Reference],
        _ => vec![Compute::Auto, Compute::Reference],
    };
    let rounds: usize = option("--rounds", "3").parse().unwrap();
    let wanted = option("--part", "");
    let Some(data) = std::env::var_os("ATLASCOPE_DATA") else {
        println!("skipped: the networks' weights need ATLASCOPE_DATA");
        return;
    };
    let data = Path::new(&data);
    let threads = rayon::current_num_threads();
    let peak = peak(threads);
    println!(
        "{threads} threads, {:?}: peak {peak:.0} GFLOP/s, of one thread {:.0}",
        Isa::best(),
        peak_of_one()
    );
    let bytes = std::fs::read(data.join("inception_v1/weights.safetensors")).unwrap();
    let inception = inception_v1::load(&bytes, &Device::Cpu).unwrap();
    measure(
        inception,
        inception_parts,
        &wanted,
        &computes,
        (rounds, peak),
    );
    for name in ["efficientnet_lite0", "squeezenet1_1"] {
        let file = data.join(format!("onnx/{name}.onnx"));
        let parts = |network: &Network| vec![forward(network, 8, "logits")];
        let network = onnx(name, &std::fs::read(file).unwrap());
        measure(network, parts, &wanted, &computes, (rounds, peak));
    }
}

/// Prints one line per part and computer.
fn measure(
    network: Network,
    parts: impl Fn(&Network) -> Vec<Part>,
    wanted: &str,
    computes: &[Compute],
    (rounds, peak): (usize, f64),
) {
    let mut network = network;
    let mut parts = parts(&network);
    parts.retain(|part| part.name.contains(wanted));
    for part in parts {
        let mut rates = vec![Vec::new(); computes.len()];
        let mut cpu = vec![0.0; computes.len()];
        for round in 0..=rounds {
            for (idx, &compute) in computes.iter().enumerate() {
                network = network.with_compute(compute);
                let (start, cpu_start) = (Instant::now(), cpu_seconds());
                (part.run)(&network);
                // The first round packs weights and touches memory.
                if round > 0 {
                    cpu[idx] += cpu_seconds() - cpu_start;
                    rates[idx].push(part.count as f64 / start.elapsed().as_secs_f64());
                }
            }
        }
        for ((compute, rates), cpu) in computes.iter().zip(&mut rates).zip(cpu) {
            let cpu = cpu * 1e3 / (rounds * part.count) as f64;
            rates.sort_by(f64::total_cmp);
            let (low, middle, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
            let compute = format!("{compute:?}").to_lowercase();
            print!(
                "{:<64} {compute:<10} {middle:8.1} {} ({low:.1}..{high:.1}), {cpu:.2} ms cpu",
                part.name, part.unit
            );
            if part.flops > 0.0 {
                print!(
                    ", {:.0} % of peak",
                    100.0 * middle * part.flops / 1e9 / peak
                );
            }
            println!();
        }
    }
}

/// GFLOP/s of multiply-add instructions in registers on all threads at once, the best of several short runs.
fn peak(threads: usize) -> f64 {
    let best = (0..200).map(|_| {
        let start = Instant::now();
        let flops: f64 = (0..threads).into_par_iter().map(|_| run_peak()).sum();
        flops / start.elapsed().as_secs_f64() / 1e9
    });
    best.fold(0.0, f64::max)
}

fn peak_of_one() -> f64 {
    let best = (0..200).map(|_| {
        let start = Instant::now();
        run_peak() / start.elapsed().as_secs_f64() / 1e9
    });
    best.fold(0.0, f64::max)
}

fn run_peak() -> f64 {
    let (flops, value) = fma_loop(Isa::best(), 200_000);
    std::hint::black_box(value);
    flops
}

/// Processor time of the process so far, in the system's ticks of 10 ms; 0 where it is not told.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, counted behind the name in parentheses, which may hold spaces.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let ticks = behind.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
