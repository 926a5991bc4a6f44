//! InceptionV1 (GoogLeNet, Szegedy et al. 2014) with the weights that BVLC trained for Caffe, or those of Google.
//!
//! Nodes carry the names that lucid gave its own InceptionV1 (`conv2d0`, `mixed4d_3x3_bottleneck`, …), which the
//! atlases' literature uses. BVLC's network differs from Google's (lucid's) as Caffe differs from TensorFlow: symmetric
//! padding with pools rounded up, 208 channels in `mixed4a_3x3`, LRN of five channels, classes in the order of
//! their WordNet ids.

use super::catalogue::{self, Made};
use super::inception::{Builder, Mixed, Parameters, mixed};
use super::manifest::Manifest;
use super::ops::{Lrn, MaxPool};
use super::weights::Weights;
use super::{Network, Op, Result};
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
    Manifest::parse(include_str!("../../models/inception_v1/model.toml"))
}

/// The network from the bytes of its safetensors file.
///
/// # Errors
/// Bytes that are no safetensors file, and tensors that are missing, unknown or of another shape.
pub fn load(bytes: &[u8], device: &Device) -> Result<Network> {
    let manifest = manifest()?;
    let classes = catalogue::classes(&manifest.classes)?;
    catalogue::build(&manifest, manifest.input, classes, bytes, device)
}

/// The graph and its logits from the bytes of BVLC's weights.
pub(super) fn graph(bytes: &[u8], device: &Device) -> Result<Made> {
    let mut weights = Weights::open(bytes, device)?;
    let made = architecture(&mut |name, shape| weights.take(name, shape), &BVLC)?;
    weights.finish()?;
    Ok(made)
}

/// The same from Google's weights. Only the classifier at the end is made, not the two beside the trunk.
pub(super) fn google_graph(bytes: &[u8], device: &Device) -> Result<Made> {
    let mut weights = Weights::open(bytes, device)?;
    weights.ignore(|name| name.starts_with("head0") || name.starts_with("head1"));
    let made = architecture(&mut |name, shape| weights.take(name, shape), &GOOGLE)?;
    weights.finish()?;
    Ok(made)
}

/// In what the two trainings differ.
struct Variant {
    /// Channels of the 3×3 branch of `mixed4a`.
    mixed4a: usize,
    /// Channels before the 5×5 branch of `mixed5a`.
    mixed5a: usize,
    lrn: Lrn,
    /// Padding at top, left, bottom, right of the first convolution.
    first: [usize; 4],
    /// Padding of pools that halve the size, and whether the size is rounded up.
    pool: ([usize; 4], bool),
    outputs: usize,
}

/// Caffe: symmetric padding, pools rounded up; its LRN divides α by the window.
const BVLC: Variant = Variant {
    mixed4a: 208,
    mixed5a: 32,
    lrn: Lrn {
        size: 5,
        alpha: 1e-4,
        beta: 0.75,
        k: 1.0,
    },
    first: [3; 4],
    pool: ([0; 4], true),
    outputs: 1000,
};

/// TensorFlow: an odd pixel of padding comes last, as at all even sizes; its LRN of radius 5 does not divide α = 1e-4
/// by the window of 11.
const GOOGLE: Variant = Variant {
    mixed4a: 204,
    mixed5a: 48,
    lrn: Lrn {
        size: 11,
        alpha: 11e-4,
        beta: 0.5,
        k: 2.0,
    },
    first: [2, 2, 3, 3],
    pool: ([0, 0, 1, 1], false),
    outputs: 1008,
};

fn architecture<'a>(tensor: &'a mut Parameters<'a>, variant: &Variant) -> Result<Made> {
    let lrn = Op::Lrn(variant.lrn);
    let halve = || {
        Op::MaxPool(MaxPool {
            kernel: [3; 2],
            stride: [2; 2],
            pads: variant.pool.0,
            ceil: variant.pool.1,
        })
    };
    let mut builder = Builder::new(tensor, "_conv");
    builder.conv_padded("conv2d0", 64, (7, 2), variant.first)?;
    builder.op("maxpool0", halve())?;
    builder.op("localresponsenorm0", lrn.clone())?;
    builder.conv("conv2d1", 64, 1, 1)?;
    builder.conv("conv2d2", 192, 3, 1)?;
    builder.op("localresponsenorm1", lrn)?;
    builder.op("maxpool1", halve())?;
    for block in &BLOCKS {
        // lucid numbers its pools by their place among all pools of the network.
        match block.name {
            "mixed4a" => {
                builder.op("maxpool4", halve())?;
                builder.mixed(&block.with_three(variant.mixed4a))?;
            }
            "mixed5a" => {
                builder.op("maxpool10", halve())?;
                builder.mixed(&block.with_five_bottleneck(variant.mixed5a))?;
            }
            _ => builder.mixed(block)?,
        }
    }
    builder.classifier("softmax2_pre_activation_matmul", variant.outputs)?;
    Ok((builder.graph, builder.last))
}
