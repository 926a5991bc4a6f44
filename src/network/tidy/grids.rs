//! Tokens as maps.
//!
//! Transformers keep rows × columns × channels from block to block (Swin), or tokens × channels, patches beside some
//! class tokens (ViT). Both are maps in another order, so where branches join, the value passes through one: the graph
//! computes the same, and has a layer.

use super::{Extent, Graph, NodeId, Op};
use crate::network::extent::Axes;
use crate::network::graph::Node;
use crate::network::ops::{Binary, Part, Reshape, Slice};
use std::ops::Range;

/// Class tokens and registers beside the patches, at most.
const MOST_EXTRA: usize = 16;

/// How a sum of branches holds a map.
#[derive(Clone, Copy)]
enum Held {
    /// `[rows, columns, channels]`.
    Grid,
    /// `[tokens, channels]`, of which `rows · columns` from `first` on are patches.
    Tokens {
        first: usize,
        size: (usize, usize),
        dims: [usize; 2],
    },
}

/// Where a map's positions are in a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Two axes of it.
    Map((usize, usize)),
    /// `[channels, positions]`.
    Channels((usize, usize)),
    /// `[tokens, channels]`, the positions from `first` on.
    Tokens { first: usize, size: (usize, usize) },
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
    let mut places: Vec<Option<Place>> = Vec::with_capacity(graph.nodes.len());
    let mut held = Vec::with_capacity(graph.nodes.len());
    for (idx, node) in graph.nodes.iter().enumerate() {
        let place = place(node, &extents[idx], extents, &places);
        places.push(place);
        let joins = matches!(node.op, Op::Binary(Binary::Add)) && cuts[idx] && idx != last.0;
        held.push(match (extents[idx].dims.as_slice(), place) {
            _ if !joins => None,
            (_, Some(Place::Map(_))) if extents[idx].axes == Axes::MapFirst => Some(Held::Grid),
            (&[tokens, channels], Some(Place::Tokens { first, size })) => {
                let patches = first..first + size.0 * size.1;
                let extra = tokens.saturating_sub(patches.len());
                let matters = extra == 0 || patches_matter(graph, idx, (tokens, &patches));
                (extra <= MOST_EXTRA && patches.end <= tokens && matters).then_some(Held::Tokens {
                    first,
                    size,
                    dims: [tokens, channels],
                })
            }
            _ => None,
        });
    }
    held
}

/// Follows a map's positions through what flattens, turns, joins and cuts it. `None` once they cannot be told; a sum
/// with what still can be told finds them again.
fn place(
    node: &Node,
    extent: &Extent,
    extents: &[Extent],
    places: &[Option<Place>],
) -> Option<Place> {
    if let Some(size) = extent.positions().filter(|(h, w)| h * w > 1) {
        return (extent.dims.len() == 3).then_some(Place::Map(size));
    }
    let &[rows, cols] = extent.dims.as_slice() else {
        return None;
    };
    let input = *node.inputs.first()?;
    let from = || places[input.0];
    let n = |size: (usize, usize)| size.0 * size.1;
    match &node.op {
        Op::Reshape(_) => match (from()?, extents[input.0].axes) {
            (Place::Map(size), Axes::MapLast) => (cols == n(size)).then_some(Place::Channels(size)),
            (Place::Map(size), Axes::MapFirst) => {
                (rows == n(size)).then_some(Place::Tokens { first: 0, size })
            }
            (place, _) => (extents[input.0].dims == extent.dims).then_some(place),
        },
        Op::Transpose(_) => match from()? {
            Place::Channels(size) => Some(Place::Tokens { first: 0, size }),
            Place::Tokens { first: 0, size } if cols == n(size) => Some(Place::Channels(size)),
            _ => None,
        },
        Op::Slice(slice) if slice.axis == 1 => {
            let Place::Tokens { first, size } = from()? else {
                return None;
            };
            let picked = slice.elements(extents[input.0].dims[0])?;
            let at = picked.iter().position(|&element| element == first)?;
            let whole = picked.get(at..at + n(size))?.iter().copied();
            whole
                .eq(first..first + n(size))
                .then_some(Place::Tokens { first: at, size })
        }
        Op::Concat => {
            let mut found = None;
            let mut before = 0;
            for input in &node.inputs {
                match places[input.0] {
                    Some(Place::Tokens { first, size }) if found.is_none() => {
                        found = Some(Place::Tokens {
                            first: before + first,
                            size,
                        });
                    }
                    None => (),
                    Some(_) => return None,
                }
                before += extents[input.0].dims[0];
            }
            found
        }
        // Constants are joined by making room for them.
        Op::Pad(pad) => match (from()?, pad.ends.as_slice()) {
            (Place::Tokens { first, size }, &[_, (before, after), (0, 0)]) if after >= 0 => {
                let before = usize::try_from(before).ok()?;
                Some(Place::Tokens {
                    first: first + before,
                    size,
                })
            }
            _ => None,
        },
        Op::MatMul => None,
        _ => {
            let mut known = node.inputs.iter().filter_map(|input| {
                let dims = extents[input.0].dims.as_slice();
                match (places[input.0]?, dims) {
                    (place @ Place::Tokens { .. }, &[r, _]) => (r == rows).then_some(place),
                    (place @ Place::Channels(_), &[_, c]) => (c == cols).then_some(place),
                    _ => None,
                }
            });
            let place = known.next()?;
            known.all(|other| other == place).then_some(place)
        }
    }
}

/// False behind the last block of a transformer that looks at its class tokens alone: until they are picked, nothing
/// carries anything from patch to patch.
fn patches_matter(graph: &Graph, from: usize, (n, patches): (usize, &Range<usize>)) -> bool {
    let mut follows = vec![false; graph.nodes.len()];
    follows[from] = true;
    for (idx, node) in graph.nodes.iter().enumerate().skip(from + 1) {
        if !node.inputs.iter().any(|input| follows[input.0]) {
            continue;
        }
        match &node.op {
            Op::Slice(slice) if slice.axis == 1 => {
                let picked = slice.elements(n).unwrap_or_default();
                if picked.is_empty() || picked.iter().any(|element| patches.contains(element)) {
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
        first,
        size: (rows, cols),
        dims: [tokens, channels],
    } = held
    else {
        let map = push("map", Op::Transpose(vec![0, 3, 1, 2]), &[from]);
        return push("grid", Op::Transpose(vec![0, 2, 3, 1]), &[map]);
    };
    let (n, end) = (rows * cols, first + rows * cols);
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
    let patches = if n == tokens {
        from
    } else {
        push("patches", part(first, end), &[from])
    };
    let turned = push("turned", Op::Transpose(vec![0, 2, 1]), &[patches]);
    let map = push("map", Op::Reshape(unfold), &[turned]);
    let folded = push("folded", Op::Reshape(fold), &[map]);
    let mut parts = vec![push("tokens", Op::Transpose(vec![0, 2, 1]), &[folded])];
    if first > 0 {
        parts.insert(0, push("class", part(0, first), &[from]));
    }
    if end < tokens {
        parts.push(push("behind", part(end, tokens), &[from]));
    }
    match parts.as_slice() {
        &[only] => only,
        parts => push("joined", Op::Concat, parts),
    }
}
