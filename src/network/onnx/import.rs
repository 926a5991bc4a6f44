//! From an ONNX graph to ours: every value of the file becomes a constant or a node.
//!
//! Our graph has no batch in its shapes, an ONNX graph has. Shapes are resolved for one batch (that of the file,
//! else 1). A value whose first axis is the batch is *led* by it, and our node holds the rest of its axes; any other
//! value holds all its axes behind our own batch, so that a file that folds the batch into another axis for a
//! while (window attention, a transposition of a whole tensor) still runs with any number of images.

use super::array::Array;
use super::proto::{Node, Tensor as FileTensor};
use super::{External, lower};
use crate::network::ops::Reshape;
use crate::network::{Extent, Graph, NetworkError, NodeId, Op, Result};
use candle_core::{Device, Tensor};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Why a node cannot be taken.
pub(super) type Why<T> = std::result::Result<T, String>;

/// A value of the file.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Const(Rc<Array>),
    Node(Tap),
}

/// A value that depends on the image.
#[derive(Debug, Clone)]
pub(super) struct Tap {
    pub id: NodeId,
    /// Its sizes in the file.
    pub dims: Vec<usize>,
    /// The first axis is the batch, which our node does not have.
    pub led: bool,
}

impl Tap {
    /// The axes that our node has.
    pub(super) fn inner(&self) -> &[usize] {
        &self.dims[usize::from(self.led)..]
    }

    pub(super) fn rank(&self) -> usize {
        self.dims.len()
    }
}

/// An import under way.
pub(super) struct Import<'a> {
    pub graph: Graph,
    pub extents: Vec<Extent>,
    pub device: &'a Device,
    pub opset: i64,
    /// Images that the file's shapes are resolved for.
    pub batch: usize,
    /// How often each of the file's values is read.
    pub uses: HashMap<&'a str, usize>,
    values: HashMap<&'a str, Value>,
    initializers: HashMap<&'a str, &'a FileTensor<'a>>,
    external: &'a External<'a>,
    /// Nodes that two of the file's values stand for, so that neither may change them.
    shared: HashSet<NodeId>,
    /// An older node that the current one was folded into.
    folded: Option<NodeId>,
    /// Branches of `If` that were taken, one inside the other.
    depth: usize,
}

impl<'a> Import<'a> {
    pub(super) fn new(
        graph: Graph,
        extents: Vec<Extent>,
        device: &'a Device,
        external: &'a External<'a>,
    ) -> Self {
        Self {
            graph,
            extents,
            device,
            opset: 1,
            batch: 1,
            uses: HashMap::new(),
            values: HashMap::new(),
            initializers: HashMap::new(),
            external,
            shared: HashSet::new(),
            folded: None,
            depth: 0,
        }
    }

    pub(super) fn add_initializers(&mut self, tensors: &'a [FileTensor<'a>]) {
        self.initializers
            .extend(tensors.iter().map(|tensor| (tensor.name, tensor)));
    }

    pub(super) fn set(&mut self, name: &'a str, value: Value) {
        self.values.insert(name, value);
    }

    /// The value called `name`, decoded when it is an initialiser.
    pub(super) fn get(&mut self, name: &str) -> Result<Value> {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        let Some((&name, tensor)) = self.initializers.get_key_value(name) else {
            return Err(NetworkError::BadModel(format!(
                "{name:?} is read before it is made"
            )));
        };
        let value = Value::Const(Rc::new(Array::read(tensor, self.external)?));
        // Most weights are read once, and are large.
        if self.uses.get(name).is_some_and(|&uses| uses > 1) {
            self.values.insert(name, value.clone());
        }
        Ok(value)
    }

    /// Takes nodes in order.
    pub(super) fn run(&mut self, nodes: &[&'a Node<'a>]) -> Result<()> {
        for node in nodes {
            self.node(node)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &'a Node<'a>) -> Result<()> {
        let inputs = node
            .inputs
            .iter()
            .map(|name| match *name {
                "" => Ok(None),
                name => self.get(name).map(Some),
            })
            .collect::<Result<Vec<_>>>()?;
        let first = self.graph.nodes.len();
        self.folded = None;
        let outputs = if node.op == "If" {
            self.branch(node, &inputs)?
        } else {
            lower::lower(self, node, &inputs)?
        };
        if outputs.len() < node.outputs.len()
            && node.outputs[outputs.len()..]
                .iter()
                .any(|name| self.uses.contains_key(name))
        {
            return Err(failed(node, "only its first outputs are supported"));
        }
        for (&name, value) in node.outputs.iter().zip(outputs) {
            if let Value::Node(tap) = &value {
                self.name(tap.id, name, first, node);
            }
            self.values.insert(name, value);
        }
        if let (Some(alias), Some(Value::Node(tap))) = (
            alias(node),
            node.outputs.first().and_then(|name| self.values.get(name)),
        ) {
            let ours = &mut self.graph.nodes[tap.id.0];
            if tap.id.0 >= first && ours.alias.is_none() {
                ours.alias = Some(alias);
            }
        }
        // Nodes in between are named after what they lead to.
        let name = node.outputs.first().copied().unwrap_or_default();
        for (idx, node) in self.graph.nodes.iter_mut().enumerate().skip(first) {
            if node.name.starts_with('\0') {
                node.name = format!("{name}~{}", idx - first);
            }
        }
        Ok(())
    }

    /// Gives a new node, or one that another was folded into, the name of the file's value. An old node that the
    /// value merely stands for keeps its own.
    fn name(&mut self, id: NodeId, name: &str, first: usize, node: &Node<'_>) {
        let ours = &mut self.graph.nodes[id.0];
        if self.folded == Some(id) || (id.0 >= first && ours.name.starts_with('\0')) {
            name.clone_into(&mut ours.name);
            return;
        }
        let uses = |name: &&str| self.uses.get(name).copied().unwrap_or(0);
        if id.0 >= first || node.inputs.iter().any(|name| uses(name) > 1) {
            self.shared.insert(id);
        }
    }

    /// An `If` whose condition is known: its branch is part of the graph.
    fn branch(&mut self, node: &'a Node<'a>, inputs: &[Option<Value>]) -> Result<Vec<Value>> {
        let Some(Some(Value::Const(condition))) = inputs.first() else {
            return Err(failed(node, "its condition depends on the image"));
        };
        let taken = condition.to_ints().first().is_some_and(|&value| value != 0);
        let name = if taken { "then_branch" } else { "else_branch" };
        let graph = node.attribute(name).and_then(|found| found.graph.as_ref());
        let graph = graph.ok_or_else(|| failed(node, "it lacks a branch"))?;
        self.depth += 1;
        if self.depth > 16 {
            return Err(failed(node, "branches are nested too deep"));
        }
        self.add_initializers(&graph.initializers);
        let nodes: Vec<&Node<'_>> = graph.nodes.iter().collect();
        for name in graph.nodes.iter().flat_map(super::order::reads) {
            *self.uses.entry(name).or_default() += 1;
        }
        self.run(&nodes)?;
        self.depth -= 1;
        self.folded = None;
        graph
            .outputs
            .iter()
            .map(|output| self.get(output.name))
            .collect()
    }

    /// A new node; its name comes later.
    pub(super) fn emit(&mut self, op: Op, inputs: &[&Tap]) -> Why<NodeId> {
        let extents: Vec<Extent> = inputs
            .iter()
            .map(|tap| self.extents[tap.id.0].clone())
            .collect();
        let extent = op.extent(&extents)?;
        let name = format!("\0{}", self.graph.nodes.len());
        let ids: Vec<NodeId> = inputs.iter().map(|tap| tap.id).collect();
        let id = self.graph.push(name, op, &ids).map_err(text)?;
        self.extents.push(extent);
        Ok(id)
    }

    /// A node whose value is led as its input is.
    pub(super) fn led(&mut self, op: Op, input: &Tap) -> Why<Tap> {
        let id = self.emit(op, &[input])?;
        Ok(self.tap(id, input.led))
    }

    /// The value that a node stands for.
    pub(super) fn tap(&self, id: NodeId, led: bool) -> Tap {
        let inner = &self.extents[id.0].dims;
        let dims = if led {
            [&[self.batch], inner.as_slice()].concat()
        } else {
            inner.clone()
        };
        Tap { id, dims, led }
    }

    /// The same values in other axes.
    pub(super) fn reshape(&mut self, tap: &Tap, target: &[usize]) -> Why<Tap> {
        let led = target.first() == Some(&self.batch);
        if !led && self.batch != 1 {
            return Err(format!(
                "the file is made for {} images at once and mixes them with other axes; export it for one",
                self.batch
            ));
        }
        let inner = &target[usize::from(led)..];
        if inner == tap.inner() {
            return Ok(Tap {
                id: tap.id,
                dims: target.to_vec(),
                led,
            });
        }
        let reshape = Reshape::between(tap.inner(), inner)
            .ok_or_else(|| format!("{:?} cannot be reshaped to {target:?}", tap.dims))?;
        let id = self.emit(Op::Reshape(reshape), &[tap])?;
        Ok(Tap {
            id,
            dims: target.to_vec(),
            led,
        })
    }

    /// The value with all its axes behind our batch.
    pub(super) fn unled(&mut self, tap: &Tap) -> Why<Tap> {
        if !tap.led {
            return Ok(tap.clone());
        }
        if self.batch != 1 {
            return Err(format!(
                "the file is made for {} images at once and mixes them; export it for one",
                self.batch
            ));
        }
        let reshape = Reshape::between(tap.inner(), &tap.dims)
            .ok_or_else(|| format!("{:?} is empty", tap.dims))?;
        let id = self.emit(Op::Reshape(reshape), &[tap])?;
        Ok(self.tap(id, false))
    }

    /// A value whose first axis is 1 is led by it.
    pub(super) fn settle(&mut self, tap: Tap) -> Why<Tap> {
        if tap.led || self.batch != 1 || tap.dims.first() != Some(&1) {
            return Ok(tap);
        }
        let dims = tap.dims.clone();
        self.reshape(&tap, &dims)
    }

    /// An axis of the file's value as an axis of our `[batch, …]`.
    pub(super) fn axis(tap: &Tap, axis: i64) -> Why<usize> {
        let at = super::fold::axis_of(axis, tap.rank())?;
        match (tap.led, at) {
            (true, 0) => Err("it works along the batch".into()),
            (true, at) => Ok(at),
            (false, at) => Ok(at + 1),
        }
    }

    /// True when the current node alone reads the value `name`, so that its node may be changed.
    pub(super) fn is_own(&self, name: &str, tap: &Tap) -> bool {
        self.uses.get(name) == Some(&1) && !self.shared.contains(&tap.id) && tap.id.0 > 0
    }

    /// Replaces an older node's operator: the current node is done with it.
    pub(super) fn fold_into(&mut self, tap: &Tap, op: Op) -> Tap {
        self.graph.nodes[tap.id.0].op = op;
        self.folded = Some(tap.id);
        tap.clone()
    }

    /// A tensor on the device.
    pub(super) fn tensor(&self, values: Vec<f32>, dims: &[usize]) -> Why<Tensor> {
        Tensor::from_vec(values, dims, self.device).map_err(text)
    }
}

/// What people may call a node whose value has only a number: its module where the weights tell, else its own name.
fn alias(node: &Node<'_>) -> Option<String> {
    let module = |name: &&str| name.strip_suffix(".weight").map(str::to_owned);
    let own = (!node.name.is_empty()).then(|| node.name.to_owned());
    node.inputs.iter().find_map(module).or(own)
}

/// An error as text.
pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The error of a node.
pub(super) fn failed(node: &Node<'_>, why: &str) -> NetworkError {
    NetworkError::BadModel(format!("{} {}: {why}", node.op, node.label()))
}
