//! torchvision's classic networks from their own weights: module names are node names, batch normalisation is folded
//! into the convolution before it.

use super::catalogue::Made;
use super::manifest::Architecture;
use super::ops::{Conv, Linear, MaxPool};
use super::weights::Weights;
use super::{Graph, NetworkError, NodeId, Op, Result};
use candle_core::{Device, Tensor};

mod googlenet;
mod plain;
mod residual;

/// The graph and its logits.
///
/// # Errors
/// Weights that are missing, unknown or of another shape, and an architecture that is none of torchvision's.
pub(super) fn graph(architecture: Architecture, bytes: &[u8], device: &Device) -> Result<Made> {
    let mut weights = Weights::open(bytes, device)?;
    // How often batch normalisation saw a batch; and the classifiers that help only in training.
    weights.ignore(|name| name.ends_with(".num_batches_tracked"));
    if architecture == Architecture::Googlenet {
        weights.ignore(|name| name.starts_with("aux1.") || name.starts_with("aux2."));
    }

    let mut builder = Builder::new(&mut weights);
    match architecture {
        Architecture::Googlenet => googlenet::googlenet(&mut builder)?,
        Architecture::Resnet18 => {
            residual::resnet(&mut builder, residual::Block::Basic, [2, 2, 2, 2])?;
        }
        Architecture::Resnet50 => {
            residual::resnet(&mut builder, residual::Block::Bottleneck, [3, 4, 6, 3])?;
        }
        Architecture::MobilenetV2 => residual::mobilenet_v2(&mut builder)?,
        Architecture::Vgg16 => plain::vgg16(&mut builder)?,
        Architecture::Squeezenet1_1 => plain::squeezenet1_1(&mut builder)?,
        other => {
            return Err(NetworkError::BadGraph(format!(
                "{other:?} is none of torchvision's"
            )));
        }
    }

    let made = (builder.graph, builder.last);
    weights.finish()?;
    Ok(made)
}

/// How a convolution slides.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kernel: usize,
    stride: usize,
    pad: usize,
    groups: usize,
}

/// A square convolution that keeps the size, or halves it with a stride of two.
const fn same(kernel: usize, stride: usize) -> Shape {
    Shape {
        kernel,
        stride,
        pad: kernel / 2,
        groups: 1,
    }
}

/// The graph under construction: operators are added behind `last`, which has `depth` channels.
struct Builder<'a, 'b> {
    weights: &'a mut Weights<'b>,
    graph: Graph,
    last: NodeId,
    depth: usize,
}

impl<'a, 'b> Builder<'a, 'b> {
    fn new(weights: &'a mut Weights<'b>) -> Self {
        let (graph, last) = Graph::with_input();
        Self {
            weights,
            graph,
            last,
            depth: 3,
        }
    }

    fn op(&mut self, name: &str, op: Op) -> Result<()> {
        self.last = self.graph.push(name, op, &[self.last])?;
        Ok(())
    }

    /// Marks the last node as worth an atlas.
    fn block_end(&mut self) {
        self.graph.block_ends.push(self.last);
    }

    /// Outputs of the layer whose weight is called `name`.
    fn outputs(&self, name: &str) -> usize {
        let shape = self.weights.shape(&format!("{name}.weight"));
        shape
            .and_then(|shape| shape.first().copied())
            .unwrap_or(1000)
    }

    /// A convolution with its bias.
    fn conv(&mut self, name: &str, depth: usize, shape: Shape) -> Result<()> {
        let weight = self.kernel(name, depth, shape)?;
        let bias = self.weights.take(&format!("{name}.bias"), &[depth])?;
        self.push_conv(name, weight, bias, shape)
    }

    /// A convolution without bias and the batch normalisation `norm` behind it, as one.
    fn conv_norm(
        &mut self,
        name: &str,
        norm: &str,
        depth: usize,
        shape: Shape,
        epsilon: f64,
    ) -> Result<()> {
        let weight = self.kernel(name, depth, shape)?;
        let mut take = |what: &str| self.weights.take(&format!("{norm}.{what}"), &[depth]);
        let (gamma, beta) = (take("weight")?, take("bias")?);
        let (mean, variance) = (take("running_mean")?, take("running_var")?);
        let scale = gamma.div(&(variance + epsilon)?.sqrt()?)?;
        let weight = weight.broadcast_mul(&scale.reshape((depth, 1, 1, 1))?)?;
        let bias = (beta - mean.mul(&scale)?)?;
        self.push_conv(name, weight, bias, shape)
    }

    fn kernel(&mut self, name: &str, depth: usize, shape: Shape) -> Result<Tensor> {
        let per_group = self.depth / shape.groups;
        self.weights.take(
            &format!("{name}.weight"),
            &[depth, per_group, shape.kernel, shape.kernel],
        )
    }

    fn push_conv(&mut self, name: &str, weight: Tensor, bias: Tensor, shape: Shape) -> Result<()> {
        self.depth = bias.elem_count();
        let conv = Conv {
            weight,
            bias,
            stride: [shape.stride; 2],
            pads: [shape.pad; 4],
            dilation: [1; 2],
            groups: shape.groups,
        };
        self.op(name, Op::Conv(conv))
    }

    fn relu(&mut self, name: &str) -> Result<()> {
        self.op(name, Op::Relu)
    }

    fn max_pool(
        &mut self,
        name: &str,
        kernel: usize,
        stride: usize,
        pad: usize,
        ceil: bool,
    ) -> Result<()> {
        let pool = MaxPool {
            kernel: [kernel; 2],
            stride: [stride; 2],
            pads: [pad; 4],
            ceil,
        };
        self.op(name, Op::MaxPool(pool))
    }

    /// The mean over all positions and the linear layer `name`.
    fn classifier(&mut self, name: &str) -> Result<()> {
        let outputs = self.outputs(name);
        self.op("avgpool", Op::GlobalAvgPool)?;
        let linear = Linear {
            weight: self
                .weights
                .take(&format!("{name}.weight"), &[outputs, self.depth])?,
            bias: self.weights.take(&format!("{name}.bias"), &[outputs])?,
        };
        self.op(name, Op::Linear(linear))
    }
}
