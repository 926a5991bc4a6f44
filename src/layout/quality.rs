//! How faithful a layout is.

use super::Points;
use super::neighbours::among;
use crate::atlas::{LayoutMetric, LayoutQuality};
use crate::math::Rng;
use crate::progress::Silent;
use ndarray::ArrayView2;
use rayon::prelude::*;

/// Trustworthiness and neighbour recall of `position` (n × 2) as a picture of `activations` (n × depth) at `k`
/// neighbours, measured at `n_queries` random points against all points.
///
/// Trustworthiness (Venna & Kaski 2001, eq. 1, as scikit-learn defines it): with r(i, j) the rank of j among
/// the neighbours of i in activation space (nearest = 1) and U(i) the k nearest on the map,
/// T = 1 − 2 / (n·k·(2n − 3k − 1)) · Σᵢ Σ_{j∈U(i)} max(0, r(i, j) − k), with the sum over i estimated from the
/// queries. It is defined for k < n/2, so `k` is lowered for few points. Recall is the share of the k true
/// neighbours found in U(i). Both are 0 for activations that are not finite and 1 for fewer than 4 points.
pub fn quality(
    activations: &ArrayView2<'_, f32>,
    position: &ArrayView2<'_, f32>,
    metric: LayoutMetric,
    k: u32,
    n_queries: u32,
    seed: u64,
) -> LayoutQuality {
    let n = activations.nrows();
    let k = (k as usize).min(n.saturating_sub(1) / 2);
    let answer = |trustworthiness, neighbour_recall, n_queries: usize| LayoutQuality {
        trustworthiness,
        neighbour_recall,
        k: k as u32,
        n_queries: n_queries as u32,
    };
    if k == 0 || n_queries == 0 {
        return answer(1.0, 1.0, 0);
    }
    let (Ok(points), Ok(map)) = (
        Points::new(activations, metric),
        Points::new(position, LayoutMetric::Euclidean),
    ) else {
        return answer(0.0, 0.0, 0);
    };
    let mut queries: Vec<u32> = Rng::stream(seed, 0x7a57)
        .sample(n, n_queries as usize)
        .into_iter()
        .map(|q| q as u32)
        .collect();
    queries.sort_unstable();
    let Ok(on_map) = among(&map, &queries, k, &Silent) else {
        return answer(0.0, 0.0, 0);
    };
    let sums: Vec<(u64, u64)> = queries
        .par_chunks(16)
        .enumerate()
        .map(|(chunk, block)| {
            let near: Vec<&[u32]> = (0..block.len())
                .map(|i| on_map.of(chunk * 16 + i).0)
                .collect();
            penalties(&points, block, &near)
        })
        .collect();
    let (penalty, hits) = sums.iter().fold((0, 0), |(p, h), s| (p + s.0, h + s.1));
    let (n, k, m) = (n as f64, k as f64, queries.len() as f64);
    let worst = m * k * (2.0 * n - 3.0 * k - 1.0);
    let trustworthiness = 1.0 - 2.0 * penalty as f64 / worst;
    answer(
        trustworthiness as f32,
        (hits as f64 / (m * k)) as f32,
        queries.len(),
    )
}

/// Sum of max(0, rank − k) and number of true neighbours over the map neighbours `near` of each query.
fn penalties(points: &Points<'_>, queries: &[u32], near: &[&[u32]]) -> (u64, u64) {
    let wanted: Vec<usize> = queries.iter().map(|&q| q as usize).collect();
    let products = points.products(&points.gather(wanted.iter().copied()));
    let (mut penalty, mut hits) = (0, 0);
    for ((&query, near), dots) in wanted.iter().zip(near).zip(products.rows()) {
        let k = near.len();
        let distance = |j: usize| points.rank_distance(query, j, dots[j]);
        let mut asked: Vec<(f32, usize)> = near
            .iter()
            .map(|&j| (distance(j as usize), j as usize))
            .collect();
        asked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        // Points strictly nearer than each asked one; equals by index, as a stable sort has them.
        let mut nearer = vec![0_u64; k + 1];
        for j in (0..points.len()).filter(|&j| j != query) {
            let d = distance(j);
            let place = asked.partition_point(|a| (a.0, a.1) <= (d, j));
            nearer[place] += 1;
        }
        // `nearer[p]` counts the points between asked p − 1 (inclusive) and asked p.
        let mut before = 0;
        for count in &nearer[..k] {
            before += count;
            let rank = before + 1;
            penalty += rank.saturating_sub(k as u64);
            hits += u64::from(rank <= k as u64);
        }
    }
    (penalty, hits)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;
    use ndarray::{Array2, arr2};

    /// Five points on a line, the map swaps the last two with the first: with k = 1,
    /// map neighbours of points 0..5 at map places [4, 1, 2, 3, 0] are found by hand below.
    #[test]
    fn trustworthiness_by_hand() {
        let truth = arr2(&[[0.0], [1.0], [2.1], [3.3], [4.6]]);
        let map = arr2(&[[4.6, 0.0], [1.0, 0.0], [2.1, 0.0], [3.3, 0.0], [0.0, 0.0]]);
        // Map neighbour: 0→3 (rank 3), 1→4 (|1−0| = 1 < 1.1; rank 4), 2→1 (rank 1), 3→2 (rank 1; the tie-free
        // distances are 1.2 and 1.3), 4→1 (rank 3). Penalties 2 + 3 + 0 + 0 + 2 = 7.
        // T = 1 − 2/(5·1·(10 − 3 − 1))·7 = 1 − 14/30; two of five are true neighbours.
        let found = quality(&truth.view(), &map.view(), LayoutMetric::Euclidean, 1, 5, 0);
        assert!(
            (found.trustworthiness - (1.0 - 14.0 / 30.0)).abs() < 1e-6,
            "{found:?}"
        );
        assert!((found.neighbour_recall - 0.4).abs() < 1e-6);
        assert_eq!((found.k, found.n_queries), (1, 5));
    }

    #[test]
    fn a_faithful_map_scores_one_and_noise_a_half() {
        let mut rng = Rng::new(1);
        let map = Array2::from_shape_fn((600, 2), |_| rng.uniform());
        let good = quality(
            &map.view(),
            &map.view(),
            LayoutMetric::Euclidean,
            10,
            200,
            0,
        );
        assert_eq!((good.trustworthiness, good.neighbour_recall), (1.0, 1.0));
        let noise = Array2::from_shape_fn((600, 2), |_| rng.uniform());
        let bad = quality(
            &map.view(),
            &noise.view(),
            LayoutMetric::Euclidean,
            10,
            200,
            0,
        );
        assert!((bad.trustworthiness - 0.5).abs() < 0.05, "{bad:?}");
        assert!(bad.neighbour_recall < 0.05);
    }

    #[test]
    fn few_points_and_bad_values() {
        let three = Array2::<f32>::zeros((3, 2));
        let found = quality(
            &three.view(),
            &three.view(),
            LayoutMetric::Cosine,
            15,
            100,
            0,
        );
        assert_eq!(found.k, 1);
        let none = Array2::<f32>::zeros((0, 2));
        assert_eq!(
            quality(&none.view(), &none.view(), LayoutMetric::Cosine, 15, 9, 0).n_queries,
            0
        );
        let nan = Array2::from_elem((9, 2), f32::NAN);
        let found = quality(&nan.view(), &nan.view(), LayoutMetric::Cosine, 2, 9, 0);
        assert_eq!(found.trustworthiness, 0.0);
    }
}
