//! Operators that files write as several: each pattern replaces the last of them, and leaves the others to whoever
//! still reads them.

use super::{Extent, Graph, NodeId, Op};
use crate::network::ops::{Conv, Pad, Reshape, Unary};

/// Looks for patterns once; true when one was found.
pub(super) fn join(graph: &mut Graph, extents: &[Extent], last: NodeId) -> bool {
    let readers = graph.readers(&vec![true; graph.nodes.len()]);
    let mut found = false;
    for (idx, &n_readers) in readers.iter().enumerate().skip(1) {
        let view = View {
            graph,
            extents,
            last,
        };
        let replaced = view
            .gate(idx)
            .or_else(|| view.hard_sigmoid(idx))
            .or_else(|| view.gelu(idx))
            .or_else(|| view.map_mean(idx))
            .or_else(|| view.padded_conv(idx))
            .or_else(|| view.transposes(idx))
            .or_else(|| view.reshapes(idx));
        if let Some((op, input)) = replaced {
            let node = &mut graph.nodes[idx];
            (node.op, node.inputs) = (op, vec![input]);
            found = true;
        } else if let Some(same) = view.nothing(idx) {
            for node in &mut graph.nodes[idx + 1..] {
                for input in &mut node.inputs {
                    if input.0 == idx {
                        *input = same;
                    }
                }
            }
            // Its readers are gone, so that it goes next.
            found |= n_readers > 0;
        }
    }
    found
}

struct View<'a> {
    graph: &'a Graph,
    extents: &'a [Extent],
    last: NodeId,
}

/// The operator and the input that stand for the pattern.
type Joined = Option<(Op, NodeId)>;

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * b.abs().max(1.0)
}

impl View<'_> {
    fn op(&self, id: NodeId) -> &Op {
        &self.graph.node(id).op
    }

    /// The one input of a node.
    fn input(&self, id: NodeId) -> Option<NodeId> {
        match self.graph.node(id).inputs.as_slice() {
            &[one] => Some(one),
            _ => None,
        }
    }

    /// Factor, summand and input of an affine node with one of each for all channels.
    fn scaled(&self, id: NodeId) -> Option<(f32, f32, NodeId)> {
        let Op::Affine(affine) = self.op(id) else {
            return None;
        };
        let one = |t: &candle_core::Tensor| match t.dims() {
            [1] => t.to_vec1::<f32>().ok()?.first().copied(),
            _ => None,
        };
        Some((one(&affine.mul)?, one(&affine.add)?, self.input(id)?))
    }

    /// Both orders of a product's factors.
    fn factors(&self, id: NodeId) -> Option<[(NodeId, NodeId); 2]> {
        match (self.op(id), self.graph.node(id).inputs.as_slice()) {
            (Op::Binary(crate::network::ops::Binary::Mul), &[a, b]) => Some([(a, b), (b, a)]),
            _ => None,
        }
    }

    /// x · sigmoid(x), x · hard sigmoid(x).
    fn gate(&self, idx: usize) -> Joined {
        let pairs = self.factors(NodeId(idx))?;
        pairs.into_iter().find_map(|(x, gate)| {
            if self.input(gate) != Some(x) {
                return None;
            }
            let unary = match self.op(gate) {
                Op::Unary(Unary::Sigmoid) => Unary::Silu,
                &Op::Unary(Unary::HardSigmoid { alpha, beta })
                    if near(alpha, 1.0 / 6.0) && near(beta, 0.5) =>
                {
                    Unary::HardSwish
                }
                _ => return None,
            };
            Some((Op::Unary(unary), x))
        })
    }

    /// clip(x + 3, 0, 6) / 6, and x · clip(x + 3, 0, 6) / 6.
    fn hard_sigmoid(&self, idx: usize) -> Joined {
        let (share, zero, inner) = self.scaled(NodeId(idx))?;
        if !near(share, 1.0 / 6.0) || !near(zero, 0.0) {
            return None;
        }
        let clipped = |id: NodeId| match self.op(id) {
            &Op::Unary(Unary::Clip { min, max }) if near(min, 0.0) && near(max, 6.0) => {
                let (one, three, x) = self.scaled(self.input(id)?)?;
                (near(one, 1.0) && near(three, 3.0)).then_some(x)
            }
            _ => None,
        };
        if let Some(x) = clipped(inner) {
            let (alpha, beta) = (1.0 / 6.0, 0.5);
            return Some((Op::Unary(Unary::HardSigmoid { alpha, beta }), x));
        }
        let pairs = self.factors(inner)?;
        let swish = pairs
            .into_iter()
            .find(|&(x, gate)| clipped(gate) == Some(x));
        swish.map(|(x, _)| (Op::Unary(Unary::HardSwish), x))
    }

    /// ½ x (1 + erf(x / √2)) in the orders that exporters write.
    fn gelu(&self, idx: usize) -> Joined {
        let one_and_erf = |id: NodeId| {
            let (mul, add, erf) = self.scaled(id)?;
            let Op::Unary(Unary::Erf) = self.op(erf) else {
                return None;
            };
            let (root, zero, x) = self.scaled(self.input(erf)?)?;
            let fits = near(root, std::f32::consts::FRAC_1_SQRT_2) && near(zero, 0.0);
            (fits && near(mul, add)).then_some((mul, x))
        };
        let product = |id: NodeId, whole: f32| {
            self.factors(id)?.into_iter().find_map(|(a, b)| {
                let (factor, x) = one_and_erf(b)?;
                let outside = match self.scaled(a) {
                    _ if a == x => 1.0,
                    Some((outside, 0.0, inner)) if inner == x => outside,
                    _ => return None,
                };
                near(factor * outside * whole, 0.5).then_some((Op::Unary(Unary::Gelu), x))
            })
        };
        product(NodeId(idx), 1.0).or_else(|| match self.scaled(NodeId(idx))? {
            (whole, 0.0, inner) => product(inner, whole),
            _ => None,
        })
    }

    /// The mean over all positions without their axes.
    fn map_mean(&self, idx: usize) -> Joined {
        let id = NodeId(idx);
        let input = self.input(id)?;
        let source = match (self.op(id), self.op(input)) {
            (Op::Reduce(reduce), _) => {
                let kept = crate::network::ops::Reduce {
                    keep: true,
                    ..reduce.clone()
                };
                (!reduce.keep && kept.is_map_mean()).then_some(input)?
            }
            (Op::Reshape(_), Op::Reduce(reduce)) if reduce.is_map_mean() => self.input(input)?,
            _ => return None,
        };
        let extent = &self.extents[source.0];
        extent.map_size()?;
        (self.extents[idx].dims == [extent.channels()]).then_some((Op::GlobalAvgPool, source))
    }

    /// Zeros around a convolution's input.
    fn padded_conv(&self, idx: usize) -> Joined {
        let input = self.input(NodeId(idx))?;
        let (Op::Conv(conv), Op::Pad(Pad { ends, value })) = (self.op(NodeId(idx)), self.op(input))
        else {
            return None;
        };
        let &[(0, 0), (0, 0), (top, bottom), (left, right)] = ends.as_slice() else {
            return None;
        };
        let kernel = conv.window().kernel;
        let mut pads = conv.pads;
        for (idx, more) in [top, left, bottom, right].into_iter().enumerate() {
            pads[idx] = pads[idx].checked_add_signed(more)?;
            if more < 0 || pads[idx] >= kernel[idx % 2] {
                return None;
            }
        }
        let conv = Conv {
            pads,
            ..conv.clone()
        };
        (value.abs() == 0.0).then_some((Op::Conv(conv), self.input(input)?))
    }

    /// Two orders of axes after each other.
    fn transposes(&self, idx: usize) -> Joined {
        let input = self.input(NodeId(idx))?;
        match (self.op(NodeId(idx)), self.op(input)) {
            (Op::Transpose(second), Op::Transpose(first)) => {
                let order = second.iter().map(|&at| first[at]).collect();
                Some((Op::Transpose(order), self.input(input)?))
            }
            _ => None,
        }
    }

    /// Two reshapes after each other: the first often merges axes that the second only takes apart again.
    fn reshapes(&self, idx: usize) -> Joined {
        let input = self.input(NodeId(idx))?;
        match (self.op(NodeId(idx)), self.op(input)) {
            (Op::Reshape(_), Op::Reshape(_)) => {
                let source = self.input(input)?;
                let (from, to) = (&self.extents[source.0].dims, &self.extents[idx].dims);
                Some((Op::Reshape(Reshape::between(from, to)?), source))
            }
            _ => None,
        }
    }

    /// The node whose value this one only repeats.
    fn nothing(&self, idx: usize) -> Option<NodeId> {
        let id = NodeId(idx);
        let input = self.input(id).filter(|_| id != self.last)?;
        match (self.op(id), self.op(input)) {
            (Op::Transpose(order), _) if order.is_sorted() => Some(input),
            (Op::Reshape(_), _) => {
                let same = self.extents[input.0].dims == self.extents[idx].dims;
                same.then_some(input)
            }
            _ => None,
        }
    }
}
