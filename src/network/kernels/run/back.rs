//! The way back: from a tap's cotangent to the start node's gradient.

use super::super::conv::depthwise_back;
use super::super::curve;
use super::super::model::{Kind, Node, Pairing, Step};
use super::super::plan::{Planned, View};
use super::super::pointwise::{
    Affine, Change, Collect, Combine, Lrn, LrnTask, MapSpread, Mask, Move, to_blocks, to_planes,
};
use super::super::pool::MeanBackward;
use super::super::simd::MaxBackward;
use super::{Record, Runner, Workspace, grow, pair, parts};
use crate::network::Result;
use crate::network::rules::pull;
use candle_core::Tensor;

impl Runner<'_> {
    /// Pulls the tap's cotangent (batch 1) back to the start node, into `gradient` (channels × pixels).
    ///
    /// # Errors
    /// Those of candle's operators.
    pub(in super::super) fn backward(
        &self,
        workspace: &mut Workspace,
        tape: &[Record],
        (tap, cotangent): (usize, &[f32]),
        gradient: &mut [f32],
    ) -> Result<()> {
        let plan = self.plan;
        grow(&mut workspace.gradients, &plan.gradient_buffers);
        workspace.tensors.clear();
        workspace.tensors.resize(self.nodes.len(), None);
        match (plan.gradients[tap], &plan.extents[tap]) {
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
            (None, None) => return Ok(()),
        }
        let mut written = vec![false; self.nodes.len()];
        written[plan.root(tap)] = true;
        for (step, record) in plan.steps.iter().zip(tape).skip(1).rev() {
            if let (Some(place), Record::Signs(bits) | Record::Both(_, bits), true) =
                (plan.gradients[step.out], record, step.clamp.is_some())
            {
                let g = &mut workspace.gradients[place.buffer][place.range()];
                self.mode.isa.run(Mask { bits, g });
            }
            match record {
                Record::Plain(..) => self.plain_back(workspace, *step, record, &mut written)?,
                _ => self.step_back(workspace, *step, record, &mut written),
            }
        }
        let start = plan.steps[0].out;
        if let Some(place) = plan.gradients[start] {
            if !written[plan.root(start)] {
                gradient.fill(0.0);
                return Ok(());
            }
            let values = &workspace.gradients[place.buffer][place.range()];
            if self.nodes[start].planar {
                gradient.copy_from_slice(values);
            } else {
                to_planes(
                    values,
                    &self.nodes[start].slots,
                    self.pixels(start),
                    gradient,
                );
            }
        }
        workspace.tensors.clear();
        Ok(())
    }

    /// Whether a write to the gradient of `input` must add; clears the buffer before the first of several
    /// writers of parts.
    fn adds(&self, workspace: &mut Workspace, input: usize, written: &mut [bool]) -> bool {
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
    fn scatter(&self, workspace: &mut Workspace, node: &Node, whole: View, written: &mut [bool]) {
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
        workspace: &mut Workspace,
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
        workspace: &mut Workspace,
        step: Planned,
        record: &Record,
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
                transposed.run(self.mode, &at, g, (gx, add), &mut workspace.scratch);
            }
            Step::Depthwise(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let weights = (&conv.window, conv.turned.as_slice());
                depthwise_back(isa, weights, &at, g, (gx, add), &mut workspace.scratch);
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
                    window,
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
        workspace: &mut Workspace,
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
