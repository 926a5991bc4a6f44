//! All pairs, as products of blocks of rows.

use super::nearest::{Nearest, distance_of, index_of};
use super::{Neighbours, Points};
use crate::progress::{Interrupted, Progress, check};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, Axis, s};
use rayon::prelude::*;

/// Query rows of one task: few, so that even small inputs give every thread work.
const QUERIES: usize = 128;
/// Rows that the queries are compared with at a time; the block of products stays in a core's cache.
const CANDIDATES: usize = 768;

/// The `k` nearest other points of every point.
pub(super) fn find(
    points: &Points,
    k: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, Interrupted> {
    let all: Vec<u32> = (0..points.len() as u32).collect();
    progress.begin("find neighbours", points.len() as u64, "activation");
    among(points, &all, k, progress)
}

/// The `k` nearest other points of each of `queries`, in the order of `queries`.
///
/// # Errors
/// [`Interrupted`].
pub(crate) fn among(
    points: &Points,
    queries: &[u32],
    k: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, Interrupted> {
    let blocks: Vec<Vec<u64>> = queries
        .par_chunks(QUERIES)
        .map(|block| {
            check(progress)?;
            let found = of_block(points, block, k);
            progress.advance(block.len() as u64);
            Ok(found)
        })
        .collect::<Result<_, Interrupted>>()?;
    let keys = || blocks.iter().flatten();
    Ok(Neighbours {
        k,
        index: keys().map(|&key| index_of(key)).collect(),
        distance: keys()
            .map(|&key| points.distance(distance_of(key)))
            .collect(),
    })
}

fn of_block(points: &Points, queries: &[u32], k: usize) -> Vec<u64> {
    let rows = points.rows();
    let query_rows = rows.select(
        Axis(0),
        &queries.iter().map(|&q| q as usize).collect::<Vec<_>>(),
    );
    let mut nearest = vec![Nearest::new(k); queries.len()];
    let mut products = Array2::<f32>::zeros((queries.len(), CANDIDATES));
    for (block_idx, candidates) in rows.axis_chunks_iter(Axis(0), CANDIDATES).enumerate() {
        let first = block_idx * CANDIDATES;
        let mut products = products.slice_mut(s![.., ..candidates.nrows()]);
        general_mat_mul(1.0, &query_rows, &candidates.t(), 0.0, &mut products);
        for ((&query, nearest), dots) in queries.iter().zip(&mut nearest).zip(products.rows()) {
            let query = query as usize;
            for (offset, &dot) in dots.iter().enumerate() {
                let distance = points.rank_distance(query, first + offset, dot);
                if distance <= nearest.limit() && first + offset != query {
                    nearest.offer(distance, first + offset);
                }
            }
        }
    }
    nearest.into_iter().flat_map(Nearest::into_sorted).collect()
}
