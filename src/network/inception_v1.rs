//! InceptionV1 (GoogLeNet, Szegedy et al. 2014) with the weights that BVLC trained for Caffe.
//!
//! Nodes carry the names that lucid gave its own InceptionV1 (`conv2d0`, `mixed4d_3x3_bottleneck`, …), which the
//! atlases' literature uses; what is here differs from that network as Caffe's training does: symmetric padding with
//! pools rounded up, 208 channels in `mixed4a_3x3`, LRN of five channels, classes in the order of their WordNet
//! ids.

use super::inception::{Builder, Mixed, Parameters, max_pool, mixed};
use super::manifest::Manifest;
use super::ops::Lrn;
use super::weights::{Weights, sha256};
use super::{Graph, Network, NodeId, Op, Result};
use candle_core::Device;

/// The network's name.
pub const NAME: &str = "inception_v1";

const BLOCKS: [Mixed; 9] = [
    mixed("mixed3a", 64, [96, 128], [16, 32], 32),
    mixed("mixed3b", 128, [128, 192], [32, 96], 64),
    mixed("mixed4a", 192, [96, 208], [16, 48], 64),
    mixed("mixed4b", 160, [112, 224], [24, 64], 64),
    mixed("mixed4c", 128, [128, 256], [24, 64], 64),
    mixed("mixed4d", 112, [144, 288], [32, 64], 64),
    mixed("mixed4e", 256, [160, 320], [32, 128], 128),
    mixed("mixed5a", 256, [160, 320], [32, 128], 128),
    mixed("mixed5b", 384, [192, 384], [48, 128], 128),
];

/// What the repository knows about this network: source, hash, input, layers, classes.
///
/// # Errors
/// Never with the manifest that is compiled in; a test reads it.
pub fn manifest() -> Result<Manifest> {
    Manifest::parse(
        include_str!("../../models/inception_v1/model.toml"),
        include_str!("../../models/inception_v1/classes.tsv"),
    )
}

/// The network from the bytes of its safetensors file.
///
/// # Errors
/// Bytes that are no safetensors file, and tensors that are missing, unknown or of another shape.
pub fn load(bytes: &[u8], device: &Device) -> Result<Network> {
    let manifest = manifest()?;
    let mut weights = Weights::open(bytes, device)?;
    let (graph, logits) = architecture(
        &mut |name, shape| weights.take(name, shape),
        manifest.classes.len(),
    )?;
    weights.finish()?;
    Network::new(NAME, graph, manifest.input, device.clone())?
        .with_classes(logits, manifest.classes)
        .map(|network| network.with_weights_sha256(sha256(bytes)))
}

fn architecture<'a>(tensor: &'a mut Parameters<'a>, n_classes: usize) -> Result<(Graph, NodeId)> {
    let lrn = Op::Lrn(Lrn {
        size: 5,
        alpha: 1e-4,
        beta: 0.75,
        k: 1.0,
    });
    let mut builder = Builder::new(tensor, "_conv");
    builder.conv("conv2d0", 64, 7, 2)?;
    builder.op("maxpool0", max_pool(2))?;
    builder.op("localresponsenorm0", lrn.clone())?;
    builder.conv("conv2d1", 64, 1, 1)?;
    builder.conv("conv2d2", 192, 3, 1)?;
    builder.op("localresponsenorm1", lrn)?;
    builder.op("maxpool1", max_pool(2))?;
    for block in &BLOCKS {
        // lucid numbers its pools by their place among all pools of the network.
        match block.name {
            "mixed4a" => builder.op("maxpool4", max_pool(2))?,
            "mixed5a" => builder.op("maxpool10", max_pool(2))?,
            _ => (),
        }
        builder.mixed(block)?;
    }
    builder.classifier("softmax2_pre_activation_matmul", n_classes)?;
    Ok((builder.graph, builder.last))
}
