//! A convolutional network as a graph of named nodes, run forward to any node, and differentiated both ways.
//!
//! Three things are asked of it: *forward* (images → activations at some layers), *vjp* (pull an objective's
//! gradient at a layer back to the image: icons) and *jvp* (push one position's activation forward to all
//! logits: attribution). Plain candle operators are the reference on every device; on the CPU
//! [`kernels`] computes the same numbers faster.

pub mod graph;
pub mod inception_v1;
pub mod input;
pub mod kernels;
pub mod ops;
pub mod weights;

mod reference;

pub use graph::{Graph, Layer, Node, NodeId, Op};
pub use input::{Channels, InputSpec, Resize};

use crate::atlas::Class;
use candle_core::Device;

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
    /// The node cannot serve as a tap.
    #[error("{0}")]
    BadGraph(String),
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
}
