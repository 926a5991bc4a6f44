//! All pairs, as products of blocks of rows.

use super::nearest::{Nearest, distance_of, index_of};
use super::{Neighbours, Points};
use crate::progress::{Interrupted, Progress, check};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, s};
use rayon::prelude::*;

/// Query rows of one task: few, so that even small inputs give every thread work.
const QUERIES: usize = 128;
/// Rows that the queries are compared with at a time; the block of products stays in a core's cache.
const CANDIDATES: usize = 768;

/// The `k` nearest other points of every point.
pub(super) fn find(
    points: &Points<'_>,
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
pub fn among(
    points: &Points<'_>,
    queries: &[u32],
    k: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, Interrupted> {
    let own = |block: &[u32]| -> Vec<Query> {
        let query = |&q: &u32| (points.square(q as usize), Some(q as usize));
        block.iter().map(query).collect()
    };
    search(points, queries.len(), k, progress, &|range| {
        let block = &queries[range];
        let rows = points.gather(block.iter().map(|&q| q as usize));
        (rows, own(block))
    })
}

/// The `k` nearest of `points` to each of `others`, which were made by [`Points::like`].
///
/// # Errors
/// [`Interrupted`].
pub(in crate::layout) fn across(
    points: &Points<'_>,
    others: &Points<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<Neighbours, Interrupted> {
    search(points, others.len(), k, progress, &|range| {
        let queries = range.clone().map(|q| (others.square(q), None)).collect();
        (others.gather(range), queries)
    })
}

/// The squared length of a query's prepared row, and its own index if it is one of the points.
type Query = (f32, Option<usize>);

/// Prepared rows (queries × depth) and what else must be known of each query, for a range of all queries.
type MakeQueries<'a> = dyn Fn(std::ops::Range<usize>) -> (Array2<f32>, Vec<Query>) + Sync + 'a;

fn search(
    points: &Points<'_>,
    n_queries: usize,
    k: usize,
    progress: &dyn Progress,
    make: &MakeQueries<'_>,
) -> Result<Neighbours, Interrupted> {
    let blocks: Vec<Vec<u64>> = (0..n_queries.div_ceil(QUERIES))
        .into_par_iter()
        .map(|block| {
            check(progress)?;
            let range = block * QUERIES..((block + 1) * QUERIES).min(n_queries);
            let n = range.len() as u64;
            let (rows, queries) = make(range);
            let found = of_block(points, &rows, &queries, k);
            progress.advance(n);
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

fn of_block(points: &Points<'_>, rows: &Array2<f32>, queries: &[Query], k: usize) -> Vec<u64> {
    let mut nearest = vec![Nearest::new(k); queries.len()];
    let mut products = Array2::<f32>::zeros((queries.len(), CANDIDATES));
    let mut candidates = Array2::<f32>::zeros((CANDIDATES.min(points.len()), points.depth()));
    for first in (0..points.len()).step_by(CANDIDATES) {
        let range = first..(first + CANDIDATES).min(points.len());
        points.fill(&mut candidates, range.clone());
        let block = candidates.slice(s![..range.len(), ..]);
        let mut products = products.slice_mut(s![.., ..range.len()]);
        general_mat_mul(1.0, rows, &block.t(), 0.0, &mut products);
        for ((&(square, own), nearest), dots) in
            queries.iter().zip(&mut nearest).zip(products.rows())
        {
            for (other, &dot) in range.clone().zip(dots) {
                let distance = points.rank_between(square, other, dot);
                if distance <= nearest.limit() && Some(other) != own {
                    nearest.offer(distance, other);
                }
            }
        }
    }
    nearest.into_iter().flat_map(Nearest::into_sorted).collect()
}
