//! New activations on a map that stands: umap-learn's `transform`.
//!
//! Each new point finds its neighbours among the training points, starts at their weighted mean, and makes a
//! short descent during which the training points stay. Unlike in umap-learn a point's place depends on the point,
//! the map and the seed alone, not on what else is placed with it: points can come in batches of any size.

use super::descent::{Forces, Spring, Walk};
use super::graph::{membership, sigma};
use super::neighbours::across;
use super::normalise::Frame;
use super::{Layout, LayoutError, Points};
use crate::atlas::LayoutRecipe;
use crate::math::rng::mix;
use crate::progress::{Progress, check};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;

/// Epochs when the recipe leaves the number open; otherwise a third of the recipe's.
const EPOCHS: u32 = 100;
/// Length of the first step; a layout's first step has 1.
const FIRST_STEP: f32 = 0.25;

/// A layout and the activations that it was made of.
#[derive(Debug, Clone, Copy)]
pub struct Trained<'a> {
    /// n × depth.
    pub activations: ArrayView2<'a, f32>,
    /// n × 2, [`Layout::raw`].
    pub raw: ArrayView2<'a, f32>,
}

/// Places `activations` (m × depth, finite) on the map of `trained`, which was made with `recipe`: m positions in
/// the unit square, clamped to it where a point lies outside of everything known, and m raw ones.
///
/// The time is spent on comparing every new point with every training point.
///
/// # Errors
/// [`LayoutError::NotFinite`] names the first bad row of `activations` (or of the training points or positions);
/// [`LayoutError::Depth`] when they have another number of channels than the training points,
/// [`LayoutError::Untrained`] when there is no training point, or not one position for each;
/// [`LayoutError::Interrupted`].
pub fn transform(
    trained: &Trained<'_>,
    activations: &ArrayView2<'_, f32>,
    recipe: &LayoutRecipe,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Layout, LayoutError> {
    let (n, depth) = trained.activations.dim();
    if n == 0 || trained.raw.dim() != (n, 2) {
        return Err(LayoutError::Untrained);
    }
    if activations.ncols() != depth {
        let found = activations.ncols();
        return Err(LayoutError::Depth {
            expected: depth,
            found,
        });
    }
    let mut places = trained.raw.indexed_iter();
    if let Some(((row, channel), _)) = places.find(|(_, v)| !v.is_finite()) {
        return Err(LayoutError::NotFinite { row, channel });
    }
    let points = Points::new(&trained.activations, recipe.metric)?;
    let new = points.like(activations)?;
    let k = (recipe.n_neighbors as usize).clamp(1, n);
    progress.begin("place activations", new.len() as u64, "activation");
    let neighbours = across(&points, &new, k, progress)?;
    let map: Vec<[f32; 2]> = trained
        .raw
        .rows()
        .into_iter()
        .map(|p| [p[0], p[1]])
        .collect();
    let forces = Forces::new(recipe);
    let n_epochs = match recipe.n_epochs {
        0 => EPOCHS,
        given => (given / 3).max(1),
    };
    let settled: Result<Vec<[f32; 2]>, LayoutError> = (0..new.len())
        .into_par_iter()
        .map(|point| {
            check(progress)?;
            let (index, distance) = neighbours.of(point);
            let edges = edges(index, distance);
            let mut here = start(&edges, &map);
            let own = number_of(&activations.row(point));
            let springs = springs(&edges, own, n_epochs, seed);
            for epoch in 0..n_epochs {
                let alpha = FIRST_STEP * (1.0 - epoch as f32 / n_epochs as f32);
                let salt = mix(seed ^ mix(u64::from(epoch)));
                let mut walk: Walk<'_> = forces.walk(&map, (own, here), alpha, salt);
                for spring in springs.iter().filter(|spring| spring.fires(epoch)) {
                    walk.along(spring.other);
                }
                here = walk.here;
            }
            Ok(here)
        })
        .collect();
    let settled = settled?;
    let raw = Array2::from_shape_fn((settled.len(), 2), |(row, axis)| settled[row][axis]);
    let position = Frame::of(&trained.raw).place(&raw.view());
    Ok(Layout { position, raw })
}

/// A number beyond all training points' that stands for a new one: its random choices follow from its values, not
/// from its place in a batch.
fn number_of(row: &ArrayView1<'_, f32>) -> usize {
    let hash = row
        .iter()
        .fold(0, |hash, v| mix(hash ^ u64::from(v.to_bits())));
    (hash as u32 | 1 << 31) as usize
}

/// Neighbours with their weights: as in [`super::graph::fuzzy`], but the nearest neighbour is not taken to be at
/// distance 0 (umap-learn lowers the local connectivity by one for new points).
fn edges(index: &[u32], distance: &[f32]) -> Vec<(u32, f32)> {
    let mean = distance.iter().sum::<f32>() / distance.len().max(1) as f32;
    let beyond_first = distance.get(1..).unwrap_or_default();
    let sigma = sigma(beyond_first, 0.0, mean);
    let weight = |&d: &f32| membership(d, 0.0, sigma);
    index
        .iter()
        .copied()
        .zip(distance.iter().map(weight))
        .collect()
}

/// The weighted mean of the neighbours' places, or the place of a neighbour at distance 0.
fn start(edges: &[(u32, f32)], map: &[[f32; 2]]) -> [f32; 2] {
    if let Some(&(same, _)) = edges.iter().find(|edge| edge.1 >= 1.0) {
        return map[same as usize];
    }
    let total: f32 = edges.iter().map(|edge| edge.1).sum();
    let mut mean = [0.0; 2];
    for &(other, weight) in edges {
        // All weights vanish only when all distances are far beyond their mean, which cannot be; guarded anyway.
        let share = if total > 0.0 {
            weight / total
        } else {
            1.0 / edges.len() as f32
        };
        for (mean, there) in mean.iter_mut().zip(map[other as usize]) {
            *mean += share * there;
        }
    }
    mean
}

/// The edges that fire at all, relative to the point's strongest.
fn springs(edges: &[(u32, f32)], point: usize, n_epochs: u32, seed: u64) -> Vec<Spring> {
    let heaviest = edges.iter().map(|edge| edge.1).fold(0.0, f32::max);
    let least = heaviest / n_epochs as f32;
    let strong = edges.iter().filter(|edge| edge.1 >= least && edge.1 > 0.0);
    strong
        .map(|&(other, weight)| Spring::new(point, other, weight / heaviest, seed))
        .collect()
}
