//! The demo's own small network: four blocks in Inception's manner, trained by this program on the synthetic world.
//!
//! Its weights are compiled in (`models/demo`), so that an atlas can be made with nothing at hand but the program.
//! Nodes are named as in [`super::inception_v1`]; all channel counts are multiples of 16.

use super::inception::{Builder, Mixed, max_pool, mixed};
use super::manifest::Manifest;
use super::weights::{Weights, sha256};
use super::{Channels, Graph, InputSpec, Network, NodeId, Resize, Result};
use crate::images::world::{SIDE, World};
use candle_core::{Device, Tensor};

/// The network's name.
pub const NAME: &str = "demo";
/// The layer that an atlas is made of unless asked otherwise.
pub const DEFAULT_LAYER: &str = "mixed4b";

/// The weights that are compiled in, as safetensors.
pub const WEIGHTS: &[u8] = include_bytes!("../../models/demo/weights.safetensors");

const BLOCKS: [Mixed; 4] = [
    mixed("mixed3a", 16, [16, 32], [16, 16], 16),
    mixed("mixed4a", 32, [32, 48], [16, 16], 16),
    mixed("mixed4b", 48, [32, 64], [16, 32], 32),
    mixed("mixed5a", 96, [48, 96], [16, 32], 32),
];

/// The preprocessing: RGB, about −2..2.
pub fn input() -> InputSpec {
    InputSpec {
        size: SIDE,
        resize: Resize::Crop { via: SIDE },
        filter: crate::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [120.0; 3],
        scale: [60.0; 3],
    }
}

/// What the repository knows about this network: hash, input, layers, how it was trained.
///
/// # Errors
/// Never with the manifest that is compiled in; a test reads it.
pub fn manifest() -> Result<Manifest> {
    Manifest::parse(include_str!("../../models/demo/model.toml"))
}

/// The trained network from the weights that are compiled in.
///
/// # Errors
/// Never with weights that belong to this program; a test loads them.
pub fn load(device: &Device) -> Result<Network> {
    from_bytes(WEIGHTS, device)
}

/// The network from the bytes of a safetensors file, as the trainer writes them.
///
/// # Errors
/// Bytes that are no safetensors file, and tensors that are missing, unknown or of another shape.
pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Network> {
    let mut weights = Weights::open(bytes, device)?;
    let (graph, logits) = architecture(&mut |name, shape| weights.take(name, shape))?;
    weights.finish()?;
    Network::new(NAME, graph, input(), device.clone())?
        .with_classes(logits, World::classes())
        .map(|network| network.with_weights_sha256(sha256(bytes)))
}

/// The graph and its logits; `tensor` supplies the parameter of this name and shape.
///
/// # Errors
/// What `tensor` fails with.
pub fn architecture<'a>(
    tensor: &'a mut (dyn FnMut(&str, &[usize]) -> Result<Tensor> + 'a),
) -> Result<(Graph, NodeId)> {
    let mut builder = Builder::new(tensor, "");
    builder.conv("conv2d0", 32, 5, 2)?;
    builder.op("maxpool0", max_pool(2))?;
    builder.conv("conv2d1", 64, 3, 1)?;
    for block in &BLOCKS {
        // Every stage starts at half the size of the one before.
        match block.name {
            "mixed4a" => builder.op("maxpool3", max_pool(2))?,
            "mixed5a" => builder.op("maxpool4", max_pool(2))?,
            _ => (),
        }
        builder.mixed(block)?;
    }
    builder.classifier("logits", World::classes().len())?;
    Ok((builder.graph, builder.last))
}
