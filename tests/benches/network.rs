//! Speed of the network: the fast path and plain candle operators, in turns, so that a busy machine is fair to both.
//!
//! Needs `ATLASCOPE_DATA`. `cargo bench --bench network -- [rounds] [fast]`; `fast` leaves the reference out.
//! Prints one line per task: median seconds of a call, images per second, and the ratio to the reference.
#![allow(clippy::print_stdout, reason = "a benchmark prints its numbers")]
#![allow(clippy::unwrap_used, reason = "a benchmark may stop")]

use atlascope::atlas::Relaxation;
use atlascope::network::kernels::Engine;
use atlascope::network::{Compute, Network, NodeId, inception_v1};
use candle_core::{Device, Tensor};
use std::time::Instant;

/// What is timed.
#[derive(Clone, Copy)]
enum Task {
    Forward(usize),
    /// Gradient from a layer to the image: layer, batch, side.
    Icon(&'static str, usize, usize),
    /// Positions per call.
    Attribution(&'static str, usize),
}

impl Task {
    fn count(self) -> usize {
        match self {
            Self::Forward(n) | Self::Icon(_, n, _) | Self::Attribution(_, n) => n,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Forward(batch) => format!("forward 224 b{batch}"),
            Self::Icon(layer, batch, side) => format!("vjp {layer} {side} b{batch}"),
            Self::Attribution(layer, n) => format!("attribution {layer} x{n}"),
        }
    }
}

const TASKS: [Task; 8] = [
    Task::Forward(1),
    Task::Forward(8),
    Task::Forward(32),
    Task::Icon("logits", 8, 224),
    Task::Icon("mixed4d", 16, 80),
    Task::Icon("mixed4d", 2, 80),
    Task::Attribution("mixed4d", 1),
    Task::Attribution("mixed4d", 32),
];

fn images(batch: usize, side: usize) -> Tensor {
    let n = batch * 3 * side * side;
    let values: Vec<f32> = (0..n).map(|i| ((i * 7919) % 255) as f32 - 120.0).collect();
    Tensor::from_vec(values, (batch, 3, side, side), &Device::Cpu).unwrap()
}

fn positions(n: usize) -> Vec<(usize, usize)> {
    (0..n).map(|i| (i * 5 % 14, i * 3 % 14)).collect()
}

/// Seconds of one call.
fn run(network: &Network, engine: Option<&Engine>, task: Task) -> f64 {
    let logits = network.logits.unwrap();
    let find = |name: &str| network.graph.find(name).unwrap();
    match task {
        Task::Forward(batch) => {
            let images = images(batch, 224);
            timed(|| match engine {
                Some(engine) => drop(engine.forward(&images, &[logits]).unwrap()),
                None => drop(network.forward(&images, &[logits]).unwrap()),
            })
        }
        Task::Icon(layer, batch, side) => {
            let images = images(batch, side);
            let tap: NodeId = find(layer);
            let mut objective = |activation: &Tensor| Ok(activation.ones_like()?);
            timed(|| match engine {
                Some(engine) => drop(engine.vjp(&images, tap, &mut objective).unwrap()),
                None => drop(network.vjp(&images, tap, &mut objective).unwrap()),
            })
        }
        Task::Attribution(layer, n) => {
            let tap = find(layer);
            let activation = network.forward(&images(1, 224), &[tap]).unwrap().remove(0);
            let (at, how) = (positions(n), Relaxation::Average);
            timed(|| match engine {
                Some(engine) => {
                    drop(
                        engine
                            .attribution((tap, logits), &activation, &at, how)
                            .unwrap(),
                    );
                }
                None => drop(network.attribution(tap, &activation, &at, how).unwrap()),
            })
        }
    }
}

fn timed(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let Some(data) = std::env::var_os("ATLASCOPE_DATA") else {
        println!("skipped: needs ATLASCOPE_DATA");
        return;
    };
    let args: Vec<String> = std::env::args().collect();
    let rounds = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(3);
    let with_reference = !args.iter().any(|arg| arg == "fast");
    let weights = std::path::Path::new(&data).join("inception_v1/weights.safetensors");
    let bytes = std::fs::read(weights).unwrap();
    let network = inception_v1::load(&bytes, &Device::Cpu)
        .unwrap()
        .with_compute(Compute::Reference);
    let engine = Engine::new(&network.graph).unwrap();
    println!(
        "{:?}, {} threads",
        engine.isa(),
        rayon::current_num_threads()
    );
    for task in TASKS {
        let mut fast = Vec::new();
        let mut reference = Vec::new();
        run(&network, Some(&engine), task);
        for _ in 0..rounds {
            fast.push(run(&network, Some(&engine), task));
            if with_reference {
                reference.push(run(&network, None, task));
            }
        }
        let seconds = median(fast);
        print!(
            "{:<28} {seconds:.4} s, {:.1} /s",
            task.name(),
            task.count() as f64 / seconds
        );
        if with_reference {
            print!(", {:.1} x reference", median(reference) / seconds);
        }
        println!();
    }
    println!("peak memory {} MB", peak_memory_mb());
}

/// Largest resident size of the process so far; 0 where the system does not say.
fn peak_memory_mb() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kilobytes.unwrap_or(0) / 1024
}
