//! The network against PyTorch's numbers, against its own rules, and against what bad files hold.

mod accuracy;
mod rules;
mod truth;
mod weights;

use atlascope::network::{Network, inception_v1};
use candle_core::{Device, Tensor};

/// The bytes of InceptionV1's weights, where the data are at hand.
fn inception_weights() -> Option<Vec<u8>> {
    let data = crate::support::data("InceptionV1")?;
    Some(std::fs::read(data.join("inception_v1/weights.safetensors")).unwrap())
}

fn inception() -> Option<Network> {
    let bytes = inception_weights()?;
    Some(inception_v1::load(&bytes, &Device::Cpu).unwrap())
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

/// ⟨a, b⟩ in double precision.
fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let products = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum()
}
