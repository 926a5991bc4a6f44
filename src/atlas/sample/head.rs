//! An invented linear end: clusters are the finest cells of the deepest layer.

use super::{Atlas, Head, Noise, Quantized};
use half::f16;
use ndarray::Array2;

/// The head of an invented atlas; its positions have the cells of the deepest layer for clusters.
pub(super) fn head(atlas: &Atlas, seed: u64) -> Option<Head> {
    let layer = atlas.layers.last()?;
    let level = layer.levels.last()?;
    let mut rng = Noise::new(seed ^ 0x4EAD);
    let mut table = |rows: usize, cols: usize, from: f32, to: f32| {
        Array2::from_shape_fn((rows, cols), |_| from + (to - from) * rng.uniform())
    };
    let (n, n_positions) = layer.position_cells.dim();
    let n_classes = atlas.classes.len();
    Some(Head {
        layer: layer.name.clone(),
        map_size: layer.map_size,
        receptive_field: layer.receptive_field,
        stride: layer.stride,
        weights: table(n_classes, layer.depth, -0.5, 0.5).mapv(f16::from_f32),
        bias: table(n_classes, 1, -0.1, 0.1).into_iter().collect(),
        pooled: layer.pooled.clone(),
        clusters: level.directions.clone(),
        position_clusters: layer.position_cells.clone(),
        position_cosines: Quantized::from_f32(&table(n, n_positions, 0.4, 1.0).view()),
        position_norms: Quantized::from_f32(&table(n, n_positions, 10.0, 90.0).view()),
    })
}
