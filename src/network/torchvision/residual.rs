//! The networks with shortcuts: ResNet and MobileNet V2.

use super::{Builder, Shape, same};
use crate::network::ops::{Binary, Unary};
use crate::network::{NodeId, Op, Result};

/// The batch normalisation's ε.
const EPSILON: f64 = 1e-5;

/// What a ResNet is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3 (with the stride), and 1×1 to four times the channels.
    Bottleneck,
}

pub(super) fn resnet(builder: &mut Builder<'_, '_>, block: Block, sizes: [usize; 4]) -> Result<()> {
    builder.conv_norm("conv1", "bn1", 64, same(7, 2), EPSILON)?;
    builder.relu("relu")?;
    builder.max_pool("maxpool", 3, 2, 1, false)?;
    for (stage, n_blocks) in sizes.into_iter().enumerate() {
        let width = 64 << stage;
        for index in 0..n_blocks {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let name = format!("layer{}.{index}", stage + 1);
            residual(builder, &name, block, width, stride)?;
        }
    }
    builder.classifier("fc")
}

/// One block; its last ReLU carries the module's name.
fn residual(
    builder: &mut Builder<'_, '_>,
    name: &str,
    block: Block,
    width: usize,
    stride: usize,
) -> Result<()> {
    let (input, depth) = (builder.last, builder.depth);
    let (convolutions, out) = match block {
        Block::Basic => (vec![(width, same(3, stride)), (width, same(3, 1))], width),
        Block::Bottleneck => {
            let out = 4 * width;
            let convolutions = vec![
                (width, same(1, 1)),
                (width, same(3, stride)),
                (out, same(1, 1)),
            ];
            (convolutions, out)
        }
    };
    let n = convolutions.len();
    for (index, (depth, shape)) in convolutions.into_iter().enumerate() {
        let number = index + 1;
        let (conv, norm) = (format!("{name}.conv{number}"), format!("{name}.bn{number}"));
        builder.conv_norm(&conv, &norm, depth, shape, EPSILON)?;
        if number < n {
            builder.relu(&format!("{name}.relu{number}"))?;
        }
    }
    let through = builder.last;
    (builder.last, builder.depth) = (input, depth);
    if stride != 1 || depth != out {
        let shortcut = format!("{name}.downsample");
        let (conv, norm) = (format!("{shortcut}.0"), format!("{shortcut}.1"));
        builder.conv_norm(&conv, &norm, out, same(1, stride), EPSILON)?;
    }
    add(builder, &format!("{name}.add"), through)?;
    builder.relu(name)?;
    builder.block_end();
    Ok(())
}

/// `through` plus what was built last.
fn add(builder: &mut Builder<'_, '_>, name: &str, through: NodeId) -> Result<()> {
    builder.last = builder
        .graph
        .push(name, Op::Binary(Binary::Add), &[through, builder.last])?;
    Ok(())
}

/// Expansion, channels, repetitions, first stride.
const INVERTED: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

pub(super) fn mobilenet_v2(builder: &mut Builder<'_, '_>) -> Result<()> {
    norm_relu6(builder, "features.0", 32, same(3, 2))?;
    let mut index = 1;
    for (expansion, depth, n, first) in INVERTED {
        for repetition in 0..n {
            let stride = if repetition == 0 { first } else { 1 };
            inverted(builder, index, expansion, depth, stride)?;
            index += 1;
        }
    }
    norm_relu6(builder, &format!("features.{index}"), 1280, same(1, 1))?;
    builder.block_end();
    builder.classifier("classifier.1")
}

/// One inverted residual; its last node carries the module's name.
fn inverted(
    builder: &mut Builder<'_, '_>,
    index: usize,
    expansion: usize,
    depth: usize,
    stride: usize,
) -> Result<()> {
    let name = format!("features.{index}");
    let (input, input_depth) = (builder.last, builder.depth);
    let hidden = input_depth * expansion;
    let mut part = 0;
    if expansion != 1 {
        norm_relu6(builder, &format!("{name}.conv.{part}"), hidden, same(1, 1))?;
        part += 1;
    }
    let depthwise = Shape {
        groups: hidden,
        ..same(3, stride)
    };
    norm_relu6(builder, &format!("{name}.conv.{part}"), hidden, depthwise)?;
    let (conv, norm) = (
        format!("{name}.conv.{}", part + 1),
        format!("{name}.conv.{}", part + 2),
    );
    builder.conv_norm(&conv, &norm, depth, same(1, 1), EPSILON)?;
    if stride == 1 && input_depth == depth {
        let through = builder.last;
        builder.last = input;
        add(builder, &name, through)?;
    }
    builder.block_end();
    Ok(())
}

/// `NAME.0` convolution, `NAME.1` batch normalisation, ReLU up to 6, which carries the name.
fn norm_relu6(builder: &mut Builder<'_, '_>, name: &str, depth: usize, shape: Shape) -> Result<()> {
    let (conv, norm) = (format!("{name}.0"), format!("{name}.1"));
    builder.conv_norm(&conv, &norm, depth, shape, EPSILON)?;
    let clip = Unary::Clip { min: 0.0, max: 6.0 };
    builder.op(name, Op::Unary(clip))
}
