//! The convolution tile and the sweep over an image.

use super::array::Array;
use super::{Block, Isa, LANES, PAIRS};

/// What an output starts from before products are added.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Start<'a> {
    /// Nothing.
    Zero,
    /// One value per output lane.
    Bias(&'a [f32]),
    /// What the output already holds.
    Add,
}

/// A convolution without padding over one image: every output row of some output blocks.
///
/// Lengths and steps are in floats.
#[derive(Debug)]
pub(in super::super) struct Sweep<'a> {
    /// Input, `[in blocks][rows][columns][depth]`.
    pub x: &'a [f32],
    /// From one input block to the next.
    pub x_block: usize,
    /// From one row of the kernel to the next, in the input.
    pub x_row: usize,
    /// From one column of the kernel to the next, in the input.
    pub x_col: usize,
    /// In the input, from one output row to the next.
    pub row_step: usize,
    /// In the input, from one output column to the next.
    pub col_step: usize,
    /// Input blocks.
    pub in_blocks: usize,
    /// Floats per pixel of an input block: [`LANES`], [`PAIRS`] for half precision, or 1 for planar input.
    pub depth: usize,
    /// Whether input and weights hold pairs of 16-bit floats ([`super::halve`]); products are summed in 32 bits.
    pub half: bool,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// `[out blocks][in blocks][kernel rows][kernel columns][depth][LANES]`.
    pub weights: &'a [f32],
    /// What the sums start from.
    pub start: Start<'a>,
    /// Least and largest value in the end.
    pub clamp: Option<(f32, f32)>,
    /// Output rows and columns.
    pub size: [usize; 2],
    /// Output, `[out blocks][rows][columns][LANES]`.
    pub y: &'a mut [f32],
    /// From one output block to the next.
    pub y_block: usize,
}

impl Sweep<'_> {
    /// Panics when a length does not fit: from here on nothing is checked.
    fn check(&self) -> usize {
        let [rows, cols] = self.size;
        assert!(rows > 0 && cols > 0 && self.in_blocks > 0 && self.depth > 0);
        assert!(self.kernel[0] > 0 && self.kernel[1] > 0);
        assert!(!self.half || self.depth == PAIRS);
        let per_block = self.in_blocks * self.kernel[0] * self.kernel[1] * self.depth * LANES;
        let out_blocks = self.weights.len() / per_block;
        assert!(out_blocks > 0 && self.weights.len() == out_blocks * per_block);
        assert!(self.y_block >= rows * cols * LANES);
        assert!(self.y.len() >= (out_blocks - 1) * self.y_block + rows * cols * LANES);
        if let Start::Bias(bias) = self.start {
            assert_eq!(bias.len(), out_blocks * LANES);
        }
        let last = (self.in_blocks - 1) * self.x_block
            + (rows - 1) * self.row_step
            + (self.kernel[0] - 1) * self.x_row
            + (cols - 1) * self.col_step
            + (self.kernel[1] - 1) * self.x_col
            + self.depth;
        assert!(last <= self.x.len(), "{last} > {}", self.x.len());
        out_blocks
    }

    /// Runs it.
    pub(in super::super) fn run(&mut self, isa: Isa) {
        let out_blocks = self.check();
        let tiles = isa.tiles();
        let [rows, cols] = self.size;
        let w_block = self.weights.len() / out_blocks;
        // As many blocks side by side as leave room for a whole row of pixels, or for a decent part of one.
        let wide = (1..=tiles.len())
            .rev()
            .find(|&n| tiles[n - 1] >= cols.min(tiles[1.min(tiles.len() - 1)]))
            .unwrap_or(1);
        assert!(!self.half || isa.halves());
        let depth = if self.half { PAIRS } else { LANES };
        let unit = self.depth == depth && self.col_step == depth && self.x_col == depth;
        let mut block = 0;
        while block < out_blocks {
            let n_blocks = wide.min(out_blocks - block);
            let widest = tiles[n_blocks - 1];
            let n_tiles = cols.div_ceil(widest);
            for row in 0..rows {
                let mut col = 0;
                for idx in 0..n_tiles {
                    // Tiles of nearly equal width: the last is not a sliver.
                    let width = (cols - col).div_ceil(n_tiles - idx);
                    let bias = match self.start {
                        Start::Bias(bias) => bias[block * LANES..].as_ptr(),
                        _ => std::ptr::null(),
                    };
                    let y = block * self.y_block + (row * cols + col) * LANES;
                    let tile = Tile {
                        // In bounds: see `check`.
                        x: self.x[row * self.row_step + col * self.col_step..].as_ptr(),
                        x_block: self.x_block,
                        x_row: self.x_row,
                        x_col: self.x_col,
                        col_step: self.col_step,
                        in_blocks: self.in_blocks,
                        depth: self.depth,
                        kernel: self.kernel,
                        weights: self.weights[block * w_block..].as_ptr(),
                        w_block,
                        bias,
                        add: matches!(self.start, Start::Add),
                        clamp: self.clamp,
                        y: self.y[y..].as_mut_ptr(),
                        y_block: self.y_block,
                    };
                    // SAFETY: `check` proved that all of the tile's reads and writes lie in the slices, and
                    // `width` and `n_blocks` keep it inside the row and the blocks.
                    unsafe { run_tile((isa, self.half), &tile, width, n_blocks, unit) };
                    col += width;
                }
            }
            block += n_blocks;
        }
    }
}

/// What one word of the input times one line of weights adds to the sums.
pub(super) trait Products<B: Block> {
    /// Words per pixel of a full block.
    const DEPTH: usize;
    /// `sum` + products of `weights` with `x`, a word in all lanes.
    unsafe fn add(weights: B::V, x: B::V, sum: B::V) -> B::V;
}

/// A word is a float.
pub(super) struct Floats;

impl<B: Block> Products<B> for Floats {
    const DEPTH: usize = LANES;
    #[inline(always)]
    unsafe fn add(weights: B::V, x: B::V, sum: B::V) -> B::V {
        // SAFETY: the caller's.
        unsafe { B::fma(weights, x, sum) }
    }
}

/// Some neighbouring output pixels of a row times some output blocks.
struct Tile {
    x: *const f32,
    x_block: usize,
    x_row: usize,
    x_col: usize,
    col_step: usize,
    in_blocks: usize,
    depth: usize,
    kernel: [usize; 2],
    weights: *const f32,
    w_block: usize,
    bias: *const f32,
    add: bool,
    clamp: Option<(f32, f32)>,
    y: *mut f32,
    y_block: usize,
}

/// `P` pixels times `O` blocks; `UNIT` when neighbouring outputs read neighbouring full blocks, so that all
/// offsets are constants.
#[inline(always)]
unsafe fn tile<B: Block, M: Products<B>, const P: usize, const O: usize, const UNIT: bool>(
    t: &Tile,
) {
    // SAFETY: the caller's.
    unsafe {
        let (depth, step, next) = if UNIT {
            (M::DEPTH, M::DEPTH, M::DEPTH)
        } else {
            (t.depth, t.col_step, t.x_col)
        };
        let mut sums = [[B::zero(); P]; O];
        for (o, sums) in sums.iter_mut().enumerate() {
            for (p, sum) in sums.iter_mut().enumerate() {
                if t.add {
                    *sum = B::load(t.y.add(o * t.y_block + p * LANES));
                } else if !t.bias.is_null() {
                    *sum = B::load(t.bias.add(o * LANES));
                }
            }
        }
        let mut weights = t.weights;
        for block in 0..t.in_blocks {
            for row in 0..t.kernel[0] {
                let mut x = t.x.add(block * t.x_block + row * t.x_row);
                for _ in 0..t.kernel[1] {
                    for i in 0..depth {
                        let mut w = [B::zero(); O];
                        for (o, w) in w.iter_mut().enumerate() {
                            *w = B::load(weights.add(o * t.w_block));
                        }
                        weights = weights.add(LANES);
                        for p in 0..P {
                            let v = B::splat(*x.add(p * step + i));
                            for o in 0..O {
                                sums[o][p] = M::add(w[o], v, sums[o][p]);
                            }
                        }
                    }
                    x = x.wrapping_add(next);
                }
            }
        }
        // Indices, not iterators over the sums: those would move them from registers to memory.
        let (clamps, low, high) = match t.clamp {
            Some((low, high)) => (true, B::splat(low), B::splat(high)),
            None => (false, B::zero(), B::zero()),
        };
        for o in 0..O {
            for p in 0..P {
                let mut sum = sums[o][p];
                if clamps {
                    sum = B::min(B::max(sum, low), high);
                }
                B::store(t.y.add(o * t.y_block + p * LANES), sum);
            }
        }
    }
}

/// Calls `$kernel::<P, O, UNIT>` for run-time `P` and `O` among those listed.
macro_rules! choose {
    ($kernel:ident, $tile:expr, $width:expr, $blocks:expr, $unit:expr; $($o:literal: $($p:literal)*;)*) => {
        match ($blocks, $width, $unit) {
            $($(
                ($o, $p, true) => $kernel::<$p, $o, true>($tile),
                ($o, $p, false) => $kernel::<$p, $o, false>($tile),
            )*)*
            _ => unreachable!("no tile of {} pixels and {} blocks", $width, $blocks),
        }
    };
}

/// [`choose`] with the tiles that fit the 32 registers of AVX-512.
#[cfg(target_arch = "x86_64")]
macro_rules! choose_wide {
    ($kernel:ident, $($arguments:expr),*) => {
        choose!($kernel, $($arguments),*;
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            3: 1 2 3 4 5 6 7 8 9;
            4: 1 2 3 4 5 6;
        )
    };
}

unsafe fn run_tile((isa, half): (Isa, bool), t: &Tile, width: usize, blocks: usize, unit: bool) {
    // SAFETY: the caller's; instruction sets are available by construction.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if half => choose_wide!(tile_avx512_half, t, width, blocks, unit),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => choose_wide!(tile_avx512, t, width, blocks, unit),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => choose!(tile_avx2, t, width, blocks, unit;
                1: 1 2 3 4 5 6;
                2: 1 2 3;
            ),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => choose!(tile_neon, t, width, blocks, unit; 1: 1 2 3 4 5 6;),
            _ => choose!(tile_portable, t, width, blocks, unit; 1: 1 2 3;),
        }
    }
}

unsafe fn tile_portable<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<Array, Floats, P, O, UNIT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
unsafe fn tile_avx512<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<super::x86::Wide, Floats, P, O, UNIT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx2,fma")]
unsafe fn tile_avx512_half<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<super::x86::Wide, super::x86::Halves, P, O, UNIT>(t) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile_avx2<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<super::x86::Pair, Floats, P, O, UNIT>(t) }
}

#[cfg(target_arch = "aarch64")]
unsafe fn tile_neon<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<super::neon::Quad, Floats, P, O, UNIT>(t) }
}
