//! The fast path against plain candle operators.

mod graphs;
mod inception;
mod operators;

use atlascope::network::kernels::{Engine, Isa};
use atlascope::network::{Channels, Compute, Graph, InputSpec, Network, Resize};
use candle_core::{Device, Tensor};

/// The reference for a graph: plain candle operators.
fn reference(graph: Graph, size: usize) -> Network {
    let input = InputSpec {
        size,
        resize: Resize::Warp,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    Network::new("test", graph, input, Device::Cpu)
        .unwrap()
        .with_compute(Compute::Reference)
}

/// An engine for each instruction set of this machine.
fn engines(graph: &Graph) -> Vec<Engine> {
    let available = Isa::ALL.into_iter().filter(|isa| isa.available());
    available
        .map(|isa| Engine::with_isa(graph, isa).unwrap())
        .collect()
}

/// `shape` values in −1..1 that depend on `seed` and nothing else.
fn noise(shape: &[usize], seed: u32) -> Tensor {
    let n: usize = shape.iter().product();
    let value = |i: u32| {
        let mut h = i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(0x9e37_79b9);
        h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
        h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
        (h ^ (h >> 15)) as f32 / (u32::MAX / 2) as f32 - 1.0
    };
    let values: Vec<f32> = (0..n as u32).map(value).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
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
