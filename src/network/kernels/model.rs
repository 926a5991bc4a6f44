//! A graph with packed weights, independent of image size and taps.
//!
//! Every node gets a [`Step`]. Those that the fast path knows work on blocks; the others are [`Step::Plain`]: candle's
//! operators run them, between blocks that are unpacked for them and packed again.

use super::conv::{Dense, Transposed, pack};
use super::curve::Curve;
use super::pack::{Packed, Slots};
use super::pool::Window;
use super::simd::LANES;
use crate::network::{Extent, Graph, Op, ops};
use std::sync::OnceLock;

/// What a node's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[channels][rows][columns]` per image, in blocks.
    Map,
    /// `[channels]` per image, in blocks of one pixel.
    Flat,
    /// Any other tensor.
    Free,
}

/// A node as the fast path runs it.
#[derive(Debug)]
pub(super) struct Node {
    pub step: Step,
    /// What it reads. Not the graph's: a padding is read past by its convolutions.
    pub inputs: Vec<usize>,
    /// Of a value in blocks.
    pub slots: Slots,
    /// Planes instead of blocks: only the images, and only when convolutions alone read them.
    pub planar: bool,
    pub kind: Kind,
}

/// An operator with packed weights.
#[derive(Debug)]
pub(super) enum Step {
    Input,
    Conv(Box<Conv>),
    Depthwise(Box<Depthwise>),
    /// Held between two values: ReLU and its like.
    Clamp(f32, f32),
    /// A smooth function of one number.
    Curve(Curve),
    /// A factor and a summand per lane.
    Affine(Box<[Vec<f32>; 2]>),
    MaxPool(Window),
    MeanPool(Window, bool),
    MapMean,
    Lrn(ops::Lrn),
    Concat,
    /// Two nodes, one of which may have one pixel for all of the other's.
    Pair(Pairing),
    /// The same values, as a map of one pixel or without positions.
    Same,
    /// Candle's operators.
    Plain,
}

/// How two values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pairing {
    Add,
    Sub,
    Mul,
}

/// A convolution or, on 1 × 1 maps, a fully connected layer.
#[derive(Debug)]
pub(super) struct Conv {
    pub window: Window,
    pub packed: Packed,
    dense: Dense,
    transposed: OnceLock<Transposed>,
}

impl Conv {
    /// The gradient's convolution, packed when first needed.
    pub(super) fn transposed(&self, out: &Node, input: &Node) -> &Transposed {
        self.transposed.get_or_init(|| {
            let slots = (&out.slots, &input.slots);
            Transposed::new(&self.dense, slots, &self.window, input.planar)
        })
    }
}

/// A convolution of each channel with a kernel of its own.
#[derive(Debug)]
pub(super) struct Depthwise {
    pub window: Window,
    /// `[blocks][kernel rows][kernel columns][LANES]`.
    pub weights: Vec<f32>,
    /// The same with the kernel turned by 180°.
    pub turned: Vec<f32>,
    /// One value per lane.
    pub bias: Vec<f32>,
}

/// Packs every node; `extents` are the nodes' values at some image size.
pub(super) fn build(graph: &Graph, extents: &[Extent]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let planar = graph.nodes.iter().all(|node| {
        !node.inputs.iter().any(|input| input.0 == 0)
            || matches!(&node.op, Op::Conv(conv) if conv.groups == 1)
    });
    for (idx, extent) in extents.iter().enumerate() {
        let kind = match (extent.map_size(), extent.dims.as_slice()) {
            (Some(_), _) => Kind::Map,
            (None, [_]) => Kind::Flat,
            _ => Kind::Free,
        };
        let inputs: Vec<usize> = graph.nodes[idx].inputs.iter().map(|id| id.0).collect();
        let packed = Packer {
            graph,
            nodes: &nodes,
            extents,
            extent,
            kind,
        }
        .step(idx, &inputs);
        let node = match packed {
            Some((step, slots, source)) => Node {
                step,
                inputs: source.map_or(inputs, |source| vec![source]),
                slots,
                planar: planar && idx == 0,
                kind,
            },
            None => Node {
                step: Step::Plain,
                inputs,
                slots: match kind {
                    Kind::Free => Slots::dense(0),
                    _ => Slots::dense(extent.dims[0]),
                },
                planar: false,
                kind,
            },
        };
        nodes.push(node);
    }
    nodes
}

/// One node on its way into blocks.
struct Packer<'a> {
    graph: &'a Graph,
    /// Those before it.
    nodes: &'a [Node],
    /// Of all nodes.
    extents: &'a [Extent],
    extent: &'a Extent,
    kind: Kind,
}

/// A step, where its channels stand, and what it reads instead of its input.
type Found = (Step, Slots, Option<usize>);

impl Packer<'_> {
    /// `None` where the fast path cannot do it.
    fn step(&self, idx: usize, inputs: &[usize]) -> Option<Found> {
        let op = &self.graph.nodes[idx].op;
        if idx == 0 {
            return Some((Step::Input, Slots::dense(self.extent.dims[0]), None));
        }
        let sources: Vec<&Node> = inputs.iter().map(|&input| &self.nodes[input]).collect();
        let free = sources.iter().any(|source| source.kind == Kind::Free);
        if free || self.kind == Kind::Free {
            return None;
        }
        match (op, sources.as_slice()) {
            (Op::Concat, [first, ..]) => {
                let alike = sources.iter().all(|source| source.kind == first.kind);
                let slots = Slots::stacked(sources.iter().map(|source| &source.slots));
                alike.then_some((Step::Concat, slots, None))
            }
            (Op::Binary(binary), [a, b]) => {
                let pairing = match binary {
                    ops::Binary::Add => Pairing::Add,
                    ops::Binary::Sub => Pairing::Sub,
                    ops::Binary::Mul => Pairing::Mul,
                    _ => return None,
                };
                // A row or a column that stands for a whole map is left to candle.
                let [of_a, of_b] = [inputs[0], inputs[1]].map(|idx| self.extents[idx].map_size());
                let sizes = of_a == of_b || of_a == Some((1, 1)) || of_b == Some((1, 1));
                let fits = a.slots == b.slots && a.kind == b.kind && sizes;
                fits.then(|| (Step::Pair(pairing), a.slots.clone(), None))
            }
            (Op::Conv(conv), [_]) => self.conv(conv, inputs[0]),
            (op, [source]) => {
                let (step, slots) = self.of_one(op, source)?;
                Some((step, slots, None))
            }
            _ => None,
        }
    }

    fn conv(&self, conv: &ops::Conv, input: usize) -> Option<Found> {
        let mut conv = conv.clone();
        let source = self.bare(input, &mut conv.pads);
        let node = &self.nodes[source];
        if node.kind != Kind::Map {
            return None;
        }
        let (step, slots) = depthwise(&conv, node).or_else(|| convolution(&conv, node))?;
        Some((step, slots, Some(source)))
    }

    /// Past paddings with zeros, which become the convolution's own.
    fn bare(&self, mut input: usize, pads: &mut [usize; 4]) -> usize {
        while let Op::Pad(pad) = &self.graph.nodes[input].op {
            let &[(0, 0), (0, 0), rows, cols] = pad.ends.as_slice() else {
                break;
            };
            let ends = [rows.0, cols.0, rows.1, cols.1];
            if pad.value != 0.0 || ends.iter().any(|end| *end < 0) {
                break;
            }
            for (pad, end) in pads.iter_mut().zip(ends) {
                *pad += end as usize;
            }
            input = self.graph.nodes[input].inputs[0].0;
        }
        input
    }

    /// Operators with one input.
    fn of_one(&self, op: &Op, source: &Node) -> Option<(Step, Slots)> {
        let map = source.kind == Kind::Map;
        let keep = |step: Step| Some((step, source.slots.clone()));
        match op {
            Op::Relu => keep(Step::Clamp(0.0, f32::INFINITY)),
            Op::Unary(ops::Unary::Clip { min, max }) if min <= max => keep(Step::Clamp(*min, *max)),
            Op::Unary(unary) => keep(Step::Curve(Curve::of(unary)?)),
            Op::Affine(affine) => {
                let lanes = |values| spread(values, &source.slots);
                let pair = [lanes(&affine.mul)?, lanes(&affine.add)?];
                keep(Step::Affine(Box::new(pair)))
            }
            Op::MaxPool(pool) if map && pool.kernel[0] * pool.kernel[1] <= 256 => {
                keep(Step::MaxPool((*pool).into()))
            }
            Op::AvgPool(pool) if map => {
                keep(Step::MeanPool((*pool).into(), pool.count_include_pad))
            }
            Op::GlobalAvgPool if map => keep(Step::MapMean),
            Op::Reduce(reduce) if map && reduce.is_map_mean() => keep(Step::MapMean),
            // Windows across channels need the channels side by side.
            Op::Lrn(lrn) if map && source.slots.is_dense() && lrn.size % 2 == 1 => {
                keep(Step::Lrn(*lrn))
            }
            Op::Linear(linear) if source.kind == Kind::Flat => fully_connected(linear, source),
            // A map of one pixel, or what was one.
            Op::Reshape(_) => {
                let one = self.extent.map_size().is_none_or(|size| size == (1, 1));
                let same = self.extent.dims[0] == source.slots.channels();
                (one && same && source.kind != self.kind)
                    .then(|| (Step::Same, source.slots.clone()))
            }
            _ => None,
        }
    }
}

fn values(tensor: &candle_core::Tensor) -> Option<Vec<f32>> {
    tensor.flatten_all().ok()?.to_vec1().ok()
}

/// One value per channel, or one for all, by lane; 0 in unused lanes.
fn spread(tensor: &candle_core::Tensor, slots: &Slots) -> Option<Vec<f32>> {
    let values = values(tensor)?;
    let mut lanes = vec![0.0; slots.blocks * LANES];
    for (channel, &slot) in slots.of_channel.iter().enumerate() {
        let value = values.get(if values.len() == 1 { 0 } else { channel });
        lanes[slot as usize] = *value?;
    }
    Some(lanes)
}

fn window(conv: &ops::Conv) -> Option<Window> {
    let &[_, _, rows, cols] = conv.weight.dims() else {
        return None;
    };
    let fine = rows * cols > 0 && !conv.stride.contains(&0) && !conv.dilation.contains(&0);
    fine.then_some(Window {
        kernel: [rows, cols],
        stride: conv.stride,
        pads: conv.pads,
        dilation: conv.dilation,
        skip: [0, 0],
    })
}

fn depthwise(conv: &ops::Conv, source: &Node) -> Option<(Step, Slots)> {
    let channels = source.slots.channels();
    if conv.groups != channels || conv.weight.dims()[..2] != [channels, 1] || source.planar {
        return None;
    }
    let window = window(conv)?;
    let taps = window.kernel[0] * window.kernel[1];
    let dense = values(&conv.weight)?;
    let mut weights = vec![0.0; source.slots.blocks * taps * LANES];
    let mut turned = weights.clone();
    for (kernel, &slot) in dense.chunks_exact(taps).zip(&source.slots.of_channel) {
        let (block, lane) = (slot as usize / LANES, slot as usize % LANES);
        for (tap, &value) in kernel.iter().enumerate() {
            weights[(block * taps + tap) * LANES + lane] = value;
            turned[(block * taps + taps - 1 - tap) * LANES + lane] = value;
        }
    }
    let step = Depthwise {
        window,
        weights,
        turned,
        bias: spread(&conv.bias, &source.slots)?,
    };
    Some((Step::Depthwise(Box::new(step)), source.slots.clone()))
}

fn convolution(conv: &ops::Conv, source: &Node) -> Option<(Step, Slots)> {
    let &[out, input, ..] = conv.weight.dims() else {
        return None;
    };
    let groups = conv.groups;
    let channels = source.slots.channels();
    if groups == 0 || input * groups != channels || out % groups != 0 || out * input == 0 {
        return None;
    }
    let window = window(conv)?;
    let dense = Dense {
        weight: values(&conv.weight)?,
        bias: values(&conv.bias)?,
        kernel: window.kernel,
        groups,
    };
    Some(finish(dense, window, out, source))
}

fn fully_connected(linear: &ops::Linear, source: &Node) -> Option<(Step, Slots)> {
    let &[out, input] = linear.weight.dims() else {
        return None;
    };
    if input != source.slots.channels() || out * input == 0 {
        return None;
    }
    let window = Window {
        kernel: [1, 1],
        stride: [1, 1],
        pads: [0; 4],
        dilation: [1, 1],
        skip: [0, 0],
    };
    let dense = Dense {
        weight: values(&linear.weight)?,
        bias: values(&linear.bias)?,
        kernel: [1, 1],
        groups: 1,
    };
    Some(finish(dense, window, out, source))
}

fn finish(dense: Dense, window: Window, out: usize, source: &Node) -> (Step, Slots) {
    let slots = Slots::dense(out);
    let packed = pack(&dense, &slots, &source.slots, source.planar);
    let conv = Conv {
        window,
        packed,
        dense,
        transposed: OnceLock::new(),
    };
    (Step::Conv(Box::new(conv)), slots)
}
