//! A graph with packed weights, independent of image size and taps.

use super::conv::{Dense, Transposed, pack};
use super::pack::{Packed, Slots};
use super::pool::Window;
use crate::network::{Graph, NetworkError, Op, Result, ops};
use std::sync::OnceLock;

/// A node that the fast path can run.
#[derive(Debug)]
pub(super) struct Node {
    pub step: Step,
    pub inputs: Vec<usize>,
    pub slots: Slots,
    /// Planes instead of blocks: only the images, and only when convolutions alone read them.
    pub planar: bool,
    /// `[channels]` per image instead of `[channels][rows][columns]`.
    pub flat: bool,
}

/// An operator with packed weights.
#[derive(Debug)]
pub(super) enum Step {
    Input,
    Conv(Box<Conv>),
    Relu,
    MaxPool(Window),
    MeanPool(Window, bool),
    MapMean,
    Lrn(ops::Lrn),
    Concat,
}

/// A convolution or, on 1 × 1 maps, a fully connected layer.
#[derive(Debug)]
pub(super) struct Conv {
    pub window: Window,
    pub packed: Packed,
    dense: Dense,
    transposed: OnceLock<Transposed>,
    /// A fully connected layer: reads flat nodes.
    pub linear: bool,
}

impl Conv {
    /// The gradient's convolution, packed when first needed.
    pub(super) fn transposed(&self, out: &Node, input: &Node) -> &Transposed {
        self.transposed.get_or_init(|| {
            let before = [self.window.pads[0], self.window.pads[1]];
            let slots = (&out.slots, &input.slots);
            Transposed::new(&self.dense, slots, self.window.stride, before, input.planar)
        })
    }
}

/// Packs every node, `None` when one is not supported.
pub(super) fn build(graph: &Graph) -> Option<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let planar = graph.nodes.iter().all(|node| {
        !node.inputs.iter().any(|input| input.0 == 0) || matches!(node.op, Op::Conv(_))
    });
    for (idx, node) in graph.nodes.iter().enumerate() {
        let inputs: Vec<usize> = node.inputs.iter().map(|input| input.0).collect();
        let sources: Vec<&Node> = inputs.iter().map(|&input| &nodes[input]).collect();
        let single = sources.len() == 1;
        let spatial = single && !sources[0].flat;
        let (step, slots, flat) = match &node.op {
            Op::Input if idx == 0 => (Step::Input, Slots::dense(input_channels(graph)?), false),
            Op::Conv(conv) if spatial => {
                let (conv, slots) = convolution(conv, sources[0])?;
                (Step::Conv(Box::new(conv)), slots, false)
            }
            Op::Relu if single => (Step::Relu, sources[0].slots.clone(), sources[0].flat),
            Op::MaxPool(pool) if spatial && pool.kernel[0] * pool.kernel[1] <= 256 => (
                Step::MaxPool((*pool).into()),
                sources[0].slots.clone(),
                false,
            ),
            Op::AvgPool(pool) if spatial && !pool.ceil => {
                let step = Step::MeanPool((*pool).into(), pool.count_include_pad);
                (step, sources[0].slots.clone(), false)
            }
            Op::GlobalAvgPool if spatial => (Step::MapMean, sources[0].slots.clone(), true),
            // Windows across channels need the channels side by side.
            Op::Lrn(lrn) if spatial && sources[0].slots.is_dense() && lrn.size % 2 == 1 => {
                (Step::Lrn(*lrn), sources[0].slots.clone(), false)
            }
            Op::Concat if !sources.is_empty() => {
                let flat = sources[0].flat;
                if sources.iter().any(|source| source.flat != flat) {
                    return None;
                }
                let slots = Slots::stacked(sources.iter().map(|source| &source.slots));
                (Step::Concat, slots, flat)
            }
            Op::Linear(linear) if single && sources[0].flat => {
                let (conv, slots) = fully_connected(linear, sources[0])?;
                (Step::Conv(Box::new(conv)), slots, true)
            }
            _ => return None,
        };
        nodes.push(Node {
            step,
            inputs,
            slots,
            planar: planar && idx == 0,
            flat,
        });
    }
    Some(nodes)
}

/// Channels of the images, from whatever first knows.
fn input_channels(graph: &Graph) -> Option<usize> {
    let mut channels = None;
    for node in &graph.nodes {
        if let (Op::Conv(conv), true) = (&node.op, node.inputs.iter().any(|id| id.0 == 0)) {
            channels = conv.weight.dims().get(1).copied();
        }
    }
    // Images have three colours; only a graph that begins with something else than a convolution needs this.
    channels.or(Some(3))
}

fn values(tensor: &candle_core::Tensor) -> Option<Vec<f32>> {
    tensor.flatten_all().ok()?.to_vec1().ok()
}

fn convolution(conv: &ops::Conv, source: &Node) -> Option<(Conv, Slots)> {
    let &[out, input, rows, cols] = conv.weight.dims() else {
        return None;
    };
    if conv.groups != 1
        || conv.dilation != [1; 2]
        || input != source.slots.channels()
        || out == 0
        || conv.stride.contains(&0)
    {
        return None;
    }
    let window = Window {
        kernel: [rows, cols],
        stride: conv.stride,
        pads: conv.pads,
        ceil: false,
    };
    let dense = Dense {
        weight: values(&conv.weight)?,
        bias: values(&conv.bias)?,
        kernel: [rows, cols],
    };
    Some(finish(dense, window, out, source, false))
}

fn fully_connected(linear: &ops::Linear, source: &Node) -> Option<(Conv, Slots)> {
    let &[out, input] = linear.weight.dims() else {
        return None;
    };
    if input != source.slots.channels() || out == 0 {
        return None;
    }
    let window = Window {
        kernel: [1, 1],
        stride: [1, 1],
        pads: [0; 4],
        ceil: false,
    };
    let dense = Dense {
        weight: values(&linear.weight)?,
        bias: values(&linear.bias)?,
        kernel: [1, 1],
    };
    Some(finish(dense, window, out, source, true))
}

fn finish(dense: Dense, window: Window, out: usize, source: &Node, linear: bool) -> (Conv, Slots) {
    let slots = Slots::dense(out);
    let packed = pack(&dense, &slots, &source.slots, source.planar);
    let conv = Conv {
        window,
        packed,
        dense,
        transposed: OnceLock::new(),
        linear,
    };
    (conv, slots)
}

/// Rows and columns of a node from those of its inputs.
pub(super) fn output_size(node: &Node, inputs: &[[usize; 2]], name: &str) -> Result<[usize; 2]> {
    let misfit = || {
        let sizes: Vec<String> = inputs.iter().map(|[h, w]| format!("{h}×{w}")).collect();
        NetworkError::BadGraph(format!("{name} does not fit a map of {}", sizes.join(", ")))
    };
    match &node.step {
        Step::Conv(conv) if !conv.linear => conv.window.outputs(inputs[0]).ok_or_else(misfit),
        Step::MaxPool(window) | Step::MeanPool(window, _) => {
            window.output(inputs[0]).ok_or_else(misfit)
        }
        Step::MapMean => Ok([1, 1]),
        Step::Concat if inputs.iter().any(|size| *size != inputs[0]) => Err(misfit()),
        Step::Input | Step::Conv(_) | Step::Relu | Step::Lrn(_) | Step::Concat => Ok(inputs[0]),
    }
}
