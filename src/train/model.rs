//! A graph with its parameters as variables.

use super::conv::Conv2d;
use super::pool::Pool;
use super::rules::Rule;
use super::{Result, Weights};
use crate::network::{Graph, NetworkError, NodeId, Op};
use candle_core::{Tensor, Var};

/// A graph whose weights can be trained.
pub(super) struct Model<'a> {
    graph: &'a Graph,
    logits: NodeId,
    /// Per node its weight and bias, where it has them.
    parameters: Vec<Option<(Var, Var)>>,
}

impl<'a> Model<'a> {
    pub(super) fn new(graph: &'a Graph, logits: NodeId) -> Result<Self> {
        let parameters = graph.nodes.iter().map(|node| {
            Ok(match &node.op {
                Op::Conv(conv) if conv.groups == 1 => {
                    Some((variable(&conv.weight)?, variable(&conv.bias)?))
                }
                Op::Conv(_) => {
                    let why = format!("{}: grouped convolutions cannot be trained", node.name);
                    return Err(NetworkError::BadGraph(why).into());
                }
                Op::Linear(linear) => Some((variable(&linear.weight)?, variable(&linear.bias)?)),
                _ => None,
            })
        });
        Ok(Self {
            graph,
            logits,
            parameters: parameters.collect::<Result<_>>()?,
        })
    }

    /// All variables in the order of the nodes.
    pub(super) fn variables(&self) -> Vec<Var> {
        let pairs = self.parameters.iter().flatten();
        pairs.flat_map(|(w, b)| [w.clone(), b.clone()]).collect()
    }

    /// Copies of the parameters under `NODE.weight` and `NODE.bias`.
    pub(super) fn weights(&self) -> Weights {
        let mut weights = Weights::new();
        for (node, parameters) in self.graph.nodes.iter().zip(&self.parameters) {
            if let Some((weight, bias)) = parameters {
                weights.insert(format!("{}.weight", node.name), weight.as_detached_tensor());
                weights.insert(format!("{}.bias", node.name), bias.as_detached_tensor());
            }
        }
        weights
    }

    /// `[batch, classes]` of preprocessed images.
    pub(super) fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.run(images, &mut |_, value| Ok(value))
    }

    /// Sets every convolution's scale and bias so that each of its output channels has mean 0 and variance 1 on
    /// these images, front to back.
    pub(super) fn equalise(&self, images: &Tensor) -> Result<()> {
        self.run(images, &mut |index, value| {
            let (Op::Conv(_), Some((weight, bias))) =
                (&self.graph.nodes[index].op, &self.parameters[index])
            else {
                return Ok(value.detach());
            };
            let value = value.detach();
            let (_, depth, _, _) = value.dims4()?;
            let mean = value.mean_keepdim((0, 2, 3))?;
            let centred = value.broadcast_sub(&mean)?;
            let spread = centred
                .sqr()?
                .mean_keepdim((0, 2, 3))?
                .affine(1.0, 1e-6)?
                .sqrt()?;
            let scale = spread.recip()?;
            let column = scale.reshape((depth, 1, 1, 1))?;
            weight.set(&weight.as_detached_tensor().broadcast_mul(&column)?)?;
            let flat = |t: &Tensor| t.reshape(depth);
            let shifted = (bias.as_detached_tensor() - flat(&mean)?)?;
            bias.set(&(shifted * flat(&scale)?)?)?;
            Ok(centred.broadcast_mul(&scale)?)
        })?;
        Ok(())
    }

    fn run(
        &self,
        images: &Tensor,
        see: &mut dyn FnMut(usize, Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate().take(self.logits.0 + 1) {
            let input = |which: usize| &values[node.inputs[which].0];
            let value = match (&node.op, &self.parameters[index]) {
                (Op::Input, _) => images.clone(),
                (Op::Conv(conv), Some((weight, bias))) => input(0).apply_op3(
                    weight,
                    bias,
                    Conv2d {
                        stride: conv.stride,
                        pads: conv.pads,
                        image_gradient: input(0).track_op(),
                    },
                )?,
                (Op::Linear(_), Some((weight, bias))) => {
                    input(0).matmul(&weight.t()?)?.broadcast_add(bias)?
                }
                (Op::GlobalAvgPool, _) => input(0).mean((2, 3))?,
                (Op::Concat, _) => {
                    let parts: Vec<&Tensor> =
                        node.inputs.iter().map(|input| &values[input.0]).collect();
                    Tensor::cat(&parts, 1)?
                }
                (Op::MaxPool(pool), _) => input(0).apply_op1(Pool::new(pool))?,
                (op, _) => input(0).apply_op1(Rule(op.clone()))?,
            };
            values.push(see(index, value)?);
        }
        values
            .pop()
            .ok_or_else(|| NetworkError::BadGraph("an empty graph".to_owned()).into())
    }
}

fn variable(tensor: &Tensor) -> Result<Var> {
    Ok(Var::from_tensor(&tensor.detach().contiguous()?)?)
}
