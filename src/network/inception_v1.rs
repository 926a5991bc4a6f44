//! InceptionV1 (GoogLeNet, Szegedy et al. 2014) with the weights that BVLC trained for Caffe.
//!
//! Nodes carry the names that lucid gave its own InceptionV1 (`conv2d0`, `mixed4d_3x3_bottleneck`, …), which the
//! atlases' literature uses; what is here differs from that network as Caffe's training does: symmetric padding with
//! pools rounded up, 208 channels in `mixed4a_3x3`, LRN of five channels, classes in the order of their WordNet
//! ids.

use super::manifest::Manifest;
use super::ops::{Conv, Linear, Lrn, MaxPool};
use super::weights::{Weights, sha256};
use super::{Graph, Network, NodeId, Op, Result};
use candle_core::Device;

/// The network's name.
pub const NAME: &str = "inception_v1";

/// Channels of one mixed block.
struct Mixed {
    name: &'static str,
    /// The 1×1 branch.
    direct: usize,
    /// The 3×3 branch: channels of its 1×1 bottleneck and its own.
    three: [usize; 2],
    /// The 5×5 branch, likewise.
    five: [usize; 2],
    /// The 1×1 behind the 3×3 max pool.
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
    let mut builder = Builder {
        weights: Weights::open(bytes, device)?,
        graph: Graph::default(),
        last: NodeId(0),
        depth: 3,
    };
    let logits = builder.network(manifest.classes.len())?;
    let Builder { weights, graph, .. } = builder;
    weights.finish()?;
    Network::new(NAME, graph, manifest.input, device.clone())?
        .with_classes(logits, manifest.classes)
        .map(|network| network.with_weights_sha256(sha256(bytes)))
}

/// The graph under construction: operators are added behind `last`, which has `depth` channels.
struct Builder<'a> {
    weights: Weights<'a>,
    graph: Graph,
    last: NodeId,
    depth: usize,
}

impl Builder<'_> {
    fn network(&mut self, n_classes: usize) -> Result<NodeId> {
        (self.graph, self.last) = Graph::with_input();
        let lrn = Op::Lrn(Lrn {
            size: 5,
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
        });
        self.conv("conv2d0", 64, 7, 2)?;
        self.op("maxpool0", max_pool(2))?;
        self.op("localresponsenorm0", lrn.clone())?;
        self.conv("conv2d1", 64, 1, 1)?;
        self.conv("conv2d2", 192, 3, 1)?;
        self.op("localresponsenorm1", lrn)?;
        self.op("maxpool1", max_pool(2))?;
        for block in &BLOCKS {
            // lucid numbers its pools by their place among all pools of the network.
            match block.name {
                "mixed4a" => self.op("maxpool4", max_pool(2))?,
                "mixed5a" => self.op("maxpool10", max_pool(2))?,
                _ => (),
            }
            self.mixed(block)?;
        }
        self.op("avgpool", Op::GlobalAvgPool)?;
        let linear = Linear {
            weight: self.weights.take(
                "softmax2_pre_activation_matmul.weight",
                &[n_classes, self.depth],
            )?,
            bias: self
                .weights
                .take("softmax2_pre_activation_matmul.bias", &[n_classes])?,
        };
        self.op("logits", Op::Linear(linear))?;
        Ok(self.last)
    }

    fn op(&mut self, name: &str, op: Op) -> Result<()> {
        self.last = self.graph.push(name, op, &[self.last])?;
        Ok(())
    }

    /// A square convolution with half its kernel as padding, and its ReLU.
    fn conv(&mut self, name: &str, depth: usize, kernel: usize, stride: usize) -> Result<()> {
        let conv = Conv {
            weight: self.weights.take(
                &format!("{name}_pre_relu_conv.weight"),
                &[depth, self.depth, kernel, kernel],
            )?,
            bias: self
                .weights
                .take(&format!("{name}_pre_relu_conv.bias"), &[depth])?,
            stride: [stride; 2],
            pads: [kernel / 2; 4],
            groups: 1,
        };
        self.op(&format!("{name}_pre_relu"), Op::Conv(conv))?;
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

/// 3×3; with stride 1 padded to keep the size, with stride 2 rounded up as Caffe does.
fn max_pool(stride: usize) -> Op {
    Op::MaxPool(MaxPool {
        kernel: [3; 2],
        stride: [stride; 2],
        pads: [usize::from(stride == 1); 4],
        ceil: stride > 1,
    })
}
