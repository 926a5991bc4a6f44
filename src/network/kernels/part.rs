//! Which part of each map one position of a target needs.
//!
//! An icon asks for one position of a layer. What that position does not see need not be computed, neither forward nor
//! back: behind the last wide window on its way a few pixels are enough, before it soon all of them are needed.

use super::model::{Node, Step};
use super::pool::Window;

/// A rectangle of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// First row and column.
    pub start: [usize; 2],
    /// Rows and columns.
    pub size: [usize; 2],
}

impl Part {
    fn whole(size: [usize; 2]) -> Self {
        Self {
            start: [0, 0],
            size,
        }
    }

    fn end(&self, axis: usize) -> usize {
        self.start[axis] + self.size[axis]
    }

    /// The smallest part that holds both.
    fn union(self, other: Self) -> Self {
        let start = [0, 1].map(|axis| self.start[axis].min(other.start[axis]));
        let size = [0, 1].map(|axis| self.end(axis).max(other.end(axis)) - start[axis]);
        Self { start, size }
    }

    /// What these windows see of a map of `size`.
    fn seen_through(&self, window: &Window, size: [usize; 2]) -> Self {
        let start = [0, 1].map(|axis| {
            (self.start[axis] * window.stride[axis])
                .saturating_sub(window.pads[axis])
                .min(size[axis] - 1)
        });
        let size = [0, 1].map(|axis| {
            let last = (self.end(axis) - 1) * window.stride[axis] + window.extent(axis);
            let end = last.saturating_sub(window.pads[axis]).min(size[axis]);
            end.max(start[axis] + 1) - start[axis]
        });
        Self { start, size }
    }
}

/// How a step's input follows from its output.
enum Reads<'a> {
    /// At the same positions.
    Same,
    /// Through windows.
    Windows(&'a Window),
    /// Everything, to make everything.
    All,
}

fn reads<'a>(node: &'a Node, sizes: &[[usize; 2]], size: [usize; 2]) -> Reads<'a> {
    match &node.step {
        // Strided gradients go by phases of whole maps.
        Step::Conv(conv) if conv.window.stride == [1, 1] => Reads::Windows(&conv.window),
        Step::Depthwise(conv) if conv.window.stride == [1, 1] => Reads::Windows(&conv.window),
        Step::MaxPool(window) => Reads::Windows(window),
        Step::Clamp(..) | Step::Curve(_) | Step::Affine(_) | Step::Lrn(_) => Reads::Same,
        Step::Concat | Step::Pair(_) if node.inputs.iter().all(|&i| sizes[i] == size) => {
            Reads::Same
        }
        _ => Reads::All,
    }
}

/// The part of each node's map that position `at` of `target` needs; whole maps of what is not `wanted` and of `start`.
pub(super) fn needed(
    nodes: &[Node],
    sizes: &[[usize; 2]],
    wanted: &[bool],
    (start, target): (usize, usize),
    at: [usize; 2],
) -> Vec<Part> {
    let mut parts: Vec<Option<Part>> = vec![None; nodes.len()];
    parts[target] = Some(Part {
        start: at,
        size: [1, 1],
    });
    // Parts only grow, so this ends; mostly after two rounds.
    loop {
        let before = parts.clone();
        for idx in (start + 1..=target).rev().filter(|&idx| wanted[idx]) {
            let Some(mut part) = parts[idx] else { continue };
            let node = &nodes[idx];
            let reads = reads(node, sizes, sizes[idx]);
            match reads {
                Reads::All => part = Part::whole(sizes[idx]),
                Reads::Same => {
                    // All that stand side by side hold the same part.
                    let inputs = node.inputs.iter().filter_map(|&input| parts[input]);
                    part = inputs.fold(part, Part::union);
                }
                Reads::Windows(_) => {}
            }
            parts[idx] = Some(part);
            for &input in &node.inputs {
                let seen = match reads {
                    Reads::All => Part::whole(sizes[input]),
                    Reads::Same => part,
                    Reads::Windows(window) => part.seen_through(window, sizes[input]),
                };
                parts[input] = Some(parts[input].map_or(seen, |old| old.union(seen)));
            }
        }
        parts[start] = Some(Part::whole(sizes[start]));
        if parts == before {
            break;
        }
    }
    let parts = parts.into_iter().zip(sizes);
    parts
        .map(|(part, &size)| part.unwrap_or(Part::whole(size)))
        .collect()
}
