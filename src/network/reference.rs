//! Running the graph with plain candle operators, on any device.
//!
//! Values are dropped as soon as their last reader has run, so that memory follows the widest cut of the graph
//! and not its length. vjp keeps what the backward rules need and nothing else.

use super::extent::Extent;
use super::rules::{Saved, apply, needs_primal, pull, push};
use super::{Graph, NetworkError, Node, NodeId, Result};
use crate::atlas::Relaxation;
use candle_core::{DType, Tensor};

/// One optional tensor per node, dropped after its last reader.
struct Values {
    slots: Vec<Option<Tensor>>,
    readers: Vec<usize>,
}

impl Values {
    fn new(graph: &Graph, needed: &[bool], keep: &[NodeId]) -> Self {
        let mut readers = graph.readers(needed);
        for node in keep {
            readers[node.0] += 1;
        }
        Self {
            slots: vec![None; readers.len()],
            readers,
        }
    }

    fn get(&self, id: NodeId) -> Result<&Tensor> {
        self.slots[id.0].as_ref().ok_or_else(|| {
            NetworkError::BadGraph(format!("the value of node {} is not at hand", id.0))
        })
    }

    fn inputs(&self, node: &Node) -> Result<Vec<&Tensor>> {
        node.inputs.iter().map(|&input| self.get(input)).collect()
    }

    fn set(&mut self, id: NodeId, value: Tensor) {
        if self.readers[id.0] > 0 {
            self.slots[id.0] = Some(value);
        }
    }

    /// One reader of each input is done.
    fn release(&mut self, node: &Node) {
        for input in &node.inputs {
            let readers = &mut self.readers[input.0];
            *readers = readers.saturating_sub(1);
            if *readers == 0 {
                self.slots[input.0] = None;
            }
        }
    }
}

/// Values at `taps` for the value `x` at `start`; only what they need is computed.
pub(super) fn forward(
    graph: &Graph,
    start: NodeId,
    x: &Tensor,
    taps: &[NodeId],
) -> Result<Vec<Tensor>> {
    let needed = graph.between(start, taps)?;
    let mut values = Values::new(graph, &needed, taps);
    values.set(start, x.clone());
    for (idx, node) in graph.nodes.iter().enumerate().skip(start.0 + 1) {
        if needed[idx] {
            let value = apply(&node.op, &values.inputs(node)?)?;
            values.set(NodeId(idx), value);
            values.release(node);
        }
    }
    taps.iter().map(|&tap| values.get(tap).cloned()).collect()
}

/// The activation at `tap` and the gradient to the images `x` of the objective whose cotangent `objective`
/// returns.
pub(super) fn vjp(
    graph: &Graph,
    x: &Tensor,
    tap: NodeId,
    objective: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
) -> Result<(Tensor, Tensor)> {
    let input = NodeId(0);
    let needed = graph.between(input, &[tap])?;
    let mut values = Values::new(graph, &needed, &[tap]);
    let mut saved: Vec<Option<Saved>> = (0..graph.nodes.len()).map(|_| None).collect();
    values.set(input, x.clone());
    for idx in 1..=tap.0 {
        if needed[idx] {
            let node = &graph.nodes[idx];
            let inputs = values.inputs(node)?;
            let value = apply(&node.op, &inputs)?;
            saved[idx] = Some(Saved::of(&node.op, &inputs, &value));
            values.set(NodeId(idx), value);
            values.release(node);
        }
    }
    let activation = values.get(tap)?.clone();
    drop(values);

    let mut cotangents: Vec<Option<Tensor>> = vec![None; tap.0 + 1];
    let cotangent = objective(&activation)?;
    if cotangent.shape() != activation.shape() {
        return Err(NetworkError::BadGraph(format!(
            "the objective's gradient has shape {:?}, the activation {:?}",
            cotangent.dims(),
            activation.dims()
        )));
    }
    cotangents[tap.0] = Some(cotangent);
    for idx in (1..=tap.0).rev() {
        let (Some(saved), Some(cotangent)) = (saved[idx].take(), cotangents[idx].take()) else {
            continue;
        };
        let node = &graph.nodes[idx];
        let parts = pull(&node.op, &saved, &cotangent)?;
        for (input, part) in node.inputs.iter().zip(parts) {
            let slot = &mut cotangents[input.0];
            *slot = Some(match slot.take() {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
    }
    let gradient = match cotangents[0].take() {
        Some(gradient) => gradient,
        None => x.zeros_like()?,
    };
    Ok((activation, gradient))
}

/// The values from `start` on that the jvps between `start` and `to` linearise at, by node; the rest is `None`.
pub(super) fn primals(
    graph: &Graph,
    start: NodeId,
    x: &Tensor,
    to: NodeId,
    relaxation: Relaxation,
) -> Result<Vec<Option<Tensor>>> {
    let mut needed = graph.between(start, &[to])?;
    needed[start.0] = false;
    let wanted = linearised(graph, &needed, relaxation);
    let mut slots = vec![None; graph.nodes.len()];
    if !wanted.is_empty() {
        for (&id, value) in wanted.iter().zip(forward(graph, start, x, &wanted)?) {
            slots[id.0] = Some(value);
        }
    }
    Ok(slots)
}

/// The values that the jvps of the `needed` nodes linearise at.
pub(super) fn linearised(graph: &Graph, needed: &[bool], relaxation: Relaxation) -> Vec<NodeId> {
    let nodes = graph.nodes.iter().zip(needed);
    let mut wanted: Vec<NodeId> = nodes
        .filter(|(node, needed)| **needed && needs_primal(&node.op, relaxation))
        .flat_map(|(node, _)| node.inputs.iter().copied())
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// Forward mode from one node to another. Where other paths go past the first, the tangent on them is zero.
pub(super) struct Tangents<'a> {
    /// The nodes that follow from the first and lead to the last, without the first.
    pub on_the_way: &'a [bool],
    /// Of every node's value.
    pub extents: &'a [Extent],
}

impl Tangents<'_> {
    /// Tangents at `to` of the tangents `[p, …]` at `from`, linearised at `primals`.
    pub(super) fn jvp(
        &self,
        graph: &Graph,
        (from, to): (NodeId, NodeId),
        primals: &[Option<Tensor>],
        tangents: &Tensor,
        relaxation: Relaxation,
    ) -> Result<Tensor> {
        let mut values = Values::new(graph, self.on_the_way, &[to]);
        values.set(from, tangents.clone());
        for (idx, node) in graph.nodes.iter().enumerate().skip(from.0 + 1) {
            if self.on_the_way[idx] {
                for &input in node
                    .inputs
                    .iter()
                    .filter(|input| !self.follows(from, **input))
                {
                    let dims = [&[tangents.dim(0)?], self.extents[input.0].dims.as_slice()];
                    let zeros = Tensor::zeros(dims.concat(), DType::F32, tangents.device())?;
                    values.set(input, zeros);
                }
                let primals: Vec<_> = node
                    .inputs
                    .iter()
                    .map(|input| primals[input.0].as_ref())
                    .collect();
                let value = push(&node.op, &primals, &values.inputs(node)?, relaxation)?;
                values.set(NodeId(idx), value);
                values.release(node);
            }
        }
        values.get(to).cloned()
    }

    fn follows(&self, from: NodeId, id: NodeId) -> bool {
        id == from || self.on_the_way[id.0]
    }
}
