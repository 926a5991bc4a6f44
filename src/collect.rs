//! Images to activations with their provenance.
//!
//! Each image goes through the network once, up to the logits. At every layer asked for, one or more random
//! positions are drawn (article, "Collecting one million activations": one, away from the edges, whose units see
//! padding), their activation vectors are kept raw, and their attribution to every class is computed while the
//! layer's activations are still at hand.

use crate::atlas::{ClassId, Relaxation};
use crate::math::rng::Rng;
use crate::network::{Layer, Network, NetworkError, NodeId};
use candle_core::{DType, Tensor};
use half::f16;
use ndarray::Array2;
use rayon::prelude::*;

mod last;
mod style;

pub use last::{LastChunk, LastPlan};
pub use style::styles;

/// What to collect.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The network.
    pub network: &'a Network,
    /// Layers, any order.
    pub layers: &'a [Layer],
    /// Leave out the first and last row and column of layers that are at least three wide.
    pub exclude_edges: bool,
    /// What the derivative does at max pools.
    pub relaxation: Relaxation,
    /// Seed of the positions. A position depends on the seed, the image and the layer only, never on batching.
    pub seed: u64,
    /// The layer before the linear end, where the network has one.
    pub last: Option<&'a LastPlan>,
}

/// One image, ready for the network.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Its index among all images of the atlas.
    pub image: u32,
    /// Positions to draw per layer (at most as many as the layer has).
    pub positions: u32,
    /// Channels × size × size, preprocessed.
    pub pixels: Vec<f32>,
}

/// What a batch of images gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chunk {
    /// The images, in the order of the batch.
    pub image: Vec<u32>,
    /// The class with the largest logit, if there is a classifier.
    pub prediction: Vec<Option<ClassId>>,
    /// One entry per layer of the plan.
    pub layers: Vec<LayerChunk>,
    /// What the layer before the linear end gave, when the plan has one.
    pub last: Option<LastChunk>,
}

/// Samples of one layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LayerChunk {
    /// Image of each sample.
    pub image: Vec<u32>,
    /// Row of each sample.
    pub row: Vec<u8>,
    /// Column of each sample.
    pub col: Vec<u8>,
    /// n × depth, as the layer gave them.
    pub activations: Array2<f32>,
    /// n × classes, in logits; no columns without a classifier.
    pub attributions: Array2<f16>,
    /// images × depth: mean over all positions.
    pub pooled: Array2<f32>,
}

/// Why collecting stopped.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// An activation is not a number.
    #[error(
        "layer {layer} gives NaN or infinity for image {image}; the weights or the preprocessing are wrong"
    )]
    NotFinite {
        /// The layer.
        layer: String,
        /// Index of the image.
        image: u32,
    },
}

/// Runs a batch of images through the network and samples every layer of the plan.
///
/// # Errors
/// As [`CollectError`].
pub fn collect(plan: &Plan<'_>, batch: &[Prepared]) -> Result<Chunk, CollectError> {
    let taps: Vec<NodeId> = (plan.layers.iter().map(|layer| layer.id))
        .chain(plan.network.logits)
        .chain(plan.last.map(|last| last.layer.id))
        .collect();
    let outputs = run(plan.network, &taps, batch)?;
    let mut chunk = Chunk {
        image: batch.iter().map(|p| p.image).collect(),
        ..Chunk::default()
    };
    chunk.prediction = match plan.network.logits {
        Some(_) => predictions(&outputs[plan.layers.len()], batch)?,
        None => vec![None; batch.len()],
    };
    for (layer_idx, layer) in plan.layers.iter().enumerate() {
        let parts: Result<Vec<LayerChunk>, CollectError> = batch
            .par_iter()
            .enumerate()
            .map(|(idx, prepared)| {
                let activation = outputs[layer_idx]
                    .narrow(0, idx, 1)
                    .map_err(NetworkError::from)?;
                let mut rng = Rng::stream(plan.seed, stream_of(prepared.image, layer.id));

                sample(plan, layer, prepared, &activation, &mut rng)
            })
            .collect();
        chunk.layers.push(concat(&parts?));
    }
    if let (Some(last), Some(output)) = (plan.last, outputs.last()) {
        chunk.last = Some(last::collect(plan, last, output, &chunk)?);
    }
    Ok(chunk)
}

/// Activations of `layers` (each `[batch, depth, rows, columns]`) and, last, the logits if there are any.
///
/// # Errors
/// Those of [`Network::forward`].
pub fn forward(
    network: &Network,
    layers: &[Layer],
    batch: &[Prepared],
) -> Result<Vec<Tensor>, NetworkError> {
    let taps: Vec<NodeId> = layers
        .iter()
        .map(|layer| layer.id)
        .chain(network.logits)
        .collect();
    run(network, &taps, batch)
}

/// Activations of `layers` alone; nothing above the deepest of them is computed.
///
/// # Errors
/// Those of [`Network::forward`].
pub fn forward_layers(
    network: &Network,
    layers: &[Layer],
    batch: &[Prepared],
) -> Result<Vec<Tensor>, NetworkError> {
    let taps: Vec<NodeId> = layers.iter().map(|layer| layer.id).collect();
    run(network, &taps, batch)
}

fn run(
    network: &Network,
    taps: &[NodeId],
    batch: &[Prepared],
) -> Result<Vec<Tensor>, NetworkError> {
    let side = network.input.size;
    let mut pixels = Vec::with_capacity(batch.len() * 3 * side * side);
    for prepared in batch {
        pixels.extend_from_slice(&prepared.pixels);
    }
    let images = Tensor::from_vec(pixels, (batch.len(), 3, side, side), &network.device)?;
    network.forward(&images, taps)
}

/// The stream of random numbers of one image at one layer. Large graphs have more than 256 nodes; what is left of
/// their index goes where no image's index reaches.
fn stream_of(image: u32, layer: NodeId) -> u64 {
    let (low, high) = (layer.0 as u64 & 0xFF, layer.0 as u64 >> 8);
    (u64::from(image) << 8) | low | (high << 40)
}

fn predictions(logits: &Tensor, batch: &[Prepared]) -> Result<Vec<Option<ClassId>>, CollectError> {
    let logits = logits.to_dtype(DType::F32).map_err(NetworkError::from)?;
    let rows = logits.to_vec2::<f32>().map_err(NetworkError::from)?;
    let largest = |(row, prepared): (&Vec<f32>, &Prepared)| {
        if row.iter().any(|logit| !logit.is_finite()) {
            return Err(CollectError::NotFinite {
                layer: "of the logits".to_owned(),
                image: prepared.image,
            });
        }
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        Ok(best.map(|(class, _)| class as ClassId))
    };
    rows.iter().zip(batch).map(largest).collect()
}

/// Samples one image at one layer; `activation` is `[1, depth, rows, columns]`.
fn sample(
    plan: &Plan<'_>,
    layer: &Layer,
    prepared: &Prepared,
    activation: &Tensor,
    rng: &mut Rng,
) -> Result<LayerChunk, CollectError> {
    let (_, depth, rows, cols) = activation.dims4().map_err(NetworkError::from)?;
    let flat = activation.flatten_all().map_err(NetworkError::from)?;
    let values = flat.to_vec1::<f32>().map_err(NetworkError::from)?;
    if values.iter().any(|v| !v.is_finite()) {
        return Err(CollectError::NotFinite {
            layer: layer.name.clone(),
            image: prepared.image,
        });
    }
    let positions = draw_positions(
        rows,
        cols,
        prepared.positions as usize,
        plan.exclude_edges,
        rng,
    );
    let n_positions = rows * cols;
    let at = |n: usize, channel: usize| {
        let (row, col) = positions[n];
        values[channel * n_positions + row * cols + col]
    };
    let attributions = match plan.network.logits {
        Some(_) => plan
            .network
            .attribution_in(
                &image_of(plan, prepared)?,
                (layer.id, activation),
                &positions,
                plan.relaxation,
            )?
            .mapv(f16::from_f32),
        None => Array2::zeros((positions.len(), 0)),
    };
    let mean = |channel: usize| {
        let map = &values[channel * n_positions..(channel + 1) * n_positions];
        map.iter().sum::<f32>() / n_positions as f32
    };
    Ok(LayerChunk {
        image: vec![prepared.image; positions.len()],
        row: positions.iter().map(|p| p.0 as u8).collect(),
        col: positions.iter().map(|p| p.1 as u8).collect(),
        activations: Array2::from_shape_fn((positions.len(), depth), |(n, c)| at(n, c)),
        attributions,
        pooled: Array2::from_shape_fn((1, depth), |(_, c)| mean(c)),
    })
}

/// `[1, 3, side, side]`.
fn image_of(plan: &Plan<'_>, prepared: &Prepared) -> Result<Tensor, NetworkError> {
    let side = plan.network.input.size;
    let (pixels, shape) = (prepared.pixels.clone(), (1, 3, side, side));
    Ok(Tensor::from_vec(pixels, shape, &plan.network.device)?)
}

/// Draws up to `n` distinct positions of a `rows` × `cols` layer, sorted by row and column.
fn draw_positions(
    rows: usize,
    cols: usize,
    n: usize,
    exclude_edges: bool,
    rng: &mut Rng,
) -> Vec<(usize, usize)> {
    let inner = |size: usize| {
        if exclude_edges && size >= 3 {
            1..size - 1
        } else {
            0..size
        }
    };
    let mut all: Vec<(usize, usize)> = inner(rows)
        .flat_map(|row| inner(cols).map(move |col| (row, col)))
        .collect();
    let n = n.min(all.len());
    for idx in 0..n {
        let other = idx + rng.below(all.len() - idx);
        all.swap(idx, other);
    }
    all.truncate(n);
    all.sort_unstable();
    all
}

/// Joins the samples of consecutive images.
pub(crate) fn concat(parts: &[LayerChunk]) -> LayerChunk {
    let mut whole = LayerChunk::default();
    for part in parts {
        whole.image.extend_from_slice(&part.image);
        whole.row.extend_from_slice(&part.row);
        whole.col.extend_from_slice(&part.col);
    }
    whole.activations = stack(parts.iter().map(|p| &p.activations));
    whole.attributions = stack(parts.iter().map(|p| &p.attributions));
    whole.pooled = stack(parts.iter().map(|p| &p.pooled));
    whole
}

/// Stacks matrices of equal width; an empty iterator gives an empty matrix.
pub(crate) fn stack<'a, T: Copy + 'a>(parts: impl Iterator<Item = &'a Array2<T>>) -> Array2<T> {
    let mut values = Vec::new();
    let (mut n_rows, mut n_cols) = (0, 0);
    for part in parts {
        n_rows += part.nrows();
        n_cols = part.ncols();
        values.extend(part.iter().copied());
    }
    // Equal widths hold by construction: every part comes from the same layer of the same network.
    Array2::from_shape_vec((n_rows, n_cols), values)
        .unwrap_or_else(|_| unreachable!("parts of one layer differ in width"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_distinct_and_away_from_the_edge() {
        let mut rng = Rng::stream(1, 2);
        let positions = draw_positions(14, 14, 40, true, &mut rng);
        assert_eq!(positions.len(), 40);
        assert!(positions.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(
            positions
                .iter()
                .all(|&(r, c)| (1..13).contains(&r) && (1..13).contains(&c))
        );
        assert_eq!(draw_positions(4, 4, 40, true, &mut rng).len(), 4);
        assert_eq!(draw_positions(2, 2, 40, true, &mut rng).len(), 4);
    }

    #[test]
    fn every_inner_position_is_drawn_equally_often() {
        let mut counts = [0; 9];
        for image in 0..9000 {
            let (row, col) = draw_positions(5, 5, 1, true, &mut Rng::stream(7, image))[0];
            counts[(row - 1) * 3 + col - 1] += 1;
        }
        // 1000 expected each; five standard deviations are 149.
        assert!(
            counts.iter().all(|&n| (851..1149).contains(&n)),
            "{counts:?}"
        );
    }
}
