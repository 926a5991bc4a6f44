//! Neighbour distances to weights of a symmetric fuzzy graph.

use super::neighbours::Neighbours;
use rayon::prelude::*;

/// A sigma below this share of the mean distance is raised to it, as umap-learn does.
const MIN_SIGMA: f32 = 1e-3;
/// Rows that are joined at a time.
const ROWS: usize = 16_384;
/// Halvings of the search for sigma.
const SEARCH_STEPS: usize = 64;

/// A symmetric weighted graph; row `i` is `starts[i]..starts[i + 1]` of the two columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// n + 1 offsets.
    pub starts: Vec<usize>,
    /// Other ends, ascending within a row.
    pub targets: Vec<u32>,
    /// Weights in (0, 1].
    pub weights: Vec<f32>,
}

impl Graph {
    /// Number of vertices.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// True when there is no vertex.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Other ends and weights of the edges at `vertex`.
    pub fn edges(&self, vertex: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let range = self.starts[vertex]..self.starts[vertex + 1];
        let targets = self.targets[range.clone()].iter().copied();
        targets.zip(self.weights[range].iter().copied())
    }

    /// For every vertex the number of its connected component (0-based, in order of the lowest vertex), and how
    /// many there are.
    pub fn components(&self) -> (Vec<u32>, usize) {
        let mut component = vec![u32::MAX; self.len()];
        let mut n_components = 0;
        let mut stack = Vec::new();
        for start in 0..self.len() {
            if component[start] != u32::MAX {
                continue;
            }
            component[start] = n_components;
            stack.push(start);
            while let Some(vertex) = stack.pop() {
                for (other, _) in self.edges(vertex) {
                    let other = other as usize;
                    if component[other] == u32::MAX {
                        component[other] = n_components;
                        stack.push(other);
                    }
                }
            }
            n_components += 1;
        }
        (component, n_components as usize)
    }
}

/// The fuzzy simplicial set of McInnes et al. 2018 (algorithms 2 and 3, local connectivity 1): an edge from i
/// to its neighbour j has weight exp(−(d(i, j) − ρᵢ) / σᵢ), where ρᵢ is the smallest distance above zero and σᵢ
/// makes the weights of a row sum to log₂ of the neighbourhood's size (the point itself counted); both
/// directions are joined as p + q − p·q.
///
/// The neighbours are consumed, so that a million points' lists and edges are not held together.
pub fn fuzzy(neighbours: Neighbours) -> Graph {
    let (n, k) = (neighbours.len(), neighbours.k);
    let mean = neighbours
        .distance
        .iter()
        .map(|&d| f64::from(d))
        .sum::<f64>()
        / neighbours.distance.len().max(1) as f64;
    let mut forward: Vec<(u32, f32)> = vec![(0, 0.0); n * k];
    forward
        .par_chunks_mut(k.max(1))
        .enumerate()
        .for_each(|(i, row)| {
            let (index, distance) = neighbours.of(i);
            let (rho, sigma) = smooth(distance, mean as f32);
            for (edge, (&j, &d)) in row.iter_mut().zip(index.iter().zip(distance)) {
                *edge = (j, membership(d, rho, sigma));
            }
            row.sort_unstable_by_key(|edge| edge.0);
        });
    drop(neighbours);
    join(n, k, &forward)
}

/// Weight of a directed edge.
#[inline]
pub(super) fn membership(distance: f32, rho: f32, sigma: f32) -> f32 {
    let beyond = distance - rho;
    if beyond <= 0.0 || sigma == 0.0 {
        1.0
    } else {
        (-beyond / sigma).exp()
    }
}

/// ρ and σ of one point from its neighbours' distances; `mean` is the mean over all points.
fn smooth(distance: &[f32], mean: f32) -> (f32, f32) {
    let rho = distance.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
    (rho, sigma(distance, rho, mean))
}

/// The σ that makes the weights of these distances sum to log₂ of their number and one; `mean` bounds it from
/// below where ρ is 0.
pub(super) fn sigma(distance: &[f32], rho: f32, mean: f32) -> f32 {
    let target = (distance.len() as f32 + 1.0).log2();
    let (mut lo, mut hi, mut sigma) = (0.0_f32, f32::INFINITY, 1.0_f32);
    for _ in 0..SEARCH_STEPS {
        let sum: f32 = distance.iter().map(|&d| membership(d, rho, sigma)).sum();
        if (sum - target).abs() < 1e-5 {
            break;
        }
        if sum > target {
            hi = sigma;
            sigma = f32::midpoint(lo, hi);
        } else {
            lo = sigma;
            sigma = if hi.is_finite() {
                f32::midpoint(lo, hi)
            } else {
                sigma * 2.0
            };
        }
        if !sigma.is_finite() {
            sigma = f32::MAX;
            break;
        }
    }
    let own_mean = distance.iter().sum::<f32>() / distance.len().max(1) as f32;
    sigma.max(MIN_SIGMA * if rho > 0.0 { own_mean } else { mean })
}

/// Joins the directed edges (n rows of k, ascending) with their reversals.
fn join(n: usize, k: usize, forward: &[(u32, f32)]) -> Graph {
    let mut counts = vec![0_usize; n + 1];
    for &(j, _) in forward {
        counts[j as usize + 1] += 1;
    }
    for i in 0..n {
        counts[i + 1] += counts[i];
    }
    let mut next = counts.clone();
    let mut backward = vec![(0_u32, 0.0_f32); forward.len()];
    for (edge_idx, &(j, weight)) in forward.iter().enumerate() {
        let slot = &mut next[j as usize];
        backward[*slot] = ((edge_idx / k) as u32, weight);
        *slot += 1;
    }
    let mut starts = Vec::with_capacity(n + 1);
    starts.push(0);
    // Room for the case that no edge meets its reversal: address space that is touched only as far as it is used.
    let mut targets = Vec::with_capacity(2 * forward.len());
    let mut weights = Vec::with_capacity(2 * forward.len());
    for first in (0..n).step_by(ROWS) {
        let rows: Vec<Vec<(u32, f32)>> = (first..(first + ROWS).min(n))
            .into_par_iter()
            .map(|i| {
                merge(
                    &forward[i * k..(i + 1) * k],
                    &backward[counts[i]..counts[i + 1]],
                )
            })
            .collect();
        for row in rows {
            targets.extend(row.iter().map(|edge| edge.0));
            weights.extend(row.iter().map(|edge| edge.1));
            starts.push(targets.len());
        }
    }
    Graph {
        starts,
        targets,
        weights,
    }
}

/// The union of two ascending edge lists with p + q − p·q; edges without weight are dropped.
fn merge(forward: &[(u32, f32)], backward: &[(u32, f32)]) -> Vec<(u32, f32)> {
    let mut row = Vec::with_capacity(forward.len() + backward.len());
    let (mut f, mut b) = (0, 0);
    while f < forward.len() || b < backward.len() {
        let left = forward.get(f).map_or(u32::MAX, |e| e.0);
        let right = backward.get(b).map_or(u32::MAX, |e| e.0);
        let target = left.min(right);
        let mut weight = 0.0;
        if left == target {
            weight = forward[f].1;
            f += 1;
        }
        if right == target {
            let other = backward[b].1;
            weight += other - weight * other;
            b += 1;
        }
        if weight > 0.0 {
            row.push((target, weight.min(1.0)));
        }
    }
    row
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn weights_of_a_row_sum_to_the_target() {
        let distance = [0.3, 0.5, 0.6, 0.9, 1.4, 2.0, 2.2];
        let (rho, sigma) = smooth(&distance, 1.0);
        assert!((rho - 0.3).abs() < 1e-7);
        let sum: f32 = distance.iter().map(|&d| membership(d, rho, sigma)).sum();
        assert!((sum - 3.0).abs() < 1e-4, "{sum}");
    }

    #[test]
    fn duplicates_have_full_weight() {
        let (rho, sigma) = smooth(&[0.0; 5], 0.7);
        assert_eq!(rho, 0.0);
        assert!((membership(0.0, rho, sigma) - 1.0).abs() < 1e-6);
        assert!(sigma.is_finite());
    }

    #[test]
    fn union_by_hand() {
        // p = 0.5, q = 0.5: 0.75; one-sided edges keep their weight.
        let row = merge(&[(1, 0.5), (4, 0.2)], &[(1, 0.5), (2, 0.3), (3, 0.0)]);
        assert_eq!(row, vec![(1, 0.75), (2, 0.3), (4, 0.2)]);
    }

    #[test]
    fn graph_is_symmetric_and_knows_its_components() {
        // 0 ↔ 1, 2 → 3, 3 → 2, 4 → 3
        let neighbours = Neighbours {
            k: 1,
            index: vec![1, 0, 3, 2, 3],
            distance: vec![1.0, 1.0, 0.5, 0.5, 2.0],
        };
        let graph = fuzzy(neighbours);
        let edges: Vec<Vec<(u32, f32)>> = (0..5).map(|v| graph.edges(v).collect()).collect();
        for (v, row) in edges.iter().enumerate() {
            for &(other, weight) in row {
                assert!(edges[other as usize].contains(&(v as u32, weight)));
            }
        }
        assert_eq!(graph.components(), (vec![0, 0, 1, 1, 1], 2));
    }
}
