//! Attribution: the change of all logits along the activation at one position.
//!
//! The tangent is zero except at that position, and each kernel and pool lets it grow by its own size only: a
//! *region* of the map that starts as one pixel. Every node computes its region and nothing else, as a small
//! convolution with zeros around. What is needed of the primal (signs, winners, an LRN's input) comes from one
//! forward pass of the layers above that all positions of an image share.

mod region;

use super::conv::{Finish, Geometry, Mode, Scratch, convolve, depthwise};
use super::curve;
use super::model::{Kind, Node, Pairing, Step};
use super::plan::Planned;
use super::pointwise::{Affine, Lrn, LrnTask, MapMean, to_planes};
use super::run::{Record, Runner};
use super::simd::{LANES, Start};
use crate::atlas::Relaxation;
use crate::network::Result;
use crate::network::rules::push;
use candle_core::{DType, Device, Tensor};
use region::{MaskRegion, MeanRegion, Region, Stretch, cut, gather};

/// Regions and their values, by node; kept from position to position.
#[derive(Debug, Default)]
pub(super) struct Regions {
    at: Vec<Region>,
    values: Vec<Vec<f32>>,
    scratch: Scratch,
    /// Tangents of the nodes that are no blocks, always whole.
    tensors: Vec<Option<Tensor>>,
}

/// Everything that the positions of one image share.
pub(super) struct Tangents<'a> {
    pub runner: Runner<'a>,
    /// The primal's records, by step.
    pub tape: &'a [Record],
    pub relaxation: Relaxation,
}

impl Tangents<'_> {
    /// Change of the last node's values, `out`, along the activation `planes` (channels × pixels) of the first
    /// at one position (row, column).
    ///
    /// # Errors
    /// Those of candle's operators.
    pub(super) fn run(
        &self,
        regions: &mut Regions,
        planes: &[f32],
        position: [usize; 2],
        out: &mut [f32],
    ) -> Result<()> {
        let nodes = self.runner.nodes;
        let plan = self.runner.plan;
        regions.at.resize(nodes.len(), Region::default());
        regions.values.resize_with(nodes.len(), Vec::new);
        regions.tensors.clear();
        regions.tensors.resize(nodes.len(), None);
        for (when, (step, record)) in plan.steps.iter().zip(self.tape).enumerate() {
            let mut values = std::mem::take(&mut regions.values[step.out]);
            let region = if when == 0 {
                let [rows, cols] = plan.sizes[step.out];
                let pixel = position[0] * cols + position[1];
                pick(&nodes[step.out], planes, rows * cols, pixel, &mut values);
                Region {
                    start: position,
                    size: [1, 1],
                }
            } else if let Record::Plain(_, primals) = record {
                self.plain(regions, step.node, primals, &mut values)?
            } else {
                self.step(regions, *step, record, &mut values)
            };
            regions.values[step.out] = values;
            regions.at[step.out] = region;
        }
        let Some(last) = plan.steps.last().map(|step| step.out) else {
            return Ok(());
        };
        if regions.at[last].pixels() == 0 {
            out.fill(0.0);
        } else {
            to_planes(&regions.values[last], &nodes[last].slots, 1, out);
        }
        Ok(())
    }

    /// A node by candle's operators, on whole maps.
    fn plain(
        &self,
        regions: &mut Regions,
        idx: usize,
        primals: &[Tensor],
        y: &mut Vec<f32>,
    ) -> Result<Region> {
        let (nodes, plan) = (self.runner.nodes, self.runner.plan);
        let tangents = nodes[idx].inputs.iter().map(|&input| {
            if nodes[input].kind != Kind::Free {
                let whole = whole(plan.sizes[input], regions, input, nodes);
                return self.runner.tensor(input, &whole);
            }
            if let Some(tensor) = &regions.tensors[input] {
                return Ok(tensor.clone());
            }
            let extent = plan.extents[input].as_ref();
            let dims = extent.map_or(&[][..], |extent| extent.dims.as_slice());
            let dims = [&[1], dims].concat();
            Ok(Tensor::zeros(dims, DType::F32, &Device::Cpu)?)
        });
        let tangents = tangents.collect::<Result<Vec<_>>>()?;
        let tangents: Vec<&Tensor> = tangents.iter().collect();
        let primals: Vec<Option<&Tensor>> = primals.iter().map(Some).collect();
        let op = &self.runner.graph.nodes[idx].op;
        let tangent = push(op, &primals, &tangents, self.relaxation)?;
        if nodes[idx].kind == Kind::Free {
            regions.tensors[idx] = Some(tangent);
            return Ok(Region::default());
        }
        let size = plan.sizes[idx];
        y.clear();
        y.resize(nodes[idx].slots.blocks * size[0] * size[1] * LANES, 0.0);
        self.runner.blocks(idx, &tangent, y)?;
        Ok(Region {
            start: [0, 0],
            size,
        })
    }

    fn step(
        &self,
        regions: &mut Regions,
        step: Planned,
        record: &Record,
        y: &mut Vec<f32>,
    ) -> Region {
        let node = &self.runner.nodes[step.node];
        let input = node.inputs[0];
        let from = regions.at[input];
        let size = self.runner.plan.sizes[step.out];
        let region = match &node.step {
            Step::Concat => return concat(regions, self.runner.nodes, &node.inputs, y),
            Step::Pair(pairing) => self.couple(regions, *pairing, step, record, y),
            Step::Conv(conv) => from.seen_by(&conv.window, size),
            Step::Depthwise(conv) => from.seen_by(&conv.window, size),
            Step::MaxPool(window) | Step::MeanPool(window, _) => from.seen_by(window, size),
            Step::MapMean => Region {
                start: [0, 0],
                size: [1, 1],
            },
            _ => from,
        };
        y.resize(node.slots.blocks * region.pixels() * LANES, 0.0);
        if matches!(node.step, Step::Pair(_)) {
            // Done above.
        } else if region.pixels() == 0 || from.pixels() == 0 {
            y.fill(0.0);
        } else {
            let x = &regions.values[input];
            match &node.step {
                Step::Conv(_) | Step::Depthwise(_) => {
                    self.conv(node, (from, x), (region, y), &mut regions.scratch);
                }
                _ => self.rest(step, record, (from, x), (region, y)),
            }
        }
        if let (Record::Signs(bits) | Record::Both(_, bits), true) = (record, step.clamp.is_some())
        {
            let map = size;
            self.runner.mode.isa.run(MaskRegion {
                map,
                region,
                bits,
                y,
            });
        }
        region
    }

    /// Two values.
    fn couple(
        &self,
        regions: &Regions,
        pairing: Pairing,
        step: Planned,
        record: &Record,
        y: &mut Vec<f32>,
    ) -> Region {
        let node = &self.runner.nodes[step.node];
        let map = self.runner.plan.sizes[step.out];
        let sides = [0, 1].map(|side| {
            let input = node.inputs[side];
            let single = self.runner.plan.sizes[input] != map;
            (regions.at[input], &regions.values[input], single)
        });
        let mut region = Region::default();
        for (at, _, single) in sides {
            // One pixel for all changes all.
            let reach = if single && at.pixels() > 0 {
                Region {
                    start: [0, 0],
                    size: map,
                }
            } else {
                at
            };
            region = region.union(&reach);
        }
        y.clear();
        y.resize(node.slots.blocks * region.pixels() * LANES, 0.0);
        for (side, (at, t, single)) in sides.into_iter().enumerate() {
            if at.pixels() == 0 {
                continue;
            }
            let sign = if pairing == Pairing::Sub && side == 1 {
                -1.0
            } else {
                1.0
            };
            let other = match record {
                Record::Both(values, _) if pairing == Pairing::Mul => Some(&values[1 - side]),
                _ => None,
            };
            let stretch = Stretch {
                map,
                region,
                at,
                single,
                other_single: sides[1 - side].2,
                sign,
            };
            stretch.add(t, other.map(Vec::as_slice), y);
        }
        region
    }

    /// A small convolution with zeros around the region.
    fn conv(
        &self,
        node: &Node,
        (from, x): (Region, &[f32]),
        (region, y): (Region, &mut [f32]),
        scratch: &mut Scratch,
    ) {
        let window = match &node.step {
            Step::Conv(conv) => &conv.window,
            Step::Depthwise(conv) => &conv.window,
            _ => return,
        };
        let at = Geometry {
            input: from.size,
            before: [0, 1].map(|axis| {
                let first = region.start[axis] * window.stride[axis];
                (from.start[axis] + window.pads[axis]) as isize - first as isize
            }),
            output: region.size,
            stride: window.stride,
            dilation: window.dilation,
        };
        let mode = Mode {
            parallel: false,
            ..self.runner.mode
        };
        match &node.step {
            Step::Conv(conv) => {
                convolve(
                    mode,
                    &conv.packed,
                    &at,
                    &mut [(x, y)],
                    Finish::Plain,
                    scratch,
                );
            }
            Step::Depthwise(conv) => {
                let weights = (window, conv.weights.as_slice());
                depthwise(mode.isa, weights, &at, x, (y, Start::Zero, None), scratch);
            }
            _ => {}
        }
    }

    /// Everything but convolutions and concatenations, on regions that are not empty.
    fn rest(
        &self,
        step: Planned,
        record: &Record,
        (from, x): (Region, &[f32]),
        (region, y): (Region, &mut [f32]),
    ) {
        let node = &self.runner.nodes[step.node];
        let size = self.runner.plan.sizes[step.out];
        let map = self.runner.plan.sizes[node.inputs[0]];
        let isa = self.runner.mode.isa;
        match (&node.step, record) {
            (&Step::Curve(curve), Record::Values(primal)) => {
                let mut here = vec![0.0; x.len()];
                cut(primal, map, from, &mut here);
                isa.run(curve::Slope {
                    curve,
                    x: &here,
                    t: x,
                    y,
                    add: false,
                });
            }
            (Step::Affine(lanes), _) => isa.run(Affine {
                mul: &lanes[0],
                add: None,
                pixels: region.pixels(),
                x,
                y,
                onto: false,
            }),
            (Step::Same, _) => y.copy_from_slice(x),
            (Step::Clamp(..), Record::Signs(bits)) => {
                y.copy_from_slice(x);
                isa.run(MaskRegion {
                    map,
                    region,
                    bits,
                    y,
                });
            }
            (Step::MaxPool(window), Record::Winners(winners))
                if self.relaxation == Relaxation::Plain =>
            {
                let output = size;
                gather(window, (from, x), (output, region), winners, y);
            }
            (Step::MaxPool(window), _) => isa.run(MeanRegion {
                window,
                counts_padding: false,
                map,
                from,
                region,
                x,
                y,
            }),
            (Step::MeanPool(window, counts_padding), _) => isa.run(MeanRegion {
                window,
                counts_padding: *counts_padding,
                map,
                from,
                region,
                x,
                y,
            }),
            (Step::MapMean, _) => {
                // The sum over the region, as a share of the map.
                isa.run(MapMean {
                    pixels: from.pixels(),
                    share: 1.0 / (map[0] * map[1]) as f32,
                    x,
                    y,
                });
            }
            (Step::Lrn(lrn), Record::Values(primal)) => {
                let mut here = vec![0.0; x.len()];
                cut(primal, map, from, &mut here);
                Lrn {
                    parameters: lrn,
                    channels: node.slots.channels(),
                    pixels: from.pixels(),
                    x: &here,
                    task: LrnTask::Tangent { t: x, y },
                }
                .compute(isa);
            }
            _ => {}
        }
    }
}

/// One pixel of all channels.
fn pick(node: &Node, planes: &[f32], pixels: usize, pixel: usize, to: &mut Vec<f32>) {
    to.clear();
    let lanes = if node.planar {
        node.slots.channels()
    } else {
        node.slots.blocks * LANES
    };
    to.resize(lanes, 0.0);
    for (plane, &slot) in planes.chunks_exact(pixels).zip(&node.slots.of_channel) {
        to[slot as usize] = plane[pixel];
    }
}

/// Parts side by side on the smallest region that holds all of them.
fn concat(regions: &Regions, nodes: &[Node], inputs: &[usize], y: &mut Vec<f32>) -> Region {
    let parts = inputs.iter().map(|&input| &regions.at[input]);
    let region = parts.fold(Region::default(), |all, part| all.union(part));
    let pixels = region.pixels();
    let blocks: usize = inputs.iter().map(|&input| nodes[input].slots.blocks).sum();
    y.clear();
    y.resize(blocks * pixels * LANES, 0.0);
    let mut first = 0;
    for &input in inputs {
        let (part, x) = (regions.at[input], &regions.values[input]);
        if part.pixels() > 0 {
            for (idx, row) in x.chunks_exact(part.size[1] * LANES).enumerate() {
                let (block, part_row) = (first + idx / part.size[0], idx % part.size[0]);
                let map_row = part.start[0] - region.start[0] + part_row;
                let col = part.start[1] - region.start[1];
                let to = (block * pixels + map_row * region.size[1] + col) * LANES;
                y[to..to + row.len()].copy_from_slice(row);
            }
        }
        first += nodes[input].slots.blocks;
    }
    region
}

/// A node's tangent on its whole map.
fn whole(size: [usize; 2], regions: &Regions, idx: usize, nodes: &[Node]) -> Vec<f32> {
    let mut values = vec![0.0; nodes[idx].slots.blocks * size[0] * size[1] * LANES];
    let at = regions.at[idx];
    if at.pixels() > 0 {
        let stretch = Stretch {
            map: size,
            region: Region {
                start: [0, 0],
                size,
            },
            at,
            single: false,
            other_single: false,
            sign: 1.0,
        };
        stretch.add(&regions.values[idx], None, &mut values);
    }
    values
}
