//! The inner loops that need vector registers, behind safe functions.
//!
//! Everything else in the fast path is ordinary Rust. Two things stand here because nothing else in the
//! program may be `unsafe`: the convolution tile (registers full of accumulators, unchecked addressing), and the
//! switch that runs a piece of ordinary code compiled for a wider instruction set.
//!
//! One generic tile serves every instruction set: it works on *blocks*, vectors of 16 lanes, which are one
//! register with AVX-512, two with AVX2 and a plain array elsewhere. Bounds are checked once per sweep, before
//! any pointer is formed.
#![allow(
    unsafe_code,
    reason = "vector instructions and the addressing of the innermost loops; checked once per sweep"
)]

/// Lanes of a block: activations are stored `[channel block][row][column][LANES]`.
pub(super) const LANES: usize = 16;

/// Instruction sets that the fast path knows.
///
/// There is no separate NEON level: on aarch64, where NEON is part of the baseline, the compiler turns the
/// portable loops into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// Plain loops over arrays, whatever the compiler makes of them.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512F.
    Avx512,
}

impl Isa {
    /// All levels, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The fastest level of this machine.
    pub fn best() -> Self {
        let available = Self::ALL.into_iter().rev().find(|isa| isa.available());
        available.unwrap_or(Self::Portable)
    }

    /// Whether this machine can run it.
    pub fn available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Runs `work` compiled for this instruction set. The caller made sure that it is available.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        debug_assert!(self.available());
        match self {
            Self::Portable => work.run(),
            // SAFETY: an engine is only made with an instruction set that was detected.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::work_avx2(work) },
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::work_avx512(work) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => work.run(),
        }
    }

    /// The widest tile in pixels for each number of blocks side by side (index 0: one block), chosen so that
    /// accumulators, weights and one broadcast fit the registers; 0 where that many blocks do not fit.
    const fn tiles(self) -> &'static [usize] {
        match self {
            Self::Portable => &[3],
            Self::Avx2 => &[6, 3],
            Self::Avx512 => &[14, 14, 9, 6],
        }
    }
}

/// Ordinary code that gains from being compiled for the machine's instruction set. `run` must be
/// `#[inline(always)]`, else it is compiled for the baseline.
pub(super) trait Work {
    type Output;
    fn run(self) -> Self::Output;
}

/// What an output starts from before products are added.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
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
pub(super) struct Sweep<'a> {
    /// Input, `[in blocks][rows][columns][depth]`.
    pub x: &'a [f32],
    /// From one input block to the next.
    pub x_block: usize,
    /// From one input row to the next.
    pub x_row: usize,
    /// In the input, from one output row to the next.
    pub row_step: usize,
    /// In the input, from one output column to the next.
    pub col_step: usize,
    /// Input blocks.
    pub in_blocks: usize,
    /// Channels per input block: [`LANES`], or 1 for planar input.
    pub depth: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// `[out blocks][in blocks][kernel rows][kernel columns][depth][LANES]`.
    pub weights: &'a [f32],
    /// What the sums start from.
    pub start: Start<'a>,
    /// Clamp at zero in the end.
    pub relu: bool,
    /// Output rows and columns.
    pub size: [usize; 2],
    /// Output, `[out blocks][rows][columns][LANES]`.
    pub y: &'a mut [f32],
}

impl Sweep<'_> {
    /// Panics when a length does not fit: from here on nothing is checked.
    fn check(&self) -> usize {
        let [rows, cols] = self.size;
        assert!(rows > 0 && cols > 0 && self.in_blocks > 0 && self.depth > 0);
        let per_block = self.in_blocks * self.kernel[0] * self.kernel[1] * self.depth * LANES;
        let out_blocks = self.y.len() / (rows * cols * LANES);
        assert_eq!(self.y.len(), out_blocks * rows * cols * LANES);
        assert_eq!(self.weights.len(), out_blocks * per_block);
        if let Start::Bias(bias) = self.start {
            assert_eq!(bias.len(), out_blocks * LANES);
        }
        let last = (self.in_blocks - 1) * self.x_block
            + (rows - 1) * self.row_step
            + (self.kernel[0] - 1) * self.x_row
            + (cols - 1) * self.col_step
            + self.kernel[1] * self.depth;
        assert!(last <= self.x.len(), "{last} > {}", self.x.len());
        out_blocks
    }

    /// Runs it.
    pub(super) fn run(&mut self, isa: Isa) {
        let out_blocks = self.check();
        let tiles = isa.tiles();
        let [rows, cols] = self.size;
        let y_block = rows * cols * LANES;
        let w_block = self.weights.len() / out_blocks;
        // As many blocks side by side as leave room for a whole row of pixels, or for a decent part of one.
        let wide = (1..=tiles.len())
            .rev()
            .find(|&n| tiles[n - 1] >= cols.min(tiles[1.min(tiles.len() - 1)]))
            .unwrap_or(1);
        let unit = self.depth == LANES && self.col_step == LANES;
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
                    let tile = Tile {
                        // In bounds: see `check`.
                        x: self.x[row * self.row_step + col * self.col_step..].as_ptr(),
                        x_block: self.x_block,
                        x_row: self.x_row,
                        col_step: self.col_step,
                        in_blocks: self.in_blocks,
                        depth: self.depth,
                        kernel: self.kernel,
                        weights: self.weights[block * w_block..].as_ptr(),
                        w_block,
                        bias,
                        add: matches!(self.start, Start::Add),
                        relu: self.relu,
                        y: self.y[block * y_block + (row * cols + col) * LANES..].as_mut_ptr(),
                        y_block,
                    };
                    // SAFETY: `check` proved that all of the tile's reads and writes lie in the slices, and
                    // `width` and `n_blocks` keep it inside the row and the blocks.
                    unsafe { run_tile(isa, &tile, width, n_blocks, unit) };
                    col += width;
                }
            }
            block += n_blocks;
        }
    }
}

/// Some neighbouring output pixels of a row times some output blocks.
struct Tile {
    x: *const f32,
    x_block: usize,
    x_row: usize,
    col_step: usize,
    in_blocks: usize,
    depth: usize,
    kernel: [usize; 2],
    weights: *const f32,
    w_block: usize,
    bias: *const f32,
    add: bool,
    relu: bool,
    y: *mut f32,
    y_block: usize,
}

/// A block of [`LANES`] values in registers.
trait Block {
    type V: Copy;
    unsafe fn zero() -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn splat(value: f32) -> Self::V;
    /// a · b + c
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn relu(a: Self::V) -> Self::V;
    unsafe fn store(to: *mut f32, value: Self::V);
}

/// `P` pixels times `O` blocks; `UNIT` when neighbouring outputs read neighbouring full blocks, so that all
/// offsets are constants.
#[inline(always)]
unsafe fn tile<B: Block, const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe {
        let (depth, step) = if UNIT {
            (LANES, LANES)
        } else {
            (t.depth, t.col_step)
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
                                sums[o][p] = B::fma(w[o], v, sums[o][p]);
                            }
                        }
                    }
                    x = x.add(depth);
                }
            }
        }
        for (o, sums) in sums.iter().enumerate() {
            for (p, &sum) in sums.iter().enumerate() {
                let sum = if t.relu { B::relu(sum) } else { sum };
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

unsafe fn run_tile(isa: Isa, t: &Tile, width: usize, blocks: usize, unit: bool) {
    // SAFETY: the caller's; instruction sets are available by construction.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => choose!(tile_avx512, t, width, blocks, unit;
                1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
                2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
                3: 1 2 3 4 5 6 7 8 9;
                4: 1 2 3 4 5 6;
            ),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => choose!(tile_avx2, t, width, blocks, unit;
                1: 1 2 3 4 5 6;
                2: 1 2 3;
            ),
            _ => choose!(tile_portable, t, width, blocks, unit; 1: 1 2 3;),
        }
    }
}

/// Arrays; products and sums are rounded separately, since a fused one would be a library call on machines
/// without the instruction.
struct Array;

impl Block for Array {
    type V = [f32; LANES];
    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, mut c: Self::V) -> Self::V {
        for lane in 0..LANES {
            c[lane] += a[lane] * b[lane];
        }
        c
    }
    #[inline(always)]
    unsafe fn relu(a: Self::V) -> Self::V {
        a.map(|value| if value > 0.0 { value } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: the caller's.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
}

unsafe fn tile_portable<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
    // SAFETY: the caller's.
    unsafe { tile::<Array, P, O, UNIT>(t) }
}

#[cfg(target_arch = "x86_64")]
use x86::{tile_avx2, tile_avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Block, Tile, Work, tile};
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_storeu_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
    };

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn work_avx2<W: Work>(work: W) -> W::Output {
        work.run()
    }

    #[target_feature(enable = "avx512f,avx2,fma")]
    pub(super) fn work_avx512<W: Work>(work: W) -> W::Output {
        work.run()
    }

    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn tile_avx512<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
        // SAFETY: the caller's.
        unsafe { tile::<Wide, P, O, UNIT>(t) }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn tile_avx2<const P: usize, const O: usize, const UNIT: bool>(t: &Tile) {
        // SAFETY: the caller's.
        unsafe { tile::<Pair, P, O, UNIT>(t) }
    }

    /// One register of 16.
    struct Wide;

    impl Block for Wide {
        type V = __m512;
        #[inline(always)]
        unsafe fn zero() -> __m512 {
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> __m512 {
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> __m512 {
            unsafe { _mm512_set1_ps(value) }
        }
        #[inline(always)]
        unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn relu(a: __m512) -> __m512 {
            unsafe { _mm512_max_ps(a, _mm512_setzero_ps()) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: __m512) {
            unsafe { _mm512_storeu_ps(to, value) }
        }
    }

    /// Two registers of 8.
    struct Pair;

    impl Block for Pair {
        type V = [__m256; 2];
        #[inline(always)]
        unsafe fn zero() -> Self::V {
            unsafe { [_mm256_setzero_ps(); 2] }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self::V {
            unsafe { [_mm256_set1_ps(value); 2] }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            unsafe {
                [
                    _mm256_fmadd_ps(a[0], b[0], c[0]),
                    _mm256_fmadd_ps(a[1], b[1], c[1]),
                ]
            }
        }
        #[inline(always)]
        unsafe fn relu(a: Self::V) -> Self::V {
            unsafe {
                [
                    _mm256_max_ps(a[0], _mm256_setzero_ps()),
                    _mm256_max_ps(a[1], _mm256_setzero_ps()),
                ]
            }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, value: Self::V) {
            unsafe {
                _mm256_storeu_ps(to, value[0]);
                _mm256_storeu_ps(to.add(8), value[1]);
            }
        }
    }
}
