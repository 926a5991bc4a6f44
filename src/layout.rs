//! Activations to positions in the unit square.
//!
//! This is UMAP (McInnes, Healy, Melville 2018, arXiv:1802.03426) written for atlases: every random choice
//! comes from a seed and no result depends on the number of threads, so the same activations give the same
//! map. The steps:
//!
//! 1. [`neighbours`]: the nearest neighbours of every activation; exact up to 20,000 points, by descent above.
//! 2. [`graph`]: distances to weights of a symmetric fuzzy graph.
//! 3. [`initial`]: first positions from the graph's slowest modes, or principal components.
//! 4. [`descent`]: attraction along edges, repulsion between random pairs.
//! 5. [`normalise`]: to the unit square, as the article does.
//!
//! [`quality`] says how much of the neighbourhoods the map keeps; [`transform`] places new activations on it.

pub mod curve;
pub mod descent;
pub mod graph;
pub mod initial;
pub mod neighbours;
pub mod normalise;
mod points;
pub mod quality;
mod spectral;
mod transform;

pub use normalise::normalise;
pub use points::Points;
pub use quality::quality;
pub use transform::{Trained, transform};

use crate::atlas::LayoutRecipe;
use crate::progress::{Interrupted, Progress};
use ndarray::{Array2, ArrayView2};

/// Positions of all activations.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// n × 2, (x, y) in `[0, 1]`, y down.
    pub position: Array2<f32>,
    /// n × 2, as the descent left them.
    pub raw: Array2<f32>,
}

/// Why there is no layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// An activation holds a NaN or an infinity.
    #[error("activation {row} holds a value that is not finite (channel {channel})")]
    NotFinite {
        /// Its row.
        row: usize,
        /// The first such channel.
        channel: usize,
    },
    /// New activations have another number of channels than the map's.
    #[error("the map was made of activations with {expected} channels, not {found}")]
    Depth {
        /// Channels of the training points.
        expected: usize,
        /// Channels of the new ones.
        found: usize,
    },
    /// There is no map to place points on.
    #[error("there is no training point, or not one position for each")]
    Untrained,
    /// The caller asked to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Lays out `activations` (n × depth, finite) in two dimensions.
///
/// The same activations, recipe and seed give the same layout on any number of threads. Any n is fine: no
/// point gives no position, a single point the middle, and a neighbourhood larger than the data shrinks to it.
///
/// # Errors
/// [`LayoutError::NotFinite`] names the first bad row; [`LayoutError::Interrupted`] once `progress` is
/// cancelled.
pub fn layout(
    activations: &ArrayView2<'_, f32>,
    recipe: &LayoutRecipe,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Layout, LayoutError> {
    let points = Points::new(activations, recipe.metric)?;
    if points.len() < 3 {
        let raw = Array2::from_shape_fn((points.len(), 2), |(row, _)| row as f32);
        let position = normalise(&raw.view());
        return Ok(Layout { position, raw });
    }
    let neighbours = neighbours::find(&points, recipe.n_neighbors as usize, seed, progress)?;
    let graph = graph::fuzzy(neighbours);
    let initial = initial::positions(&graph, &points, seed, progress)?;
    let raw = descent::descend(graph, initial, recipe, seed, progress)?;
    let raw = Array2::from_shape_fn((raw.len(), 2), |(row, axis)| raw[row][axis]);
    let position = normalise(&raw.view());
    Ok(Layout { position, raw })
}
