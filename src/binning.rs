//! Positions and activations to grid levels of cells.
//!
//! Bins are half open, so that a sample on an inner border falls into one cell only (lucid's notebook counts it
//! twice); the last row and column include 1.0. Halving the grid merges cells: every cell of grid G holds
//! exactly the samples of its four cells of grid 2G.

use crate::atlas::{Cell, Icons, Level};
use half::f16;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::slice::ParallelSlice;

/// The grids to choose from; each halves the cells of the one before.
pub const GRIDS: [u32; 6] = [10, 20, 40, 80, 160, 320];

/// Samples per square that a finer grid must have on average. Measured on UMAP layouts about half of the squares
/// are occupied, so this leaves some eight samples to an occupied cell.
const SAMPLES_PER_SQUARE: f32 = 4.0;

/// The grids that `n_samples` can fill, coarse to fine: the coarsest always, and every finer one with at least
/// four samples per square on average (3,000 → 10, 20; 50,000 → 10 … 80; 410,000 → all).
pub fn grids_for(n_samples: usize) -> Vec<u32> {
    let enough = |grid: u32| n_samples as f32 >= SAMPLES_PER_SQUARE * (grid as f32).powi(2);
    GRIDS
        .into_iter()
        .filter(|&grid| grid == GRIDS[0] || enough(grid))
        .collect()
}

/// The row or column of coordinate `t` in a grid of `grid`; coordinates outside `[0, 1]` and NaN go to the border.
pub fn bin_of(t: f32, grid: u32) -> u32 {
    ((f64::from(t) * f64::from(grid)) as u32).min(grid.saturating_sub(1))
}

/// Cuts the samples at `position` (n × 2, (x, y) in `[0, 1]`, y down) into the cells of a `grid` × `grid` square and
/// averages their `activations` (n × depth) and `attributions` (n × classes, zero columns without a classifier).
/// Every cell's icon is missing.
///
/// # Panics
/// When the three arrays differ in their number of rows.
pub fn bin(
    position: &ArrayView2<'_, f32>,
    activations: &ArrayView2<'_, f32>,
    attributions: &ArrayView2<'_, f16>,
    grid: u32,
) -> Level {
    let n = position.nrows();
    assert_eq!(n, activations.nrows(), "one activation per position");
    assert_eq!(n, attributions.nrows(), "one attribution per position");
    let cell_of = |sample: usize| {
        let (x, y) = (position[(sample, 0)], position[(sample, 1)]);
        (bin_of(y, grid), bin_of(x, grid))
    };
    let mut members: Vec<u32> = (0..n as u32).collect();
    members.sort_by_key(|&sample| (cell_of(sample as usize), sample));
    let (mut cells, mut starts) = (Vec::<Cell>::new(), Vec::new());
    for (slot, &sample) in members.iter().enumerate() {
        let (row, col) = cell_of(sample as usize);
        match cells.last_mut() {
            Some(cell) if (cell.row, cell.col) == (row, col) => cell.n_samples += 1,
            _ => {
                let n_samples = 1;
                cells.push(Cell {
                    row,
                    col,
                    n_samples,
                });
                starts.push(slot as u32);
            }
        }
    }
    starts.push(n as u32);
    Level {
        grid,
        directions: means(activations, &members, &starts, f64::from),
        attributions: means(attributions, &members, &starts, f64::from),
        icons: Icons {
            size: 0,
            tiles: Vec::new(),
            steps: vec![0; cells.len()],
            score: vec![f32::NAN; cells.len()],
        },
        cells,
        members,
        starts,
    }
}

/// The mean row of each group of members, cells × width. Means beyond half precision's range become its
/// largest value, never infinity.
fn means<T: Copy + Sync>(
    rows: &ArrayView2<'_, T>,
    members: &[u32],
    starts: &[u32],
    wide: impl Fn(T) -> f64 + Sync,
) -> Array2<f16> {
    let mut means = Array2::from_elem((starts.len() - 1, rows.ncols()), f16::ZERO);
    means
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(starts.par_windows(2))
        .for_each(|(mut mean, range)| {
            let group = &members[range[0] as usize..range[1] as usize];
            let mut sum = Array1::<f64>::zeros(rows.ncols());
            for &sample in group {
                let row: ArrayView1<'_, T> = rows.row(sample as usize);
                sum.zip_mut_with(&row, |s, &v| *s += wide(v));
            }
            let limit = f16::MAX.to_f64();
            mean.zip_mut_with(&sum, |m, &s| {
                *m = f16::from_f64((s / group.len() as f64).clamp(-limit, limit));
            });
        });
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;
    use proptest::prelude::*;

    #[test]
    fn borders_by_hand() {
        for (t, expected) in [
            (0.0, 0),
            (0.0999, 0),
            (0.1, 1),
            (0.5, 5),
            (0.999, 9),
            (1.0, 9),
        ] {
            assert_eq!(bin_of(t, 10), expected, "{t}");
        }
        assert_eq!(
            (bin_of(-0.5, 4), bin_of(7.0, 4), bin_of(f32::NAN, 4)),
            (0, 3, 0)
        );
    }

    #[test]
    fn rows_grow_down_and_means_are_means() {
        let position = arr2(&[[0.9, 0.1], [0.95, 0.05], [0.1, 0.9]]);
        let activations = arr2(&[[1.0, 0.0], [3.0, 4.0], [7.0, 7.0]]);
        let attributions = activations.mapv(f16::from_f32);
        let level = bin(
            &position.view(),
            &activations.view(),
            &attributions.view(),
            2,
        );
        let places: Vec<_> = level
            .cells
            .iter()
            .map(|c| (c.row, c.col, c.n_samples))
            .collect();
        assert_eq!(places, vec![(0, 1, 2), (1, 0, 1)]);
        assert_eq!(
            level.directions.row(0).to_vec(),
            [2.0, 2.0].map(f16::from_f32)
        );
        assert_eq!(level.attributions, level.directions);
        assert_eq!(level.members_of(0), [0, 1]);
        assert!(level.icons.score.iter().all(|s| s.is_nan()));
    }

    #[test]
    fn grids_grow_with_the_samples() {
        assert_eq!(grids_for(0), [10]);
        assert_eq!(grids_for(1_000), [10]);
        assert_eq!(grids_for(3_000), [10, 20]);
        assert_eq!(grids_for(50_000), [10, 20, 40, 80]);
        assert_eq!(grids_for(1_000_000), GRIDS);
    }

    fn samples() -> impl Strategy<Value = Vec<(f32, f32, f32)>> {
        let coordinate = prop_oneof![0.0_f32..=1.0, (0_u32..=20).prop_map(|i| i as f32 / 20.0)];
        prop::collection::vec((coordinate.clone(), coordinate, -9.0_f32..9.0), 0..200)
    }

    fn level_of(samples: &[(f32, f32, f32)], grid: u32) -> Level {
        let position =
            Array2::from_shape_fn((samples.len(), 2), |(r, c)| [samples[r].0, samples[r].1][c]);
        let activations = Array2::from_shape_fn((samples.len(), 1), |(r, _)| samples[r].2);
        let none = Array2::from_elem((samples.len(), 0), f16::ZERO);
        bin(&position.view(), &activations.view(), &none.view(), grid)
    }

    proptest! {
        #[test]
        fn every_sample_is_in_its_one_cell(samples in samples(), grid in 1_u32..40) {
            let level = level_of(&samples, grid);
            let mut seen = level.members.clone();
            seen.sort_unstable();
            prop_assert!(seen.iter().copied().eq(0..samples.len() as u32));
            for (idx, cell) in level.cells.iter().enumerate() {
                let members = level.members_of(idx);
                prop_assert_eq!(members.len(), cell.n_samples as usize);
                prop_assert!(members.is_sorted());
                let mut sum = 0.0;
                for &sample in members {
                    let (x, y, value) = samples[sample as usize];
                    prop_assert_eq!((bin_of(y, grid), bin_of(x, grid)), (cell.row, cell.col));
                    sum += f64::from(value);
                }
                let mean = f16::from_f64(sum / members.len() as f64);
                prop_assert_eq!(level.directions[(idx, 0)], mean);
            }
            prop_assert!(level.cells.is_sorted_by_key(|c| (c.row, c.col)));
        }

        #[test]
        fn cells_nest(samples in samples(), grid in 1_u32..40) {
            let (coarse, fine) = (level_of(&samples, grid), level_of(&samples, 2 * grid));
            for (idx, cell) in fine.cells.iter().enumerate() {
                let parent = coarse.cell_at(cell.row / 2, cell.col / 2);
                prop_assert!(parent.is_some());
                let within = coarse.members_of(parent.unwrap_or_default());
                prop_assert!(fine.members_of(idx).iter().all(|s| within.contains(s)));
            }
        }
    }
}
