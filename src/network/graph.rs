//! The graph: named nodes in topological order, each with one operator and its inputs.

use super::{NetworkError, Result, ops};

/// Index of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// One operator with its parameters. Tensors are NCHW, single precision.
#[derive(Debug, Clone)]
pub enum Op {
    /// The images, `[batch, 3, height, width]`, preprocessed.
    Input,
    /// 2-D convolution with bias.
    Conv(ops::Conv),
    /// max(x, 0); the derivative at 0 is 0, as in PyTorch.
    Relu,
    /// Largest value of a window.
    MaxPool(ops::MaxPool),
    /// Mean of a window.
    AvgPool(ops::AvgPool),
    /// Mean over all positions: `[b, c, h, w]` → `[b, c]`.
    GlobalAvgPool,
    /// Local response normalisation across channels.
    Lrn(ops::Lrn),
    /// Concatenation along channels.
    Concat,
    /// `[b, in]` → `[b, out]`.
    Linear(ops::Linear),
}

/// A named node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique name (`mixed4d_3x3`).
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Earlier nodes that it reads, in the operator's order.
    pub inputs: Vec<NodeId>,
}

/// Nodes in topological order; node 0 is the input.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Nodes worth an atlas (block ends), shallow to deep.
    pub block_ends: Vec<NodeId>,
}

/// A node as a layer that an atlas can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The node.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Number of channels.
    pub depth: usize,
    /// Rows and columns at the network's input size.
    pub map_size: (usize, usize),
    /// Theoretical receptive field in input pixels.
    pub receptive_field: usize,
    /// Input pixels between neighbouring positions.
    pub stride: usize,
}

impl Graph {
    /// Adds a node and returns its id.
    ///
    /// # Errors
    /// A name that is taken, or an input that does not exist yet.
    pub fn push(&mut self, name: impl Into<String>, op: Op, inputs: &[NodeId]) -> Result<NodeId> {
        let name = name.into();
        if self.find(&name).is_some() {
            return Err(NetworkError::BadGraph(format!(
                "two nodes are named {name}"
            )));
        }
        if let Some(input) = inputs.iter().find(|input| input.0 >= self.nodes.len()) {
            return Err(NetworkError::BadGraph(format!(
                "{name} reads node {} which comes later",
                input.0
            )));
        }
        self.nodes.push(Node {
            name,
            op,
            inputs: inputs.to_vec(),
        });
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// The node called `name`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes
            .iter()
            .position(|node| node.name == name)
            .map(NodeId)
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}
