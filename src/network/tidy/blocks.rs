//! Where a network's blocks end, how its nodes can be called, and whether it ends in a classifier.

use super::{Extent, Graph, NodeId, Op};
use crate::network::graph::Node;
use crate::network::ops::Binary;
use std::collections::{HashMap, HashSet};

/// Marks the nodes worth an atlas: those through which everything goes and where branches join (with the
/// activation behind the joint), or, at a resolution without joints, the last before the resolution changes; and
/// the last map of all.
pub(super) fn mark_ends(graph: &mut Graph, extents: &[Extent], last: NodeId) {
    let cuts = cuts(graph);
    let is_map = |idx: usize| extents[idx].map_size().is_some_and(|(h, w)| h * w > 1);
    let mut ends: Vec<usize> = Vec::new();
    // Cuts of one resolution, in order.
    let mut stage: Vec<usize> = Vec::new();
    let mut resolution = None;
    let mut close = |stage: &mut Vec<usize>, is_final: bool| {
        let joints = stage.iter().filter(|&&idx| is_joint(graph, extents, idx));
        let joints: Vec<usize> = joints.map(|&idx| activated(graph, &cuts, idx)).collect();
        let maps = stage.iter().copied().filter(|&idx| is_map(idx));
        if joints.is_empty() || is_final {
            ends.extend(maps.max());
        }
        ends.extend(joints);
        stage.clear();
    };
    // Class tokens go past the patches, but what both come from is a cut.
    let counts = |idx: usize| cuts[idx] || unfolds(&graph.nodes[idx]);
    for idx in (1..=last.0).filter(|&idx| counts(idx)) {
        let Some(positions) = extents[idx].positions().filter(|&(h, w)| h * w > 1) else {
            continue;
        };
        if resolution != Some(positions) {
            close(&mut stage, false);
            resolution = Some(positions);
        }
        stage.push(idx);
    }
    close(&mut stage, true);
    if ends.is_empty() {
        // Something goes past every node: joints are the best there is.
        ends.extend((1..=last.0).filter(|&idx| is_joint(graph, extents, idx)));
    }
    ends.sort_unstable();
    ends.dedup();
    graph.block_ends = ends.into_iter().map(NodeId).collect();
}

/// True for the nodes that no edge goes past.
pub(super) fn cuts(graph: &Graph) -> Vec<bool> {
    let n = graph.nodes.len();
    let mut furthest = vec![0; n];
    for (idx, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            furthest[input.0] = idx;
        }
    }
    let mut reach = 0;
    (0..n)
        .map(|idx| {
            let is_cut = reach <= idx;
            reach = reach.max(furthest[idx]);
            is_cut
        })
        .collect()
}

/// Where maps of the same size come together.
fn is_joint(graph: &Graph, extents: &[Extent], idx: usize) -> bool {
    let node = &graph.nodes[idx];
    let size = extents[idx].map_size();
    let alike = |input: &NodeId| extents[input.0].map_size() == size;
    let of_sum = |input: &NodeId| matches!(graph.nodes[input.0].op, Op::Binary(Binary::Add));
    // Tokens' branches joined before they became a map.
    if unfolds(node) {
        return true;
    }
    if matches!(node.op, Op::Transpose(_)) && size.is_some() {
        return node.inputs.iter().all(of_sum);
    }
    size.is_some()
        && node.inputs.len() > 1
        && matches!(node.op, Op::Concat | Op::Binary(Binary::Add))
        && node.inputs.iter().all(alike)
}

/// True for the map that [`super::grids`] makes of tokens.
fn unfolds(node: &Node) -> bool {
    matches!(&node.op, Op::Reshape(reshape) if reshape.unfolds)
}

/// The activation behind a node, where it is all that reads it.
fn activated(graph: &Graph, cuts: &[bool], idx: usize) -> usize {
    let mut readers = (idx + 1..graph.nodes.len())
        .filter(|&reader| graph.nodes[reader].inputs.contains(&NodeId(idx)));
    match (readers.next(), readers.next()) {
        (Some(reader), None)
            if cuts[reader]
                && matches!(
                    graph.nodes[reader].op,
                    Op::Relu | Op::Unary(_) | Op::PRelu(_)
                ) =>
        {
            reader
        }
        _ => idx,
    }
}

/// Readable names for nodes that the file only numbers.
pub(super) fn name(graph: &mut Graph) {
    let mut taken: HashSet<String> = graph.nodes.iter().map(|node| node.name.clone()).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for node in &mut graph.nodes {
        let kind = kind(&node.op);
        let count = counts.entry(kind).or_default();
        *count += 1;
        let is_number = |name: &str| !name.chars().any(char::is_alphabetic);
        if !is_number(&node.name) {
            node.alias = None;
            continue;
        }
        let known = node.alias.take().filter(|alias| !is_number(alias));
        let mut alias = known.unwrap_or_else(|| format!("{kind}_{count}"));
        while !taken.insert(alias.clone()) {
            alias.push('_');
        }
        node.alias = Some(alias);
    }
}

/// What people call an operator.
fn kind(op: &Op) -> &'static str {
    match op {
        Op::Input => "input",
        Op::Conv(_) => "conv",
        Op::Relu => "relu",
        Op::Unary(_) | Op::PRelu(_) => "activation",
        Op::Affine(_) => "scale",
        Op::Binary(Binary::Add) => "add",
        Op::Binary(Binary::Mul) => "mul",
        Op::Binary(_) | Op::WithConstant(_) => "arithmetic",
        Op::MaxPool(_) => "maxpool",
        Op::AvgPool(_) => "avgpool",
        Op::GlobalAvgPool | Op::Reduce(_) => "mean",
        Op::Lrn(_) | Op::LayerNorm(_) => "norm",
        Op::Softmax(_) => "softmax",
        Op::Concat => "concat",
        Op::Linear(_) | Op::MatMul => "linear",
        Op::Slice(_) => "slice",
        Op::Pad(_) => "pad",
        Op::Resize(_) => "resize",
        Op::Reshape(_) | Op::Transpose(_) | Op::Expand(_) => "reshape",
        Op::Opaque(_) => "block",
    }
}

/// True when `last` comes out of a fully connected layer, or of a 1×1 convolution whose positions are averaged
/// (SqueezeNet, network in network); or of several such ends that are added (heads for distillation).
pub(in crate::network) fn ends_in_a_classifier(graph: &Graph, last: NodeId) -> bool {
    // Where the ends are looked for, and whether a mean over positions was passed.
    let mut added = false;
    let mut heads = vec![(last, false)];
    let mut met = HashSet::new();
    while let Some((at, averaged)) = heads.pop() {
        let node = graph.node(at);
        let is_mean = matches!(node.op, Op::GlobalAvgPool | Op::Reduce(_) | Op::AvgPool(_));
        let ends = match &node.op {
            Op::Linear(_) => !averaged,
            // Features are added to what is made of them; classes are not.
            Op::Conv(_) if added && averaged => false,
            Op::Conv(conv) => !averaged || conv.weight.dims()[2..] == [1, 1],
            _ => false,
        };
        let goes_on = match &node.op {
            Op::Relu => averaged,
            Op::Reshape(_) | Op::Affine(_) | Op::WithConstant(_) | Op::Binary(Binary::Add) => {
                !averaged
            }
            _ => is_mean,
        };
        if ends {
            continue;
        }
        if !goes_on {
            return false;
        }
        added |= matches!(node.op, Op::Binary(_));
        let inputs = node
            .inputs
            .iter()
            .map(|&input| (input, averaged || is_mean));
        heads.extend(inputs.filter(|&head| met.insert(head)));
    }
    true
}
