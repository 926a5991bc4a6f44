//! Attribution by forward mode on the part of each map that one position can reach.
//!
//! The tangent of an attribution is zero except at one position, and a convolution spreads it only by half its
//! kernel: a few blocks further it still covers a fraction of the map. So every node holds, instead of maps, one
//! small *patch* per position: the same size for all positions of a batch, at places that differ. A patch may
//! hang over the edge of its map, where it is zero. Once a patch would be as large as the map, whole maps take
//! over.
//!
//! For all positions of a batch to share one convolution, their patches must lie alike relative to its windows.
//! They do when patches at the first layer start at multiples of the total stride behind it; the position lies
//! somewhere in that first patch.

use super::extent::Extent;
use super::ops::tensor::resize_ends;
use super::ops::{AvgPool, Binary, Window, concat, global_avg_pool, relu};
use super::rules::push;
use super::{Graph, NetworkError, Node, NodeId, Op, Result};
use crate::atlas::Relaxation;
use candle_core::Tensor;

/// One patch per position of the batch, or whole maps.
#[derive(Clone)]
struct Value {
    /// `[p, c, rows, columns]` of patches or maps; `[p, features]` behind a global pool.
    tangent: Tensor,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// The patch of a position starts at `base + first / step`, per axis, where `first` is where that position's
    /// patch started in the first layer.
    Patch { base: [isize; 2], step: [usize; 2] },
    /// The whole map.
    Whole,
}

/// What is the same for all nodes of one run.
pub(super) struct Cone<'a> {
    graph: &'a Graph,
    tap: NodeId,
    needed: Vec<bool>,
    /// Rows and columns of the maps by node.
    extents: Vec<Option<Extent>>,
    /// Values to linearise at, by node.
    primals: &'a [Option<Tensor>],
    relaxation: Relaxation,
    /// Total stride between the tap and the last map, per axis.
    stride: [usize; 2],
}

impl<'a> Cone<'a> {
    /// From `tap`, whose activation is `[1, c, h, w]`, to `to`.
    pub(super) fn new(
        graph: &'a Graph,
        (tap, to): (NodeId, NodeId),
        activation: &Tensor,
        primals: &'a [Option<Tensor>],
        relaxation: Relaxation,
    ) -> Result<Self> {
        let needed = graph.between(tap, &[to])?;
        let (_, channels, rows, cols) = activation.dims4()?;
        let extent = Extent::map(channels, (rows, cols));
        let extents = graph.extents_from(tap, extent, &needed)?;
        let mut strides = vec![[1, 1]; graph.nodes.len()];
        let mut stride = [1, 1];
        for (idx, node) in graph.nodes.iter().enumerate().skip(tap.0 + 1) {
            if needed[idx] {
                let own = node.op.window().map_or([1, 1], |window| window.stride);
                for axis in 0..2 {
                    let inputs = node.inputs.iter().map(|input| strides[input.0][axis]);
                    strides[idx][axis] = own[axis] * inputs.max().unwrap_or(1);
                    stride[axis] = stride[axis].max(strides[idx][axis]);
                }
            }
        }
        Ok(Self {
            graph,
            tap,
            needed,
            extents,
            primals,
            relaxation,
            stride,
        })
    }

    /// Change of the last node's value along the activation at each of the positions alone: `[p, features]`.
    pub(super) fn run(&self, activation: &Tensor, positions: &[(usize, usize)]) -> Result<Tensor> {
        let firsts: Vec<[usize; 2]> = positions
            .iter()
            .map(|&(row, col)| [row - row % self.stride[0], col - col % self.stride[1]])
            .collect();
        let patches = positions
            .iter()
            .zip(&firsts)
            .map(|(&(row, col), first)| {
                let h = activation.narrow(2, row, 1)?.narrow(3, col, 1)?;
                let (above, left) = (row - first[0], col - first[1]);
                let h = h.pad_with_zeros(2, above, self.stride[0] - above - 1)?;
                h.pad_with_zeros(3, left, self.stride[1] - left - 1)
            })
            .collect::<candle_core::Result<Vec<_>>>()?;
        let first = Value {
            tangent: Tensor::cat(&patches, 0)?,
            place: Place::Patch {
                base: [0, 0],
                step: [1, 1],
            },
        };
        let mut values: Vec<Option<Value>> = vec![None; self.graph.nodes.len()];
        let mut readers = self.graph.readers(&self.needed);
        values[self.tap.0] = Some(self.settle(self.tap, first, &firsts)?);
        let mut last = self.tap;
        for (idx, node) in self.graph.nodes.iter().enumerate().skip(self.tap.0 + 1) {
            if !self.needed[idx] {
                continue;
            }
            last = NodeId(idx);
            let inputs = node
                .inputs
                .iter()
                .filter_map(|input| values[input.0].clone());
            let value = self.node(last, &inputs.collect::<Vec<_>>(), &firsts)?;
            values[idx] = Some(self.settle(last, value, &firsts)?);
            for input in &node.inputs {
                readers[input.0] -= 1;
                if readers[input.0] == 0 {
                    values[input.0] = None;
                }
            }
        }
        match values[last.0].take() {
            Some(value) => Ok(value.tangent),
            None => Err(NetworkError::BadGraph("nothing follows the layer".into())),
        }
    }

    /// The tangent of one node.
    fn node(&self, id: NodeId, inputs: &[Value], firsts: &[[usize; 2]]) -> Result<Value> {
        let node = self.graph.node(id);
        let Some((&input, value)) = node.inputs.first().zip(inputs.first()) else {
            return Err(NetworkError::BadGraph(format!(
                "{} reads nothing",
                node.name
            )));
        };
        let Place::Patch { base, step } = self.common_place(node, inputs) else {
            return self.on_whole_maps(node, inputs, firsts);
        };
        match &node.op {
            Op::Concat => return self.concat(&node.inputs, inputs, firsts),
            Op::Binary(binary) => return self.binary(*binary, &node.inputs, inputs, firsts),
            _ => (),
        }
        let primal = self.primals[input.0].as_ref();
        let t = &value.tangent;
        let (_, _, rows, cols) = t.dims4()?;
        let here =
            |primal: &Tensor, outside| gather(primal, value.place, [rows, cols], firsts, outside);
        if let Some(window) = node.op.window() {
            return self.windowed(id, window, value, primal, firsts);
        }
        let tangent = match (&node.op, primal) {
            (Op::Relu, Some(x)) => relu::jvp(&here(x, 0.0)?, t)?,
            // 1 is a value at which every function has a slope.
            (Op::Unary(unary), Some(x)) => unary.jvp(&here(x, 1.0)?, t)?,
            (Op::PRelu(prelu), Some(x)) => prelu.jvp(&here(x, 1.0)?, t)?,
            (Op::Affine(affine), _) => affine.jvp(t)?,
            (Op::Lrn(lrn), Some(x)) => lrn.jvp(&here(x, 0.0)?, t)?,
            (Op::GlobalAvgPool, _) => {
                let (all_rows, all_cols) = self.map(input)?;
                // The mean over the patch, as a share of the sum over the map.
                let share = (rows * cols) as f64 / (all_rows * all_cols) as f64;
                let tangent = (global_avg_pool::forward(t)? * share)?;
                let place = Place::Whole;
                return Ok(Value { tangent, place });
            }
            (op, _) => {
                return Err(NetworkError::BadGraph(format!("{op:?} on a patch")));
            }
        };
        let place = Place::Patch { base, step };
        Ok(Value { tangent, place })
    }

    /// A convolution or pool: every window that touches the patch.
    fn windowed(
        &self,
        id: NodeId,
        window: Window,
        value: &Value,
        primal: Option<&Tensor>,
        firsts: &[[usize; 2]],
    ) -> Result<Value> {
        let Place::Patch { base, step } = value.place else {
            return Err(NetworkError::BadGraph("a patch was expected".into()));
        };
        let mut t = value.tangent.clone();
        let (mut out_base, mut out_step, mut in_base) = (base, step, base);
        for axis in 0..2 {
            let size = t.dim(axis + 2)? as isize;
            let (kernel, stride) = (window.kernel[axis] as isize, window.stride[axis] as isize);
            let pad = window.pads[axis] as isize;
            let first = (base[axis] + pad - kernel + 1 + stride - 1).div_euclid(stride);
            let last = (base[axis] + size - 1 + pad).div_euclid(stride);
            (out_base[axis], out_step[axis]) = (first, step[axis] * window.stride[axis]);
            in_base[axis] = first * stride - pad;
            let end = last * stride - pad + kernel;
            let before = base[axis] - in_base[axis];
            t = resize_ends(&t, axis + 2, before, end - base[axis] - size, 0.0)?;
        }
        let out_place = Place::Patch {
            base: out_base,
            step: out_step,
        };
        let tight = Window {
            pads: [0; 4],
            ceil: false,
            ..window
        };
        let (_, _, rows, cols) = t.dims4()?;
        let op = &self.graph.node(id).op;
        let tangent = match (op, primal) {
            (Op::Conv(conv), _) => {
                let pads = [0; 4];
                super::ops::Conv {
                    pads,
                    ..conv.clone()
                }
                .jvp(&t)?
            }
            (Op::MaxPool(pool), Some(x)) if self.relaxation == Relaxation::Plain => {
                let place = Place::Patch {
                    base: in_base,
                    step,
                };
                let x = gather(x, place, [rows, cols], firsts, f32::NEG_INFINITY)?;
                let (pads, ceil) = (tight.pads, tight.ceil);
                let pool = super::ops::MaxPool {
                    pads,
                    ceil,
                    ..*pool
                };
                pool.jvp(&x, &t, self.relaxation)?
            }
            _ => {
                let pool = AvgPool {
                    kernel: window.kernel,
                    stride: window.stride,
                    pads: tight.pads,
                    count_include_pad: true,
                    ceil: false,
                };
                (pool.forward(&t)? * (window.kernel[0] * window.kernel[1]) as f64)?
            }
        };
        // Windows outside of the map do not exist, and means count what lies on it.
        let (out_rows, out_cols) = self.map(id)?;
        let factors = match op {
            Op::AvgPool(pool) => self.inverse_counts(id, window, pool.count_include_pad)?,
            Op::MaxPool(_) if self.relaxation == Relaxation::Average => {
                self.inverse_counts(id, window, false)?
            }
            _ => vec![1.0; out_rows * out_cols],
        };
        let factors = Tensor::from_vec(factors, (1, 1, out_rows, out_cols), t.device())?;
        let (_, _, rows, cols) = tangent.dims4()?;
        let factors = gather(&factors, out_place, [rows, cols], firsts, 0.0)?;
        Ok(Value {
            tangent: tangent.broadcast_mul(&factors)?,
            place: out_place,
        })
    }

    fn inverse_counts(&self, id: NodeId, window: Window, include_pad: bool) -> Result<Vec<f32>> {
        let input = self.graph.node(id).inputs[0];
        window
            .inverse_counts(self.map(input)?, include_pad)
            .ok_or_else(|| NetworkError::BadGraph("a pool does not fit its map".into()))
    }

    /// The place of a node's inputs where all are patches and the operator works on patches, else the whole map.
    fn common_place(&self, node: &Node, inputs: &[Value]) -> Place {
        let local = match &node.op {
            Op::Conv(_)
            | Op::MaxPool(_)
            | Op::AvgPool(_)
            | Op::GlobalAvgPool
            | Op::Relu
            | Op::Unary(_)
            | Op::PRelu(_)
            | Op::Affine(_)
            | Op::Lrn(_) => true,
            Op::Concat | Op::Binary(_) => {
                let map = |id: &NodeId| self.map(*id).ok();
                let first = node.inputs.first().and_then(map);
                first.is_some() && node.inputs.iter().all(|id| map(id) == first)
            }
            _ => false,
        };
        let mut common = None;
        for value in inputs {
            match (value.place, common) {
                (Place::Patch { step, .. }, Some(Place::Patch { step: other, .. }))
                    if step != other =>
                {
                    return Place::Whole;
                }
                (Place::Whole, _) => return Place::Whole,
                (place, None) => common = Some(place),
                _ => (),
            }
        }
        match common {
            Some(place) if local => place,
            _ => Place::Whole,
        }
    }

    /// A node of which some input, or all of it, is a whole map.
    fn on_whole_maps(&self, node: &Node, inputs: &[Value], firsts: &[[usize; 2]]) -> Result<Value> {
        let wholes = node
            .inputs
            .iter()
            .zip(inputs)
            .map(|(&id, value)| self.whole(id, value, firsts))
            .collect::<Result<Vec<_>>>()?;
        let tangents: Vec<&Tensor> = wholes.iter().map(|value| &value.tangent).collect();
        let primals = node.inputs.iter().map(|id| self.primals[id.0].as_ref());
        let primals: Vec<_> = primals.collect();
        Ok(Value {
            tangent: push(&node.op, &primals, &tangents, self.relaxation)?,
            place: Place::Whole,
        })
    }

    /// Patches side by side.
    fn concat(&self, ids: &[NodeId], inputs: &[Value], firsts: &[[usize; 2]]) -> Result<Value> {
        let (parts, place) = self.aligned(ids, inputs, firsts)?;
        let tangent = concat::forward(&parts.iter().collect::<Vec<_>>())?;
        Ok(Value { tangent, place })
    }

    /// Patches element by element.
    fn binary(
        &self,
        binary: Binary,
        ids: &[NodeId],
        inputs: &[Value],
        firsts: &[[usize; 2]],
    ) -> Result<Value> {
        let (parts, place) = self.aligned(ids, inputs, firsts)?;
        let [s, t] = parts.as_slice() else {
            return Err(NetworkError::BadGraph(format!("{binary:?} of one input")));
        };
        if binary.is_linear() {
            let tangent = binary.jvp_linear([s, t])?;
            return Ok(Value { tangent, place });
        }
        let (_, _, rows, cols) = s.dims4()?;
        let here = |id: NodeId| match &self.primals[id.0] {
            Some(primal) => gather(primal, place, [rows, cols], firsts, 1.0),
            None => Err(NetworkError::BadGraph("a value is not at hand".into())),
        };
        let tangent = binary.jvp((&here(ids[0])?, &here(ids[1])?), [s, t])?;
        Ok(Value { tangent, place })
    }

    /// Patches grown to the smallest one that holds all of them, or whole maps.
    fn aligned(
        &self,
        ids: &[NodeId],
        inputs: &[Value],
        firsts: &[[usize; 2]],
    ) -> Result<(Vec<Tensor>, Place)> {
        let mut bounds: Option<([isize; 2], [isize; 2], [usize; 2])> = None;
        for value in inputs {
            let Place::Patch { base, step } = value.place else {
                bounds = None;
                break;
            };
            let dims = value.tangent.dims();
            let end = [base[0] + dims[2] as isize, base[1] + dims[3] as isize];
            bounds = Some(match bounds {
                None => (base, end, step),
                Some((low, high, _)) => (
                    [low[0].min(base[0]), low[1].min(base[1])],
                    [high[0].max(end[0]), high[1].max(end[1])],
                    step,
                ),
            });
        }
        let mut parts = Vec::with_capacity(inputs.len());
        for (&id, value) in ids.iter().zip(inputs) {
            parts.push(match (bounds, value.place) {
                (Some((low, high, _)), Place::Patch { base, .. }) => {
                    let mut t = value.tangent.clone();
                    for axis in 0..2 {
                        let end = base[axis] + t.dim(axis + 2)? as isize;
                        let before = base[axis] - low[axis];
                        t = resize_ends(&t, axis + 2, before, high[axis] - end, 0.0)?;
                    }
                    t
                }
                _ => self.whole(id, value, firsts)?.tangent,
            });
        }
        let place = match bounds {
            Some((base, _, step)) => Place::Patch { base, step },
            None => Place::Whole,
        };
        Ok((parts, place))
    }

    /// Whole maps once patches are no smaller.
    fn settle(&self, id: NodeId, value: Value, firsts: &[[usize; 2]]) -> Result<Value> {
        let Place::Patch { .. } = value.place else {
            return Ok(value);
        };
        let dims = value.tangent.dims();
        let (rows, cols) = self.map(id)?;
        if dims[2] * dims[3] < rows * cols {
            return Ok(value);
        }
        self.whole(id, &value, firsts)
    }

    /// Patches pasted into empty maps.
    fn whole(&self, id: NodeId, value: &Value, firsts: &[[usize; 2]]) -> Result<Value> {
        let Place::Patch { base, step } = value.place else {
            return Ok(value.clone());
        };
        let (rows, cols) = self.map(id)?;
        let mut maps = Vec::with_capacity(firsts.len());
        for (idx, first) in firsts.iter().enumerate() {
            let mut map = value.tangent.narrow(0, idx, 1)?;
            for (axis, side) in [rows, cols].into_iter().enumerate() {
                let start = base[axis] + (first[axis] / step[axis]) as isize;
                let after = side as isize - start - map.dim(axis + 2)? as isize;
                map = resize_ends(&map, axis + 2, start, after, 0.0)?;
            }
            maps.push(map);
        }
        Ok(Value {
            tangent: Tensor::cat(&maps, 0)?,
            place: Place::Whole,
        })
    }

    fn map(&self, id: NodeId) -> Result<(usize, usize)> {
        self.extents[id.0]
            .as_ref()
            .and_then(Extent::map_size)
            .ok_or_else(|| {
                let name = &self.graph.node(id).name;
                NetworkError::BadGraph(format!("{name} has no positions"))
            })
    }
}

/// The parts of one map `[1, c, h, w]` that lie under the patches: `[p, c, size₀, size₁]`, `outside` beyond the
/// map's edge.
fn gather(
    map: &Tensor,
    place: Place,
    size: [usize; 2],
    firsts: &[[usize; 2]],
    outside: f32,
) -> Result<Tensor> {
    let Place::Patch { base, step } = place else {
        return Ok(map.clone());
    };
    let mut parts = Vec::with_capacity(firsts.len());
    for first in firsts {
        let mut part = map.clone();
        for axis in 0..2 {
            let start = base[axis] + (first[axis] / step[axis]) as isize;
            let after = start + size[axis] as isize - part.dim(axis + 2)? as isize;
            part = resize_ends(&part, axis + 2, -start, after, outside)?;
        }
        parts.push(part);
    }
    Ok(Tensor::cat(&parts, 0)?)
}
