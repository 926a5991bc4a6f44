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

use super::conv::{Finish, Geometry, Scratch};
use super::pack::Packed;
use super::simd::{InputTiles, Isa, LANES, OutputTiles, Sweep};

/// Outputs per tile and axis, by index.
const SIDES: [usize; 2] = [2, 4];

/// Uses of a weight below which reading it from the cache takes longer than multiplying with it.
const USES: usize = 5;

/// Floats of transformed input that are made and used up before the next, so that they stay in the cache.
const CHUNK: usize = 64 << 10;

/// Output blocks whose products are made at a time.
const BLOCKS: usize = 4;

/// The weights of a 3 × 3 convolution, transformed.
#[derive(Debug)]
pub(super) struct Transformed {
    /// `[element][out blocks][in blocks][LANES in][LANES out]`.
    weights: Vec<f32>,
}

/// Whether, and with which tile (index into the sides 2 and 4), a convolution gains from the transforms.
pub(super) fn tile(packed: &Packed, at: &Geometry) -> Option<usize> {
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
    let pairs = ins * LANES * outs;
    // In vector operations. Transforms cost a few per element: their additions, loads and stores.
    let direct = 9 * pairs * (rows * cols).max(USES);
    let costs = SIDES.map(|side| {
        let tiles = rows.div_ceil(side) * cols.div_ceil(side);
        let elements = (side + 2) * (side + 2);
        let transforms = 6 * elements * tiles * (ins + outs);
        elements * pairs * tiles.max(USES) + transforms
    });
    // The larger tile reads more weights and loses a digit: it must be clearly better.
    let best = usize::from(costs[1] * 5 < costs[0] * 4);
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
        Self { weights }
    }
}

/// Convolves one image's blocks `x` into `y` with the tile that [`tile`] chose.
pub(super) fn convolve(
    isa: Isa,
    (packed, tile): (&Packed, usize),
    at: &Geometry,
    x: &[f32],
    (y, finish): (&mut [f32], Finish),
    scratch: &mut Scratch,
) {
    let side = SIDES[tile];
    let transformed = packed.transformed[tile].get_or_init(|| Transformed::new(packed, side));
    let elements = (side + 2) * (side + 2);
    let (ins, outs) = (packed.in_blocks, packed.out_blocks);
    let across = at.output[1].div_ceil(side);
    let total = across * at.output[0].div_ceil(side);
    // At least one full tile of the product, then chunks of equal size.
    let most = (CHUNK / (elements * ins * LANES)).max(14);
    let n_chunks = total.div_ceil(most);
    let [from, products] = &mut scratch.tiles;
    let need = |chunk: usize, blocks: usize| elements * blocks * chunk * LANES;
    let chunk = total.div_ceil(n_chunks);
    for (buffer, blocks) in [(&mut *from, ins), (&mut *products, BLOCKS.min(outs))] {
        if buffer.len() < need(chunk, blocks) {
            buffer.resize(need(chunk, blocks), 0.0);
        }
    }
    let per_element = transformed.weights.len() / elements;
    let per_block = per_element / outs;
    let y_block = at.output[0] * at.output[1] * LANES;
    for first in (0..total).step_by(chunk) {
        let n = chunk.min(total - first);
        InputTiles {
            x,
            size: at.input,
            before: at.before,
            across,
            tiles: (first, n),
            side,
            to: from,
        }
        .run(isa);
        for block in (0..outs).step_by(BLOCKS) {
            let out = block..outs.min(block + BLOCKS);
            for element in 0..elements {
                let start = element * per_element;
                let weights = &transformed.weights
                    [start + out.start * per_block..start + out.end * per_block];
                Sweep {
                    x: &from[element * ins * n * LANES..(element + 1) * ins * n * LANES],
                    x_block: n * LANES,
                    x_row: 0,
                    x_col: LANES,
                    row_step: 0,
                    col_step: LANES,
                    in_blocks: ins,
                    depth: LANES,
                    kernel: [1, 1],
                    weights,
                    start: super::simd::Start::Zero,
                    clamp: None,
                    size: [1, n],
                    y: &mut products[element * out.len() * n * LANES..][..out.len() * n * LANES],
                    y_block: n * LANES,
                }
                .run(isa);
            }
            OutputTiles {
                from: products,
                across,
                tiles: (first, n),
                side,
                start: finish.start(packed, &out),
                clamp: finish.clamp(),
                size: at.output,
                y: &mut y[out.start * y_block..out.end * y_block],
            }
            .run(isa);
        }
    }
}
