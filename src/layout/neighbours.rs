//! Nearest neighbours in activation space.
//!
//! Both ways compute distances as products of matrix blocks, which is several times faster than pair by pair.

mod descent;
mod exact;
mod forest;
mod nearest;

pub(super) use exact::across;
pub use exact::among;

use super::{LayoutError, Points};
use crate::progress::Progress;

/// Up to this many points the exact search is used: it is quadratic but simple.
pub const EXACT_UP_TO: usize = 20_000;

/// The nearest neighbours of every point, the point itself left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// Neighbours per point.
    pub k: usize,
    /// n · k point indices; each point's by rising distance, then index.
    pub index: Vec<u32>,
    /// n · k distances, ≥ 0.
    pub distance: Vec<f32>,
}

impl Neighbours {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.index.len().checked_div(self.k).unwrap_or(0)
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Indices and distances of the neighbours of `point`.
    pub fn of(&self, point: usize) -> (&[u32], &[f32]) {
        let range = point * self.k..(point + 1) * self.k;
        (&self.index[range.clone()], &self.distance[range])
    }
}

/// The `n_neighbors` nearest points of each, counting itself (as umap-learn counts), so one fewer is returned;
/// at least one, at most all others.
///
/// # Errors
/// [`LayoutError::Interrupted`].
pub fn find(
    points: &Points<'_>,
    n_neighbors: usize,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Neighbours, LayoutError> {
    if points.len() <= EXACT_UP_TO {
        find_exact(points, n_neighbors, progress)
    } else {
        find_by_descent(points, n_neighbors, seed, progress)
    }
}

/// [`find`] by comparing all pairs.
///
/// # Errors
/// [`LayoutError::Interrupted`].
pub fn find_exact(
    points: &Points<'_>,
    n_neighbors: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, LayoutError> {
    Ok(exact::find(points, count(points, n_neighbors), progress)?)
}

/// [`find`] by nearest-neighbour descent from a forest of random projection trees.
///
/// # Errors
/// [`LayoutError::Interrupted`].
pub fn find_by_descent(
    points: &Points<'_>,
    n_neighbors: usize,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Neighbours, LayoutError> {
    let k = count(points, n_neighbors);
    Ok(descent::find(points, k, seed, progress)?)
}

fn count(points: &Points<'_>, n_neighbors: usize) -> usize {
    let others = points.len().saturating_sub(1);
    n_neighbors
        .saturating_sub(1)
        .clamp(1, others.max(1))
        .min(others)
}
