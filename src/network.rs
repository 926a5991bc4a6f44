//! A convolutional network as a graph of named nodes, run forward to any node, and differentiated both ways.
//!
//! Three things are asked of it: *forward* (images → activations at some layers), *vjp* (pull an objective's
//! gradient at a layer back to the image: icons) and *jvp* (push one position's activation forward to all
//! logits: attribution). Plain candle operators are the reference on every device; on the CPU
//! [`kernels`] computes the same numbers faster.

pub mod catalogue;
pub mod demo;
pub mod describe;
pub mod graph;
mod inception;
pub mod inception_v1;
pub mod input;
pub mod kernels;
pub mod manifest;
mod model;
pub mod onnx;
pub mod ops;
mod pth;
mod torchvision;
pub mod vit;
pub mod weights;

mod attribution;
mod cone;
mod end;
mod extent;
mod reference;
mod rules;
mod tidy;

pub use end::{LinearEnd, NoEnd, centred};
pub use extent::{Axes, Extent};
pub use graph::{Graph, Layer, Node, NodeId, Op};
pub use input::{Channels, Filter, InputSpec, Resize};
pub use model::{Model, Objective, Position};
pub use ops::Opaque;

use crate::atlas::{Class, Precision, Relaxation};
use candle_core::{DType, Device, Tensor};
use std::sync::{Mutex, OnceLock};

/// What can go wrong in a network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A tensor that the architecture needs is not in the weights file.
    #[error("weights lack the tensor {name} ({expected:?})")]
    MissingTensor {
        /// Its name in the file.
        name: String,
        /// The shape that was looked for.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the architecture's.
    #[error("tensor {name} has shape {found:?}, the network needs {expected:?}")]
    WrongShape {
        /// Its name in the file.
        name: String,
        /// The shape that was looked for.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The file holds tensors that the architecture does not know.
    #[error("weights hold {count} tensors that this network does not have, the first is {first}")]
    ExtraTensors {
        /// How many.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// Not a weights file, or a damaged one.
    #[error("not a readable weights file: {0}")]
    BadWeights(String),
    /// A layer name that the graph does not have.
    #[error("no layer named {name}; nearest: {}", .nearest.join(", "))]
    UnknownLayer {
        /// What was asked for.
        name: String,
        /// Names of taps, nearest first.
        nearest: Vec<String>,
    },
    /// Another number of class names than the classifier has outputs.
    #[error("{classes} class names for the {outputs} outputs of {network}")]
    WrongClasses {
        /// The network.
        network: String,
        /// Outputs of its classifier.
        outputs: usize,
        /// Names that were given.
        classes: usize,
    },
    /// Not an ONNX file, a damaged one, or one that cannot be run.
    #[error("not a usable ONNX file: {0}")]
    BadModel(String),
    /// An operator that is not implemented.
    #[error("operator {operator} (node {node}) is not supported; supported are {supported}")]
    UnsupportedOperator {
        /// Its type.
        operator: String,
        /// The node's name.
        node: String,
        /// What is, in one line.
        supported: String,
    },
    /// A graph whose parts do not fit, or a node that cannot do what was asked of it.
    #[error("{0}")]
    BadGraph(String),
    /// Images or activations that the network cannot take.
    #[error("{0}")]
    BadInput(String),
    /// An error of candle, with its shapes.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, NetworkError>;

/// Which implementation runs the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compute {
    /// [`kernels`] where they apply (CPU), candle elsewhere.
    #[default]
    Auto,
    /// Plain candle operators everywhere.
    Reference,
}

/// A network with its weights, ready to run on one device.
#[derive(Debug)]
pub struct Network {
    /// A short name (`inception_v1`).
    pub name: String,
    /// Nodes in topological order.
    pub graph: Graph,
    /// What its input looks like.
    pub input: InputSpec,
    /// Classes in logit order; empty without a classifier.
    pub classes: Vec<Class>,
    /// The node with the logits (before softmax), `[batch, classes]`.
    pub logits: Option<NodeId>,
    /// SHA-256 of the weights file, hexadecimal.
    pub weights_sha256: String,
    /// Where it runs.
    pub device: Device,
    /// Who computes.
    pub compute: Compute,
    /// Value sizes at the input's size, by node.
    extents: Vec<Extent>,
    /// Receptive field and stride in input pixels, by node.
    fields: Vec<(usize, usize)>,
    /// Computes instead of the graph, for networks that are none.
    model: Option<Box<dyn Model>>,
    /// The graph packed for the CPU, made when it is first needed.
    engine: OnceLock<Option<kernels::Engine>>,
    /// How the logits follow from layers, derived when attributions first need it.
    ways: Mutex<attribution::Ways>,
}

impl Network {
    /// A network without classes yet. All tensors of `graph` must lie on `device`.
    ///
    /// # Errors
    /// A graph whose nodes do not fit each other at the input's size.
    pub fn new(
        name: impl Into<String>,
        graph: Graph,
        input: InputSpec,
        device: Device,
    ) -> Result<Self> {
        let extents = graph.extents((input.size, input.size))?;
        let fields = graph.receptive_fields();
        Ok(Self {
            name: name.into(),
            graph,
            input,
            classes: Vec::new(),
            logits: None,
            weights_sha256: String::new(),
            device,
            compute: Compute::default(),
            extents,
            fields,
            model: None,
            engine: OnceLock::new(),
            ways: Mutex::default(),
        })
    }

    /// Names the node with the logits and its classes.
    ///
    /// # Errors
    /// Another number of classes than the node has features.
    pub fn with_classes(mut self, logits: NodeId, classes: Vec<Class>) -> Result<Self> {
        let extent = self.extents.get(logits.0);
        if extent.is_none_or(|extent| extent.dims != [classes.len()]) {
            if let Some([outputs]) = extent.map(|extent| extent.dims.as_slice()) {
                return Err(NetworkError::WrongClasses {
                    outputs: *outputs,
                    network: self.name,
                    classes: classes.len(),
                });
            }
            return Err(NetworkError::BadGraph(format!(
                "{} classes for logits of {extent:?}",
                classes.len()
            )));
        }
        self.logits = Some(logits);
        self.classes = classes;
        Ok(self)
    }

    /// Lets `model` compute everything; the graph keeps only names and shapes. Every position of such a network sees
    /// the whole image from its second node on.
    #[must_use]
    pub fn with_model(mut self, model: impl Model + 'static) -> Self {
        let mut stride = 1;
        for (node, field) in self.graph.nodes.iter().zip(&mut self.fields).skip(1) {
            if let Op::Opaque(opaque) = &node.op {
                stride *= opaque.stride;
            }
            *field = (self.input.size, stride);
        }
        if let Some(patches) = self.fields.get_mut(1) {
            patches.0 = patches.1;
        }

        self.model = Some(Box::new(model));
        self
    }

    /// Says which weights these are.
    #[must_use]
    pub fn with_weights_sha256(mut self, sha256: impl Into<String>) -> Self {
        self.weights_sha256 = sha256.into();
        self
    }

    /// Chooses who computes.
    #[must_use]
    pub fn with_compute(mut self, compute: Compute) -> Self {
        self.compute = compute;
        self
    }

    /// The shape of one image's value at a node, at the network's input size.
    pub fn extent(&self, id: NodeId) -> &Extent {
        &self.extents[id.0]
    }

    /// The layer called `name`; every node with positions can be one.
    ///
    /// # Errors
    /// [`NetworkError::UnknownLayer`] with the nearest names first.
    pub fn layer(&self, name: &str) -> Result<Layer> {
        self.graph
            .find(name)
            .and_then(|id| self.layer_of(id))
            .ok_or_else(|| NetworkError::UnknownLayer {
                name: name.to_owned(),
                nearest: self.nearest_layers(name),
            })
    }

    /// The layers worth an atlas, shallow to deep.
    pub fn layers(&self) -> Vec<Layer> {
        let ends = self.graph.block_ends.iter();
        ends.filter_map(|&id| self.layer_of(id)).collect()
    }

    /// Every node that can be a layer: those whose value is channels × rows × columns, shallow to deep.
    pub fn taps(&self) -> Vec<Layer> {
        let ids = (0..self.graph.nodes.len()).map(NodeId);
        ids.filter_map(|id| self.layer_of(id)).collect()
    }

    /// Whether square images of `side` pixels reach the node `tap`: every window on the way fits.
    ///
    /// # Errors
    /// What does not fit.
    pub fn takes(&self, side: usize, tap: NodeId) -> Result<()> {
        let needed = self.graph.between(NodeId(0), &[tap])?;
        let image = Extent::map(3, (side, side));
        self.graph.extents_from(NodeId(0), image, &needed)?;
        Ok(())
    }

    /// Values at `taps` for preprocessed images `[b, 3, h, w]`; nothing that they do not need is computed.
    /// Images may have any size down to what the windows up to the taps need.
    ///
    /// # Errors
    /// Images of another shape, or too small.
    pub fn forward(&self, images: &Tensor, taps: &[NodeId]) -> Result<Vec<Tensor>> {
        self.check_images(images)?;
        if let Some(model) = &self.model {
            return model.forward(images, taps);
        }
        if let Some(engine) = self.engine() {
            return engine.forward(images, taps);
        }
        reference::forward(&self.graph, NodeId(0), images, taps)
    }

    /// Values at `taps` for the values `activation` `[b, c, h, w]` of the node `from`; only what lies between is
    /// computed.
    ///
    /// # Errors
    /// A tap that does not follow from `from` alone, and shapes that do not fit.
    pub fn forward_from(
        &self,
        from: NodeId,
        activation: &Tensor,
        taps: &[NodeId],
    ) -> Result<Vec<Tensor>> {
        self.graph.between(from, taps)?;
        if let Some(engine) = self.engine() {
            return engine.forward_from(from, activation, taps);
        }
        reference::forward(&self.graph, from, activation, taps)
    }

    /// The activation at `tap` and the gradient to the images of an objective: `objective` is called once with the
    /// activation and returns the objective's gradient to it.
    ///
    /// # Errors
    /// As [`Self::forward`], whatever `objective` returns, and a gradient of another shape than the activation's.
    pub fn vjp(
        &self,
        images: &Tensor,
        tap: NodeId,
        objective: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        self.check_images(images)?;
        if let Some(model) = &self.model {
            return model.vjp(images, tap, objective);
        }
        if let Some(engine) = self.engine() {
            return engine.vjp(images, tap, objective);
        }
        reference::vjp(&self.graph, images, tap, objective)
    }

    /// The gradient to the images of an objective of one position of `tap`, which `at` chooses (row, column) by the
    /// map's rows and columns: `objective` is called once with the activation there, `[b, c, 1, 1]`. What the position
    /// does not see is not computed where the fast path can leave it out; with [`Precision::Half`] the fast path rounds
    /// what convolutions multiply to 16 bits where the processor gains from it.
    ///
    /// # Errors
    /// As [`Self::vjp`]; a tap without positions, a position outside of its map.
    pub fn vjp_at(
        &self,
        images: &Tensor,
        (tap, at, precision): (NodeId, &Position<'_>, Precision),
        objective: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.check_images(images)?;
        if let (None, Some(engine)) = (&self.model, self.engine()) {
            return Ok(engine.vjp_at(images, (tap, at, precision), objective)?.1);
        }
        let mut one = |activation: &Tensor| {
            let (_, _, rows, cols) = activation.dims4()?;
            model::of_position(activation, at((rows, cols)), objective)
        };
        Ok(self.vjp(images, tap, &mut one)?.1)
    }

    /// Pushes tangents `[p, c, h, w]` at `from` forward to `to`, linearised at one activation `primal`
    /// `[1, c, h, w]` of `from`. Only nodes between the two are run.
    ///
    /// # Errors
    /// A `to` that does not follow from `from` alone, and shapes that do not fit.
    pub fn jvp(
        &self,
        from: NodeId,
        primal: &Tensor,
        tangents: &Tensor,
        to: NodeId,
        relaxation: Relaxation,
    ) -> Result<Tensor> {
        if primal.dim(0)? != 1 || primal.dims()[1..] != tangents.dims()[1..] {
            return Err(NetworkError::BadInput(format!(
                "tangents {:?} at an activation {:?}",
                tangents.dims(),
                primal.dims()
            )));
        }
        let primals = reference::primals(&self.graph, from, primal, to, relaxation)?;
        let on_the_way = self.graph.on_the_way(from, to)?;
        let pushed = reference::Tangents {
            on_the_way: &on_the_way,
            extents: &self.extents,
        };
        pushed.jvp(&self.graph, (from, to), &primals, tangents, relaxation)
    }

    /// The fast path, where the device is the CPU, the graph fits and nobody asked for the reference.
    fn engine(&self) -> Option<&kernels::Engine> {
        if self.compute == Compute::Reference || !self.device.is_cpu() {
            return None;
        }
        let engine = self
            .engine
            .get_or_init(|| kernels::Engine::new(&self.graph, &self.extents));
        engine.as_ref()
    }

    fn check_images(&self, images: &Tensor) -> Result<()> {
        if images.rank() == 4 && images.dims()[1] == 3 && images.dtype() == DType::F32 {
            return Ok(());
        }
        Err(NetworkError::BadInput(format!(
            "{} takes f32 images [batch, 3, rows, columns], not {:?} {:?}",
            self.name,
            images.dtype(),
            images.dims()
        )))
    }

    fn layer_of(&self, id: NodeId) -> Option<Layer> {
        let extent = &self.extents[id.0];
        let (receptive_field, stride) = self.fields[id.0];
        let node = self.graph.node(id);
        Some(Layer {
            id,
            name: node.name.clone(),
            alias: node.alias.clone(),
            depth: extent.channels(),
            map_size: extent.map_size()?,
            receptive_field,
            stride,
            macs: self.macs(id),
        })
    }

    /// Multiplications with addition that a node alone costs for one image, at the network's input size.
    pub fn macs(&self, id: NodeId) -> u64 {
        let node = self.graph.node(id);
        let inputs = node.inputs.iter().map(|input| &self.extents[input.0]);
        let inputs: Vec<&Extent> = inputs.collect();
        node.op.macs(&inputs, &self.extents[id.0])
    }

    /// Block ends by edit distance, behind up to three other nodes that are nearer than any of them.
    fn nearest_layers(&self, name: &str) -> Vec<String> {
        let distance = |id: &NodeId| edit_distance(&self.graph.node(*id).name, name);
        let mut ends = self.graph.block_ends.clone();
        ends.sort_by_key(distance);
        let nearest_end = ends.first().map_or(usize::MAX, distance);
        let mut others: Vec<NodeId> = (1..self.graph.nodes.len())
            .map(NodeId)
            .filter(|id| self.extents[id.0].map_size().is_some() && distance(id) < nearest_end)
            .collect();
        others.sort_by_key(distance);
        others.truncate(3);
        let ids = others.into_iter().chain(ends);
        ids.map(|id| self.graph.node(id).name.clone()).collect()
    }
}

/// Levenshtein's distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
