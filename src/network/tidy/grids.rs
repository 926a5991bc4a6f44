//! Token grids as maps.
//!
//! Some transformers (Swin) keep rows × columns × channels from block to block. Such a value is a map with its axes in
//! another order, so where its branches join, it passes through one: the graph computes the same, and has a layer.

use super::{Extent, Graph, NodeId, Op};
use crate::network::extent::Axes;
use crate::network::graph::Node;
use crate::network::ops::Binary;

/// Lets every sum of branches that is a token grid and that no edge goes past pass through a map called `NAME~map`; gives
/// back where `last` is now.
pub(super) fn as_maps(
    graph: Graph,
    extents: &[Extent],
    cuts: &[bool],
    last: NodeId,
) -> (Graph, NodeId) {
    let is_grid = |idx: usize, node: &Node| {
        let sizes = extents[idx].dims.as_slice();
        idx != last.0
            && cuts[idx]
            && extents[idx].axes == Axes::MapFirst
            && matches!(sizes, [rows, cols, _] if rows * cols > 1)
            && matches!(node.op, Op::Binary(Binary::Add))
    };
    let mut place: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for (idx, mut node) in graph.nodes.into_iter().enumerate() {
        for input in &mut node.inputs {
            *input = place[input.0];
        }
        let orders = if is_grid(idx, &node) {
            vec![("map", vec![0, 3, 1, 2]), ("grid", vec![0, 2, 3, 1])]
        } else {
            Vec::new()
        };
        let (name, alias) = (node.name.clone(), node.alias.clone());
        nodes.push(node);
        for (what, order) in orders {
            nodes.push(Node {
                name: format!("{name}~{what}"),
                alias: alias.as_ref().map(|alias| format!("{alias}~{what}")),
                op: Op::Transpose(order),
                inputs: vec![NodeId(nodes.len() - 1)],
            });
        }
        place.push(NodeId(nodes.len() - 1));
    }
    let graph = Graph {
        nodes,
        block_ends: Vec::new(),
    };
    (graph, place[last.0])
}
