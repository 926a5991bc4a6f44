//! From a graph, a map size and what is asked for to a list of steps and the buffers they share.
//!
//! Three things are decided here. A convolution whose only user is a ReLU computes it on the way. A node that
//! goes into a concatenation is computed straight into its part of it. And buffers whose contents nobody
//! reads any more are used again, which keeps the working set near the cache.
//!
//! Two more concern several images that run together ([`Stretch`]), and a target of which one position is wanted
//! ([`super::part`]).

use super::model::{Conv, Kind, Node, Step};
use super::part;
use super::simd::LANES;
use crate::network::{Extent, Graph, NetworkError, NodeId, Result};
use std::ops::Range;

/// A part of a buffer, in floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub buffer: usize,
    pub start: usize,
    pub len: usize,
}

impl View {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

/// One step: `node` computed into the place of `out`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Planned {
    pub node: usize,
    /// The node itself, or the limits that are computed with it.
    pub out: usize,
    /// Those limits.
    pub clamp: Option<(f32, f32)>,
}

/// Steps that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub steps: Range<usize>,
    /// One convolution with weights so large that reading them costs more than using them once: each part of them is
    /// used for all images before the next is read. Other stretches run image by image, whose maps then stay in the
    /// cache.
    pub together: bool,
}

/// Floats of weights from which images run through a convolution together: a part of the second cache.
const LARGE: usize = 24 << 10;

/// The steps from one node to others.
#[derive(Debug)]
pub(super) struct Plan {
    pub steps: Vec<Planned>,
    /// All of them.
    pub stretches: Vec<Stretch>,
    /// Rows and columns per node of the graph, `[1, 1]` without; `[0, 0]` where not planned.
    pub sizes: Vec<[usize; 2]>,
    /// First row and column that is held of each node's map; not 0 only where a part of it is enough.
    pub origins: Vec<[usize; 2]>,
    /// What each planned node's value is.
    pub extents: Vec<Option<Extent>>,
    /// Where each node's values stand.
    pub places: Vec<Option<View>>,
    /// Where the gradients stand; filled by [`Plan::with_gradients`].
    pub gradients: Vec<Option<View>>,
    /// Nodes whose gradient has several writers of different parts and so begins with zeros.
    pub zero_first: Vec<bool>,
    /// Length of each buffer.
    pub buffers: Vec<usize>,
    /// Length of each buffer for gradients.
    pub gradient_buffers: Vec<usize>,
    /// Root of each node's place: the concatenation (of concatenations …) that it is part of, or itself.
    roots: Vec<usize>,
}

/// Floats that a node takes.
pub(super) fn room(node: &Node, size: [usize; 2]) -> usize {
    let pixels = size[0] * size[1];
    if node.kind == Kind::Free {
        0
    } else if node.planar {
        node.slots.channels() * pixels
    } else {
        node.slots.blocks * LANES * pixels
    }
}

/// Rows and columns of a value; `None` where it is not what its node was packed for.
fn size_of(node: &Node, extent: Option<&Extent>) -> Option<[usize; 2]> {
    let extent = extent?;
    let channels = node.slots.channels();
    match (node.kind, extent.map_size(), extent.dims.as_slice()) {
        (Kind::Map, Some((rows, cols)), _) if extent.dims[0] == channels => Some([rows, cols]),
        (Kind::Flat, None, &[features]) if features == channels => Some([1, 1]),
        (Kind::Free, ..) => Some([1, 1]),
        _ => None,
    }
}

/// Nodes on the way from `start` to `targets`, or an error when something else is needed.
fn wanted(nodes: &[Node], start: usize, targets: &[usize]) -> Result<Vec<bool>> {
    let mut wanted = vec![false; nodes.len()];
    for &target in targets {
        wanted[target] = true;
    }
    for idx in (0..nodes.len()).rev() {
        if !wanted[idx] || idx == start {
            continue;
        }
        if nodes[idx].inputs.is_empty() || idx < start {
            return Err(NetworkError::BadGraph(format!(
                "node {idx} is needed but does not come after node {start}"
            )));
        }
        for &input in &nodes[idx].inputs {
            wanted[input] = true;
        }
    }
    Ok(wanted)
}

impl Plan {
    /// Plans from `start`, whose map has `size` rows and columns, to `targets`; with `at` only what that position (row,
    /// column) of the one target needs.
    pub(super) fn new(
        graph: &Graph,
        nodes: &[Node],
        (start, size): (usize, [usize; 2]),
        targets: &[usize],
        at: Option<[usize; 2]>,
    ) -> Result<Self> {
        let ends: Vec<NodeId> = targets.iter().copied().map(NodeId).collect();
        let needed = graph.between(NodeId(start), &ends)?;
        let channels = nodes[start].slots.channels();
        let first = Extent::map(channels, (size[0], size[1]));
        let mut extents = graph.extents_from(NodeId(start), first, &needed)?;
        let mut wanted = wanted(nodes, start, targets)?;
        wanted[start] = true;
        let mut sizes = vec![[0; 2]; nodes.len()];
        let mut users = vec![Vec::new(); nodes.len()];
        for idx in (0..nodes.len()).filter(|&idx| wanted[idx]) {
            sizes[idx] = size_of(&nodes[idx], extents[idx].as_ref()).ok_or_else(|| {
                NetworkError::BadInput(format!(
                    "{} would have the shape {:?} at this image size, it was made for another",
                    graph.nodes[idx].name,
                    extents[idx].as_ref().map(|extent| &extent.dims)
                ))
            })?;
            if idx != start {
                for &input in &nodes[idx].inputs {
                    users[input].push(idx);
                }
            }
        }
        let mut origins = vec![[0; 2]; nodes.len()];
        if let (Some(at), &[target]) = (at, targets) {
            let parts = part::needed(nodes, &sizes, &wanted, (start, target), at);
            for (idx, part) in parts.into_iter().enumerate() {
                if part.size != sizes[idx] {
                    (origins[idx], sizes[idx]) = (part.start, part.size);
                    let channels = nodes[idx].slots.channels();
                    extents[idx] = Some(Extent::map(channels, (part.size[0], part.size[1])));
                }
            }
        }
        let mut plan = Self {
            steps: Vec::new(),
            stretches: Vec::new(),
            sizes,
            origins,
            extents,
            places: vec![None; nodes.len()],
            gradients: vec![None; nodes.len()],
            zero_first: vec![false; nodes.len()],
            buffers: Vec::new(),
            gradient_buffers: Vec::new(),
            roots: (0..nodes.len()).collect(),
        };
        let mut hidden = vec![false; nodes.len()];
        for idx in (0..nodes.len()).filter(|&idx| wanted[idx]) {
            if hidden[idx] {
                continue;
            }
            let mut step = Planned {
                node: idx,
                out: idx,
                clamp: None,
            };
            let takes = matches!(
                nodes[idx].step,
                Step::Conv(_) | Step::Depthwise(_) | Step::Pair(_)
            );
            if let (true, &[user]) = (takes, users[idx].as_slice())
                && let Step::Clamp(low, high) = nodes[user].step
                // What unused lanes hold must stay 0.
                && low <= 0.0
                && high >= 0.0
                && idx != start
                && !targets.contains(&idx)
            {
                (step.out, step.clamp) = (user, Some((low, high)));
                hidden[user] = true;
            }
            plan.steps.push(step);
        }
        plan.stretch(nodes);
        let offsets = plan.nest(nodes, start);
        plan.allot(nodes, &offsets);
        Ok(plan)
    }

    /// Parts the steps into stretches.
    fn stretch(&mut self, nodes: &[Node]) {
        for (when, step) in self.steps.iter().enumerate() {
            let large = |conv: &Conv| conv.packed.weights.len() >= LARGE;
            let together = matches!(&nodes[step.node].step, Step::Conv(conv) if large(conv));
            match self.stretches.last_mut() {
                Some(last) if !last.together && !together => last.steps.end = when + 1,
                _ => self.stretches.push(Stretch {
                    steps: when..when + 1,
                    together,
                }),
            }
        }
    }

    /// Gives nodes their part of a concatenation; returns each node's offset in its root.
    fn nest(&mut self, nodes: &[Node], start: usize) -> Vec<usize> {
        let mut offsets = vec![0; nodes.len()];
        let planned: Vec<usize> = self.steps.iter().map(|step| step.out).collect();
        for &idx in planned.iter().rev() {
            if !matches!(nodes[idx].step, Step::Concat) || idx == start {
                continue;
            }
            let mut offset = offsets[idx];
            for &input in &nodes[idx].inputs {
                // A planar node has another layout; one that is part of something already stays there.
                if self.roots[input] == input && !nodes[input].planar {
                    self.roots[input] = self.roots[idx];
                    offsets[input] = offset;
                }
                offset += room(&nodes[input], self.sizes[input]);
            }
        }
        offsets
    }

    /// Assigns buffers by first and last use. Targets are read right after their step, so being one makes no
    /// value live longer.
    fn allot(&mut self, nodes: &[Node], offsets: &[usize]) {
        let mut spans = Spans::new(nodes.len());
        for (when, step) in self.steps.iter().enumerate() {
            spans.note(self.roots[step.out], when);
            if when > 0 {
                for &input in &nodes[step.node].inputs {
                    spans.note(self.roots[input], when);
                }
            }
        }
        let (buffer_of, lengths) = spans.buffers(nodes, &self.sizes);
        self.buffers = lengths;
        for step in &self.steps {
            let idx = step.out;
            if nodes[idx].kind == Kind::Free {
                continue;
            }
            self.places[idx] = Some(View {
                buffer: buffer_of[self.roots[idx]],
                start: offsets[idx],
                len: room(&nodes[idx], self.sizes[idx]),
            });
        }
    }

    /// Adds room for the gradient of everything up to `tap`, the last step's node.
    pub(super) fn with_gradients(mut self, nodes: &[Node], tap: usize) -> Self {
        let mut spans = Spans::new(nodes.len());
        // Time runs backwards: 0 is the cotangent of the tap, 1 the last step.
        spans.note(self.roots[tap], 0);
        let mut whole = vec![false; nodes.len()];
        whole[self.roots[tap]] = self.roots[tap] == tap;
        for (when, step) in (1..).zip(self.steps.iter().rev()) {
            spans.note(self.roots[step.out], when);
            if when == self.steps.len() {
                break;
            }
            for &input in &nodes[step.node].inputs {
                let root = self.roots[input];
                if !spans.known(root) {
                    whole[root] = root == input;
                }
                spans.note(root, when);
            }
        }
        let (buffer_of, lengths) = spans.buffers(nodes, &self.sizes);
        self.gradient_buffers = lengths;
        for idx in 0..nodes.len() {
            let root = self.roots[idx];
            self.zero_first[idx] = spans.known(root) && !whole[root];
            self.gradients[idx] = self.places[idx].map(|place| View {
                buffer: buffer_of[root],
                ..place
            });
        }
        self
    }

    /// The concatenation that holds a node, or the node.
    pub(super) fn root(&self, idx: usize) -> usize {
        self.roots[idx]
    }
}

/// First and last use of each root.
struct Spans {
    first: Vec<usize>,
    last: Vec<usize>,
}

impl Spans {
    fn new(n: usize) -> Self {
        Self {
            first: vec![usize::MAX; n],
            last: vec![0; n],
        }
    }

    fn known(&self, root: usize) -> bool {
        self.first[root] != usize::MAX
    }

    fn note(&mut self, root: usize, when: usize) {
        self.first[root] = self.first[root].min(when);
        self.last[root] = self.last[root].max(when);
    }

    /// A buffer for each root, and the buffers' lengths.
    fn buffers(&self, nodes: &[Node], sizes: &[[usize; 2]]) -> (Vec<usize>, Vec<usize>) {
        let blocks = |root: usize| nodes[root].kind != Kind::Free;
        let mut roots: Vec<usize> = (0..nodes.len())
            .filter(|&root| self.known(root) && blocks(root))
            .collect();
        roots.sort_by_key(|&root| self.first[root]);
        let mut allotter = Allotter::default();
        let mut buffer_of = vec![usize::MAX; nodes.len()];
        let mut live: Vec<usize> = Vec::new();
        for root in roots {
            live.retain(|&other| {
                let over = self.last[other] < self.first[root];
                if over {
                    allotter.free.push(buffer_of[other]);
                }
                !over
            });
            buffer_of[root] = allotter.take(room(&nodes[root], sizes[root]));
            live.push(root);
        }
        (buffer_of, allotter.lengths)
    }
}

/// Buffers by length, taken and given back.
#[derive(Default)]
struct Allotter {
    lengths: Vec<usize>,
    free: Vec<usize>,
}

impl Allotter {
    /// The smallest free buffer that is long enough, else the longest, made longer, else a new one.
    fn take(&mut self, len: usize) -> usize {
        let fitting = self
            .free
            .iter()
            .copied()
            .filter(|&idx| self.lengths[idx] >= len)
            .min_by_key(|&idx| self.lengths[idx]);
        let longest = self
            .free
            .iter()
            .copied()
            .max_by_key(|&idx| self.lengths[idx]);
        let Some(chosen) = fitting.or(longest) else {
            self.lengths.push(len);
            return self.lengths.len() - 1;
        };
        self.free.retain(|&idx| idx != chosen);
        self.lengths[chosen] = self.lengths[chosen].max(len);
        chosen
    }
}
