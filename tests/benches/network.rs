//! Benchmarks: what the network costs, with the kernels and with plain candle operators, in turns.
//!
//! ```text
//! ATLASCOPE_DATA=… cargo bench --bench network -- [--compute auto|reference|both] [--rounds N] [--part WORD]
//! ```
//!
//! Every line is the median over the rounds, with the slowest and fastest round, and processor time (of all threads)
//! per item, which a busy machine disturbs less. `--part` keeps the lines whose
//! name holds the word. Peer: `peers/network_torch.py`, which prints the same lines.
#![allow(clippy::print_stdout, reason = "a benchmark prints its numbers")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark may stop at the first error"
)]

use atlascope::atlas::Relaxation;
use atlascope::network::{Compute, Network, inception_v1};
use candle_core::{Device, Tensor};
use std::time::Instant;

/// One thing to measure: its name, what is counted, and how many of them one run makes.
struct Part {
    name: String,
    unit: &'static str,
    count: usize,
    run: Box<dyn Fn(&Network)>,
}

fn images(batch: usize, side: usize) -> Tensor {
    let n = batch * 3 * side * side;
    let value = |i: usize| ((i * 2_654_435_761) >> 7) % 256;
    let values: Vec<f32> = (0..n).map(|i| value(i) as f32 - 117.0).collect();
    Tensor::from_vec(values, (batch, 3, side, side), &Device::Cpu).unwrap()
}

fn forward(batch: usize, to: &'static str) -> Part {
    let x = images(batch, 224);
    Part {
        name: format!("forward to {to}, 224 px, batch {batch}"),
        unit: "images/s",
        count: batch,
        run: Box::new(move |network| {
            let tap = network.graph.find(to).unwrap();
            network.forward(&x, &[tap]).unwrap();
        }),
    }
}

fn gradient(batch: usize, side: usize, from: &'static str) -> Part {
    let x = images(batch, side);
    Part {
        name: format!("gradient of {from} to the image, {side} px, batch {batch}"),
        unit: "images/s",
        count: batch,
        run: Box::new(move |network| {
            let tap = network.graph.find(from).unwrap();
            let mut objective = |h: &Tensor| Ok(h.ones_like()?);
            network.vjp(&x, tap, &mut objective).unwrap();
        }),
    }
}

fn attribution(network: &Network, positions: usize, layer: &'static str) -> Part {
    let tap = network.layer(layer).unwrap();
    let activation = network
        .forward(&images(1, 224), &[tap.id])
        .unwrap()
        .remove(0);
    let (rows, cols) = tap.map_size;
    let positions: Vec<(usize, usize)> = (0..positions)
        .map(|i| (1 + i * 5 % (rows - 2), 1 + i * 3 % (cols - 2)))
        .collect();
    Part {
        name: format!("attribution at {layer}, {} positions", positions.len()),
        unit: "positions/s",
        count: positions.len(),
        run: Box::new(move |network| {
            network
                .attribution(tap.id, &activation, &positions, Relaxation::Average)
                .unwrap();
        }),
    }
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
    let Some(data) = std::env::var_os("ATLASCOPE_DATA") else {
        println!("skipped: the network's weights need ATLASCOPE_DATA");
        return;
    };
    let file = std::path::Path::new(&data).join("inception_v1/weights.safetensors");
    let bytes = std::fs::read(file).unwrap();
    let networks: Vec<Network> = computes
        .iter()
        .map(|&compute| {
            inception_v1::load(&bytes, &Device::Cpu)
                .unwrap()
                .with_compute(compute)
        })
        .collect();
    let mut parts = vec![
        forward(1, "logits"),
        forward(8, "logits"),
        forward(32, "logits"),
        forward(8, "mixed4d"),
        gradient(8, 224, "logits"),
        gradient(8, 224, "mixed4d"),
        gradient(16, 80, "mixed4d"),
        attribution(&networks[0], 40, "mixed3b"),
        attribution(&networks[0], 40, "mixed4d"),
        attribution(&networks[0], 40, "mixed5b"),
    ];
    let wanted = option("--part", "");
    parts.retain(|part| part.name.contains(&wanted));
    println!("{} threads", rayon::current_num_threads());
    measure(&parts, &computes, &networks, rounds);
}

/// Prints one line per part and computer.
fn measure(parts: &[Part], computes: &[Compute], networks: &[Network], rounds: usize) {
    for part in parts {
        let mut rates = vec![Vec::new(); networks.len()];
        let mut cpu = vec![0.0; networks.len()];
        for round in 0..=rounds {
            for ((network, rates), cpu) in networks.iter().zip(&mut rates).zip(&mut cpu) {
                let (start, cpu_start) = (Instant::now(), cpu_seconds());
                (part.run)(network);
                if round > 0 {
                    *cpu += cpu_seconds() - cpu_start;
                }
                // The first round packs weights and touches memory.
                if round > 0 {
                    rates.push(part.count as f64 / start.elapsed().as_secs_f64());
                }
            }
        }
        for ((compute, rates), cpu) in computes.iter().zip(&mut rates).zip(cpu) {
            let cpu = cpu * 1e3 / (rounds * part.count) as f64;
            rates.sort_by(f64::total_cmp);
            let (low, middle, high) = (rates[0], rates[rates.len() / 2], rates[rates.len() - 1]);
            let compute = format!("{compute:?}").to_lowercase();
            println!(
                "{:<52} {compute:<10} {middle:8.1} {} ({low:.1}..{high:.1}), {cpu:.1} ms cpu",
                part.name, part.unit
            );
        }
    }
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
