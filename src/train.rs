//! The trainer of the demo's small network: any graph of our operators, candle's autograd, and our own gradients
//! where candle's are slow (convolutions) or wrong (pools).
//!
//! Weights are set before the first step so that every convolution's outputs have mean 0 and variance 1 on a batch
//! of images (Mishkin and Matas, "All you need is a good init", 2016), which stands in for batch normalisation:
//! the trained network then is exactly the graph, with nothing to fold away.

mod augment;
mod conv;
mod demo;
mod model;
pub mod planted;
mod pool;
mod rules;

pub use demo::{DemoResult, Probe, WorldImages, demo, shortcut_probe};

use crate::network::{Graph, InputSpec, Network, NetworkError, NodeId};
use crate::progress::{Interrupted, Progress, check};
use augment::Augment;
use candle_core::{D, Device, Tensor};
use candle_nn::{AdamW, Optimizer as _, ParamsAdamW};
use model::Model;
use std::collections::BTreeMap;

pub(crate) use augment::Stream;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Of the network's operators.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Of candle.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// Of writing the result.
    #[error("cannot write {path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// The loss is no longer a number.
    #[error("training diverged at step {0}; lower the learning rate")]
    Diverged(usize),
    /// There is nothing to learn from.
    #[error("no images to train on")]
    Empty,
    /// Asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, TrainError>;

/// Labelled images of one size.
pub trait Dataset: Sync {
    /// Number of images.
    fn len(&self) -> usize;
    /// True when there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Rows and columns of every image.
    fn side(&self) -> usize;
    /// Image `index` as `side · side` RGB pixels.
    fn pixels(&self, index: usize) -> &[u8];
    /// Its class.
    fn label(&self, index: usize) -> usize;
}

/// Every knob of a training run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct TrainRecipe {
    /// Passes over the images.
    pub epochs: usize,
    /// Images per step.
    pub batch: usize,
    /// Largest learning rate, reached after `warmup` steps, then falling to 0 along half a cosine.
    pub learning_rate: f64,
    /// Steps of linear rise.
    pub warmup: usize,
    /// Decoupled weight decay (AdamW).
    pub weight_decay: f64,
    /// Share of the target that is spread over all classes.
    pub label_smoothing: f64,
    /// Images are shifted by up to this many pixels.
    pub shift: usize,
    /// Largest standard deviation of added noise, in pixel values of 0..=255.
    pub noise: f32,
    /// Seed of everything random.
    pub seed: u64,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            epochs: 8,
            batch: 32,
            learning_rate: 2.5e-3,
            warmup: 150,
            weight_decay: 0.03,
            label_smoothing: 0.05,
            shift: 4,
            noise: 12.0,
            seed: 1,
        }
    }
}

/// Parameters by name (`NODE.weight`, `NODE.bias`).
pub type Weights = BTreeMap<String, Tensor>;

/// What sees the weights after every epoch: its index, its numbers, the weights.
pub type Checkpoint<'a> = &'a mut dyn FnMut(usize, &Epoch, &Weights) -> Result<()>;

/// One epoch of a run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Epoch {
    /// Mean training loss (cross entropy with smoothing), nats.
    pub loss: f64,
    /// Share of training images, augmented, that were classified rightly.
    pub accuracy: f64,
}

/// A trained network.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Parameters by name (`NODE.weight`, `NODE.bias`).
    pub weights: Weights,
    /// Per epoch.
    pub history: Vec<Epoch>,
    /// Share of the held-out images that are classified rightly, 0..=1.
    pub held_out_accuracy: f64,
}

/// What is trained: a graph whose tensors give the shapes and first values, its logits, its preprocessing.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// `[batch, classes]`.
    pub logits: NodeId,
    /// What pixels become.
    pub input: &'a InputSpec,
    /// Images to learn from.
    pub training: &'a dyn Dataset,
    /// Images to measure with.
    pub held_out: &'a dyn Dataset,
    /// A network whose values at a node the graph takes for its input, instead of the images; it stays as it is.
    pub trunk: Option<(&'a Network, NodeId)>,
}

impl Task<'_> {
    /// What the graph takes for some images.
    fn seen(&self, images: Tensor) -> Result<Tensor> {
        match self.trunk {
            Some((network, node)) => Ok(network.forward(&images, &[node])?.swap_remove(0)),
            None => Ok(images),
        }
    }
}

/// Trains; `checkpoint` sees the weights after every epoch.
///
/// # Errors
/// An operator that cannot be trained, divergence, cancellation.
pub fn fit(
    task: &Task<'_>,
    recipe: &TrainRecipe,
    progress: &dyn Progress,
    checkpoint: Checkpoint<'_>,
) -> Result<Trained> {
    if task.training.is_empty() || recipe.batch == 0 {
        return Err(TrainError::Empty);
    }
    let model = Model::new(task.graph, task.logits)?;
    let augment = Augment::new(task.input, recipe.shift, recipe.noise);
    let mut stream = Stream::new(recipe.seed);
    let mut order: Vec<usize> = (0..task.training.len()).collect();
    stream.shuffle(&mut order);
    let first = batch(
        task.training,
        &order[..order.len().min(128)],
        &augment,
        None,
    )?;
    model.equalise(&task.seen(first.0)?)?;

    let steps_per_epoch = order.len() / recipe.batch.min(order.len());
    let total = recipe.epochs * steps_per_epoch;
    let mut optimizer = AdamW::new(
        model.variables(),
        ParamsAdamW {
            lr: recipe.learning_rate,
            weight_decay: recipe.weight_decay,
            ..ParamsAdamW::default()
        },
    )?;
    progress.begin("train", total as u64, "step");
    let mut history = Vec::with_capacity(recipe.epochs);
    for epoch in 0..recipe.epochs {
        stream.shuffle(&mut order);
        let (mut loss_sum, mut right, mut seen) = (0.0, 0.0, 0);
        for (index, chunk) in order
            .chunks_exact(recipe.batch.min(order.len()))
            .enumerate()
        {
            check(progress)?;
            let step = epoch * steps_per_epoch + index;
            let seed = stream.next();
            let (images, labels) = batch(task.training, chunk, &augment, Some(seed))?;
            let logits = model.logits(&task.seen(images)?)?;
            let loss = smoothed_cross_entropy(&logits, &labels, recipe.label_smoothing)?;
            let value = f64::from(loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(TrainError::Diverged(step));
            }
            optimizer.set_learning_rate(learning_rate(recipe, step, total));
            optimizer.backward_step(&loss)?;
            loss_sum += value;
            right += n_right(&logits, &labels)?;
            seen += chunk.len();
            progress.advance(1);
        }
        let summary = Epoch {
            loss: loss_sum / steps_per_epoch as f64,
            accuracy: right / seen as f64,
        };
        history.push(summary);
        checkpoint(epoch, &summary, &model.weights())?;
    }
    let held_out_accuracy = accuracy(&model, task, progress)?;
    Ok(Trained {
        weights: model.weights(),
        history,
        held_out_accuracy,
    })
}

fn learning_rate(recipe: &TrainRecipe, step: usize, total: usize) -> f64 {
    let rise = ((step + 1) as f64 / recipe.warmup.max(1) as f64).min(1.0);
    let along = step as f64 / total.max(1) as f64;
    recipe.learning_rate * rise * 0.5 * (1.0 + (std::f64::consts::PI * along).cos())
}

/// Images `[n, 3, side, side]` and labels; augmented when there is a seed.
fn batch(
    data: &dyn Dataset,
    indices: &[usize],
    augment: &Augment,
    seed: Option<u64>,
) -> Result<(Tensor, Vec<u32>)> {
    let side = data.side();
    let values = augment.batch(data, indices, seed);
    let images = Tensor::from_vec(values, (indices.len(), 3, side, side), &Device::Cpu)?;
    let labels = indices
        .iter()
        .map(|&index| data.label(index) as u32)
        .collect();
    Ok((images, labels))
}

/// Mean over the batch of −Σ target · log softmax, where the target is `1 − smoothing` on the label and
/// `smoothing` spread over all classes.
fn smoothed_cross_entropy(logits: &Tensor, labels: &[u32], smoothing: f64) -> Result<Tensor> {
    let (n, classes) = logits.dims2()?;
    let floor = (smoothing / classes as f64) as f32;
    let mut target = vec![floor; n * classes];
    for (row, &label) in labels.iter().enumerate() {
        target[row * classes + label as usize] += 1.0 - smoothing as f32;
    }
    let target = Tensor::from_vec(target, (n, classes), logits.device())?;
    let log_share = candle_nn::ops::log_softmax(logits, D::Minus1)?;
    Ok((log_share.mul(&target)?.sum_all()? * (-1.0 / n as f64))?)
}

fn n_right(logits: &Tensor, labels: &[u32]) -> Result<f64> {
    let best = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
    Ok(best.iter().zip(labels).filter(|(a, b)| a == b).count() as f64)
}

fn accuracy(model: &Model<'_>, task: &Task<'_>, progress: &dyn Progress) -> Result<f64> {
    let n = task.held_out.len();
    if n == 0 {
        return Ok(f64::NAN);
    }
    let augment = Augment::new(task.input, 0, 0.0);
    progress.begin("measure", n as u64, "image");
    let mut right = 0.0;
    let all: Vec<usize> = (0..n).collect();
    for chunk in all.chunks(64) {
        check(progress)?;
        let (images, labels) = batch(task.held_out, chunk, &augment, None)?;
        right += n_right(&model.logits(&task.seen(images)?)?, &labels)?;
        progress.advance(chunk.len() as u64);
    }
    Ok(right / n as f64)
}

#[cfg(test)]
mod tests;
