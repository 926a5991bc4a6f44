//! Attraction along edges, repulsion between random pairs: UMAP's stochastic descent in an order that any
//! number of threads can follow.
//!
//! umap-learn walks over the edges and moves both ends of each at once, which two threads cannot do
//! reproducibly. Here vertices are shuffled once and cut into blocks. The vertices of a block move in parallel:
//! each walks along its own edges, seeing all others where they were when the block began, and notes how far each
//! edge's other end is to be pushed; the pushes are done in the order of the vertices once the block has moved.
//! With the blocks so many and so well mixed this behaves like the sequential walk, and no thread can change it.
//!
//! That both ends move at once matters more than it seems: a vertex drags its neighbours along the way it jumps,
//! which mixes the map and fills the gaps between its parts. When each vertex only follows its own edges
//! ([`Attraction::OneEnd`]) neighbourhoods are kept better and the map has more empty squares.

use super::curve::Curve;
use super::graph::Graph;
use crate::atlas::{Attraction, LayoutRecipe};
use crate::math::{Rng, rng::mix};
use crate::progress::{Interrupted, Progress, check};
use rayon::prelude::*;

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
pub(super) struct Spring {
    pub(super) other: u32,
    /// Share of epochs in which it pulls, in units of 2⁻³².
    rate: u32,
    /// Where in its cycle it starts.
    phase: u32,
}

/// A move that the other end of an edge is to make.
#[derive(Debug, Clone, Copy)]
struct Push {
    vertex: u32,
    by: [f32; 2],
}

/// Moves `positions` for the recipe's epochs (0: [`default_epochs`]) with a step length that falls linearly from
/// 1 to 0.
///
/// # Errors
/// [`Interrupted`].
pub fn descend(
    graph: Graph,
    positions: Vec<[f32; 2]>,
    recipe: &LayoutRecipe,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<[f32; 2]>, Interrupted> {
    let n = graph.len();
    let n_epochs = match recipe.n_epochs {
        0 => default_epochs(n),
        given => given,
    };
    progress.begin("lay out", u64::from(n_epochs), "epoch");
    let springs = Springs::new(&graph, n_epochs, seed);
    // The springs say all; a million points' graph is as large as they.
    drop(graph);
    let forces = Forces::new(recipe);
    let mut now: Vec<[f32; 2]> = springs
        .order
        .iter()
        .map(|&old| positions[old as usize])
        .collect();
    let block_len = n.div_ceil(N_BLOCKS).max(1);
    let mut next = vec![[0.0; 2]; block_len.min(n)];
    for epoch in 0..n_epochs {
        check(progress)?;
        let alpha = 1.0 - epoch as f32 / n_epochs as f32;
        let salt = mix(seed ^ mix(u64::from(epoch)));
        for first in (0..n).step_by(block_len) {
            let block = &mut next[..block_len.min(n - first)];
            let old = &now;
            let step = |(i, out): (usize, &mut [[f32; 2]])| {
                let mut pushes = Vec::new();
                for (offset, place) in out.iter_mut().enumerate() {
                    let vertex = first + i * TASK + offset;
                    let mut walk = forces.walk(old, (vertex, old[vertex]), alpha, salt);
                    springs.follow(vertex, epoch, &mut walk, &mut pushes);
                    *place = walk.here;
                }
                pushes
            };
            let pushes: Vec<Vec<Push>> = if block.len() < 2 * TASK {
                block.chunks_mut(TASK).enumerate().map(step).collect()
            } else {
                block.par_chunks_mut(TASK).enumerate().map(step).collect()
            };
            now[first..first + block.len()].copy_from_slice(block);
            if recipe.attraction == Attraction::BothEnds {
                for Push { vertex, by } in pushes.into_iter().flatten() {
                    let place = &mut now[vertex as usize];
                    *place = [place[0] + by[0], place[1] + by[1]];
                }
            }
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
        let strong = graph.weights.iter().filter(|&&weight| weight >= least);
        let mut ends = Vec::with_capacity(strong.count());
        for (new, &old) in order.iter().enumerate() {
            for (target, weight) in graph.edges(old as usize).filter(|edge| edge.1 >= least) {
                let other = place[target as usize];
                ends.push(Spring::new(new, other, weight / heaviest, seed));
            }
            starts.push(ends.len());
        }
        Self {
            order,
            starts,
            ends,
        }
    }

    /// Walks along the edges of `vertex` that fire in this epoch, and adds what their other ends are to do.
    fn follow(&self, vertex: usize, epoch: u32, walk: &mut Walk<'_>, pushes: &mut Vec<Push>) {
        for spring in &self.ends[self.starts[vertex]..self.starts[vertex + 1]] {
            if spring.fires(epoch) {
                let [dx, dy] = walk.along(spring.other);
                pushes.push(Push {
                    vertex: spring.other,
                    by: [-dx, -dy],
                });
            }
        }
    }
}

impl Spring {
    /// An edge of `vertex` to `other` that fires in a share `rate` (0..=1) of all epochs.
    pub(super) fn new(vertex: usize, other: u32, rate: f32, seed: u64) -> Self {
        let pair = (u64::from(other) << 32) | vertex as u64;
        Self {
            other,
            rate: (f64::from(rate) * f64::from(u32::MAX)) as u32,
            phase: mix(seed ^ pair) as u32,
        }
    }

    /// Whether it pulls in this epoch.
    #[inline]
    pub(super) fn fires(&self, epoch: u32) -> bool {
        self.phase.wrapping_add(epoch.wrapping_mul(self.rate)) <= self.rate
    }
}

/// One vertex under way through an epoch.
pub(super) struct Walk<'a> {
    forces: &'a Forces,
    /// Where all others are.
    others: &'a [[f32; 2]],
    /// Its own index among them, or one beyond them.
    own: usize,
    pub(super) here: [f32; 2],
    alpha: f32,
    dice: u64,
}

impl Walk<'_> {
    /// Goes towards vertex `to`, then away from random ones; returns the first of these moves.
    #[inline]
    pub(super) fn along(&mut self, to: u32) -> [f32; 2] {
        let forces = self.forces;
        let there = self.others[to as usize];
        let pulled = forces.push(&forces.attraction, &mut self.here, there, self.alpha);
        for _ in 0..forces.n_negatives {
            self.dice = self
                .dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let other = (((self.dice >> 32) * self.others.len() as u64) >> 32) as usize;
            if other != self.own {
                let there = self.others[other];
                forces.push(&forces.repulsion, &mut self.here, there, self.alpha);
            }
        }
        pulled
    }
}

/// Exponents (base 2) of squared distances that the tables cover.
const EXPONENTS: std::ops::Range<i32> = -26..14;
/// Table entries per octave, as a power of two.
const PER_OCTAVE_BITS: u32 = 5;

/// The two forces as tables over the squared distance, because a power per move is the whole cost otherwise.
/// Entries are even within each octave, so a float's bits are the index; linear in between, good to 1e-4.
pub(super) struct Forces {
    attraction: Vec<[f32; 2]>,
    repulsion: Vec<[f32; 2]>,
    first: u32,
    /// Repulsions per attraction.
    n_negatives: u32,
}

impl Forces {
    pub(super) fn new(recipe: &LayoutRecipe) -> Self {
        let curve = Curve::fit(recipe.spread, recipe.min_dist);
        let (a, b) = (f64::from(curve.a), f64::from(curve.b));
        let strength = f64::from(recipe.repulsion);
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
            repulsion: table(&|s| strength * 2.0 * b / ((0.001 + s) * (1.0 + a * s.powf(b)))),
            first,
            n_negatives: recipe.negative_samples,
        }
    }

    /// The start of an epoch with step length `alpha` for the vertex with this index and position; `salt` is the
    /// epoch's.
    pub(super) fn walk<'a>(
        &'a self,
        others: &'a [[f32; 2]],
        (own, here): (usize, [f32; 2]),
        alpha: f32,
        salt: u64,
    ) -> Walk<'a> {
        Walk {
            forces: self,
            others,
            own,
            here,
            alpha,
            dice: mix(salt ^ own as u64),
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

    /// Moves `here` by the force between it and `there`; returns the move.
    #[inline]
    fn push(
        &self,
        table: &[[f32; 2]],
        here: &mut [f32; 2],
        there: [f32; 2],
        alpha: f32,
    ) -> [f32; 2] {
        let (dx, dy) = (here[0] - there[0], here[1] - there[1]);
        let force = self.look_up(table, dx * dx + dy * dy);
        let step = |d: f32| alpha * (force * d).clamp(-LONGEST, LONGEST);
        let by = [step(dx), step(dy)];
        *here = [here[0] + by[0], here[1] + by[1]];
        by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_the_formulas() {
        let recipe = LayoutRecipe {
            min_dist: 0.1,
            ..LayoutRecipe::default()
        };
        let forces = Forces::new(&recipe);
        let curve = Curve::fit(recipe.spread, recipe.min_dist);
        for s in [1e-6_f32, 3.3e-4, 0.017, 0.5, 1.0, 7.3, 250.0, 9000.0] {
            let (a, b, x) = (f64::from(curve.a), f64::from(curve.b), f64::from(s));
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
