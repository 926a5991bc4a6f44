//! Attraction along edges, repulsion between random pairs: UMAP's stochastic descent in an order that any
//! number of threads can follow.
//!
//! umap-learn walks over the edges and moves both ends at once, which two threads cannot do reproducibly. Here
//! each vertex gathers its own moves: along its edges (as often as umap-learn would move it, as head and as
//! tail) and away from random vertices. Vertices are shuffled once and cut into blocks; the vertices of a block
//! move in parallel and see the block's own members where they were before, everything else where it is now.
//! With the blocks so many and so well mixed this behaves like the sequential walk.

use super::curve::Curve;
use super::graph::Graph;
use crate::math::{Rng, rng::mix};
use crate::progress::{Interrupted, Progress, check};
use rayon::prelude::*;

/// Repulsions per attraction as head.
const NEGATIVES: u32 = 5;
/// No step is longer than this per axis.
const LONGEST: f32 = 4.0;
/// Blocks per epoch.
const N_BLOCKS: usize = 32;
/// Vertices that one task moves.
const TASK: usize = 64;

/// The number of epochs that stands for "0": umap-learn's rule.
pub fn default_epochs(n_points: usize) -> u32 {
    if n_points <= 10_000 { 500 } else { 200 }
}

/// One end of an edge as the other end sees it.
#[derive(Debug, Clone, Copy)]
struct Spring {
    other: u32,
    /// Share of epochs in which it pulls, in units of 2⁻³².
    rate: u32,
    /// Where in its cycle it starts.
    phase: u32,
}

/// Moves `positions` for `n_epochs` (0: [`default_epochs`]) with a step length that falls linearly from 1 to 0.
///
/// # Errors
/// [`Interrupted`].
pub fn descend(
    graph: &Graph,
    positions: Vec<[f32; 2]>,
    curve: Curve,
    n_epochs: u32,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<[f32; 2]>, Interrupted> {
    let n = graph.len();
    let n_epochs = if n_epochs == 0 {
        default_epochs(n)
    } else {
        n_epochs
    };
    progress.begin("lay out", u64::from(n_epochs), "epoch");
    let springs = Springs::new(graph, n_epochs, seed);
    let forces = Forces::new(curve);
    let mut now: Vec<[f32; 2]> = springs
        .order
        .iter()
        .map(|&old| positions[old as usize])
        .collect();
    let mut next = now.clone();
    let block_len = n.div_ceil(N_BLOCKS).max(1);
    for epoch in 0..n_epochs {
        check(progress)?;
        let alpha = 1.0 - epoch as f32 / n_epochs as f32;
        let salt = mix(seed ^ mix(u64::from(epoch)));
        for first in (0..n).step_by(block_len) {
            let last = (first + block_len).min(n);
            let old = &now;
            let step = |(i, out): (usize, &mut [[f32; 2]])| {
                for (offset, place) in out.iter_mut().enumerate() {
                    let vertex = first + i * TASK + offset;
                    *place = springs.moved(vertex, old, &forces, alpha, (epoch, salt));
                }
            };
            let block = &mut next[first..last];
            if block.len() < 2 * TASK {
                block.chunks_mut(TASK).enumerate().for_each(step);
            } else {
                block.par_chunks_mut(TASK).enumerate().for_each(step);
            }
            now[first..last].copy_from_slice(&next[first..last]);
        }
        progress.advance(1);
    }
    let mut placed = positions;
    for (&old, &position) in springs.order.iter().zip(&now) {
        placed[old as usize] = position;
    }
    Ok(placed)
}

/// The graph with shuffled vertices and firing rates for weights.
struct Springs {
    /// Original vertex at each shuffled place.
    order: Vec<u32>,
    starts: Vec<usize>,
    ends: Vec<Spring>,
}

impl Springs {
    /// Edges too weak to fire once in `n_epochs` are left out, as in umap-learn.
    fn new(graph: &Graph, n_epochs: u32, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..graph.len() as u32).collect();
        Rng::stream(seed, 0xde5c).shuffle(&mut order);
        let mut place = vec![0_u32; order.len()];
        for (new, &old) in order.iter().enumerate() {
            place[old as usize] = new as u32;
        }
        let heaviest = graph.weights.iter().copied().fold(0.0_f32, f32::max);
        let least = heaviest / n_epochs.max(1) as f32;
        let mut starts = vec![0];
        let mut ends = Vec::with_capacity(graph.targets.len());
        for (new, &old) in order.iter().enumerate() {
            for (target, weight) in graph.edges(old as usize).filter(|edge| edge.1 >= least) {
                let other = place[target as usize];
                let pair = (u64::from(other) << 32) | new as u64;
                ends.push(Spring {
                    other,
                    rate: (f64::from(weight / heaviest) * f64::from(u32::MAX)) as u32,
                    phase: mix(seed ^ pair) as u32,
                });
            }
            starts.push(ends.len());
        }
        Self {
            order,
            starts,
            ends,
        }
    }

    /// Where `vertex` goes in this epoch, given where everything is.
    fn moved(
        &self,
        vertex: usize,
        now: &[[f32; 2]],
        forces: &Forces,
        alpha: f32,
        (epoch, salt): (u32, u64),
    ) -> [f32; 2] {
        let mut here = now[vertex];
        let mut dice = mix(salt ^ vertex as u64);
        let n = now.len() as u64;
        for spring in &self.ends[self.starts[vertex]..self.starts[vertex + 1]] {
            let cycle = spring.phase.wrapping_add(epoch.wrapping_mul(spring.rate));
            if cycle > spring.rate {
                continue;
            }
            forces.attract(&mut here, now[spring.other as usize], alpha);
            for _ in 0..NEGATIVES {
                dice = dice
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let other = (((dice >> 32) * n) >> 32) as usize;
                if other != vertex {
                    forces.repel(&mut here, now[other], alpha);
                }
            }
        }
        here
    }
}

/// Exponents (base 2) of squared distances that the tables cover.
const EXPONENTS: std::ops::Range<i32> = -26..14;
/// Table entries per octave, as a power of two.
const PER_OCTAVE_BITS: u32 = 5;

/// The two forces as tables over the squared distance, because a power per move is the whole cost otherwise.
/// Entries are even within each octave, so a float's bits are the index; linear in between, good to 1e-4.
struct Forces {
    attraction: Vec<[f32; 2]>,
    repulsion: Vec<[f32; 2]>,
    first: u32,
}

impl Forces {
    fn new(curve: Curve) -> Self {
        let (a, b) = (f64::from(curve.a), f64::from(curve.b));
        let first = ((EXPONENTS.start + 127) as u32) << PER_OCTAVE_BITS;
        let n = (EXPONENTS.len() as u32) << PER_OCTAVE_BITS;
        let at = |entry: u32| f64::from(f32::from_bits((first + entry) << (23 - PER_OCTAVE_BITS)));
        let table = |force: &dyn Fn(f64) -> f64| {
            (0..n)
                .map(|entry| {
                    let (here, there) = (force(at(entry)), force(at(entry + 1)));
                    [here as f32, (there - here) as f32]
                })
                .collect()
        };
        Self {
            attraction: table(&|s| -2.0 * a * b * s.powf(b - 1.0) / (1.0 + a * s.powf(b))),
            repulsion: table(&|s| 2.0 * b / ((0.001 + s) * (1.0 + a * s.powf(b)))),
            first,
        }
    }

    #[inline]
    fn look_up(&self, table: &[[f32; 2]], square: f32) -> f32 {
        let bits = square.to_bits();
        let shift = 23 - PER_OCTAVE_BITS;
        let entry = (bits >> shift).saturating_sub(self.first) as usize;
        let [value, slope] = table[entry.min(table.len() - 1)];
        let within = (bits & ((1 << shift) - 1)) as f32 * (1.0 / (1 << shift) as f32);
        value + slope * within
    }

    #[inline]
    fn attract(&self, here: &mut [f32; 2], there: [f32; 2], alpha: f32) {
        self.push(&self.attraction, here, there, alpha);
    }

    #[inline]
    fn repel(&self, here: &mut [f32; 2], there: [f32; 2], alpha: f32) {
        self.push(&self.repulsion, here, there, alpha);
    }

    #[inline]
    fn push(&self, table: &[[f32; 2]], here: &mut [f32; 2], there: [f32; 2], alpha: f32) {
        let (dx, dy) = (here[0] - there[0], here[1] - there[1]);
        let force = self.look_up(table, dx * dx + dy * dy);
        here[0] += alpha * (force * dx).clamp(-LONGEST, LONGEST);
        here[1] += alpha * (force * dy).clamp(-LONGEST, LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_formulas() {
        let curve = Curve { a: 1.577, b: 0.895 };
        let forces = Forces::new(curve);
        for s in [1e-6_f32, 3.3e-4, 0.017, 0.5, 1.0, 7.3, 250.0, 9000.0] {
            let (a, b, x) = (1.577_f64, 0.895_f64, f64::from(s));
            let pull = -2.0 * a * b * x.powf(b - 1.0) / (1.0 + a * x.powf(b));
            let push = 2.0 * b / ((0.001 + x) * (1.0 + a * x.powf(b)));
            let close =
                |found: f32, expected: f64| (f64::from(found) / expected - 1.0).abs() < 3e-4;
            assert!(close(forces.look_up(&forces.attraction, s), pull), "{s}");
            assert!(close(forces.look_up(&forces.repulsion, s), push), "{s}");
        }
        // Beyond the tables: finite, no panic.
        for s in [0.0, 1e-30, 1e30, f32::INFINITY] {
            assert!(forces.look_up(&forces.attraction, s).is_finite());
        }
    }
}
