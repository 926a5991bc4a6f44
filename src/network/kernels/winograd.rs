//! 3 × 3 convolutions with fewer products.
//!
//! Winograd's minimal filtering computes m × m outputs of a 3 × 3 convolution from (m + 2)² products per pair of
//! channels instead of 9 m²: tiles of the input and the weights are transformed by small constant matrices, multiplied
//! element by element (which, over channels, is a matrix product per element), and transformed back: y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A
//! (Lavin and Gray: "Fast algorithms for convolutional neural networks", 2015). With m = 4 that is a quarter of
//! the products, with m = 2 four ninths; m = 4 loses about one decimal digit of precision.
//!
//! The transformed weights are (m + 2)² / 9 times as many, and a small map uses each only a few times, so that
//! reading them can cost more than the products saved. [`tile`] weighs that.

use super::conv::{Finish, Geometry, Mode, Scratch, grown};
use super::pack::{Packed, paired};
use super::simd::{InputTiles, Isa, LANES, OutputTiles, PAIRS, Start, Sweep, halve};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::OnceLock;

/// Outputs per tile and axis, by index.
const SIDES: [usize; 2] = [2, 4];

/// Uses of a weight below which reading it from the cache takes longer than multiplying with it.
const USES: usize = 5;

/// Floats of transformed input that are made and used up before the next, so that they stay in the cache.
const CHUNK: usize = 128 << 10;

/// Output blocks whose products are made at a time.
const BLOCKS: usize = 2;

/// The weights of a 3 × 3 convolution, transformed.
#[derive(Debug)]
pub(super) struct Transformed {
    /// `[element][out blocks][in blocks][LANES in][LANES out]`.
    weights: Vec<f32>,
    /// The same in half precision, made when first needed.
    halves: OnceLock<Vec<f32>>,
}

/// Whether, and with which tile (index into the sides 2 and 4), a convolution gains from the transforms.
pub(super) fn tile(packed: &Packed, at: &Geometry, half: bool) -> Option<usize> {
    let plain = packed.kernel == [3, 3]
        && packed.depth == LANES
        && at.stride == [1, 1]
        && at.dilation == [1, 1]
        && packed.runs.len() == 1
        && packed.runs[0].input == (0..packed.in_blocks);
    if !plain {
        return None;
    }
    let [rows, cols] = at.output;
    let (ins, outs) = (packed.in_blocks, packed.out_blocks);
    let pairs = ins * if half { PAIRS } else { LANES } * outs;
    // In vector operations. Transforms cost a few per element: their additions, loads and stores.
    let direct = 9 * pairs * (rows * cols).max(USES);
    let costs = SIDES.map(|side| {
        let tiles = rows.div_ceil(side) * cols.div_ceil(side);
        let elements = (side + 2) * (side + 2);
        let transforms = 6 * elements * tiles * (ins + outs);
        elements * pairs * tiles.max(USES) + transforms
    });
    // The larger tile reads more weights and loses a digit: it must be clearly better. Of 8 bits none may go.
    let best = usize::from(!half && costs[1] * 5 < costs[0] * 4);
    (costs[best] * 10 < direct * 9).then_some(best)
}

impl Transformed {
    fn new(packed: &Packed, side: usize) -> Self {
        // Rows of G.
        let matrix: &[[f64; 3]] = if side == 2 {
            &[
                [1.0, 0.0, 0.0],
                [0.5, 0.5, 0.5],
                [0.5, -0.5, 0.5],
                [0.0, 0.0, 1.0],
            ]
        } else {
            const S: f64 = 1.0 / 6.0;
            &[
                [0.25, 0.0, 0.0],
                [-S, -S, -S],
                [-S, S, -S],
                [S / 4.0, S / 2.0, S],
                [S / 4.0, -S / 2.0, S],
                [0.0, 0.0, 1.0],
            ]
        };
        let n = matrix.len();
        let pair = LANES * LANES;
        let pairs = packed.weights.len() / (9 * pair);
        let mut weights = vec![0f32; n * n * pairs * pair];
        for (idx, kernel) in packed.weights.chunks_exact(9 * pair).enumerate() {
            for lane in 0..pair {
                let w = |row: usize, col: usize| f64::from(kernel[(row * 3 + col) * pair + lane]);
                for (r, left) in matrix.iter().enumerate() {
                    let line: [f64; 3] =
                        std::array::from_fn(|c| (0..3).map(|i| left[i] * w(i, c)).sum());
                    for (c, right) in matrix.iter().enumerate() {
                        let value: f64 = (0..3).map(|i| line[i] * right[i]).sum();
                        weights[((r * n + c) * pairs + idx) * pair + lane] = value as f32;
                    }
                }
            }
        }
        Self {
            weights,
            halves: OnceLock::new(),
        }
    }

    fn weights(&self, half: bool) -> &[f32] {
        if half {
            self.halves.get_or_init(|| paired(&self.weights))
        } else {
            &self.weights
        }
    }
}

/// Convolves images' blocks `x` into `y` with the tile that [`tile`] chose.
pub(super) fn convolve(
    mode: Mode,
    (packed, tile): (&Packed, usize),
    at: &Geometry,
    images: &mut [(&[f32], &mut [f32])],
    finish: Finish,
    scratch: &mut Scratch,
) {
    let side = SIDES[tile];
    let transformed = packed.transformed[tile].get_or_init(|| Transformed::new(packed, side));
    let elements = (side + 2) * (side + 2);
    let (ins, outs) = (packed.in_blocks, packed.out_blocks);
    let across = at.output[1].div_ceil(side);
    let per_image = across * at.output[0].div_ceil(side);
    let total = images.len() * per_image;
    // At least one full tile of the product, then chunks of equal size.
    let most = (CHUNK / (elements * ins * LANES)).max(14);
    let chunk = total.div_ceil(total.div_ceil(most));
    let weights = transformed.weights(mode.half);
    let [from, products] = &mut scratch.tiles;
    let halves = &mut scratch.halves;
    // Threads that share the output blocks need room each.
    let at_once = if mode.parallel {
        outs.div_ceil(BLOCKS)
    } else {
        1
    };
    let share = elements * BLOCKS.min(outs) * chunk * LANES;
    grown(from, elements * ins * chunk * LANES);
    grown(products, at_once * share);
    let y_block = at.output[0] * at.output[1] * LANES;
    for first in (0..total).step_by(chunk) {
        let n = chunk.min(total - first);
        let parts = parts(first..first + n, per_image);
        for part in &parts {
            InputTiles {
                x: images[part.image].0,
                size: at.input,
                before: at.before,
                across,
                tiles: part.tiles,
                slots: (part.slot, n),
                side,
                to: from,
            }
            .run(mode.isa);
        }
        let mut from = &from[..elements * ins * n * LANES];
        if mode.half {
            let to = grown(halves, from.len() / 2);
            halve(mode.isa, from, to);
            from = to;
        }
        let task = Chunk {
            isa: mode.isa,
            half: mode.half,
            packed,
            weights,
            from,
            slots: n,
            parts: &parts,
            across,
            side,
            size: at.output,
            finish,
        };
        if mode.parallel && images.len() == 1 {
            images[0]
                .1
                .par_chunks_mut(BLOCKS * y_block)
                .zip(products.par_chunks_mut(share))
                .enumerate()
                .for_each(|(idx, (y, products))| task.run(idx * BLOCKS, products, &mut [y]));
            continue;
        }
        run_blocks(&task, (outs, y_block), images, products);
    }
}

/// All output blocks of a chunk, one after the other.
fn run_blocks(
    task: &Chunk,
    (outs, y_block): (usize, usize),
    images: &mut [(&[f32], &mut [f32])],
    products: &mut [f32],
) {
    let first = task.parts.first().map_or(0, |part| part.image);
    for block in (0..outs).step_by(BLOCKS) {
        let out = block * y_block..outs.min(block + BLOCKS) * y_block;
        let mut ys: Vec<&mut [f32]> = images[first..][..task.parts.len()]
            .iter_mut()
            .map(|(_, y)| &mut y[out.clone()])
            .collect();
        task.run(block, products, &mut ys);
    }
}

/// Tiles of one image in a chunk.
struct Part {
    image: usize,
    /// First tile and number of tiles.
    tiles: (usize, usize),
    /// The first one's slot in the chunk.
    slot: usize,
}

/// The images that tiles belong to; all images' tiles are counted through.
fn parts(tiles: Range<usize>, per_image: usize) -> Vec<Part> {
    let images = tiles.start / per_image..tiles.end.div_ceil(per_image);
    let part = |image: usize| {
        let start = tiles.start.max(image * per_image);
        let end = tiles.end.min((image + 1) * per_image);
        Part {
            image,
            tiles: (start - image * per_image, end - start),
            slot: start - tiles.start,
        }
    };
    images.map(part).collect()
}

/// Transformed input tiles on their way out.
struct Chunk<'a> {
    isa: Isa,
    half: bool,
    packed: &'a Packed,
    weights: &'a [f32],
    /// `[element][in block][slot][LANES]`, or words of two lanes.
    from: &'a [f32],
    slots: usize,
    parts: &'a [Part],
    across: usize,
    side: usize,
    /// Output rows and columns.
    size: [usize; 2],
    finish: Finish,
}

impl Chunk<'_> {
    /// Some output blocks from `block` on, as many as `ys` hold: one slice per part.
    fn run(&self, block: usize, products: &mut [f32], ys: &mut [&mut [f32]]) {
        let (n, ins) = (self.slots, self.packed.in_blocks);
        let elements = (self.side + 2) * (self.side + 2);
        let blocks = ys[0].len() / (self.size[0] * self.size[1] * LANES);
        let out = block..block + blocks;
        let per_element = self.weights.len() / elements;
        let per_block = per_element / self.packed.out_blocks;
        let depth = if self.half { PAIRS } else { LANES };
        for element in 0..elements {
            let start = element * per_element;
            Sweep {
                x: &self.from[element * ins * n * depth..(element + 1) * ins * n * depth],
                x_block: n * depth,
                x_row: 0,
                x_col: depth,
                row_step: 0,
                col_step: depth,
                in_blocks: ins,
                depth,
                half: self.half,
                kernel: [1, 1],
                weights: &self.weights[start + out.start * per_block..start + out.end * per_block],
                start: Start::Zero,
                clamp: None,
                size: [1, n],
                y: &mut products[element * blocks * n * LANES..][..blocks * n * LANES],
                y_block: n * LANES,
            }
            .run(self.isa);
        }
        for (part, y) in self.parts.iter().zip(ys) {
            OutputTiles {
                from: products,
                across: self.across,
                tiles: part.tiles,
                slots: (part.slot, n),
                side: self.side,
                start: self.finish.start(self.packed, &out),
                clamp: self.finish.clamp(),
                size: self.size,
                y,
            }
            .run(self.isa);
        }
    }
}
