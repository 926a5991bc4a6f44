//! Nearest-neighbour descent (Dong, Moses, Li 2011): neighbours of neighbours are likely neighbours.
//!
//! Three choices make it quick and reproducible. A forest gives good first lists, since comparing a whole leaf
//! is one matrix product. Each vertex compares its new candidates with all its candidates in one product too.
//! And proposals are collected for a block of vertices, sorted, then merged list by list: a list depends on the
//! set of proposals, not on who came first, so threads cannot change the outcome.

use super::forest::{Reduced, Tree};
use super::nearest::{Nearest, distance_of, index_of, key};
use super::{Neighbours, Points};
use crate::math::rng::mix;
use crate::progress::{Interrupted, Progress, check};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, s};
use rayon::prelude::*;

/// Trees of the forest.
const TREES: u64 = 6;
/// Points per leaf at most; more when even half a leaf would not fill a list.
const LEAF: usize = 256;
/// Rounds at most.
const ROUNDS: u64 = 8;
/// Leaves whose proposals are merged at a time.
const LEAVES: usize = 512;
/// Vertices whose proposals are merged at a time.
const BLOCK: usize = 8_192;
/// Marks a vertex number; there are never so many vertices.
const FRESH: u32 = 1 << 31;
/// The descent ends with a round that changes less than this share of all entries.
const SETTLED: f64 = 0.002;

/// The `k` nearest other points of every point, nearly all of them right.
pub(super) fn find(
    points: &Points<'_>,
    k: usize,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Neighbours, Interrupted> {
    progress.begin("find neighbours", TREES + ROUNDS, "round");
    let reduced = Reduced::new(points, seed);
    let mut lists = Lists::new(points.len(), k);
    let leaf = LEAF.max(2 * k + 4);
    let mut walk = Vec::new();
    for round in 0..TREES {
        check(progress)?;
        let tree = reduced.tree(leaf, mix(seed ^ mix(round)));
        lists.merge_tree(points, &tree);
        walk = tree.order;
        progress.advance(1);
    }
    drop(reduced);
    let n_candidates = k.clamp(22, 30);
    for round in 0..ROUNDS {
        let candidates = lists.candidates(n_candidates, mix(seed ^ mix(round + 1000)));
        let mut n_changes = 0;
        for block in walk.chunks(BLOCK) {
            check(progress)?;
            n_changes += lists.join(points, block, &candidates);
        }
        progress.advance(1);
        if (n_changes as f64) < SETTLED * lists.keys.len() as f64 {
            progress.advance(ROUNDS - 1 - round);
            break;
        }
    }
    Ok(Neighbours {
        k,
        index: lists.keys.par_iter().map(|&key| index_of(key)).collect(),
        distance: lists
            .keys
            .par_iter()
            .map(|&key| points.distance(distance_of(key)))
            .collect(),
    })
}

/// Candidates of every vertex: those that joined a list lately and those that did not.
struct Candidates {
    fresh: Vec<Vec<u32>>,
    known: Vec<Vec<u32>>,
}

/// The best neighbours so far: `k` rising keys per vertex; unfilled places hold `u64::MAX`.
struct Lists {
    k: usize,
    keys: Vec<u64>,
    /// Whether the entry has not been compared with its vertex's other neighbours yet.
    fresh: Vec<bool>,
}

impl Lists {
    fn new(n: usize, k: usize) -> Self {
        Self {
            k,
            keys: vec![u64::MAX; n * k],
            fresh: vec![true; n * k],
        }
    }

    fn n(&self) -> usize {
        self.keys.len() / self.k
    }

    /// The largest distance that can still enter the list of `vertex`.
    #[inline]
    fn limit(&self, vertex: usize) -> f32 {
        let worst = self.keys[(vertex + 1) * self.k - 1];
        if worst == u64::MAX {
            f32::INFINITY
        } else {
            distance_of(worst)
        }
    }

    /// Compares all points of each leaf, some leaves at a time: what all of them propose would fill as much memory
    /// as the lists.
    fn merge_tree(&mut self, points: &Points<'_>, tree: &Tree) {
        let mut proposals: Vec<Vec<u64>> = vec![Vec::new(); self.n()];
        for leaves in tree.leaves.chunks(LEAVES) {
            let found: Vec<Vec<Vec<u64>>> = leaves
                .par_iter()
                .map(|range| self.nearest_within(points, &tree.order[range.clone()]))
                .collect();
            for (range, leaf) in leaves.iter().zip(found) {
                for (&vertex, keys) in tree.order[range.clone()].iter().zip(leaf) {
                    proposals[vertex as usize] = keys;
                }
            }
            self.merge(&|vertex| &proposals[vertex]);
            for &vertex in leaves.iter().flat_map(|range| &tree.order[range.clone()]) {
                proposals[vertex as usize] = Vec::new();
            }
        }
    }

    /// For each of `members` the keys of those among them that can enter its list.
    fn nearest_within(&self, points: &Points<'_>, members: &[u32]) -> Vec<Vec<u64>> {
        let rows = points.gather(members.iter().map(|&v| v as usize));
        let products = rows.dot(&rows.t());
        let best = |(&vertex, dots): (&u32, ndarray::ArrayView1<'_, f32>)| {
            let vertex = vertex as usize;
            let mut nearest = Nearest::new(self.k);
            let limit = self.limit(vertex);
            for (&other, &dot) in members.iter().zip(dots) {
                let other = other as usize;
                let distance = points.rank_distance(vertex, other, dot);
                if distance <= limit && other != vertex {
                    nearest.offer(distance, other);
                }
            }
            nearest.into_sorted()
        };
        members.iter().zip(products.rows()).map(best).collect()
    }

    /// Merges the rising keys that `proposals` has for each vertex; returns how many entered a list.
    fn merge<'a>(&mut self, proposals: &(dyn Fn(usize) -> &'a [u64] + Sync)) -> usize {
        let k = self.k;
        self.keys
            .par_chunks_mut(k)
            .zip(self.fresh.par_chunks_mut(k))
            .enumerate()
            .map(|(vertex, (keys, fresh))| {
                let proposed = proposals(vertex);
                proposed
                    .iter()
                    .filter(|&&key| insert(keys, fresh, key))
                    .count()
            })
            .sum()
    }

    /// Draws at most `n` fresh and `n` known candidates per vertex from its list and from the lists that it is
    /// in, by hashed priority, and marks the drawn entries of its own list as known.
    fn candidates(&mut self, n: usize, salt: u64) -> Candidates {
        let k = self.k;
        let (starts, incoming) = self.incoming();
        let drawn: Vec<(Vec<u32>, Vec<u32>)> = self
            .fresh
            .par_chunks_mut(k)
            .zip(self.keys.par_chunks(k))
            .enumerate()
            .map(|(vertex, (fresh, keys))| {
                let own = keys
                    .iter()
                    .zip(fresh.iter())
                    .map(|(&key, &f)| (index_of(key), f));
                let from = &incoming[starts[vertex]..starts[vertex + 1]];
                let from = from.iter().map(|&v| (v & !FRESH, v & FRESH != 0));
                let all = own.chain(from).map(|(other, fresh)| {
                    (
                        mix(salt ^ ((vertex as u64) << 32) ^ u64::from(other)),
                        other,
                        fresh,
                    )
                });
                let (mut new, mut old): (Vec<_>, Vec<_>) = all.partition(|c| c.2);
                let (new, old) = (draw(&mut new, n), draw(&mut old, n));
                for (fresh, &key) in fresh.iter_mut().zip(keys) {
                    *fresh &= !new.contains(&index_of(key));
                }
                (new, old)
            })
            .collect();
        let (fresh, known) = drawn.into_iter().unzip();
        Candidates { fresh, known }
    }

    /// For every vertex the vertices whose lists it is in, with the entry's freshness as [`FRESH`].
    fn incoming(&self) -> (Vec<usize>, Vec<u32>) {
        let mut starts = vec![0_usize; self.n() + 1];
        for &key in &self.keys {
            starts[index_of(key) as usize + 1] += 1;
        }
        for v in 0..self.n() {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.clone();
        let mut incoming = vec![0_u32; self.keys.len()];
        for (entry, (&key, &fresh)) in self.keys.iter().zip(&self.fresh).enumerate() {
            let slot = &mut next[index_of(key) as usize];
            incoming[*slot] = (entry / self.k) as u32 | if fresh { FRESH } else { 0 };
            *slot += 1;
        }
        (starts, incoming)
    }

    /// Compares the candidates of each vertex in `block` among each other; returns how many entries changed.
    fn join(&mut self, points: &Points<'_>, block: &[u32], candidates: &Candidates) -> usize {
        let mut proposals: Vec<(u32, u64)> = block
            .par_chunks(32)
            .flat_map_iter(|vertices| {
                let mut proposals = Vec::new();
                for &vertex in vertices {
                    let fresh = &candidates.fresh[vertex as usize];
                    let known = &candidates.known[vertex as usize];
                    self.compare(points, fresh, known, &mut proposals);
                }
                proposals
            })
            .collect();
        proposals.par_sort_unstable();
        let keys: Vec<u64> = proposals.iter().map(|p| p.1).collect();
        let mut starts = vec![0_usize; self.n() + 1];
        for &(vertex, _) in &proposals {
            starts[vertex as usize + 1] += 1;
        }
        for v in 0..self.n() {
            starts[v + 1] += starts[v];
        }
        self.merge(&|vertex| &keys[starts[vertex]..starts[vertex + 1]])
    }

    /// Proposes every pair of `fresh` × (`fresh` ∪ `known`) that is near enough for either list.
    fn compare(
        &self,
        points: &Points<'_>,
        fresh: &[u32],
        known: &[u32],
        proposals: &mut Vec<(u32, u64)>,
    ) {
        if fresh.is_empty() {
            return;
        }
        let members = [fresh, known].concat();
        let rows = points.gather(members.iter().map(|&v| v as usize));
        let mut products = Array2::<f32>::zeros((fresh.len(), members.len()));
        let left = rows.slice(s![..fresh.len(), ..]);
        general_mat_mul(1.0, &left, &rows.t(), 0.0, &mut products);
        let limits: Vec<f32> = members.iter().map(|&v| self.limit(v as usize)).collect();
        for (i, (&one, dots)) in fresh.iter().zip(products.rows()).enumerate() {
            for j in i + 1..members.len() {
                let other = members[j];
                let distance = points.rank_distance(one as usize, other as usize, dots[j]);
                if one == other {
                    continue;
                }
                if distance < limits[i] {
                    proposals.push((one, key(distance, other as usize)));
                }
                if distance < limits[j] {
                    proposals.push((other, key(distance, one as usize)));
                }
            }
        }
    }
}

/// The `n` of lowest priority, each vertex once.
fn draw(all: &mut Vec<(u64, u32, bool)>, n: usize) -> Vec<u32> {
    all.sort_unstable();
    all.dedup_by_key(|c| c.1);
    all.iter().take(n).map(|c| c.1).collect()
}

/// Inserts `key` into the rising `keys` unless its index is there already or it is too far.
fn insert(keys: &mut [u64], fresh: &mut [bool], key: u64) -> bool {
    let last = keys.len() - 1;
    if key >= keys[last] || keys.iter().any(|&k| index_of(k) == index_of(key)) {
        return false;
    }
    let place = keys.partition_point(|&k| k < key);
    keys.copy_within(place..last, place + 1);
    fresh.copy_within(place..last, place + 1);
    keys[place] = key;
    fresh[place] = true;
    true
}
