//! The networks without shortcuts: VGG and SqueezeNet.

use super::{Builder, Shape, same};
use crate::network::ops::Conv;
use crate::network::{NetworkError, Op, Result};

/// VGG-16's channels; 0 is a pool.
const VGG16: [usize; 18] = [
    64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0,
];

/// The fully connected layers become convolutions, the first with a kernel as large as the last map, so that all of it
/// stays a map with positions until the logits.
pub(super) fn vgg16(builder: &mut Builder<'_, '_>) -> Result<()> {
    let mut index = 0;
    for depth in VGG16 {
        if depth == 0 {
            builder.block_end();
            builder.max_pool(&format!("features.{index}"), 2, 2, 0, false)?;
            index += 1;
        } else {
            builder.conv(&format!("features.{index}"), depth, same(3, 1))?;
            builder.relu(&format!("features.{}", index + 1))?;
            index += 2;
        }
    }
    for (name, kernel, relu) in [
        ("classifier.0", 7, Some("classifier.1")),
        ("classifier.3", 1, Some("classifier.4")),
        ("classifier.6", 1, None),
    ] {
        let outputs = builder.outputs(name);
        let inputs = builder.depth * kernel * kernel;
        let weight = builder
            .weights
            .take(&format!("{name}.weight"), &[outputs, inputs])?;
        let conv = Conv {
            weight: weight.reshape((outputs, builder.depth, kernel, kernel))?,
            bias: builder.weights.take(&format!("{name}.bias"), &[outputs])?,
            stride: [1; 2],
            pads: [0; 4],
            dilation: [1; 2],
            groups: 1,
        };
        builder.op(name, Op::Conv(conv))?;
        builder.depth = outputs;
        if let Some(relu) = relu {
            builder.relu(relu)?;
        }
    }
    // One position at 224 × 224; torchvision's adaptive pool does something else at other sizes.
    builder.op("logits", Op::GlobalAvgPool)
}

/// Squeezed channels and those of each half of the expansion.
const FIRES: [(usize, usize, usize); 8] = [
    (3, 16, 64),
    (4, 16, 64),
    (6, 32, 128),
    (7, 32, 128),
    (9, 48, 192),
    (10, 48, 192),
    (11, 64, 256),
    (12, 64, 256),
];

pub(super) fn squeezenet1_1(builder: &mut Builder<'_, '_>) -> Result<()> {
    let first = Shape {
        pad: 0,
        ..same(3, 2)
    };
    builder.conv("features.0", 64, first)?;
    builder.relu("features.1")?;
    builder.max_pool("features.2", 3, 2, 0, true)?;
    for (index, squeezed, half) in FIRES {
        if matches!(index, 6 | 9) {
            builder.max_pool(&format!("features.{}", index - 1), 3, 2, 0, true)?;
        }
        let name = format!("features.{index}");
        builder.conv(&format!("{name}.squeeze"), squeezed, same(1, 1))?;
        builder.relu(&format!("{name}.squeeze_activation"))?;
        let (input, depth) = (builder.last, builder.depth);
        let mut halves = Vec::with_capacity(2);
        for (part, kernel) in [("expand1x1", 1), ("expand3x3", 3)] {
            (builder.last, builder.depth) = (input, depth);
            builder.conv(&format!("{name}.{part}"), half, same(kernel, 1))?;
            builder.relu(&format!("{name}.{part}_activation"))?;
            halves.push(builder.last);
        }
        builder.last = builder.graph.push(name, Op::Concat, &halves)?;
        builder.depth = 2 * half;
        builder.block_end();
    }
    let outputs = builder.outputs("classifier.1");
    if outputs == 0 {
        return Err(NetworkError::BadWeights("classifier.1 is empty".to_owned()));
    }
    builder.conv("classifier.1", outputs, same(1, 1))?;
    builder.relu("classifier.2")?;
    builder.op("classifier.3", Op::GlobalAvgPool)
}
