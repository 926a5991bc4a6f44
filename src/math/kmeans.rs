//! Clusters of directions: k-means on the unit sphere (Dhillon and Modha, "Concept Decompositions for Large Sparse
//! Text Data Using Clustering", 2001), started by k-means++ (Arthur and Vassilvitskii 2007).

use super::Rng;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::slice::ParallelSliceMut as _;

/// Rounds at most; it stops earlier when no row changes its cluster.
const ROUNDS: usize = 12;
/// Rows that the first centres are drawn from at most.
const START_ROWS: usize = 8192;
/// Rows that one thread takes at a time.
const BLOCK: usize = 512;

/// The mean rows (as they are, not scaled to unit length) of at most `k` clusters of `rows` (n × depth) by cosine.
/// Clusters without rows are left out, rows of zeros count nowhere. The same rows and seed give the same clusters.
pub fn spherical(rows: &ArrayView2<'_, f32>, k: usize, seed: u64) -> Array2<f32> {
    let norms: Vec<f32> = rows
        .rows()
        .into_iter()
        .map(|row| row.dot(&row).sqrt())
        .collect();
    let usable: Vec<usize> = (0..rows.nrows()).filter(|&idx| norms[idx] > 0.0).collect();
    let mut centres = start(rows, &norms, &usable, (k, seed));
    let mut of_row = vec![usize::MAX; rows.nrows()];
    for _ in 0..ROUNDS {
        let next = nearest(rows, &centres);
        let members = grouped(&next, &usable, centres.nrows());
        let unit = |members: &Vec<usize>, old: ArrayView1<'_, f32>| {
            let weights = |idx: usize| 1.0 / norms[idx];
            let sum = weighted_sum(rows, members, &weights);
            let norm = sum.dot(&sum).sqrt();
            if norm > 0.0 {
                sum / norm
            } else {
                old.to_owned()
            }
        };
        let moved: Vec<Array1<f32>> = members
            .par_iter()
            .enumerate()
            .map(|(idx, members)| unit(members, centres.row(idx)))
            .collect();
        for (mut centre, moved) in centres.rows_mut().into_iter().zip(moved) {
            centre.assign(&moved);
        }
        let settled = next == of_row;
        of_row = next;
        if settled {
            break;
        }
    }
    let members = grouped(&of_row, &usable, centres.nrows());
    let means: Vec<Array1<f32>> = members
        .par_iter()
        .filter(|members| !members.is_empty())
        .map(|members| weighted_sum(rows, members, &|_| 1.0) / members.len() as f32)
        .collect();
    Array2::from_shape_fn((means.len(), rows.ncols()), |(row, col)| means[row][col])
}

/// First centres, k × depth, of unit length: each next one is drawn with a chance that grows with the distance
/// (1 − cosine) to the nearest one so far.
fn start(
    rows: &ArrayView2<'_, f32>,
    norms: &[f32],
    usable: &[usize],
    (k, seed): (usize, u64),
) -> Array2<f32> {
    let mut rng = Rng::new(seed);
    let drawn: Vec<usize> = if usable.len() > START_ROWS {
        let mut drawn = rng.sample(usable.len(), START_ROWS);
        drawn.sort_unstable();
        drawn.into_iter().map(|idx| usable[idx]).collect()
    } else {
        usable.to_vec()
    };
    let k = k.min(drawn.len());
    let mut centres = Array2::zeros((k, rows.ncols()));
    let mut distance = vec![1.0_f32; drawn.len()];
    for mut centre in centres.rows_mut() {
        let total: f64 = distance.iter().map(|&d| f64::from(d)).sum();
        let mut left = f64::from(rng.uniform()) * total;
        let chosen = distance.iter().position(|&d| {
            left -= f64::from(d);
            left < 0.0
        });
        let chosen = drawn[chosen.unwrap_or_else(|| rng.below(drawn.len()))];
        centre.assign(&(&rows.row(chosen) / norms[chosen]));
        let centre = centre.view();
        distance.par_iter_mut().zip(&drawn).for_each(|(d, &idx)| {
            let cosine = rows.row(idx).dot(&centre) / norms[idx];
            *d = d.min((1.0 - cosine).max(0.0));
        });
    }
    centres
}

/// For each row the centre (of unit length) with the largest cosine.
pub fn nearest(rows: &ArrayView2<'_, f32>, centres: &Array2<f32>) -> Vec<usize> {
    let mut out = vec![0; rows.nrows()];
    out.par_chunks_mut(BLOCK)
        .zip(rows.axis_chunks_iter(Axis(0), BLOCK))
        .for_each(|(out, rows)| {
            let products = rows.dot(&centres.t());
            for (out, row) in out.iter_mut().zip(products.rows()) {
                let first_largest = |best: (usize, f32), (idx, &v): (usize, &f32)| {
                    if v > best.1 { (idx, v) } else { best }
                };
                *out = row
                    .iter()
                    .enumerate()
                    .fold((0, f32::NEG_INFINITY), first_largest)
                    .0;
            }
        });
    out
}

fn grouped(of_row: &[usize], usable: &[usize], k: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); k];
    for &idx in usable {
        if let Some(members) = members.get_mut(of_row[idx]) {
            members.push(idx);
        }
    }
    members
}

fn weighted_sum(
    rows: &ArrayView2<'_, f32>,
    members: &[usize],
    weight: &dyn Fn(usize) -> f32,
) -> Array1<f32> {
    let mut sum = Array1::zeros(rows.ncols());
    for &idx in members {
        sum.scaled_add(weight(idx), &rows.row(idx));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows around `k` directions of their own axes, with different lengths.
    fn bundles(k: usize, n: usize) -> Array2<f32> {
        let mut rng = Rng::new(3);
        Array2::from_shape_fn((n, 2 * k), |(row, col)| {
            let own = if col == row % k { 4.0 } else { 0.0 };
            (1.0 + row as f32 / n as f32) * (own + 0.2 * rng.normal())
        })
    }

    #[test]
    fn bundles_of_directions_are_found() {
        let rows = bundles(7, 700);
        let means = spherical(&rows.view(), 7, 1);
        assert_eq!(means.dim(), (7, 14));
        let mut axes: Vec<usize> = (means.rows().into_iter())
            .map(|mean| {
                (0..14)
                    .max_by(|&a, &b| mean[a].total_cmp(&mean[b]))
                    .unwrap()
            })
            .collect();
        axes.sort_unstable();
        assert_eq!(axes, [0, 1, 2, 3, 4, 5, 6]);
        // The mean of lengths 1..2 times 4.
        assert!(means.iter().any(|&v| (5.8..6.2).contains(&v)));
        assert_eq!(means, spherical(&rows.view(), 7, 1));
    }

    #[test]
    fn more_clusters_than_rows_and_rows_of_zeros() {
        let mut rows = bundles(3, 6);
        rows.row_mut(2).fill(0.0);
        assert!(spherical(&rows.view(), 10, 1).nrows() <= 5);
        assert_eq!(spherical(&Array2::zeros((4, 3)).view(), 2, 1).nrows(), 0);
        assert_eq!(spherical(&Array2::zeros((0, 3)).view(), 2, 1).dim(), (0, 3));
    }
}
