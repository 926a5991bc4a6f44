//! Which nodes of a file are needed, and in which order they can be computed.

use super::proto::{Graph, Node};
use crate::network::{NetworkError, Result};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Files may hold this many nodes.
const MOST_NODES: usize = 20_000;

/// The nodes that `output` needs, as near to the file's order as their inputs allow.
pub(super) fn live_nodes<'g, 'a>(
    graph: &'g Graph<'a>,
    given: &HashSet<&str>,
    output: &str,
) -> Result<Vec<&'g Node<'a>>> {
    let bad = |why: String| Err(NetworkError::BadModel(why));
    let nodes = &graph.nodes;
    if nodes.len() > MOST_NODES {
        return bad(format!("{} nodes, at most {MOST_NODES}", nodes.len()));
    }
    let mut maker: HashMap<&str, usize> = HashMap::new();
    for (idx, node) in nodes.iter().enumerate() {
        for &name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if maker.insert(name, idx).is_some() || given.contains(name) {
                return bad(format!("two things are named {name}"));
            }
        }
    }
    let mut needs: Vec<Option<Vec<usize>>> = vec![None; nodes.len()];
    let mut open: Vec<(usize, &str)> = vec![(usize::MAX, output)];
    while let Some((reader, name)) = open.pop() {
        let Some(&idx) = maker.get(name) else {
            if given.contains(name) {
                continue;
            }
            let who = nodes
                .get(reader)
                .map_or("the graph's output", |node| node.label());
            return bad(format!("{who} reads {name:?}, which nothing makes"));
        };
        if needs[idx].is_none() {
            let read = reads(&nodes[idx]);
            let makers = read.iter().filter_map(|name| maker.get(name).copied());
            let mut makers: Vec<usize> = makers.collect();
            makers.sort_unstable();
            makers.dedup();
            needs[idx] = Some(makers);
            open.extend(read.into_iter().map(|name| (idx, name)));
        }
    }
    sorted(nodes, &needs)
}

/// Kahn's order, first nodes first.
fn sorted<'g, 'a>(
    nodes: &'g [Node<'a>],
    needs: &[Option<Vec<usize>>],
) -> Result<Vec<&'g Node<'a>>> {
    let mut missing: Vec<usize> = vec![0; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut ready = BinaryHeap::new();
    for (idx, makers) in needs.iter().enumerate() {
        let Some(makers) = makers else { continue };
        missing[idx] = makers.len();
        for &maker in makers {
            readers[maker].push(idx);
        }
        if makers.is_empty() {
            ready.push(Reverse(idx));
        }
    }
    let mut order = Vec::new();
    while let Some(Reverse(idx)) = ready.pop() {
        order.push(&nodes[idx]);
        for &reader in &readers[idx] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match (0..nodes.len()).find(|&idx| missing[idx] > 0) {
        None => Ok(order),
        Some(idx) => Err(NetworkError::BadModel(format!(
            "its nodes form a cycle, {} is part of it or behind it",
            nodes[idx].label()
        ))),
    }
}

/// What a node reads: its inputs, and what its branches read from outside.
pub(super) fn reads<'a>(node: &Node<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = node.inputs.clone();
    for graph in node
        .attributes
        .iter()
        .filter_map(|found| found.graph.as_ref())
    {
        let mut own: HashSet<&str> = graph.initializers.iter().map(|found| found.name).collect();
        own.extend(graph.inputs.iter().map(|input| input.name));
        own.extend(graph.nodes.iter().flat_map(|node| &node.outputs).copied());
        let inner = graph.nodes.iter().flat_map(reads);
        let outputs = graph.outputs.iter().map(|output| output.name);
        names.extend(inner.chain(outputs).filter(|name| !own.contains(name)));
    }
    names.retain(|name| !name.is_empty());
    names
}
