//! How channels stand in blocks, and weights laid out for the convolution tile.

use super::simd::LANES;

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

/// Weights of a convolution in the order in which the tile reads them.
#[derive(Debug)]
pub(super) struct Packed {
    /// `[out blocks][in blocks][kernel rows][kernel columns][depth][LANES]`.
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
}

impl Packed {
    /// Room for weights, all zero.
    pub(super) fn zeros(
        out_blocks: usize,
        in_blocks: usize,
        depth: usize,
        kernel: [usize; 2],
    ) -> Self {
        let per_pair = kernel[0] * kernel[1] * depth * LANES;
        Self {
            weights: vec![0.0; out_blocks * in_blocks * per_pair],
            bias: Vec::new(),
            out_blocks,
            in_blocks,
            depth,
            kernel,
        }
    }

    /// Sets the weight from input lane `input` to output lane `output` at one element of the kernel.
    pub(super) fn set(&mut self, output: usize, input: usize, row: usize, col: usize, value: f32) {
        let block = output / LANES * self.in_blocks + input / self.depth;
        let element = (block * self.kernel[0] + row) * self.kernel[1] + col;
        let line = element * self.depth + input % self.depth;
        self.weights[line * LANES + output % LANES] = value;
    }

    /// Floats per output block.
    pub(super) fn per_block(&self) -> usize {
        self.weights.len() / self.out_blocks
    }
}
