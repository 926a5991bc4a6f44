//! The fast path against plain candle operators.

mod graphs;
mod inception;
mod mixed;
mod operators;
mod random;

use crate::support::{noise, values};
use atlascope::network::kernels::{Engine, Isa};
use atlascope::network::{Channels, Compute, Graph, InputSpec, Network, Resize};
use candle_core::{Device, Tensor};

/// The reference for a graph: plain candle operators.
fn reference(graph: Graph, size: usize) -> Network {
    let input = InputSpec {
        size,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    Network::new("test", graph, input, Device::Cpu)
        .unwrap()
        .with_compute(Compute::Reference)
}

/// An engine for each instruction set of this machine; `size` is one that the graph fits.
fn engines(graph: &Graph, size: usize) -> Vec<Engine> {
    let extents = graph.extents((size, size)).unwrap();
    let available = Isa::ALL.into_iter().filter(|isa| isa.available());
    available
        .map(|isa| Engine::with_isa(graph, &extents, isa).unwrap())
        .collect()
}

/// Largest difference as a share of the largest expected value.
fn max_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-20f32, |m, v| m.max(v.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // NaN must not hide behind a maximum.
    differences.fold(0.0, |m: f32, d| if d.is_nan() { d } else { m.max(d) }) / largest
}

/// ‖found − expected‖ / ‖expected‖.
fn relative_l2(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |v: f32| f64::from(v) * f64::from(v);
    let off: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let all: f64 = expected.iter().map(|&v| square(v)).sum();
    (off / all.max(1e-30)).sqrt()
}

/// Asserts that two tensors are equal up to `tolerance` of the largest value.
fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f32) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let error = max_error(&values(found), &values(expected));
    assert!(error <= tolerance, "{what}: {error:e}");
}
