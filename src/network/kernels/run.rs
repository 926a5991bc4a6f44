//! Running a plan over one image, forward and back.

use super::conv::{Finish, Geometry, Mode, Scratch, convolve};
use super::model::{Node, Step};
use super::plan::{Plan, Planned, View};
use super::pointwise::{
    Lrn, LrnTask, MapMean, MapSpread, Mask, Move, Relu, Signs, to_blocks, to_planes,
};
use super::pool::{MeanBackward, MeanForward, Window};
use super::simd::{MaxBackward, MaxForward};

/// Buffers of one thread, kept from call to call.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    values: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    scratch: Scratch,
}

/// What a step leaves for the way back.
#[derive(Debug)]
pub(super) enum Record {
    /// Nothing: the step is linear.
    Nothing,
    /// Which outputs of a ReLU are positive.
    Signs(Vec<u16>),
    /// Winners of a max pool.
    Winners(Vec<u8>),
    /// The input.
    Values(Vec<f32>),
}

/// Everything that running a plan needs besides buffers.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
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

impl Runner<'_> {
    /// Runs all steps on one image, `planes` being the start node's channels × pixels. `seen` gets each
    /// computed node with its values right after its step; `tape`, when given, what the way back needs.
    pub(super) fn forward(
        &self,
        workspace: &mut Workspace,
        planes: &[f32],
        mut tape: Option<&mut Vec<Record>>,
        seen: &mut dyn FnMut(usize, &[f32]),
    ) {
        grow(&mut workspace.values, &self.plan.buffers);
        for (when, step) in self.plan.steps.iter().enumerate() {
            let Some(place) = self.plan.places[step.out] else {
                continue;
            };
            let record = if when == 0 {
                let node = &self.nodes[step.node];
                let size = self.plan.sizes[step.node];
                let values = &mut workspace.values[place.buffer][place.range()];
                if node.planar {
                    values.copy_from_slice(planes);
                } else {
                    to_blocks(planes, &node.slots, size[0] * size[1], values);
                }
                Record::Nothing
            } else {
                self.step(workspace, *step, place, tape.is_some())
            };
            if let Some(tape) = tape.as_deref_mut() {
                tape.push(record);
            }
            seen(step.out, &workspace.values[place.buffer][place.range()]);
        }
    }

    fn geometry(&self, window: &Window, input: usize, out: usize) -> Geometry {
        Geometry {
            input: self.plan.sizes[input],
            before: [window.pads[0] as isize, window.pads[1] as isize],
            output: self.plan.sizes[out],
            stride: window.stride,
            dilation: window.dilation,
        }
    }

    fn step(&self, workspace: &mut Workspace, step: Planned, to: View, keep: bool) -> Record {
        let node = &self.nodes[step.node];
        let isa = self.mode.isa;
        if matches!(node.step, Step::Concat) {
            self.gather(workspace, node, to);
            return Record::Nothing;
        }
        let input = node.inputs[0];
        let Some(from) = self.plan.places[input] else {
            return Record::Nothing;
        };
        let [input_size, output_size] = [input, step.out].map(|idx| self.plan.sizes[idx]);
        let (x, y) = pair(&mut workspace.values, from, to);
        match &node.step {
            Step::Conv(conv) => {
                let at = self.geometry(&conv.window, input, step.out);
                let finish = if step.fused() {
                    Finish::BiasClamp(0.0, f32::INFINITY)
                } else {
                    Finish::Bias
                };
                let scratch = &mut workspace.scratch;
                convolve(self.mode, &conv.packed, &at, x, (&mut *y, finish), scratch);
                if keep && step.fused() {
                    return self.signs(y);
                }
            }
            Step::Relu => {
                isa.run(Relu { x, y: &mut *y });
                if keep {
                    return self.signs(y);
                }
            }
            Step::MaxPool(window) => {
                let mut winners = vec![0; if keep { y.len() } else { 0 }];
                let task = MaxForward {
                    window,
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
                pixels: input_size[0] * input_size[1],
                share: 1.0 / (input_size[0] * input_size[1]) as f32,
                x,
                y,
            }),
            Step::Lrn(lrn) => {
                isa.run(Lrn {
                    parameters: lrn,
                    channels: node.slots.channels(),
                    pixels: input_size[0] * input_size[1],
                    x,
                    task: LrnTask::Forward(y),
                });
                if keep {
                    return Record::Values(x.to_vec());
                }
            }
            Step::Input | Step::Concat => {}
        }
        Record::Nothing
    }

    fn signs(&self, y: &[f32]) -> Record {
        let mut bits = Vec::new();
        self.mode.isa.run(Signs { y, bits: &mut bits });
        Record::Signs(bits)
    }

    /// Copies those inputs of a concatenation that were not computed in their place.
    fn gather(&self, workspace: &mut Workspace, node: &Node, to: View) {
        for (from, part) in parts(node, to, &self.plan.places) {
            if from != part {
                let (from, to) = pair(&mut workspace.values, from, part);
                let add = false;
                self.mode.isa.run(Move { from, to, add });
            }
        }
    }

    /// Pulls the tap's cotangent (channels × pixels) back to the start node, into `gradient`
    /// (channels × pixels).
    pub(super) fn backward(
        &self,
        workspace: &mut Workspace,
        tape: &[Record],
        tap: usize,
        cotangent: &[f32],
        gradient: &mut [f32],
    ) {
        let plan = self.plan;
        grow(&mut workspace.gradients, &plan.gradient_buffers);
        let pixels = |idx: usize| plan.sizes[idx][0] * plan.sizes[idx][1];
        let Some(place) = plan.gradients[tap] else {
            return;
        };
        let values = &mut workspace.gradients[place.buffer][place.range()];
        if self.nodes[tap].planar {
            values.copy_from_slice(cotangent);
        } else {
            to_blocks(cotangent, &self.nodes[tap].slots, pixels(tap), values);
        }
        let mut written = vec![false; self.nodes.len()];
        written[plan.root(tap)] = true;
        for (step, record) in plan.steps.iter().zip(tape).skip(1).rev() {
            if let (Some(place), Record::Signs(bits), true) =
                (plan.gradients[step.out], record, step.fused())
            {
                let g = &mut workspace.gradients[place.buffer][place.range()];
                self.mode.isa.run(Mask { bits, g });
            }
            self.step_back(workspace, *step, record, &mut written);
        }
        let start = plan.steps[0].out;
        if let Some(place) = plan.gradients[start] {
            let values = &workspace.gradients[place.buffer][place.range()];
            if self.nodes[start].planar {
                gradient.copy_from_slice(values);
            } else {
                to_planes(values, &self.nodes[start].slots, pixels(start), gradient);
            }
        }
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
        if matches!(node.step, Step::Concat) {
            self.scatter(workspace, node, from, written);
            return;
        }
        let input = node.inputs[0];
        let Some(to) = self.plan.gradients[input] else {
            return;
        };
        let add = self.adds(workspace, input, written);
        let [input_size, output_size] = [input, step.out].map(|idx| self.plan.sizes[idx]);
        let pixels = input_size[0] * input_size[1];
        let isa = self.mode.isa;
        let (g, gx) = pair(&mut workspace.gradients, from, to);
        match (&node.step, record) {
            (Step::Conv(conv), _) => {
                let at = self.geometry(&conv.window, input, step.out);
                let transposed = conv.transposed(node, &self.nodes[input]);
                transposed.run(self.mode, &at, g, (gx, add), &mut workspace.scratch);
            }
            (Step::Relu, Record::Signs(bits)) => {
                if add {
                    let mut masked = g.to_vec();
                    let g = &mut masked[..];
                    isa.run(Mask { bits, g });
                    isa.run(Move {
                        from: g,
                        to: gx,
                        add,
                    });
                } else {
                    gx.copy_from_slice(g);
                    isa.run(Mask { bits, g: gx });
                }
            }
            (Step::MaxPool(window), Record::Winners(winners)) => {
                if !add {
                    gx.fill(0.0);
                }
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
            (Step::MeanPool(window, counts_padding), _) => {
                if !add {
                    gx.fill(0.0);
                }
                isa.run(MeanBackward {
                    window,
                    counts_padding: *counts_padding,
                    input: input_size,
                    output: output_size,
                    g,
                    gx,
                });
            }
            (Step::MapMean, _) => isa.run(MapSpread { pixels, g, gx, add }),
            (Step::Lrn(lrn), Record::Values(x)) => isa.run(Lrn {
                parameters: lrn,
                channels: node.slots.channels(),
                pixels,
                x,
                task: LrnTask::Backward { g, gx, add },
            }),
            _ => {}
        }
    }
}
