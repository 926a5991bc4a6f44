//! An imported graph made tidy: operators that are written as several become one, what nobody reads goes, nodes
//! get readable names, and the ends of its blocks are found.

mod blocks;
mod grids;
mod patterns;

use super::{Extent, Graph, NodeId, Op, Result};

pub(super) use blocks::ends_in_a_classifier;

/// Tidies a graph whose result is `last` at images of `size`; gives back where `last` is now.
pub(super) fn tidy(graph: Graph, last: NodeId, size: (usize, usize)) -> Result<(Graph, NodeId)> {
    let (mut graph, mut last) = pruned(graph, last);
    loop {
        let extents = graph.extents(size)?;
        if !patterns::join(&mut graph, &extents, last) {
            break;
        }
        (graph, last) = pruned(graph, last);
    }
    let extents = graph.extents(size)?;
    let cuts = blocks::cuts(&graph);
    (graph, last) = grids::as_maps(graph, &extents, &cuts, last);
    let extents = graph.extents(size)?;
    blocks::mark_ends(&mut graph, &extents, last);
    blocks::name(&mut graph);
    Ok((graph, last))
}

/// Only the input and what `last` needs, in the same order.
fn pruned(graph: Graph, last: NodeId) -> (Graph, NodeId) {
    let mut needed = vec![false; graph.nodes.len()];
    needed[0] = true;
    needed[last.0] = true;
    for idx in (0..needed.len()).rev() {
        if needed[idx] {
            for input in &graph.nodes[idx].inputs {
                needed[input.0] = true;
            }
        }
    }
    let mut place = vec![NodeId(0); needed.len()];
    let mut nodes = Vec::new();
    for (idx, mut node) in graph.nodes.into_iter().enumerate() {
        if needed[idx] {
            place[idx] = NodeId(nodes.len());
            for input in &mut node.inputs {
                *input = place[input.0];
            }
            nodes.push(node);
        }
    }
    let graph = Graph {
        nodes,
        block_ends: Vec::new(),
    };
    (graph, place[last.0])
}
