//! Imported networks beside onnxruntime and PyTorch: a table of the largest differences.
//!
//! `python tests/benches/peers/onnx_models.py FOLDER`, then `cargo bench --bench onnx -- FOLDER [NAME…]`.
//!
//! Where the gradient differs by more than 1e-4 there are *kinks*: values of a ReLU that are 0 on one side only and max
//! pools with another winner, because rounding decided. That this is all there is to it `tests/benches/peers/onnx_kinks.py` shows with PyTorch alone: its gradients in single and in double
//! precision are 7.6e-2 apart for GoogLeNet, 2.1e-2 for ShuffleNet and 5.1e-3 for Inception v3, and 1e-6 for all of them
//! once the run in double precision is made to choose as the one in single precision did.
#![allow(clippy::unwrap_used, reason = "what cannot be read ends the run")]
#![allow(clippy::print_stdout, reason = "the table is the result")]
#![allow(missing_docs, unreachable_pub, reason = "a program, not a library")]

#[path = "../network/reference_case.rs"]
mod reference_case;

use atlascope::network::Compute;
use reference_case::Case;
use std::path::PathBuf;

fn main() {
    // A thread of the pool itself, and the only one: the many small operators here need no waiting for each other.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    pool.install(run);
}

fn run() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let Some((folder, names)) = arguments.split_first() else {
        println!("give the folder that onnx_models.py wrote");
        return;
    };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("values.json").exists())
        .filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            names.is_empty() || names.iter().any(|wanted| name.starts_with(wanted.as_str()))
        })
        .collect();
    cases.sort();
    println!(
        "{:<36} {:>5} {:>5} {:>8} {:>8} {:>5} {:>8} {:>8} {:>8} {:>4}  engine, worst node",
        "case",
        "nodes",
        "taps",
        "worst",
        "logits",
        "kinks",
        "gradient",
        "adjoint",
        "attrib.",
        "ends"
    );
    for path in cases {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let case = Case::open(&path);
        let network = match case.network(Compute::Auto) {
            Ok(network) => network,
            Err(error) => {
                let text = error.to_string();
                println!("{name:<36} {}", text.chars().take(160).collect::<String>());
                continue;
            }
        };
        let report = case.compare(&network);
        println!(
            "{name:<36} {:>5} {:>5} {:>8.1e} {:>8.1e} {:>5} {:>8} {:>8.1e} {:>8.1e} {:>4}  {} {} {}",
            report.n_compared,
            report.n_taps,
            report.worst.error,
            report.logits,
            report.kinks,
            report
                .gradient
                .map_or("-".to_owned(), |e| format!("{e:.1e}")),
            report.adjoint,
            report.attribution.error,
            network.layers().len(),
            if packs(&network) { "kernels" } else { "candle" },
            report.worst.at,
            report.attribution.at,
        );
    }
}

/// Whether the fast kernels take a part of this network.
fn packs(network: &atlascope::network::Network) -> bool {
    let size = (network.input.size, network.input.size);
    let extents = network.graph.extents(size);
    extents.is_ok_and(|extents| {
        atlascope::network::kernels::Engine::new(&network.graph, &extents).is_some()
    })
}
