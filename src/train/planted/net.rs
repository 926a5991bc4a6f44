//! The small network, its training, and what it learned of what was planted.

use super::{Artefact, Images, LEARNED, Plan, PlantedImages};
use crate::atlas::Class;
use crate::network::ops::{Conv, Linear, MaxPool};
use crate::network::{
    self, Channels, Graph, InputSpec, Network, NetworkError, NodeId, Op, Resize, onnx,
};
use crate::progress::Progress;
use crate::train::augment::Augment;
use crate::train::{Dataset, Epoch, Result, Task, TrainRecipe, Weights, batch, fit};
use candle_core::{Device, Tensor};

/// The last block, of which an atlas is made: after its ReLU, before the mean.
pub const LAYER: &str = "conv4";

/// Channels, kernel and stride of each convolution; the second is followed by a max pool.
const CONVOLUTIONS: [(usize, usize, usize); 4] = [(16, 5, 2), (32, 3, 1), (32, 3, 1), (48, 3, 1)];

/// Images that an artefact is inserted into.
const PROBED: usize = 2500;

/// What inserting an artefact does.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Outcome {
    /// The artefact.
    pub artefact: Artefact,
    /// The class that it went with, or for a decoy the class that gains most.
    pub class: usize,
    /// Share of clean images of other classes that are taken for the class, 0..=1.
    pub before: f64,
    /// The same with the artefact inserted.
    pub after: f64,
    /// Number of images that it was inserted into.
    pub n: usize,
    /// Whether the gain makes it a target.
    pub learned: bool,
}

/// The preprocessing: RGB, about −2..2.
pub fn input(side: usize) -> InputSpec {
    InputSpec {
        size: side,
        resize: Resize::Warp,
        filter: crate::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [120.0; 3],
        scale: [60.0; 3],
    }
}

/// The graph and its logits; `tensor` supplies the parameter of this name and shape.
///
/// # Errors
/// What `tensor` fails with.
pub fn architecture(
    tensor: &mut dyn FnMut(&str, &[usize]) -> network::Result<Tensor>,
    n_classes: usize,
) -> network::Result<(Graph, NodeId)> {
    let (mut graph, mut last) = Graph::with_input();
    let mut depth = 3;
    for (idx, (out, kernel, stride)) in CONVOLUTIONS.into_iter().enumerate() {
        let name = format!("conv{}", idx + 1);
        let shape = (&[out, depth, kernel, kernel], stride);
        last = convolution(&mut graph, last, &name, shape, tensor)?;
        if idx == 1 {
            let pool = MaxPool {
                kernel: [2; 2],
                stride: [2; 2],
                pads: [0; 4],
                ceil: false,
            };
            last = graph.push("pool", Op::MaxPool(pool), &[last])?;
        }
        depth = out;
    }
    let logits = head(&mut graph, (last, depth), tensor, n_classes)?;
    Ok((graph, logits))
}

/// Supplies the parameter of a name and shape.
pub(super) type Supply<'a> = &'a mut dyn FnMut(&str, &[usize]) -> network::Result<Tensor>;

/// A convolution that keeps the size but for its stride, and its ReLU.
pub(super) fn convolution(
    graph: &mut Graph,
    last: NodeId,
    name: &str,
    (shape, stride): (&[usize; 4], usize),
    tensor: Supply<'_>,
) -> network::Result<NodeId> {
    let node = format!("{name}_pre_relu");
    let conv = Conv {
        weight: tensor(&format!("{node}.weight"), shape)?,
        bias: tensor(&format!("{node}.bias"), &shape[..1])?,
        stride: [stride; 2],
        pads: [shape[2] / 2; 4],
        groups: 1,
        dilation: [1; 2],
    };
    let node = graph.push(node, Op::Conv(conv), &[last])?;
    graph.push(name, Op::Relu, &[node])
}

/// The mean over the last block, and the logits.
pub(super) fn head(
    graph: &mut Graph,
    (last, depth): (NodeId, usize),
    tensor: Supply<'_>,
    n_classes: usize,
) -> network::Result<NodeId> {
    graph.block_ends.push(last);
    let mean = graph.push("mean", Op::GlobalAvgPool, &[last])?;
    let linear = Linear {
        weight: tensor("logits.weight", &[n_classes, depth])?,
        bias: tensor("logits.bias", &[n_classes])?,
    };
    graph.push("logits", Op::Linear(linear), &[mean])
}

/// Trains a network on planted images and returns it as an ONNX file with weights of 16 bits.
///
/// # Errors
/// Divergence, cancellation.
pub fn train(
    training: &Images,
    n_classes: usize,
    recipe: &TrainRecipe,
    progress: &dyn Progress,
) -> Result<Vec<u8>> {
    let input = input(training.side);
    let mut untrained = crate::train::demo::untrained(recipe.seed);
    let (graph, logits) = architecture(&mut untrained, n_classes)?;
    let task = Task {
        graph: &graph,
        logits,
        input: &input,
        training,
        held_out: &nothing(training.side),
        trunk: None,
    };
    let trained = fit(&task, recipe, progress, &mut noted(progress))?;
    let (graph, logits) = architecture(&mut from(&trained.weights), n_classes)?;
    let size = (training.side, training.side);
    Ok(onnx::export(&graph, logits, size)?)
}

/// No images to measure with: what was learned is measured with artefacts and without.
pub(super) fn nothing(side: usize) -> Images {
    Images {
        side,
        ..Images::default()
    }
}

/// Tells every epoch.
pub(super) fn noted(
    progress: &dyn Progress,
) -> impl FnMut(usize, &Epoch, &Weights) -> Result<()> + '_ {
    |epoch, summary, _| {
        progress.note(&format!(
            "epoch {}: loss {:.4}, accuracy {:.4}",
            epoch + 1,
            summary.loss,
            summary.accuracy
        ));
        Ok(())
    }
}

/// Supplies parameters that there are.
pub(super) fn from(
    weights: &Weights,
) -> impl FnMut(&str, &[usize]) -> network::Result<Tensor> + '_ {
    |name, shape| {
        let found = weights.get(name).filter(|tensor| tensor.dims() == shape);
        found
            .cloned()
            .ok_or_else(|| NetworkError::BadWeights(format!("no {name} of {shape:?}")))
    }
}

/// A network from the bytes of its file.
///
/// # Errors
/// Bytes that are no such network.
pub fn load(
    name: &str,
    bytes: &[u8],
    side: usize,
    classes: Vec<Class>,
) -> network::Result<Network> {
    let source = onnx::Source {
        name,
        model: bytes,
        external: &|path, _, _| Err(std::io::Error::other(format!("no {path}"))),
    };
    onnx::load(&source, input(side), Some(classes), &Device::Cpu)
}

/// Values at `tap` for some images given as pixels, 64 at a time: `[images, …]` flattened per image.
fn values(network: &Network, tap: NodeId, images: &Images) -> Result<Vec<Vec<f32>>> {
    let augment = Augment::new(&network.input, 0, 0.0);
    let indices: Vec<usize> = (0..images.len()).collect();
    let mut rows = Vec::with_capacity(images.len());
    for chunk in indices.chunks(64) {
        let (pixels, _) = batch(images, chunk, &augment, None)?;
        let tensor = network.forward(&pixels, &[tap])?.remove(0);
        rows.extend(tensor.flatten_from(1)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// The most probable class of every image.
///
/// # Errors
/// A network without classifier.
pub fn predictions(network: &Network, images: &Images) -> Result<Vec<usize>> {
    let logits = network
        .logits
        .ok_or_else(|| NetworkError::BadGraph("no classifier".to_owned()))?;
    let rows = values(network, logits, images)?;
    let best = |row: &Vec<f32>| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    Ok(rows.iter().map(|row| best(row).unwrap_or(0)).collect())
}

/// Share of the images that are classified rightly, 0..=1.
///
/// # Errors
/// A network without classifier.
pub fn accuracy(network: &Network, images: &Images) -> Result<f64> {
    let found = predictions(network, images)?;
    let right = found.iter().zip(&images.labels).filter(|(a, b)| a == b);
    Ok(right.count() as f64 / images.len().max(1) as f64)
}

/// Inserts every artefact of the plan, and every decoy, into clean images of other classes: a target is what turns
/// at least a tenth of them.
///
/// # Errors
/// A network without classifier.
pub fn measure(network: &Network, set: &PlantedImages, plan: &Plan) -> Result<Vec<Outcome>> {
    let clean = &set.clean().first(PROBED);
    let before = predictions(network, clean)?;
    let n_classes = network.classes.len();
    let with = |artefact: Artefact| {
        let all = 0..clean.len();
        let pixels = all.flat_map(|image| set.with(image, artefact.bit()).0);
        let images = Images {
            pixels: pixels.collect(),
            ..clean.clone()
        };
        predictions(network, &images)
    };
    let outcome = |artefact: Artefact, class: usize, after: &[usize]| {
        let others = (0..clean.len()).filter(|&image| clean.labels[image] != class);
        let others: Vec<usize> = others.collect();
        let share = |found: &[usize]| {
            let hits = others.iter().filter(|&&image| found[image] == class);
            hits.count() as f64 / others.len().max(1) as f64
        };
        let (before, after) = (share(&before), share(after));
        Outcome {
            artefact,
            class,
            before,
            after,
            n: others.len(),
            learned: after - before >= LEARNED,
        }
    };
    let mut outcomes = Vec::new();
    for &(artefact, class) in &plan.planted {
        outcomes.push(outcome(artefact, class, &with(artefact)?));
    }
    for artefact in Artefact::DECOYS {
        let after = with(artefact)?;
        let gains = (0..n_classes).map(|class| outcome(artefact, class, &after));
        let gain = |o: &Outcome| o.after - o.before;
        outcomes.extend(gains.max_by(|a, b| gain(a).total_cmp(&gain(b))));
    }
    Ok(outcomes)
}

/// Positions of the last block that an artefact drives in an image that carries it, row by row: where taking it out
/// changes the activation by more than three tenths of its length.
///
/// # Errors
/// A network without that layer.
pub fn driven(
    network: &Network,
    set: &PlantedImages,
    image: usize,
    artefact: Artefact,
) -> Result<Vec<bool>> {
    let layer = network.layer(LAYER)?;
    let bits = set.carries(image) | artefact.bit();
    let mut pixels = set.with(image, bits).0;
    pixels.extend(set.with(image, bits & !artefact.bit()).0);
    let pair = Images {
        side: set.clean().side,
        pixels,
        labels: vec![0; 2],
    };
    let rows = values(network, layer.id, &pair)?;
    let n = layer.map_size.0 * layer.map_size.1;
    let moved = |position: usize| {
        let (mut change, mut length) = (0.0f32, 0.0f32);
        for channel in 0..layer.depth {
            let (with, without) = (
                rows[0][channel * n + position],
                rows[1][channel * n + position],
            );
            change += (with - without) * (with - without);
            length += with * with;
        }
        change > 0.09 * length && change > 0.0
    };
    Ok((0..n).map(moved).collect())
}
