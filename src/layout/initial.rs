//! First positions.

use super::graph::Graph;
use super::{Points, spectral};
use crate::math::{Rng, pca};
use crate::progress::{Interrupted, Progress};

/// Side of the square in which the descent starts, in the descent's units (closeness falls to a half near 1).
const SIDE: f32 = 10.0;
/// Rows from which principal components are computed.
const SAMPLE: usize = 20_000;
/// Standard deviation of the noise that keeps equal points apart.
const NOISE: f32 = 1e-2;

/// Positions in a square of side 10 from the graph's two slowest modes; from the two leading principal
/// components when the graph is not connected or too small for modes to mean anything. A little noise keeps
/// equal points apart.
///
/// # Errors
/// [`Interrupted`].
pub fn positions(
    graph: &Graph,
    points: &Points<'_>,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<[f32; 2]>, Interrupted> {
    let (_, n_components) = graph.components();
    let modes = if n_components == 1 && graph.len() > 8 {
        spectral::modes(graph, seed, progress)?
    } else {
        None
    };
    let mut positions = modes.unwrap_or_else(|| principal(points, seed));
    stretch(&mut positions);
    let mut rng = Rng::stream(seed, 0x1417);
    for coordinate in positions.iter_mut().flatten() {
        *coordinate += NOISE * rng.normal();
    }
    Ok(positions)
}

/// Coordinates along the two leading principal components.
fn principal(points: &Points<'_>, seed: u64) -> Vec<[f32; 2]> {
    let sample = Rng::stream(seed, 0x9ca0).sample(points.len(), SAMPLE);
    let rows = points.gather(sample.into_iter());
    let (mean, components, _) = pca::axes(&rows.view(), 2, seed);
    let coordinates = points.project(&mean.view(), &components.view());
    let at = |row: usize, axis: usize| coordinates.get((row, axis)).copied().unwrap_or(0.0);
    (0..points.len())
        .map(|row| [at(row, 0), at(row, 1)])
        .collect()
}

/// Stretches each axis to `0..SIDE`; an axis without extent becomes 0.
fn stretch(positions: &mut [[f32; 2]]) {
    for axis in 0..2 {
        let (lo, hi) = positions
            .iter()
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), p| {
                (lo.min(p[axis]), hi.max(p[axis]))
            });
        let scale = if hi > lo { SIDE / (hi - lo) } else { 0.0 };
        for p in positions.iter_mut() {
            p[axis] = (p[axis] - lo) * scale;
        }
    }
}
