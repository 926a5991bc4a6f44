//! Cells that are alike in activation space, wherever the map has put them.

use crate::atlas::Level;
use ndarray::{Array1, Array2};

/// Directions of a level with unit length, for cosines by one product.
#[derive(Debug, Clone, PartialEq)]
pub struct Units(Array2<f32>);

impl Units {
    /// Of a level; a direction of zero stays zero.
    pub fn of(level: &Level) -> Units {
        let mut units = level.directions.mapv(half::f16::to_f32);
        for mut row in units.rows_mut() {
            let norm = row.dot(&row).sqrt();
            if norm > 0.0 {
                row /= norm;
            }
        }
        Units(units)
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.0.nrows()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `n` other cells with the largest cosine to a cell, largest first.
    pub fn nearest(&self, cell: usize, n: usize) -> Vec<(usize, f32)> {
        if cell >= self.len() {
            return Vec::new();
        }
        let cosines = self.0.dot(&self.0.row(cell));
        let others = cosines.iter().copied().enumerate();
        let mut others: Vec<(usize, f32)> = others.filter(|&(idx, _)| idx != cell).collect();
        let order = |a: &(usize, f32), b: &(usize, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if others.len() > n && n > 0 {
            others.select_nth_unstable_by(n - 1, order);
        }
        others.truncate(n);
        others.sort_by(order);
        others
    }

    /// One number per chosen cell so that alike cells have near numbers: the projection to the leading principal
    /// component of their directions, found by power iteration from a fixed start.
    pub fn ordering(&self, cells: &[usize]) -> Vec<f32> {
        let depth = self.0.ncols();
        let mut rows = self.0.select(ndarray::Axis(0), cells);
        if rows.is_empty() {
            return vec![0.0; cells.len()];
        }
        if let Some(mean) = rows.mean_axis(ndarray::Axis(0)) {
            rows -= &mean;
        }
        let mut axis = Array1::from_shape_fn(depth, |i| 1.0 + (i as f32 * 0.7).sin());
        for _ in 0..60 {
            axis = rows.t().dot(&rows.dot(&axis));
            let norm = axis.dot(&axis).sqrt();
            if norm <= 0.0 {
                return vec![0.0; cells.len()];
            }
            axis /= norm;
        }
        rows.dot(&axis).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::sample::{SampleSpec, atlas};

    #[test]
    fn nearest_cells_are_those_of_brute_force() {
        let atlas = atlas(&SampleSpec::default());
        let level = atlas.layers[0].levels.last().unwrap();
        let units = Units::of(level);
        for cell in [0, 7, level.cells.len() - 1] {
            let a: Vec<f32> = level
                .directions
                .row(cell)
                .iter()
                .map(|v| v.to_f32())
                .collect();
            let cosine = |other: usize| {
                let b: Vec<f32> = level
                    .directions
                    .row(other)
                    .iter()
                    .map(|v| v.to_f32())
                    .collect();
                let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>();
                dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
            };
            let mut all: Vec<(usize, f32)> = (0..level.cells.len())
                .filter(|&other| other != cell)
                .map(|other| (other, cosine(other)))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1));
            let found = units.nearest(cell, 5);
            assert_eq!(found.len(), 5);
            for (found, expected) in found.iter().zip(&all) {
                assert!(
                    (found.1 - expected.1).abs() < 1e-4,
                    "{found:?} {expected:?}"
                );
            }
        }
        assert!(units.nearest(10_000, 3).is_empty());
    }

    #[test]
    fn the_ordering_splits_two_groups() {
        let atlas = atlas(&SampleSpec::default());
        let mut level = atlas.layers[0].levels[0].clone();
        let n = level.cells.len();
        for (idx, mut row) in level.directions.rows_mut().into_iter().enumerate() {
            row.fill(half::f16::from_f32(0.1));
            row[usize::from(idx % 2 == 0)] = half::f16::from_f32(3.0);
        }
        let all: Vec<usize> = (0..n).collect();
        let order = Units::of(&level).ordering(&all);
        let first = order[0] > 0.0;
        assert!(
            all.iter()
                .all(|&i| (order[i] > 0.0) == (first == (i % 2 == 0)))
        );
    }
}
