//! Tokens as maps.
//!
//! Transformers keep rows × columns × channels from block to block (Swin), or tokens × channels, patches behind some
//! class tokens (ViT). Both are maps in another order, so where branches join, the value passes through one: the graph
//! computes the same, and has a layer.

use super::{Extent, Graph, NodeId, Op};
use crate::network::extent::Axes;
use crate::network::graph::Node;
use crate::network::ops::{Binary, Part, Reshape, Slice};

/// Class tokens and registers in front of the patches, at most.
const MOST_EXTRA: usize = 16;

/// How a sum of branches holds a map.
#[derive(Clone, Copy)]
enum Held {
    /// `[rows, columns, channels]`.
    Grid,
    /// `[extra + rows · columns, channels]`.
    Tokens {
        extra: usize,
        size: (usize, usize),
        channels: usize,
    },
}

/// Lets every sum of branches that holds a map in another order and that no edge goes past pass through a map called
/// `NAME~map`; gives back where `last` is now.
pub(super) fn as_maps(
    graph: Graph,
    extents: &[Extent],
    cuts: &[bool],
    last: NodeId,
) -> (Graph, NodeId) {
    let held = held(&graph, extents, cuts, last);
    let mut place: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for (mut node, held) in graph.nodes.into_iter().zip(held) {
        for input in &mut node.inputs {
            *input = place[input.0];
        }
        nodes.push(node);
        place.push(match held {
            Some(held) => through_a_map(&mut nodes, held),
            None => NodeId(nodes.len() - 1),
        });
    }
    let graph = Graph {
        nodes,
        block_ends: Vec::new(),
    };
    (graph, place[last.0])
}

/// Which nodes hold a map in another order.
fn held(graph: &Graph, extents: &[Extent], cuts: &[bool], last: NodeId) -> Vec<Option<Held>> {
    // The map that each node's tokens come from.
    let mut sizes: Vec<Option<(usize, usize)>> = Vec::with_capacity(graph.nodes.len());
    let mut held = Vec::with_capacity(graph.nodes.len());
    for (idx, node) in graph.nodes.iter().enumerate() {
        let inherited = node.inputs.iter().find_map(|input| sizes[input.0]);
        let own = extents[idx].positions().filter(|(h, w)| h * w > 1);
        sizes.push(own.or(inherited));
        let joins = matches!(node.op, Op::Binary(Binary::Add)) && cuts[idx] && idx != last.0;
        held.push(match (extents[idx].axes, extents[idx].dims.as_slice()) {
            (Axes::MapFirst, [rows, cols, _]) if joins && rows * cols > 1 => Some(Held::Grid),
            (Axes::Free, &[tokens, channels]) if joins => sizes[idx].and_then(|size| {
                let extra = tokens.checked_sub(size.0 * size.1)?;
                let matters = extra == 0 || patches_matter(graph, idx, extra);
                (extra <= MOST_EXTRA && matters).then_some(Held::Tokens {
                    extra,
                    size,
                    channels,
                })
            }),
            _ => None,
        });
    }
    held
}

/// False behind the last block of a transformer that looks at its class tokens alone: until they are picked, nothing
/// carries anything from patch to patch.
fn patches_matter(graph: &Graph, from: usize, extra: usize) -> bool {
    let mut follows = vec![false; graph.nodes.len()];
    follows[from] = true;
    for (idx, node) in graph.nodes.iter().enumerate().skip(from + 1) {
        if !node.inputs.iter().any(|input| follows[input.0]) {
            continue;
        }
        match &node.op {
            Op::Slice(slice) if slice.axis == 1 => {
                let picked = slice.elements(extra + 1).unwrap_or_default();
                if picked.is_empty() || picked.contains(&extra) {
                    return true;
                }
            }
            Op::LayerNorm(norm) if norm.n_axes == 1 => follows[idx] = true,
            Op::Linear(_) | Op::Unary(_) | Op::Binary(_) => follows[idx] = true,
            _ => return true,
        }
    }
    false
}

/// Appends the way from the last node to a map and back; gives back its end.
fn through_a_map(nodes: &mut Vec<Node>, held: Held) -> NodeId {
    let from = NodeId(nodes.len() - 1);
    let (name, alias) = (nodes[from.0].name.clone(), nodes[from.0].alias.clone());
    let mut push = |what: &str, op: Op, inputs: &[NodeId]| {
        nodes.push(Node {
            name: format!("{name}~{what}"),
            alias: alias.as_ref().map(|alias| format!("{alias}~{what}")),
            op,
            inputs: inputs.to_vec(),
        });
        NodeId(nodes.len() - 1)
    };
    let Held::Tokens {
        extra,
        size: (rows, cols),
        channels,
    } = held
    else {
        let map = push("map", Op::Transpose(vec![0, 3, 1, 2]), &[from]);
        return push("grid", Op::Transpose(vec![0, 2, 3, 1]), &[map]);
    };
    let n = rows * cols;
    let (unfold, fold) = (
        Reshape::between(&[channels, n], &[channels, rows, cols]),
        Reshape::between(&[channels, rows, cols], &[channels, n]),
    );
    let (Some(mut unfold), Some(fold)) = (unfold, fold) else {
        return from;
    };
    unfold.unfolds = true;
    let part = |start: usize, end: usize| {
        Op::Slice(Slice {
            axis: 1,
            part: Part::Range {
                start: start as i64,
                end: end as i64,
                step: 1,
            },
        })
    };
    let patches = match extra {
        0 => from,
        _ => push("patches", part(extra, extra + n), &[from]),
    };
    let turned = push("turned", Op::Transpose(vec![0, 2, 1]), &[patches]);
    let map = push("map", Op::Reshape(unfold), &[turned]);
    let folded = push("folded", Op::Reshape(fold), &[map]);
    let tokens = push("tokens", Op::Transpose(vec![0, 2, 1]), &[folded]);
    if extra == 0 {
        return tokens;
    }
    let class = push("class", part(0, extra), &[from]);
    push("joined", Op::Concat, &[class, tokens])
}
