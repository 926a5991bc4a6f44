//! GoogLeNet with batch normalisation, as torchvision ported it from TensorFlow: the "5×5" branch has a 3×3 kernel, and
//! the last pool is 2×2.

use super::{Builder, same};
use crate::network::{Op, Result};

/// The batch normalisation's ε.
const EPSILON: f64 = 1e-3;

/// Name; channels of the 1×1 branch, of the 3×3 branch with its bottleneck, of the "5×5" branch likewise, and behind
/// the pool.
type Block = (&'static str, usize, [usize; 2], [usize; 2], usize);

const BLOCKS: [Block; 9] = [
    ("inception3a", 64, [96, 128], [16, 32], 32),
    ("inception3b", 128, [128, 192], [32, 96], 64),
    ("inception4a", 192, [96, 208], [16, 48], 64),
    ("inception4b", 160, [112, 224], [24, 64], 64),
    ("inception4c", 128, [128, 256], [24, 64], 64),
    ("inception4d", 112, [144, 288], [32, 64], 64),
    ("inception4e", 256, [160, 320], [32, 128], 128),
    ("inception5a", 256, [160, 320], [32, 128], 128),
    ("inception5b", 384, [192, 384], [48, 128], 128),
];

pub(super) fn googlenet(builder: &mut Builder<'_, '_>) -> Result<()> {
    basic(builder, "conv1", 64, 7, 2)?;
    builder.max_pool("maxpool1", 3, 2, 0, true)?;
    basic(builder, "conv2", 64, 1, 1)?;
    basic(builder, "conv3", 192, 3, 1)?;
    builder.max_pool("maxpool2", 3, 2, 0, true)?;
    for (name, direct, three, five, pool) in BLOCKS {
        match name {
            "inception4a" => builder.max_pool("maxpool3", 3, 2, 0, true)?,
            "inception5a" => builder.max_pool("maxpool4", 2, 2, 0, true)?,
            _ => (),
        }
        let (input, depth) = (builder.last, builder.depth);
        let mut branches = Vec::with_capacity(4);
        basic(builder, &format!("{name}.branch1"), direct, 1, 1)?;
        branches.push(builder.last);
        for (branch, [bottleneck, out]) in [(2, three), (3, five)] {
            (builder.last, builder.depth) = (input, depth);
            basic(
                builder,
                &format!("{name}.branch{branch}.0"),
                bottleneck,
                1,
                1,
            )?;
            basic(builder, &format!("{name}.branch{branch}.1"), out, 3, 1)?;
            branches.push(builder.last);
        }
        (builder.last, builder.depth) = (input, depth);
        builder.max_pool(&format!("{name}.branch4.0"), 3, 1, 1, true)?;
        basic(builder, &format!("{name}.branch4.1"), pool, 1, 1)?;
        branches.push(builder.last);
        builder.last = builder.graph.push(name, Op::Concat, &branches)?;
        builder.depth = direct + three[1] + five[1] + pool;
        builder.block_end();
    }
    builder.classifier("fc")
}

/// Convolution, batch normalisation, ReLU; the ReLU carries the module's name.
fn basic(
    builder: &mut Builder<'_, '_>,
    name: &str,
    depth: usize,
    kernel: usize,
    stride: usize,
) -> Result<()> {
    let (conv, norm) = (format!("{name}.conv"), format!("{name}.bn"));
    builder.conv_norm(&conv, &norm, depth, same(kernel, stride), EPSILON)?;
    builder.relu(name)
}
