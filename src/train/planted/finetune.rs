//! A trained network that gets a new last block and new classes, as people fine-tune: all before it stays as it was.
//!
//! The networks of [`super::net`] see small squares. These see photographs in full size through the features of
//! SqueezeNet 1.1, and what they learn of an artefact they learn from those. Only the new block belongs to us and is
//! kept; with the trunk's own weights it makes a network again.

use super::Images;
use super::net::{LAYER, Supply, convolution, from, head, input, noted, nothing};
use crate::network::ops::Conv;
use crate::network::{
    self, Channels, Graph, InputSpec, Network, NetworkError, NodeId, Op, catalogue, onnx,
};
use crate::progress::Progress;
use crate::train::{Result, Task, TrainRecipe, Weights, fit};
use candle_core::{Device, Tensor};

/// The network that is cut, as its manifest is called.
const NETWORK: &str = "squeezenet1_1_caffe";
/// The node whose values the new block takes, in place of the last fire module.
const CUT: &str = "features.11";
/// Channels of the new block: squeezed by a kernel of 1 × 1, and of the layer behind a kernel of 3 × 3.
const BLOCK: [usize; 2] = [64, 48];

/// The part of a trained network that stays as it is.
#[derive(Debug)]
pub struct Trunk {
    network: Network,
    node: NodeId,
    depth: usize,
}

impl Trunk {
    /// The trunk from the bytes of `SqueezeNet`'s weights, for images of `side × side` that were preprocessed as for all
    /// planted networks.
    ///
    /// # Errors
    /// Bytes that are no such weights.
    pub fn open(bytes: &[u8], side: usize) -> network::Result<Self> {
        let unknown = || NetworkError::BadGraph(format!("{NETWORK} is not known"));
        let manifest = catalogue::find(NETWORK)?.ok_or_else(unknown)?;
        let trained = InputSpec {
            size: side,
            ..manifest.input
        };
        let whole = catalogue::build(&manifest, trained, Vec::new(), bytes, &Device::Cpu)?;
        let depth = whole.layer(CUT)?.depth;
        let node = whole.layer(CUT)?.id;
        let mut graph = whole.graph;
        graph.nodes.truncate(node.0 + 1);
        graph.block_ends.clear();
        for at in 0..graph.nodes.len() {
            if let Op::Conv(conv) = &graph.nodes[at].op
                && graph.nodes[at].inputs == [NodeId(0)]
            {
                graph.nodes[at].op = Op::Conv(preprocessed(conv, &trained, &input(side))?);
            }
        }
        Ok(Self {
            network: Network::new(NETWORK, graph, input(side), Device::Cpu)?,
            node,
            depth,
        })
    }

    /// Adds the new block behind `last`, whose values have the trunk's depth.
    fn block(
        &self,
        graph: &mut Graph,
        last: NodeId,
        tensor: Supply<'_>,
        n_classes: usize,
    ) -> network::Result<NodeId> {
        let [squeezed, depth] = BLOCK;
        let shape = (&[squeezed, self.depth, 1, 1], 1);
        let last = convolution(graph, last, "squeeze", shape, tensor)?;
        let shape = (&[depth, squeezed, 3, 3], 1);
        let last = convolution(graph, last, LAYER, shape, tensor)?;
        head(graph, (last, depth), tensor, n_classes)
    }

    /// Trains a new block on planted images.
    ///
    /// # Errors
    /// Divergence, cancellation.
    pub fn train(
        &self,
        training: &Images,
        n_classes: usize,
        recipe: &TrainRecipe,
        progress: &dyn Progress,
    ) -> Result<Weights> {
        let mut untrained = crate::train::demo::untrained(recipe.seed);
        let (mut graph, features) = Graph::with_input();
        let logits = self.block(&mut graph, features, &mut untrained, n_classes)?;
        let task = Task {
            graph: &graph,
            logits,
            input: &self.network.input,
            training,
            held_out: &nothing(training.side),
            trunk: Some((&self.network, self.node)),
        };
        Ok(fit(&task, recipe, progress, &mut noted(progress))?.weights)
    }

    /// The whole network as an ONNX file with weights of 16 bits.
    ///
    /// # Errors
    /// A block that lacks weights.
    pub fn with(&self, block: &Weights, n_classes: usize) -> network::Result<Vec<u8>> {
        let mut graph = self.network.graph.clone();
        let logits = self.block(&mut graph, self.node, &mut from(block), n_classes)?;
        let side = self.network.input.size;
        onnx::export(&graph, logits, (side, side))
    }
}

/// A convolution that takes images preprocessed in another way and gives the same: both ways are a factor and a summand
/// per channel, which go into the weights.
fn preprocessed(conv: &Conv, own: &InputSpec, other: &InputSpec) -> network::Result<Conv> {
    if conv.pads != [0; 4] {
        let what = "zeros around an image mean another colour after another preprocessing";
        return Err(NetworkError::BadGraph(what.to_owned()));
    }
    let source = |spec: &InputSpec, channel: usize| match spec.channels {
        Channels::Rgb => channel,
        Channels::Bgr => 2 - channel,
    };
    let (out, depth, rows, columns) = conv.weight.dims4()?;
    let plane = rows * columns;
    let old = conv.weight.flatten_all()?.to_vec1::<f32>()?;
    let mut bias = conv.bias.to_vec1::<f32>()?;
    let mut new = vec![0.0; old.len()];
    for channel in 0..depth {
        // The channel of the other input that has the same colour.
        let colour = source(own, channel);
        let there = source(other, colour);
        let factor = other.scale[there] / own.scale[channel];
        let summand = (other.mean[there] - own.mean[channel]) / own.scale[channel];
        for (filter, bias) in bias.iter_mut().enumerate() {
            let from = (filter * depth + channel) * plane;
            let to = (filter * depth + there) * plane;
            for at in 0..plane {
                new[to + at] = old[from + at] * factor;
                *bias += old[from + at] * summand;
            }
        }
    }
    Ok(Conv {
        weight: Tensor::from_vec(new, (out, depth, rows, columns), conv.weight.device())?,
        bias: Tensor::from_vec(bias, out, conv.bias.device())?,
        ..conv.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_preprocessing_in_the_weights_gives_the_same_values() {
        let ramp = |n: usize| {
            (0..n)
                .map(|at| ((at * 37 % 101) as f32 - 50.0) / 50.0)
                .collect()
        };
        let tensor = |shape: &[usize]| {
            let values: Vec<f32> = ramp(shape.iter().product());
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let conv = Conv {
            weight: tensor(&[4, 3, 3, 3]),
            bias: tensor(&[4]),
            stride: [2; 2],
            pads: [0; 4],
            groups: 1,
            dilation: [1; 2],
        };
        let own = InputSpec {
            channels: Channels::Bgr,
            mean: [104.0, 117.0, 123.0],
            scale: [1.0, 2.0, 3.0],
            ..input(9)
        };
        let pixels: Vec<f32> = (0..3 * 81).map(|at| (at * 53 % 256) as f32).collect();
        let run = |spec: &InputSpec, conv: Conv| {
            let (mut graph, images) = Graph::with_input();
            let node = graph.push("a", Op::Conv(conv), &[images]).unwrap();
            let network = Network::new("a", graph, *spec, Device::Cpu).unwrap();
            let mut planes = Vec::new();
            for channel in 0..3 {
                let colour = match spec.channels {
                    Channels::Rgb => channel,
                    Channels::Bgr => 2 - channel,
                };
                let plane = &pixels[colour * 81..][..81];
                planes.extend(
                    plane
                        .iter()
                        .map(|v| (v - spec.mean[channel]) / spec.scale[channel]),
                );
            }
            let images = Tensor::from_vec(planes, (1, 3, 9, 9), &Device::Cpu).unwrap();
            let values = network.forward(&images, &[node]).unwrap().remove(0);
            values.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let moved = preprocessed(&conv, &own, &input(9)).unwrap();
        for (a, b) in run(&own, conv.clone()).iter().zip(run(&input(9), moved)) {
            assert!((a - b).abs() < 1e-2 + 1e-4 * a.abs(), "{a} {b}");
        }
        let padded = Conv {
            pads: [1; 4],
            ..conv
        };
        assert!(preprocessed(&padded, &own, &input(9)).is_err());
    }
}
