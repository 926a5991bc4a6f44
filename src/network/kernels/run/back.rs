//! The way back: from a tap's cotangent to the start node's gradient.

use super::super::conv::{Scratch, depthwise_back};
use super::super::curve;
use super::super::model::{Kind, Node, Pairing, Step};
use super::super::plan::{Planned, View};
use super::super::pointwise::{
    Affine, Change, Collect, Combine, Lrn, LrnTask, MapSpread, Mask, Move, to_blocks, to_planes,
};
use super::super::pool::MeanBackward;
use super::super::simd::MaxBackward;
use super::{Buffers, Record, Runner, Workspace, grow, pair, parts};
use crate::network::Result;
use crate::network::rules::pull;
use candle_core::Tensor;

impl Runner<'_> {
    /// Pulls the tap's cotangents, one for each tape, back to the start node, into `gradients` (channels × pixels).
    ///
    /// # Errors
    /// Those of candle's operators.
    pub(in super::super) fn backward(
        &self,
        workspace: &mut Workspace,
        tapes: &[Vec<Record>],
        (tap, cotangents): (usize, &[&[f32]]),
        gradients: &mut [&mut [f32]],
    ) -> Result<()> {
        let plan = self.plan;
        let (images, scratch) = workspace.split(tapes.len());
        for (buffers, cotangent) in images.iter_mut().zip(cotangents) {
            grow(&mut buffers.gradients, &plan.gradient_buffers);
            buffers.tensors.clear();
            buffers.tensors.resize(self.nodes.len(), None);
            self.begin(buffers, (tap, cotangent))?;
        }
        let mut written = vec![false; self.nodes.len()];
        written[plan.root(tap)] = true;
        for stretch in plan.stretches.iter().rev() {
            let first = stretch.steps.start;
            if stretch.together && images.len() > 1 && first > 0 {
                self.together_back(images, scratch, (first, tapes), &mut written);
                continue;
            }
            // Each image goes through the same states.
            let before = written.clone();
            for (buffers, tape) in images.iter_mut().zip(tapes) {
                written.clone_from(&before);
                for when in stretch.steps.clone().rev().filter(|&when| when > 0) {
                    let (step, record) = (plan.steps[when], &tape[when]);
                    self.mask(buffers, step, record);
                    match record {
                        Record::Plain(..) => {
                            self.plain_back(buffers, step, record, &mut written)?;
                        }
                        _ => self.step_back(buffers, scratch, (step, record), &mut written),
                    }
                }
            }
        }
        for (buffers, gradient) in images.iter_mut().zip(gradients) {
            self.end(buffers, written[plan.root(plan.steps[0].out)], gradient);
            buffers.tensors.clear();
        }
        Ok(())
    }

    /// Puts an image's cotangent in its place.
    fn begin(&self, workspace: &mut Buffers, (tap, cotangent): (usize, &[f32])) -> Result<()> {
        match (self.plan.gradients[tap], &self.plan.extents[tap]) {
            (Some(place), _) => {
                let values = &mut workspace.gradients[place.buffer][place.range()];
                if self.nodes[tap].planar {
                    values.copy_from_slice(cotangent);
                } else {
                    to_blocks(cotangent, &self.nodes[tap].slots, self.pixels(tap), values);
                }
            }
            (None, Some(extent)) => {
                let dims = [&[1], extent.dims.as_slice()].concat();
                let tensor = Tensor::from_slice(cotangent, dims, &candle_core::Device::Cpu)?;
                workspace.tensors[tap] = Some(tensor);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Reads an image's gradient at the start node.
    fn end(&self, workspace: &Buffers, written: bool, gradient: &mut [f32]) {
        let start = self.plan.steps[0].out;
        let Some(place) = self.plan.gradients[start] else {
            return;
        };
        if !written {
            gradient.fill(0.0);
            return;
        }
        let values = &workspace.gradients[place.buffer][place.range()];
        if self.nodes[start].planar {
            gradient.copy_from_slice(values);
        } else {
            let slots = &self.nodes[start].slots;
            to_planes(values, slots, self.pixels(start), gradient);
        }
    }

    /// Nothing goes back where a step's limits held its output.
    fn mask(&self, workspace: &mut Buffers, step: Planned, record: &Record) {
        if let (Some(place), Record::Signs(bits) | Record::Both(_, bits), true) =
            (self.plan.gradients[step.out], record, step.clamp.is_some())
        {
            let g = &mut workspace.gradients[place.buffer][place.range()];
            self.mode.isa.run(Mask { bits, g });
        }
    }

    /// A convolution of all images.
    fn together_back(
        &self,
        images: &mut [Buffers],
        scratch: &mut Scratch,
        (when, tapes): (usize, &[Vec<Record>]),
        written: &mut [bool],
    ) {
        let step = self.plan.steps[when];
        let node = &self.nodes[step.node];
        let input = node.inputs[0];
        let places = (self.plan.gradients[step.out], self.plan.gradients[input]);
        let (Step::Conv(conv), (Some(from), Some(to))) = (&node.step, places) else {
            return;
        };
        let before = written.to_vec();
        let mut add = false;
        for (buffers, tape) in images.iter_mut().zip(tapes) {
            self.mask(buffers, step, &tape[when]);
            written.copy_from_slice(&before);
            add = self.adds(buffers, input, written);
        }
        let pairs = images.iter_mut();
        let mut pairs: Vec<_> = pairs
            .map(|buffers| pair(&mut buffers.gradients, from, to))
            .collect();
        let at = self.geometry(&conv.window, input, step.out);
        let transposed = conv.transposed(node, &self.nodes[input]);
        transposed.run(self.mode, &at, &mut pairs, add, scratch);
    }

    /// Whether a write to the gradient of `input` must add; clears the buffer before the first of several
    /// writers of parts.
    fn adds(&self, workspace: &mut Buffers, input: usize, written: &mut [bool]) -> bool {
        let root = self.plan.root(input);
        if written[root] {
            return true;
        }
        written[root] = true;
        if let (true, Some(place)) = (self.plan.zero_first[root], self.plan.gradients[root]) {
            workspace.gradients[place.buffer][place.range()].fill(0.0);
            return true;
        }
        false
    }

    /// Adds the cotangents of those inputs of a concatenation that were not computed in their place.
    fn scatter(&self, workspace: &mut Buffers, node: &Node, whole: View, written: &mut [bool]) {
        let parts = parts(node, whole, &self.plan.gradients);
        for (&input, (to, part)) in node.inputs.iter().zip(parts) {
            if to != part {
                let add = self.adds(workspace, input, written);
                let (from, to) = pair(&mut workspace.gradients, part, to);
                self.mode.isa.run(Move { from, to, add });
            }
        }
    }

    /// A step of candle's operators.
    fn plain_back(
        &self,
        workspace: &mut Buffers,
        step: Planned,
        record: &Record,
        written: &mut [bool],
    ) -> Result<()> {
        let Record::Plain(saved, _) = record else {
            return Ok(());
        };
        let cotangent = match self.plan.gradients[step.out] {
            Some(place) => {
                let values = &workspace.gradients[place.buffer][place.range()];
                self.tensor(step.out, values)?
            }
            None => match workspace.tensors[step.out].take() {
                Some(tensor) => tensor,
                // Nothing downstream depends on it.
                None => return Ok(()),
            },
        };
        let node = &self.nodes[step.node];
        let parts = pull(&self.graph.nodes[step.node].op, saved, &cotangent)?;
        for (&input, part) in node.inputs.iter().zip(parts) {
            if self.nodes[input].kind == Kind::Free {
                let slot = &mut workspace.tensors[input];
                *slot = Some(match slot.take() {
                    Some(sum) => (sum + part)?,
                    None => part,
                });
            } else if let Some(place) = self.plan.gradients[input] {
                let add = self.adds(workspace, input, written);
                let mut from = vec![0.0; place.len];
                self.blocks(input, &part, &mut from)?;
                let to = &mut workspace.gradients[place.buffer][place.range()];
                let from = &from;
                self.mode.isa.run(Move { from, to, add });
            }
        }
        Ok(())
    }

    fn step_back(
        &self,
        workspace: &mut Buffers,
        scratch: &mut Scratch,
        (step, record): (Planned, &Record),
        written: &mut [bool],
    ) {
        let node = &self.nodes[step.node];
        let Some(from) = self.plan.gradients[step.out] else {
            return;
        };
        match &node.step {
            Step::Concat => {
                self.scatter(workspace, node, from, written);
                return;
            }
            Step::Pair(pairing) => {
                self.uncouple(workspace, *pairing, step, record, written);
                return;
            }
            _ => {}
        }
        let input = node.inputs[0];
        let Some(to) = self.plan.gradients[input] else {
            return;
        };
        let add = self.adds(workspace, input, written);
        let isa = self.mode.isa;
        let (g, gx) = pair(&mut workspace.gradients, from, to);
        match &node.step {
            Step::Conv(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let transposed = conv.transposed(node, &self.nodes[input]);
                transposed.run(self.mode, &at, &mut [(g, gx)], add, scratch);
            }
            Step::Depthwise(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let weights = (&conv.window, conv.turned.as_slice());
                depthwise_back(isa, weights, &at, g, (gx, add), scratch);
            }
            rest => self.simple_back((rest, input, step.out), record, g, (gx, add)),
        }
    }

    /// Steps without weights of their own.
    fn simple_back(
        &self,
        (step, input, out): (&Step, usize, usize),
        record: &Record,
        g: &[f32],
        (gx, add): (&mut [f32], bool),
    ) {
        let isa = self.mode.isa;
        let (input_size, output_size) = (self.plan.sizes[input], self.plan.sizes[out]);
        let pixels = self.pixels(input);
        if matches!(step, Step::MaxPool(_) | Step::MeanPool(..)) && !add {
            gx.fill(0.0);
        }
        match (step, record) {
            (Step::Clamp(..), Record::Signs(bits)) => {
                let mut masked = g.to_vec();
                isa.run(Mask {
                    bits,
                    g: &mut masked,
                });
                let from = &masked;
                isa.run(Move { from, to: gx, add });
            }
            (&Step::Curve(curve), Record::Values(x)) => isa.run(curve::Slope {
                curve,
                x,
                t: g,
                y: gx,
                add,
            }),
            (Step::Affine(lanes), _) => isa.run(Affine {
                mul: &lanes[0],
                add: None,
                pixels,
                x: g,
                y: gx,
                onto: add,
            }),
            (Step::MaxPool(window), Record::Winners(winners)) => {
                let task = MaxBackward {
                    window: &self.window(window, input, out),
                    input: input_size,
                    output: output_size,
                    g,
                    winners,
                    gx,
                };
                task.run(isa);
            }
            (Step::MeanPool(window, counts_padding), _) => isa.run(MeanBackward {
                window,
                counts_padding: *counts_padding,
                input: input_size,
                output: output_size,
                g,
                gx,
            }),
            (Step::MapMean, _) => isa.run(MapSpread { pixels, g, gx, add }),
            (Step::Lrn(lrn), Record::Values(x)) => Lrn {
                parameters: lrn,
                channels: self.nodes[out].slots.channels(),
                pixels,
                x,
                task: LrnTask::Backward { g, gx, add },
            }
            .compute(isa),
            (Step::Same, _) => isa.run(Move {
                from: g,
                to: gx,
                add,
            }),
            _ => {}
        }
    }

    /// To both inputs of a pair.
    fn uncouple(
        &self,
        workspace: &mut Buffers,
        pairing: Pairing,
        step: Planned,
        record: &Record,
        written: &mut [bool],
    ) {
        let Some(from) = self.plan.gradients[step.out] else {
            return;
        };
        let isa = self.mode.isa;
        let pixels = self.pixels(step.out);
        let inputs = &self.nodes[step.node].inputs;
        for side in 0..2 {
            let Some(to) = self.plan.gradients[inputs[side]] else {
                continue;
            };
            let add = self.adds(workspace, inputs[side], written);
            let (g, gx) = pair(&mut workspace.gradients, from, to);
            if !add {
                gx.fill(0.0);
            }
            let other: &[f32] = match record {
                Record::Both(values, _) => &values[1 - side],
                _ => &[],
            };
            let negative = pairing == Pairing::Sub && side == 1;
            if gx.len() == g.len() {
                let (change, x, w) = match (pairing, negative) {
                    (Pairing::Mul, _) => (Change::AddProduct, g, other),
                    (_, true) => (Change::Sub, g, &[][..]),
                    (_, false) => (Change::Add, g, &[][..]),
                };
                isa.run(Combine {
                    change,
                    pixels,
                    x,
                    w,
                    y: gx,
                });
            } else {
                let share = if negative { -1.0 } else { 1.0 };
                isa.run(Collect {
                    pixels,
                    share,
                    x: g,
                    w: other,
                    y: gx,
                });
            }
        }
    }
}
