//! Trains the demo's network on the synthetic world and measures what it learned, shortcuts included.

use super::{Dataset, Epoch, Result, Stream, Task, TrainError, TrainRecipe, Weights, fit};
use crate::images::world::{SIDE, World};
use crate::network::{self, Network, NetworkError};
use crate::progress::{Progress, check};
use candle_core::{Device, Tensor};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Scenes to learn from.
const TRAINING: usize = 10_000;
/// Scenes to measure with, of another seed.
const HELD_OUT: usize = 3_000;
/// Scenes per side of a probe.
const PROBED: usize = 1_600;
/// Added to the recipe's seed for held-out scenes.
const HELD_OUT_SEED: u64 = 1_000_000;

/// Drawn scenes in memory.
#[derive(Debug)]
pub struct WorldImages {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl WorldImages {
    /// The first `n` scenes; `mask` chooses the planted features of each, given those that chance would have.
    ///
    /// # Errors
    /// Cancellation.
    pub fn draw(
        world: World,
        n: usize,
        mask: &(dyn Fn(u32) -> u32 + Sync),
        progress: &dyn Progress,
    ) -> Result<Self> {
        let world = world.with_side(SIDE);
        let size = 3 * SIDE * SIDE;
        let mut pixels = vec![0; n * size];
        let mut labels = vec![0; n];
        progress.begin("draw scenes", n as u64, "scene");
        for (block, (pixels, labels)) in pixels
            .chunks_mut(256 * size)
            .zip(labels.chunks_mut(256))
            .enumerate()
        {
            check(progress)?;
            pixels
                .par_chunks_mut(size)
                .zip(labels.par_iter_mut())
                .enumerate()
                .for_each(|(row, (pixels, label))| {
                    let index = (block * 256 + row) as u64;
                    let scene = world.scene_with(index, mask(world.present(index)));
                    pixels.copy_from_slice(scene.image.as_raw());
                    *label = scene.class as u8;
                });
            progress.advance(labels.len() as u64);
        }
        Ok(Self { pixels, labels })
    }
}

impl Dataset for WorldImages {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn side(&self) -> usize {
        SIDE
    }

    fn pixels(&self, index: usize) -> &[u8] {
        let size = 3 * SIDE * SIDE;
        &self.pixels[index * size..(index + 1) * size]
    }

    fn label(&self, index: usize) -> usize {
        usize::from(self.labels[index])
    }
}

/// What a planted feature does to the network's answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Name of the planted feature.
    pub feature: String,
    /// The class it goes with.
    pub class: String,
    /// Mean probability of the class on its own scenes with the feature.
    pub own_with: f64,
    /// The same scenes without it.
    pub own_without: f64,
    /// Mean probability of the class on other classes' scenes with the feature.
    pub others_with: f64,
    /// The same scenes without it.
    pub others_without: f64,
}

/// What the run came to.
#[derive(Debug, Clone)]
pub struct DemoResult {
    /// Accuracy on held-out scenes as they come.
    pub accuracy: f64,
    /// Accuracy on the same scenes with every shortcut and multi-use feature taken out.
    pub accuracy_without: f64,
    /// Per epoch.
    pub history: Vec<Epoch>,
    /// Per planted feature and class it goes with.
    pub probes: Vec<Probe>,
}

/// Trains and writes `out` (safetensors, single precision) and, after every epoch, `out` with `.part` appended.
///
/// # Errors
/// Cancellation, divergence, a file that cannot be written.
pub fn demo(recipe: &TrainRecipe, out: &Path, progress: &dyn Progress) -> Result<DemoResult> {
    let world = World::new(recipe.seed);
    let fresh = World::new(recipe.seed + HELD_OUT_SEED);
    let training = WorldImages::draw(world, TRAINING, &|present| present, progress)?;
    let held_out = WorldImages::draw(fresh, HELD_OUT, &|present| present, progress)?;
    let (graph, logits) = network::demo::architecture(&mut untrained(recipe.seed))?;
    let input = network::demo::input();
    let task = Task {
        graph: &graph,
        logits,
        input: &input,
        training: &training,
        held_out: &held_out,
        trunk: None,
    };
    let part = part_of(out);
    let trained = fit(&task, recipe, progress, &mut |epoch, summary, weights| {
        progress.note(&format!(
            "epoch {}: loss {:.4}, accuracy {:.4}",
            epoch + 1,
            summary.loss,
            summary.accuracy
        ));
        write(weights, &part)
    })?;
    write(&trained.weights, &part)?;
    let bytes = std::fs::read(&part).map_err(|error| write_error(&part, error))?;
    let network = network::demo::from_bytes(&bytes, &Device::Cpu)?;
    std::fs::rename(&part, out).map_err(|error| write_error(out, error))?;
    let clean = WorldImages::draw(fresh, HELD_OUT, &|_| 0, progress)?;
    Ok(DemoResult {
        accuracy: trained.held_out_accuracy,
        accuracy_without: accuracy(&network, &clean)?,
        history: trained.history,
        probes: shortcut_probe(&network, fresh, PROBED, progress)?,
    })
}

/// Normal first values, variance 2 / fan-in (He et al. 2015); biases 0.
pub(super) fn untrained(seed: u64) -> impl FnMut(&str, &[usize]) -> network::Result<Tensor> {
    let mut stream = Stream::new(seed ^ 0x77);
    move |_, shape| {
        let fan_in: usize = shape[1..].iter().product();
        let scale = if shape.len() > 1 {
            (2.0 / fan_in as f32).sqrt()
        } else {
            0.0
        };
        let n = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|_| scale * stream.bell()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).map_err(NetworkError::from)
    }
}

fn write(weights: &Weights, path: &Path) -> Result<()> {
    let weights: HashMap<&str, Tensor> = weights
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.clone()))
        .collect();
    Ok(candle_core::safetensors::save(&weights, path)?)
}

/// The file that grows beside the result.
fn part_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn write_error(path: &Path, error: std::io::Error) -> TrainError {
    TrainError::Write {
        path: path.display().to_string(),
        error,
    }
}

/// Logits of some scenes, `[n, classes]`, as probabilities.
fn probabilities(network: &Network, images: &WorldImages) -> Result<Vec<Vec<f32>>> {
    let logits = network
        .logits
        .ok_or_else(|| NetworkError::BadGraph("no classifier".to_owned()))?;
    let augment = super::augment::Augment::new(&network.input, 0, 0.0);
    let indices: Vec<usize> = (0..images.len()).collect();
    let mut rows = Vec::with_capacity(images.len());
    for chunk in indices.chunks(32) {
        let (batch, _) = super::batch(images, chunk, &augment, None)?;
        let values = network.forward(&batch, &[logits])?.remove(0);
        rows.extend(candle_nn::ops::softmax(&values, 1)?.to_vec2::<f32>()?);
    }
    Ok(rows)
}

/// Share of scenes whose most probable class is theirs.
fn accuracy(network: &Network, images: &WorldImages) -> Result<f64> {
    let rows = probabilities(network, images)?;
    let best = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    let right = |(index, row): &(usize, &Vec<f32>)| best(row) == Some(images.label(*index));
    Ok(rows.iter().enumerate().filter(right).count() as f64 / rows.len().max(1) as f64)
}

/// How much each planted feature moves the classes that it goes with, on `n` pairs of scenes with and without it.
///
/// # Errors
/// Cancellation, or a network without classifier.
pub fn shortcut_probe(
    network: &Network,
    world: World,
    n: usize,
    progress: &dyn Progress,
) -> Result<Vec<Probe>> {
    let classes = World::classes();
    let clean = WorldImages::draw(world, n, &|_| 0, progress)?;
    let without = probabilities(network, &clean)?;
    let mut probes = Vec::new();
    for (bit, planted) in World::planted().iter().enumerate() {
        if planted.classes.is_empty() {
            continue;
        }
        let marked = WorldImages::draw(world, n, &|_| 1 << bit, progress)?;
        let with = probabilities(network, &marked)?;
        for name in &planted.classes {
            let Some(class) = classes.iter().position(|class| class.name() == name) else {
                continue;
            };
            let mean = |rows: &[Vec<f32>], own: bool| {
                let chosen = (0..n).filter(|&index| (clean.label(index) == class) == own);
                let values: Vec<f64> = chosen.map(|index| f64::from(rows[index][class])).collect();
                values.iter().sum::<f64>() / values.len().max(1) as f64
            };
            probes.push(Probe {
                feature: planted.name.clone(),
                class: name.clone(),
                own_with: mean(&with, true),
                own_without: mean(&without, true),
                others_with: mean(&with, false),
                others_without: mean(&without, false),
            });
        }
    }
    Ok(probes)
}
