//! How channels stand in blocks, and weights laid out for the convolution tile.

use super::simd::{LANES, word};
use super::winograd::Transformed;
use std::ops::Range;
use std::sync::OnceLock;

/// Where a node's channels stand in its blocks.
///
/// A concatenation puts its parts' blocks one after the other, so parts whose depth is no multiple of
/// [`LANES`] leave unused lanes in the middle. Unused lanes hold 0 in activations and get zero weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slots {
    /// Lane index (block · LANES + lane) of each channel, ascending.
    pub of_channel: Vec<u32>,
    /// Number of blocks.
    pub blocks: usize,
}

impl Slots {
    /// Channels without gaps.
    pub(super) fn dense(channels: usize) -> Self {
        Self {
            of_channel: (0..channels as u32).collect(),
            blocks: channels.div_ceil(LANES),
        }
    }

    /// Parts one after the other, each from a new block on.
    pub(super) fn stacked<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let (mut of_channel, mut blocks) = (Vec::new(), 0);
        for part in parts {
            let start = (blocks * LANES) as u32;
            of_channel.extend(part.of_channel.iter().map(|slot| slot + start));
            blocks += part.blocks;
        }
        Self { of_channel, blocks }
    }

    /// Number of channels.
    pub(super) fn channels(&self) -> usize {
        self.of_channel.len()
    }

    /// Whether channel c stands in lane c.
    pub(super) fn is_dense(&self) -> bool {
        self.of_channel
            .last()
            .is_none_or(|&last| last as usize + 1 == self.channels())
    }
}

/// Output blocks that read the same input blocks. Without groups there is one run; with groups an output block
/// only reads the blocks that hold channels of its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// Output blocks.
    pub out: Range<usize>,
    /// Input blocks.
    pub input: Range<usize>,
    /// Where its weights begin.
    pub start: usize,
}

/// Weights of a convolution in the order in which the tile reads them.
#[derive(Debug)]
pub(super) struct Packed {
    /// By run: `[out blocks][in blocks][kernel rows][kernel columns][depth][LANES]`.
    pub weights: Vec<f32>,
    /// One value per output lane; empty without bias.
    pub bias: Vec<f32>,
    /// Output blocks.
    pub out_blocks: usize,
    /// Input blocks.
    pub in_blocks: usize,
    /// Channels per input block: [`LANES`], or 1 for planar input.
    pub depth: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// Output blocks by the input that they read, ascending.
    pub runs: Vec<Run>,
    /// The weights in half precision, made when first needed.
    pub halves: OnceLock<Vec<f32>>,
    /// The weights for Winograd's algorithm, per tile size, made when first needed.
    pub transformed: [OnceLock<Transformed>; 2],
}

impl Packed {
    /// Room for weights, all zero; `reach` are the input blocks that each output block reads.
    pub(super) fn zeros(
        reach: &[Range<usize>],
        in_blocks: usize,
        depth: usize,
        kernel: [usize; 2],
    ) -> Self {
        let per_pair = kernel[0] * kernel[1] * depth * LANES;
        let mut runs: Vec<Run> = Vec::new();
        let mut start = 0;
        for (block, input) in reach.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if run.input == *input => run.out.end = block + 1,
                _ => runs.push(Run {
                    out: block..block + 1,
                    input: input.clone(),
                    start,
                }),
            }
            start += input.len() * per_pair;
        }
        Self {
            weights: vec![0.0; start],
            bias: Vec::new(),
            out_blocks: reach.len(),
            in_blocks,
            depth,
            kernel,
            runs,
            halves: OnceLock::new(),
            transformed: Default::default(),
        }
    }

    /// Sets the weight from input lane `input` to output lane `output` at one element of the kernel.
    pub(super) fn set(&mut self, output: usize, input: usize, row: usize, col: usize, value: f32) {
        let (out_block, in_block) = (output / LANES, input / self.depth);
        let at = self.runs.partition_point(|run| run.out.end <= out_block);
        let run = &self.runs[at];
        let block = (out_block - run.out.start) * run.input.len() + in_block - run.input.start;
        let element = (block * self.kernel[0] + row) * self.kernel[1] + col;
        let line = element * self.depth + input % self.depth;
        self.weights[run.start + line * LANES + output % LANES] = value;
    }

    /// Weights of the output blocks `out` of one run, as words of two when `half`.
    pub(super) fn weights_of(&self, run: &Run, out: &Range<usize>, half: bool) -> &[f32] {
        let per_block = run.input.len() * self.kernel[0] * self.kernel[1] * self.depth * LANES;
        let start = run.start + (out.start - run.out.start) * per_block;
        let end = start + out.len() * per_block;
        if half {
            let halves = self.halves.get_or_init(|| paired(&self.weights));
            &halves[start / 2..end / 2]
        } else {
            &self.weights[start..end]
        }
    }
}

/// Weights `[…][LANES in][LANES out]` in half precision: lines of two input lanes become one line of words.
pub(super) fn paired(weights: &[f32]) -> Vec<f32> {
    let lines = weights.chunks_exact(2 * LANES);
    let words = lines.flat_map(|lines| {
        let (low, high) = lines.split_at(LANES);
        low.iter().zip(high).map(|(low, high)| word(*low, *high))
    });
    words.collect()
}
