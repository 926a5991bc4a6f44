//! Random projection trees: partitions of the points into small groups that are likely neighbours.
//!
//! The trees split the leading principal components, which costs a tenth of splitting whole activations and
//! separates better. All leaves hold about the same number of points, because splits are at the median.

use super::Points;
use crate::math::{Rng, pca, rng::mix};
use ndarray::Array2;

/// Components that the trees see.
const COMPONENTS: usize = 40;
/// Rows from which the components are computed.
const SAMPLE: usize = 8_000;
/// Nodes larger than this are split by two threads.
const PARALLEL: usize = 4_096;

/// One tree: the points in leaf order and the leaves as ranges of it.
pub(super) struct Tree {
    pub(super) order: Vec<u32>,
    pub(super) leaves: Vec<std::ops::Range<usize>>,
}

/// The points in few dimensions.
pub(super) struct Reduced {
    coordinates: Array2<f32>,
}

impl Reduced {
    /// Principal coordinates of `points`.
    pub(super) fn new(points: &Points<'_>, seed: u64) -> Self {
        let sample = Rng::stream(seed, 0x5a3b).sample(points.len(), SAMPLE);
        let (mean, components, _) =
            pca::axes(&points.gather(sample.into_iter()).view(), COMPONENTS, seed);
        Self {
            coordinates: points.project(&mean.view(), &components.view()),
        }
    }

    /// A tree whose leaves hold at most `leaf` points.
    pub(super) fn tree(&self, leaf: usize, seed: u64) -> Tree {
        let n = self.coordinates.nrows();
        let mut order: Vec<u32> = (0..n as u32).collect();
        self.split(&mut order, leaf.max(2), seed);
        let mut leaves = Vec::new();
        collect_leaves(0..n, leaf.max(2), &mut leaves);
        Tree { order, leaves }
    }

    /// Orders `points` so that its halves, and theirs in turn, lie on two sides of a plane between two points.
    fn split(&self, points: &mut [u32], leaf: usize, seed: u64) {
        if points.len() <= leaf {
            return;
        }
        let mut rng = Rng::new(seed);
        let one = self
            .coordinates
            .row(points[rng.below(points.len())] as usize);
        let other = self
            .coordinates
            .row(points[rng.below(points.len())] as usize);
        let mut direction = &one - &other;
        if direction.iter().all(|&v| v == 0.0) {
            direction.map_inplace(|v| *v = rng.normal());
        }
        let side = |&point: &u32| (self.coordinates.row(point as usize).dot(&direction), point);
        let mut keyed: Vec<(f32, u32)> = points.iter().map(side).collect();
        let middle = points.len() / 2;
        keyed.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (point, key) in points.iter_mut().zip(&keyed) {
            *point = key.1;
        }
        let (left, right) = points.split_at_mut(middle);
        let (left_seed, right_seed) = (mix(seed ^ 1), mix(seed ^ 2));
        if left.len() > PARALLEL {
            rayon::join(
                || self.split(left, leaf, left_seed),
                || self.split(right, leaf, right_seed),
            );
        } else {
            self.split(left, leaf, left_seed);
            self.split(right, leaf, right_seed);
        }
    }
}

/// The ranges that [`Reduced::split`] leaves undivided.
fn collect_leaves(
    range: std::ops::Range<usize>,
    leaf: usize,
    leaves: &mut Vec<std::ops::Range<usize>>,
) {
    if range.len() <= leaf {
        leaves.push(range);
        return;
    }
    let middle = range.start + range.len() / 2;
    collect_leaves(range.start..middle, leaf, leaves);
    collect_leaves(middle..range.end, leaf, leaves);
}
