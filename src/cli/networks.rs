//! Networks by name, and devices by name.

use super::Failure;
use crate::network::{Compute, Network, demo, inception_v1};
use anyhow::Context as _;
use candle_core::Device;
use std::path::Path;

/// Names that `--network` takes.
pub(super) const NAMES: [&str; 2] = ["inception_v1", "demo"];

/// Loads a network, with the layers that an atlas is made of unless others are asked for.
pub(super) fn load(
    name: &str,
    weights: Option<&Path>,
    device: &Device,
    compute: Compute,
) -> Result<(Network, Vec<String>), Failure> {
    let (network, layers) = match name {
        "demo" => (demo::load(device)?, vec![demo::DEFAULT_LAYER.to_owned()]),
        "inception_v1" => {
            let Some(path) = weights else {
                return Err(Failure::usage("inception_v1 needs its weights")
                    .hint("give --weights FILE, the BVLC GoogLeNet weights as safetensors"));
            };
            let bytes =
                std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let network =
                inception_v1::load(&bytes, device).with_context(|| path.display().to_string())?;
            (network, inception_v1::manifest()?.default_layers)
        }
        other => {
            return Err(Failure::usage(format!("no network named {other}"))
                .hint(format!("known networks: {}", NAMES.join(", "))));
        }
    };
    Ok((network.with_compute(compute), layers))
}

/// The device called `name`, with the name that the recipe records.
pub(super) fn device(name: &str) -> Result<(Device, String), Failure> {
    let index = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| Failure::usage(format!("device number {text:?} is not a number")))
    };
    let device = match name.split_once(':').unwrap_or((name, "0")) {
        ("auto", _) => Device::cuda_if_available(0).unwrap_or(Device::Cpu),
        ("cpu", _) => Device::Cpu,
        ("cuda", number) => {
            let number = index(number)?;
            Device::new_cuda(number).map_err(|error| no_device(name, "cuda", &error))?
        }
        ("metal", number) => {
            let number = index(number)?;
            Device::new_metal(number).map_err(|error| no_device(name, "metal", &error))?
        }
        _ => {
            return Err(Failure::usage(format!("no device named {name}"))
                .hint("devices: auto, cpu, cuda, cuda:N, metal"));
        }
    };
    let label = match &device {
        Device::Cpu => "cpu".to_owned(),
        other if other.is_cuda() => format!(
            "cuda:{}",
            name.split_once(':').map_or("0", |(_, number)| number)
        ),
        _ => "metal".to_owned(),
    };
    Ok((device, label))
}

fn no_device(name: &str, feature: &str, error: &candle_core::Error) -> Failure {
    // candle's errors carry a backtrace on further lines; the first says it all.
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Failure::failed(format!("device {name} cannot be used: {first}"))
        .hint(format!("a build with `--features {feature}` and the device's toolkit is needed; --device cpu always works"))
}
