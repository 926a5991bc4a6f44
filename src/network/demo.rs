//! The demo's own small network: four blocks in Inception's manner, trained by this program on the synthetic world.
//!
//! Its weights are compiled in (`models/demo`), so that an atlas can be made with nothing at hand but the program.
//! Nodes are named as in [`super::inception_v1`]; all channel counts are multiples of 16.

use super::manifest::Manifest;
use super::ops::{Conv, Linear, MaxPool};
use super::weights::{Weights, sha256};
use super::{Channels, Graph, InputSpec, Network, NodeId, Op, Resize, Result};
use crate::images::world::{SIDE, World};
use candle_core::{Device, Tensor};

/// The network's name.
pub const NAME: &str = "demo";
/// The layer that an atlas is made of unless asked otherwise.
pub const DEFAULT_LAYER: &str = "mixed4b";

const WEIGHTS: &[u8] = include_bytes!("../../models/demo/weights.safetensors");

/// Channels of one mixed block: 1×1; 3×3 after its bottleneck; 5×5 after its bottleneck; behind the pool.
struct Mixed {
    name: &'static str,
    direct: usize,
    three: [usize; 2],
    five: [usize; 2],
    pool: usize,
}

const fn mixed(
    name: &'static str,
    direct: usize,
    three: [usize; 2],
    five: [usize; 2],
    pool: usize,
) -> Mixed {
    Mixed {
        name,
        direct,
        three,
        five,
        pool,
    }
}

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
        channels: Channels::Rgb,
        mean: [120.0; 3],
        scale: [60.0; 3],
    }
}

/// What the repository knows about this network: hash, input, layers, classes, how it was trained.
///
/// # Errors
/// Never with the manifest that is compiled in; a test reads it.
pub fn manifest() -> Result<Manifest> {
    let mut manifest = Manifest::parse(include_str!("../../models/demo/model.toml"), "")?;
    manifest.classes = World::classes();
    Ok(manifest)
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
pub fn architecture(
    tensor: &mut dyn FnMut(&str, &[usize]) -> Result<Tensor>,
) -> Result<(Graph, NodeId)> {
    let (graph, last) = Graph::with_input();
    let mut builder = Builder {
        tensor,
        graph,
        last,
        depth: 3,
    };
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
    builder.op("avgpool", Op::GlobalAvgPool)?;
    let n_classes = World::classes().len();
    let linear = Linear {
        weight: (builder.tensor)("logits.weight", &[n_classes, builder.depth])?,
        bias: (builder.tensor)("logits.bias", &[n_classes])?,
    };
    builder.op("logits", Op::Linear(linear))?;
    Ok((builder.graph, builder.last))
}

/// The graph under construction: operators are added behind `last`, which has `depth` channels.
struct Builder<'a> {
    tensor: &'a mut dyn FnMut(&str, &[usize]) -> Result<Tensor>,
    graph: Graph,
    last: NodeId,
    depth: usize,
}

impl Builder<'_> {
    fn op(&mut self, name: &str, op: Op) -> Result<()> {
        self.last = self.graph.push(name, op, &[self.last])?;
        Ok(())
    }

    /// A square convolution with half its kernel as padding, and its ReLU.
    fn conv(&mut self, name: &str, depth: usize, kernel: usize, stride: usize) -> Result<()> {
        let node = format!("{name}_pre_relu");
        let conv = Conv {
            weight: (self.tensor)(
                &format!("{node}.weight"),
                &[depth, self.depth, kernel, kernel],
            )?,
            bias: (self.tensor)(&format!("{node}.bias"), &[depth])?,
            stride: [stride; 2],
            pads: [kernel / 2; 4],
            groups: 1,
        };
        self.op(&node, Op::Conv(conv))?;
        self.op(name, Op::Relu)?;
        self.depth = depth;
        Ok(())
    }

    fn mixed(&mut self, block: &Mixed) -> Result<()> {
        let (input, depth) = (self.last, self.depth);
        let name = block.name;
        let mut branches = Vec::with_capacity(4);
        self.conv(&format!("{name}_1x1"), block.direct, 1, 1)?;
        branches.push(self.last);
        for (kernel, [bottleneck, out]) in [(3, block.three), (5, block.five)] {
            (self.last, self.depth) = (input, depth);
            let branch = format!("{name}_{kernel}x{kernel}");
            self.conv(&format!("{branch}_bottleneck"), bottleneck, 1, 1)?;
            self.conv(&branch, out, kernel, 1)?;
            branches.push(self.last);
        }
        (self.last, self.depth) = (input, depth);
        self.op(&format!("{name}_pool"), max_pool(1))?;
        self.conv(&format!("{name}_pool_reduce"), block.pool, 1, 1)?;
        branches.push(self.last);
        self.last = self.graph.push(name, Op::Concat, &branches)?;
        self.graph.block_ends.push(self.last);
        self.depth = block.direct + block.three[1] + block.five[1] + block.pool;
        Ok(())
    }
}

/// 3×3; with stride 1 padded to keep the size, with stride 2 rounded up.
fn max_pool(stride: usize) -> Op {
    Op::MaxPool(MaxPool {
        kernel: [3; 2],
        stride: [stride; 2],
        pads: [usize::from(stride == 1); 4],
        ceil: stride > 1,
    })
}
