//! The graph: named nodes in topological order, each with one operator and its inputs.

use super::extent::Extent;
use super::ops::{self, Window};
use super::{NetworkError, Result};

/// Index of a node in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// One operator with its parameters. Tensors are `[batch, …]`, single precision, maps NCHW.
#[derive(Debug, Clone)]
pub enum Op {
    /// The images, `[batch, 3, height, width]`, preprocessed.
    Input,
    /// 2-D convolution with bias.
    Conv(ops::Conv),
    /// max(x, 0); the derivative at 0 is 0, as in PyTorch.
    Relu,
    /// Another function of one number.
    Unary(ops::Unary),
    /// x where positive, else a channel's slope times x.
    PRelu(ops::PRelu),
    /// A factor and a summand per channel.
    Affine(ops::Affine),
    /// A function of two nodes, element by element.
    Binary(ops::Binary),
    /// The same of a node and a constant.
    WithConstant(ops::WithConstant),
    /// Largest value of a window.
    MaxPool(ops::MaxPool),
    /// Mean of a window.
    AvgPool(ops::AvgPool),
    /// Mean over all positions: `[b, c, h, w]` → `[b, c]`.
    GlobalAvgPool,
    /// Mean, sum or maximum along axes.
    Reduce(ops::Reduce),
    /// Local response normalisation across channels.
    Lrn(ops::Lrn),
    /// Normalisation over the last axes.
    LayerNorm(ops::LayerNorm),
    /// Softmax along an axis.
    Softmax(ops::Softmax),
    /// Concatenation along axis 1 (channels of a map).
    Concat,
    /// `[b, …, in]` → `[b, …, out]`.
    Linear(ops::Linear),
    /// Product of two nodes as matrices of their last two axes.
    MatMul,
    /// Another shape of the same values.
    Reshape(ops::Reshape),
    /// Another order of the axes of `[batch, …]`; the batch stays first.
    Transpose(Vec<usize>),
    /// Part of an axis.
    Slice(ops::Slice),
    /// Constants around it.
    Pad(ops::Pad),
    /// Repetition along axes of size 1.
    Expand(ops::Expand),
    /// Rows and columns at another size.
    Resize(ops::Resize),
    /// What a [`super::Model`] computes.
    Opaque(ops::Opaque),
}

/// A named node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique name (`mixed4d_3x3`).
    pub name: String,
    /// A readable name, where the file that the network comes from has only a number; unique as well.
    pub alias: Option<String>,
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
    /// A readable name, where its own is only a number.
    pub alias: Option<String>,
    /// Number of channels.
    pub depth: usize,
    /// Rows and columns at the network's input size.
    pub map_size: (usize, usize),
    /// Theoretical receptive field in input pixels.
    pub receptive_field: usize,
    /// Input pixels between neighbouring positions.
    pub stride: usize,
    /// Multiplications with addition that this node alone costs for one image, at the network's input size.
    pub macs: u64,
}

impl Op {
    /// The windows that slide over the input, for the operators that have them.
    pub fn window(&self) -> Option<Window> {
        match self {
            Op::Conv(conv) => Some(conv.window()),
            Op::MaxPool(pool) => Some(pool.window()),
            Op::AvgPool(pool) => Some(pool.window()),
            _ => None,
        }
    }
}

impl Graph {
    /// A graph with only the input, called `input`, whose id comes along.
    pub fn with_input() -> (Self, NodeId) {
        let graph = Self {
            nodes: vec![Node {
                name: "input".into(),
                alias: None,
                op: Op::Input,
                inputs: Vec::new(),
            }],
            block_ends: Vec::new(),
        };
        (graph, NodeId(0))
    }

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
            alias: None,
            op,
            inputs: inputs.to_vec(),
        });
        Ok(NodeId(self.nodes.len() - 1))
    }

    /// The node called `name`, or else the one whose alias this is.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let alias = |node: &Node| node.alias.as_deref() == Some(name);
        let nodes = &self.nodes;
        let named = nodes.iter().position(|node| node.name == name);
        named.or_else(|| nodes.iter().position(alias)).map(NodeId)
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The value's extent at every node when the input has three channels and `size` rows and columns.
    ///
    /// # Errors
    /// A node whose inputs do not fit its operator, or a graph that does not start with its input.
    pub fn extents(&self, size: (usize, usize)) -> Result<Vec<Extent>> {
        if !matches!(self.nodes.first(), Some(Node { op: Op::Input, .. })) {
            return Err(NetworkError::BadGraph(
                "the first node must be the input".into(),
            ));
        }
        let image = Extent::map(3, size);
        let extents = self.extents_from(NodeId(0), image, &vec![true; self.nodes.len()])?;
        Ok(extents.into_iter().flatten().collect())
    }

    /// The same for the `needed` nodes from `start` on, whose extent is given; `None` for the others.
    pub(super) fn extents_from(
        &self,
        start: NodeId,
        extent: Extent,
        needed: &[bool],
    ) -> Result<Vec<Option<Extent>>> {
        let mut extents: Vec<Option<Extent>> = vec![None; self.nodes.len()];
        extents[start.0] = Some(extent);
        for (idx, node) in self.nodes.iter().enumerate().skip(start.0 + 1) {
            if needed[idx] {
                let inputs = node
                    .inputs
                    .iter()
                    .filter_map(|input| extents[input.0].clone());
                let extent = node.op.extent(&inputs.collect::<Vec<_>>());
                extents[idx] = Some(
                    extent
                        .map_err(|why| NetworkError::BadGraph(format!("{}: {why}", node.name)))?,
                );
            }
        }
        Ok(extents)
    }

    /// Per node the theoretical receptive field in input pixels and the input pixels between neighbouring
    /// positions (Araujo et al. 2019): a window of k elements that are j pixels apart sees (k − 1) j more,
    /// and a step of s makes them s j apart.
    pub fn receptive_fields(&self) -> Vec<(usize, usize)> {
        let mut fields: Vec<(usize, usize)> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let inputs = node.inputs.iter().map(|input| fields[input.0]);
            let (field, stride) = inputs
                .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
                .unwrap_or((1, 1));
            fields.push(match node.op.window() {
                Some(window) => (
                    field + (window.kernel[0].max(window.kernel[1]) - 1) * stride,
                    stride * window.stride[0].max(window.stride[1]),
                ),
                None => (field, stride),
            });
        }
        fields
    }

    /// The nodes that must be computed to get from `start` (whose value is given) to `targets`; `start` counts.
    ///
    /// # Errors
    /// A target that also depends on the input past `start`.
    pub(super) fn between(&self, start: NodeId, targets: &[NodeId]) -> Result<Vec<bool>> {
        let mut needed = vec![false; self.nodes.len()];
        for target in targets {
            if target.0 >= needed.len() {
                return Err(NetworkError::BadGraph(format!(
                    "the network has {} nodes and none of index {}",
                    needed.len(),
                    target.0
                )));
            }
            needed[target.0] = true;
        }
        for idx in (start.0 + 1..needed.len()).rev() {
            if needed[idx] {
                for input in &self.nodes[idx].inputs {
                    needed[input.0] = true;
                }
            }
        }
        if let Some(past) = (0..start.0).find(|&idx| needed[idx]) {
            return Err(NetworkError::BadGraph(format!(
                "{} does not follow from {} alone, it also needs {}; take the end of a block",
                targets
                    .first()
                    .map_or("nothing", |target| self.node(*target).name.as_str()),
                self.node(start).name,
                self.nodes[past].name
            )));
        }
        needed[start.0] = true;
        Ok(needed)
    }

    /// The nodes that follow from `from` and lead to `to`, without `from` itself.
    ///
    /// # Errors
    /// A `to` that does not follow from `from` at all.
    pub(super) fn on_the_way(&self, from: NodeId, to: NodeId) -> Result<Vec<bool>> {
        let mut leads = vec![false; self.nodes.len()];
        leads[to.0] = true;
        for idx in (from.0 + 1..=to.0).rev() {
            if leads[idx] {
                for input in &self.nodes[idx].inputs {
                    leads[input.0] = true;
                }
            }
        }
        let mut on_the_way = vec![false; self.nodes.len()];
        for idx in from.0 + 1..=to.0 {
            let mut inputs = self.nodes[idx].inputs.iter();
            on_the_way[idx] =
                leads[idx] && inputs.any(|&input| input == from || on_the_way[input.0]);
        }
        if on_the_way[to.0] {
            return Ok(on_the_way);
        }
        Err(NetworkError::BadGraph(format!(
            "{} does not follow from {}",
            self.node(to).name,
            self.node(from).name
        )))
    }

    /// How many of the `needed` nodes read each node.
    pub(super) fn readers(&self, needed: &[bool]) -> Vec<usize> {
        let mut readers = vec![0; self.nodes.len()];
        for (node, _) in self.nodes.iter().zip(needed).filter(|(_, needed)| **needed) {
            for input in &node.inputs {
                readers[input.0] += 1;
            }
        }
        readers
    }
}
