//! What several test modules need.

pub(crate) mod terminal;

use candle_core::{Device, Tensor};
use std::path::PathBuf;

/// The folder with trained networks and photographs (`ATLASCOPE_DATA`), or `None` with a line that says what is
/// skipped.
#[allow(dead_code, reason = "used by the modules that need real data")]
pub(crate) fn data(what: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("ATLASCOPE_DATA").map(PathBuf::from);
    let found = folder.and_then(|folder| folder.canonicalize().ok());
    if found.is_none() {
        println!("skipped: {what} needs ATLASCOPE_DATA");
    }
    found
}

/// `shape` values in −1..1 that depend on `seed` and nothing else.
pub(crate) fn noise(shape: &[usize], seed: u32) -> Tensor {
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

/// A tensor's values in row-major order.
pub(crate) fn values(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}
