//! A network as a tree for people: the trunk that everything passes, and under each joint the branches that it joins.

use super::{Extent, Graph, Network, NodeId, Op, Result};

/// One node.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// A readable name, where its own is only a number.
    pub alias: Option<String>,
    /// Its operator.
    pub operator: String,
    /// Shape of one image's value.
    pub shape: Vec<usize>,
    /// An atlas can be made of it: the shape is channels × rows × columns.
    pub has_positions: bool,
    /// Theoretical receptive field in input pixels.
    pub receptive_field: usize,
    /// Input pixels between neighbouring positions.
    pub stride: usize,
    /// Multiplications with addition for one image at the network's input size; for a joint with its branches.
    pub macs: u64,
    /// Worth an atlas.
    pub block_end: bool,
    /// 0 on the trunk, 1 in a branch of the joint above it.
    pub depth: usize,
}

/// All nodes, joints before their branches.
///
/// # Errors
/// A graph whose nodes do not fit each other.
pub fn rows(network: &Network) -> Result<Vec<Row>> {
    let graph = &network.graph;
    let extents = graph.extents((network.input.size, network.input.size))?;
    let fields = &network.fields;
    let row = |idx: usize, depth: usize| {
        let node = &graph.nodes[idx];
        let inputs: Vec<&Extent> = node.inputs.iter().map(|input| &extents[input.0]).collect();
        Row {
            name: node.name.clone(),
            operator: operator(&node.op),
            alias: node.alias.clone(),
            shape: extents[idx].dims.clone(),
            has_positions: extents[idx].map_size().is_some(),
            receptive_field: fields[idx].0,
            stride: fields[idx].1,
            macs: node.op.macs(&inputs, &extents[idx]),
            block_end: graph.block_ends.contains(&NodeId(idx)),
            depth,
        }
    };
    let mut rows = Vec::with_capacity(graph.nodes.len());
    let mut waiting = Vec::new();
    for (idx, on_trunk) in trunk(graph).into_iter().enumerate() {
        if !on_trunk {
            waiting.push(row(idx, 1));
            continue;
        }
        let mut joint = row(idx, 0);
        joint.macs += waiting.iter().map(|row| row.macs).sum::<u64>();
        rows.push(joint);
        rows.append(&mut waiting);
    }
    rows.append(&mut waiting);
    Ok(rows)
}

/// Per node whether everything after it goes through it.
fn trunk(graph: &Graph) -> Vec<bool> {
    let mut last_reader: Vec<usize> = (0..graph.nodes.len()).collect();
    for (idx, node) in graph.nodes.iter().enumerate() {
        for input in &node.inputs {
            last_reader[input.0] = idx;
        }
    }
    // The latest reader of anything before the node: past it, a branch goes around.
    let mut latest = 0;
    let mut trunk = Vec::with_capacity(graph.nodes.len());
    for (idx, reader) in last_reader.iter().enumerate() {
        trunk.push(latest <= idx);
        latest = latest.max(*reader);
    }
    trunk
}

/// The operator's name as the program spells it; of a family of functions also which.
fn operator(op: &Op) -> String {
    let text = format!("{op:?}");
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    match (first, words.next()) {
        ("Unary" | "Binary", Some(which)) => which.to_owned(),
        _ => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn joints_hold_their_branches() {
        let network = crate::network::demo::load(&Device::Cpu).unwrap();
        let rows = rows(&network).unwrap();
        assert_eq!(rows.len(), network.graph.nodes.len());
        let at = |name: &str| rows.iter().position(|row| row.name == name).unwrap();
        let joint = at("mixed4b");
        assert_eq!((rows[joint].depth, rows[joint].block_end), (0, true));
        assert_eq!(rows[joint].shape, [176, 8, 8]);
        // Six convolutions with their ReLUs and a pool lie in the branches.
        let branches: Vec<&Row> = rows[joint + 1..]
            .iter()
            .take_while(|row| row.depth == 1)
            .collect();
        assert_eq!(branches.len(), 13);
        assert!(branches.iter().all(|row| row.name.starts_with("mixed4b_")));
        // 144 channels in: (1×1 48) + (32, then 3×3 64) + (16, then 5×5 32) + 32 behind the pool, at 64 positions.
        let input = network.layer("mixed4a").unwrap().depth as u64;
        let weights = input * (48 + 32 + 16 + 32) + 9 * 32 * 64 + 25 * 16 * 32;
        assert_eq!(rows[joint].macs, weights * 64);
        assert_eq!(rows[at("maxpool0")].operator, "MaxPool");
        assert_eq!(rows[at("logits")].shape, [network.classes.len()]);
    }
}
