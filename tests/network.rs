//! The network against PyTorch's numbers, against its own rules, and against what bad files hold.

mod accuracy;
mod end;
mod hostile;
mod odd;
mod onnx;
mod reference_case;
mod rules;
mod torchvision;
pub(crate) mod transformer;
mod truth;
mod weights;

use crate::support::{noise, values};
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

/// ⟨a, b⟩ in double precision.
fn dot(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let products = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b));
    products.sum()
}
