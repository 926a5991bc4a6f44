//! Running a plan over one image.

mod back;

use super::conv::{Finish, Geometry, Mode, Scratch, convolve, depthwise};
use super::curve;
use super::model::{Kind, Node, Pairing, Step};
use super::plan::{Plan, Planned, View};
use super::pointwise::{
    Affine, Change, Clamp, Combine, Lrn, LrnTask, MapMean, Move, clear_unused, to_blocks, to_planes,
};
use super::pool::{MeanForward, Window};
use super::simd::{Inside, MaxForward, Start};
use super::{GROUP, MOST_TOGETHER};
use crate::network::rules::{Saved, apply};
use crate::network::{Graph, NetworkError, Result};
use candle_core::{Device, Tensor};

/// Buffers of one thread, kept from call to call.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    images: Vec<Buffers>,
    scratch: Scratch,
}

impl Workspace {
    /// Buffers of the first `n` images, and the scratch that they share.
    fn split(&mut self, n: usize) -> (&mut [Buffers], &mut Scratch) {
        if self.images.len() < n {
            self.images.resize_with(n, Buffers::default);
        }
        (&mut self.images[..n], &mut self.scratch)
    }
}

/// Buffers of one image.
#[derive(Debug, Default)]
struct Buffers {
    values: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    /// Values, on the way back cotangents, of the nodes that are no blocks.
    tensors: Vec<Option<Tensor>>,
}

/// What a step leaves for the way back and for tangents.
pub(super) enum Record {
    /// Nothing: the step is linear.
    Nothing,
    /// Which outputs lie between the limits.
    Signs(Vec<u16>),
    /// Winners of a max pool.
    Winners(Vec<u8>),
    /// The input.
    Values(Vec<f32>),
    /// Both inputs, and the output's signs when it has limits.
    Both([Vec<f32>; 2], Vec<u16>),
    /// What candle's operator needs, and its inputs.
    Plain(Saved, Vec<Tensor>),
}

impl Record {
    /// What it takes in memory; tensors are shared with nobody once the forward pass is over.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Signs(bits) => 2 * bits.len(),
            Self::Winners(winners) => winners.len(),
            Self::Values(values) => 4 * values.len(),
            Self::Both([a, b], bits) => 4 * (a.len() + b.len()) + 2 * bits.len(),
            Self::Plain(_, inputs) => 8 * inputs.iter().map(Tensor::elem_count).sum::<usize>(),
        }
    }
}

/// Everything that running a plan needs besides buffers.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub graph: &'a Graph,
    pub nodes: &'a [Node],
    pub plan: &'a Plan,
    pub mode: Mode,
}

/// Makes sure that there are buffers of at least these lengths.
fn grow(buffers: &mut Vec<Vec<f32>>, lengths: &[usize]) {
    if buffers.len() < lengths.len() {
        buffers.resize_with(lengths.len(), Vec::new);
    }
    for (buffer, &len) in buffers.iter_mut().zip(lengths) {
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
    }
}

/// One view to read and another, disjoint one to write.
fn pair(buffers: &mut [Vec<f32>], from: View, to: View) -> (&[f32], &mut [f32]) {
    if from.buffer == to.buffer {
        let buffer = &mut buffers[from.buffer];
        if from.start < to.start {
            let (low, high) = buffer.split_at_mut(to.start);
            (&low[from.range()], &mut high[..to.len])
        } else {
            let (low, high) = buffer.split_at_mut(from.start);
            (&high[..from.len], &mut low[to.range()])
        }
    } else {
        // The two vectors are different ones.
        let low = from.buffer.min(to.buffer);
        let (left, right) = buffers.split_at_mut(low + 1);
        let other = &mut right[from.buffer.max(to.buffer) - low - 1];
        if from.buffer < to.buffer {
            (&left[low][from.range()], &mut other[to.range()])
        } else {
            (&other[from.range()], &mut left[low][to.range()])
        }
    }
}

/// For each input of a concatenation at `whole`: where it stands and where its part is.
fn parts(node: &Node, whole: View, places: &[Option<View>]) -> Vec<(View, View)> {
    let mut start = whole.start;
    let mut parts = Vec::with_capacity(node.inputs.len());
    for from in node.inputs.iter().filter_map(|&input| places[input]) {
        let (buffer, len) = (whole.buffer, from.len);
        parts.push((from, View { buffer, start, len }));
        start += len;
    }
    parts
}

/// What a plan must not lack.
fn missing(idx: usize) -> NetworkError {
    NetworkError::BadGraph(format!("the value of node {idx} is not at hand"))
}

impl Runner<'_> {
    /// How many images of a batch run together on a thread.
    pub(super) fn group(&self, batch: usize) -> usize {
        if self.mode.parallel {
            return 1;
        }
        let buffers = self.plan.buffers.iter().chain(&self.plan.gradient_buffers);
        let room = GROUP / buffers.sum::<usize>().max(1);
        // On a thread of the pool the others have their own work.
        let alone = rayon::current_thread_index().is_none();
        let threads = if alone {
            rayon::current_num_threads()
        } else {
            1
        };
        let share = batch.div_ceil(threads);
        share.min(MOST_TOGETHER).min(room).max(1)
    }

    /// Runs all steps on some images, `planes` being the start node's channels × pixels of each. `seen` gets each
    /// computed node of each image (its place comes first) with its values, channels × pixels in the node's layout or
    /// as a tensor, right after its step; `tapes`, when given, one for each image, what the way back needs.
    ///
    /// # Errors
    /// Those of candle's operators.
    pub(super) fn forward(
        &self,
        workspace: &mut Workspace,
        planes: &[&[f32]],
        mut tapes: Option<&mut [Vec<Record>]>,
        seen: &mut dyn FnMut(usize, usize, Seen),
    ) -> Result<()> {
        let (images, scratch) = workspace.split(planes.len());
        for buffers in &mut *images {
            grow(&mut buffers.values, &self.plan.buffers);
            buffers.tensors.clear();
            buffers.tensors.resize(self.nodes.len(), None);
        }
        let keep = tapes.is_some();
        for stretch in &self.plan.stretches {
            let first = stretch.steps.start;
            if stretch.together && images.len() > 1 && first > 0 {
                let step = self.plan.steps[first];
                let records = self.together(images, scratch, step, keep);
                for (which, (buffers, record)) in images.iter().zip(records).enumerate() {
                    if let Some(tapes) = tapes.as_deref_mut() {
                        tapes[which].push(record);
                    }
                    self.show(buffers, step.out, &mut |idx, value| seen(which, idx, value));
                }
                continue;
            }
            for (which, buffers) in images.iter_mut().enumerate() {
                for when in stretch.steps.clone() {
                    let record = self.one(buffers, scratch, when, planes[which], keep)?;
                    if let Some(tapes) = tapes.as_deref_mut() {
                        tapes[which].push(record);
                    }
                    let out = self.plan.steps[when].out;
                    self.show(buffers, out, &mut |idx, value| seen(which, idx, value));
                }
            }
        }
        for buffers in images {
            buffers.tensors.clear();
        }
        Ok(())
    }

    /// One step of one image.
    fn one(
        &self,
        buffers: &mut Buffers,
        scratch: &mut Scratch,
        when: usize,
        planes: &[f32],
        keep: bool,
    ) -> Result<Record> {
        let step = self.plan.steps[when];
        match self.plan.places[step.out] {
            Some(place) if when == 0 => {
                let node = &self.nodes[step.node];
                let size = self.plan.sizes[step.node];
                let values = &mut buffers.values[place.buffer][place.range()];
                if node.planar {
                    values.copy_from_slice(planes);
                } else {
                    to_blocks(planes, &node.slots, size[0] * size[1], values);
                }
                Ok(Record::Nothing)
            }
            Some(place) if !matches!(self.nodes[step.node].step, Step::Plain) => {
                Ok(self.step(buffers, scratch, step, place, keep))
            }
            _ => self.plain(buffers, step.node, keep),
        }
    }

    /// Shows a computed value.
    fn show(&self, buffers: &Buffers, idx: usize, seen: &mut dyn FnMut(usize, Seen)) {
        match (self.plan.places[idx], &buffers.tensors[idx]) {
            (Some(place), _) => seen(
                idx,
                Seen::Blocks(&buffers.values[place.buffer][place.range()]),
            ),
            (None, Some(tensor)) => seen(idx, Seen::Tensor(tensor)),
            (None, None) => {}
        }
    }

    /// A convolution of all images.
    fn together(
        &self,
        images: &mut [Buffers],
        scratch: &mut Scratch,
        step: Planned,
        keep: bool,
    ) -> Vec<Record> {
        let node = &self.nodes[step.node];
        let input = node.inputs[0];
        let places = (self.plan.places[input], self.plan.places[step.out]);
        let (Step::Conv(conv), (Some(from), Some(to))) = (&node.step, places) else {
            return images.iter().map(|_| Record::Nothing).collect();
        };
        let at = self.geometry(&conv.window, input, step.out);
        let pairs = images.iter_mut();
        let mut pairs: Vec<_> = pairs
            .map(|buffers| pair(&mut buffers.values, from, to))
            .collect();
        let finish = finish(step);
        convolve(self.mode, &conv.packed, &at, &mut pairs, finish, scratch);
        let outputs = pairs.iter();
        outputs
            .map(|(_, y)| self.limits(step.clamp, keep, y))
            .collect()
    }

    /// A node by candle's operators, between blocks.
    fn plain(&self, workspace: &mut Buffers, idx: usize, keep: bool) -> Result<Record> {
        let node = &self.nodes[idx];
        let inputs = node.inputs.iter().map(|&input| {
            if let Some(tensor) = &workspace.tensors[input] {
                return Ok(tensor.clone());
            }
            let place = self.plan.places[input].ok_or_else(|| missing(input))?;
            self.tensor(input, &workspace.values[place.buffer][place.range()])
        });
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let borrowed: Vec<&Tensor> = inputs.iter().collect();
        let op = &self.graph.nodes[idx].op;
        let value = apply(op, &borrowed)?;
        let record = if keep {
            Record::Plain(Saved::of(op, &borrowed, &value), inputs)
        } else {
            Record::Nothing
        };
        match self.plan.places[idx] {
            Some(place) => {
                let to = &mut workspace.values[place.buffer][place.range()];
                self.blocks(idx, &value, to)?;
            }
            None => workspace.tensors[idx] = Some(value),
        }
        Ok(record)
    }

    /// A value in blocks (or planes) as a tensor of batch 1.
    pub(super) fn tensor(&self, idx: usize, values: &[f32]) -> Result<Tensor> {
        let [rows, cols] = self.plan.sizes[idx];
        let node = &self.nodes[idx];
        let channels = node.slots.channels();
        let mut planes = vec![0.0; channels * rows * cols];
        if node.planar {
            planes.copy_from_slice(values);
        } else {
            to_planes(values, &node.slots, rows * cols, &mut planes);
        }
        let device = Device::Cpu;
        Ok(match node.kind {
            Kind::Flat => Tensor::from_vec(planes, (1, channels), &device)?,
            _ => Tensor::from_vec(planes, (1, channels, rows, cols), &device)?,
        })
    }

    /// A tensor of batch 1 into blocks (or planes).
    pub(super) fn blocks(&self, idx: usize, value: &Tensor, to: &mut [f32]) -> Result<()> {
        let [rows, cols] = self.plan.sizes[idx];
        let node = &self.nodes[idx];
        let planes: Vec<f32> = value.flatten_all()?.to_vec1()?;
        if planes.len() != node.slots.channels() * rows * cols {
            return Err(NetworkError::BadGraph(format!(
                "{} gave {:?} where {} × {rows} × {cols} was planned",
                self.graph.nodes[idx].name,
                value.dims(),
                node.slots.channels()
            )));
        }
        if node.planar {
            to.copy_from_slice(&planes);
        } else {
            to_blocks(&planes, &node.slots, rows * cols, to);
        }
        Ok(())
    }

    /// Where windows lie on the part of the map that is held.
    fn geometry(&self, window: &Window, input: usize, out: usize) -> Geometry {
        let (from, to) = (self.plan.origins[input], self.plan.origins[out]);
        Geometry {
            input: self.plan.sizes[input],
            before: [0, 1].map(|axis| {
                let first = to[axis] * window.stride[axis];
                (window.pads[axis] + from[axis]) as isize - first as isize
            }),
            output: self.plan.sizes[out],
            stride: window.stride,
            dilation: window.dilation,
        }
    }

    /// The windows of a pool likewise.
    fn window(&self, window: &Window, input: usize, out: usize) -> Window {
        let (from, to) = (self.plan.origins[input], self.plan.origins[out]);
        Window {
            skip: [0, 1].map(|axis| to[axis] * window.stride[axis] - from[axis]),
            ..*window
        }
    }

    fn pixels(&self, idx: usize) -> usize {
        self.plan.sizes[idx][0] * self.plan.sizes[idx][1]
    }

    fn step(
        &self,
        workspace: &mut Buffers,
        scratch: &mut Scratch,
        step: Planned,
        to: View,
        keep: bool,
    ) -> Record {
        let node = &self.nodes[step.node];
        match &node.step {
            Step::Concat => {
                self.gather(workspace, node, to);
                return Record::Nothing;
            }
            Step::Pair(pairing) => return self.couple(workspace, *pairing, step, to, keep),
            _ => {}
        }
        let input = node.inputs[0];
        let Some(from) = self.plan.places[input] else {
            return Record::Nothing;
        };
        let isa = self.mode.isa;
        let (x, y) = pair(&mut workspace.values, from, to);
        match &node.step {
            Step::Conv(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let image = &mut [(x, &mut *y)];
                convolve(self.mode, &conv.packed, &at, image, finish(step), scratch);
                self.limits(step.clamp, keep, y)
            }
            Step::Depthwise(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let weights = (&conv.window, conv.weights.as_slice());
                let out = (&mut *y, Start::Bias(&conv.bias), step.clamp);
                depthwise(isa, weights, &at, x, out, scratch);
                self.limits(step.clamp, keep, y)
            }
            &Step::Clamp(low, high) => {
                let limits = (low, high);
                isa.run(Clamp {
                    limits,
                    x: Some(x),
                    y: &mut *y,
                });
                if low > 0.0 || high < 0.0 {
                    clear_unused(&node.slots, self.pixels(step.out), y);
                }
                self.limits(Some(limits), keep, y)
            }
            rest => {
                let task = (rest, input, step.out);
                self.simple(task, x, y, keep)
            }
        }
    }

    /// Steps without weights of their own.
    fn simple(
        &self,
        (step, input, out): (&Step, usize, usize),
        x: &[f32],
        y: &mut [f32],
        keep: bool,
    ) -> Record {
        let isa = self.mode.isa;
        let pixels = self.pixels(input);
        let (input_size, output_size) = (self.plan.sizes[input], self.plan.sizes[out]);
        match step {
            &Step::Curve(curve) => {
                isa.run(curve::Apply {
                    curve,
                    x,
                    y: &mut *y,
                });
                clear_unused(&self.nodes[out].slots, pixels, y);
                return kept(keep, x);
            }
            Step::Affine(lanes) => isa.run(Affine {
                mul: &lanes[0],
                add: Some(&lanes[1]),
                pixels,
                x,
                y,
                onto: false,
            }),
            Step::MaxPool(window) => {
                let mut winners = vec![0; if keep { y.len() } else { 0 }];
                let task = MaxForward {
                    window: &self.window(window, input, out),
                    input: input_size,
                    output: output_size,
                    x,
                    y,
                    winners: &mut winners,
                };
                task.run(isa);
                if keep {
                    return Record::Winners(winners);
                }
            }
            Step::MeanPool(window, counts_padding) => isa.run(MeanForward {
                window,
                counts_padding: *counts_padding,
                input: input_size,
                output: output_size,
                x,
                y,
            }),
            Step::MapMean => isa.run(MapMean {
                pixels,
                share: 1.0 / pixels as f32,
                x,
                y,
            }),
            Step::Lrn(lrn) => {
                Lrn {
                    parameters: lrn,
                    channels: self.nodes[out].slots.channels(),
                    pixels,
                    x,
                    task: LrnTask::Forward(y),
                }
                .compute(isa);
                return kept(keep, x);
            }
            Step::Same => y.copy_from_slice(x),
            _ => {}
        }
        Record::Nothing
    }

    /// The record of a step with limits.
    fn limits(&self, limits: Option<(f32, f32)>, keep: bool, y: &[f32]) -> Record {
        match limits {
            Some(limits) if keep => Record::Signs(Inside { limits, y }.run(self.mode.isa)),
            _ => Record::Nothing,
        }
    }

    /// Two values: a copy of the larger, changed by the other.
    fn couple(
        &self,
        workspace: &mut Buffers,
        pairing: Pairing,
        step: Planned,
        to: View,
        keep: bool,
    ) -> Record {
        let inputs = &self.nodes[step.node].inputs;
        let [Some(a), Some(b)] = [0, 1].map(|i| self.plan.places[inputs[i]]) else {
            return Record::Nothing;
        };
        let isa = self.mode.isa;
        let turned = a.len < b.len;
        let (large, small) = if turned { (b, a) } else { (a, b) };
        let change = match (pairing, turned) {
            (Pairing::Add, _) => Change::Add,
            (Pairing::Sub, false) => Change::Sub,
            (Pairing::Sub, true) => Change::From,
            (Pairing::Mul, _) => Change::Mul,
        };
        let (from, y) = pair(&mut workspace.values, large, to);
        y.copy_from_slice(from);
        let (x, y) = pair(&mut workspace.values, small, to);
        isa.run(Combine {
            change,
            pixels: self.pixels(step.out),
            x,
            w: &[],
            y: &mut *y,
        });
        if let Some(limits) = step.clamp {
            isa.run(Clamp {
                limits,
                x: None,
                y: &mut *y,
            });
        }
        let signs = match self.limits(step.clamp, keep, y) {
            Record::Signs(bits) => bits,
            _ => Vec::new(),
        };
        match (keep, pairing) {
            (false, _) => Record::Nothing,
            (true, Pairing::Mul) => {
                let values = |at: View| workspace.values[at.buffer][at.range()].to_vec();
                Record::Both([values(a), values(b)], signs)
            }
            (true, _) if signs.is_empty() => Record::Nothing,
            (true, _) => Record::Signs(signs),
        }
    }

    /// Copies those inputs of a concatenation that were not computed in their place.
    fn gather(&self, workspace: &mut Buffers, node: &Node, to: View) {
        for (from, part) in parts(node, to, &self.plan.places) {
            if from != part {
                let (from, to) = pair(&mut workspace.values, from, part);
                let add = false;
                self.mode.isa.run(Move { from, to, add });
            }
        }
    }
}

/// What becomes of a convolution's sums.
fn finish(step: Planned) -> Finish {
    match step.clamp {
        Some((low, high)) => Finish::BiasClamp(low, high),
        None => Finish::Bias,
    }
}

/// A computed value.
pub(super) enum Seen<'a> {
    /// In the node's own layout.
    Blocks(&'a [f32]),
    /// Of a node that is no blocks.
    Tensor(&'a Tensor),
}

/// The record of a step that needs its input again.
fn kept(keep: bool, x: &[f32]) -> Record {
    if keep {
        Record::Values(x.to_vec())
    } else {
        Record::Nothing
    }
}
