//! The transforms of Winograd's minimal filtering on blocks (see `winograd`).
//!
//! F(2, 3) and F(4, 3) with the points 0, ±1, ∞ and 0, ±1, ±2, ∞ (Lavin and Gray, 2015). Both are applied to the
//! columns of a tile first and to its rows after that.

use super::sweep::Start;
use super::{Block, Isa, Kernel, LANES};

/// Overlapping tiles of the input, transformed: `[element][in block][slot][LANES]`.
#[derive(Debug)]
pub(in super::super) struct InputTiles<'a> {
    /// Input, `[in blocks][rows][columns][LANES]`.
    pub x: &'a [f32],
    /// Rows and columns of the input.
    pub size: [usize; 2],
    /// Zeros in front of the first row and column.
    pub before: [isize; 2],
    /// Tiles in a row.
    pub across: usize,
    /// First tile, row by row, and number of tiles.
    pub tiles: (usize, usize),
    /// The first tile's slot, and number of slots, which tiles of several images share.
    pub slots: (usize, usize),
    /// Output rows and columns of a tile: 2 or 4.
    pub side: usize,
    /// `(side + 2)² · in blocks · number of slots · LANES` floats.
    pub to: &'a mut [f32],
}

impl InputTiles<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let in_blocks = self.x.len() / (self.size[0] * self.size[1] * LANES);
        let elements = (self.side + 2) * (self.side + 2);
        assert!(self.side == 2 || self.side == 4);
        assert_eq!(
            self.x.len(),
            in_blocks * self.size[0] * self.size[1] * LANES
        );
        assert!(self.slots.0 + self.tiles.1 <= self.slots.1);
        assert!(self.to.len() >= elements * in_blocks * self.slots.1 * LANES);
        // SAFETY: reads are checked against the map, writes lie in `to` by the assertion above.
        unsafe {
            if self.side == 2 {
                isa.launch(Forward::<4>(self, in_blocks));
            } else {
                isa.launch(Forward::<6>(self, in_blocks));
            }
        }
    }
}

/// Products of transformed tiles back to output pixels.
#[derive(Debug)]
pub(in super::super) struct OutputTiles<'a> {
    /// `[element][out block][slot][LANES]`.
    pub from: &'a [f32],
    /// Tiles in a row.
    pub across: usize,
    /// First tile and number of tiles.
    pub tiles: (usize, usize),
    /// The first tile's slot, and number of slots.
    pub slots: (usize, usize),
    /// Output rows and columns of a tile: 2 or 4.
    pub side: usize,
    /// What the outputs start from.
    pub start: Start<'a>,
    /// Least and largest value in the end.
    pub clamp: Option<(f32, f32)>,
    /// Output rows and columns.
    pub size: [usize; 2],
    /// `[out blocks][rows][columns][LANES]`.
    pub y: &'a mut [f32],
}

impl OutputTiles<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let out_blocks = self.y.len() / (self.size[0] * self.size[1] * LANES);
        let elements = (self.side + 2) * (self.side + 2);
        assert!(self.side == 2 || self.side == 4);
        assert_eq!(
            self.y.len(),
            out_blocks * self.size[0] * self.size[1] * LANES
        );
        assert!(self.slots.0 + self.tiles.1 <= self.slots.1);
        assert!(self.from.len() >= elements * out_blocks * self.slots.1 * LANES);
        if let Start::Bias(bias) = self.start {
            assert_eq!(bias.len(), out_blocks * LANES);
        }
        // SAFETY: writes are checked against the map, reads lie in `from` by the assertions above.
        unsafe {
            if self.side == 2 {
                isa.launch(Backward::<4, 2>(self, out_blocks));
            } else {
                isa.launch(Backward::<6, 4>(self, out_blocks));
            }
        }
    }
}

struct Forward<'a, const N: usize>(InputTiles<'a>, usize);

impl<const N: usize> Kernel for Forward<'_, N> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let Self(task, in_blocks) = self;
        let [rows, cols] = task.size;
        let (first, n) = task.tiles;
        let (slot, slots) = task.slots;
        let step = in_blocks * slots * LANES;
        // SAFETY: the caller's.
        unsafe {
            let zero = B::zero();
            for tile in 0..n {
                let at = [(first + tile) / task.across, (first + tile) % task.across];
                let origin = [0, 1].map(|i| (at[i] * task.side) as isize - task.before[i]);
                let whole = origin[0] >= 0
                    && origin[1] >= 0
                    && origin[0] as usize + N <= rows
                    && origin[1] as usize + N <= cols;
                for block in 0..in_blocks {
                    let x = task.x.as_ptr().add(block * rows * cols * LANES);
                    let mut half = [[zero; N]; N];
                    for c in 0..N {
                        let mut line = [zero; N];
                        for (r, value) in line.iter_mut().enumerate() {
                            let (row, col) = (origin[0] + r as isize, origin[1] + c as isize);
                            let inside = whole
                                || (row >= 0
                                    && col >= 0
                                    && (row as usize) < rows
                                    && (col as usize) < cols);
                            if inside {
                                *value =
                                    B::load(x.add((row as usize * cols + col as usize) * LANES));
                            }
                        }
                        let line = input::<B, N>(line);
                        for r in 0..N {
                            half[r][c] = line[r];
                        }
                    }
                    let to = block * slots + slot + tile;
                    let to = task.to.as_mut_ptr().add(to * LANES);
                    for (r, line) in half.into_iter().enumerate() {
                        for (c, value) in input::<B, N>(line).into_iter().enumerate() {
                            B::store(to.add((r * N + c) * step), value);
                        }
                    }
                }
            }
        }
    }
}

struct Backward<'a, const N: usize, const M: usize>(OutputTiles<'a>, usize);

impl<const N: usize, const M: usize> Kernel for Backward<'_, N, M> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let Self(task, out_blocks) = self;
        let [rows, cols] = task.size;
        let (first, n) = task.tiles;
        let (slot, slots) = task.slots;
        let step = out_blocks * slots * LANES;
        // SAFETY: the caller's.
        unsafe {
            for tile in 0..n {
                let top = (first + tile) / task.across * M;
                let left = (first + tile) % task.across * M;
                for block in 0..out_blocks {
                    let from = block * slots + slot + tile;
                    let from = task.from.as_ptr().add(from * LANES);
                    let mut half = [[B::zero(); N]; M];
                    for c in 0..N {
                        let mut line = [B::zero(); N];
                        for (r, value) in line.iter_mut().enumerate() {
                            *value = B::load(from.add((r * N + c) * step));
                        }
                        let line = output::<B, N, M>(line);
                        for r in 0..M {
                            half[r][c] = line[r];
                        }
                    }
                    let bias = match task.start {
                        Start::Bias(bias) => B::load(bias.as_ptr().add(block * LANES)),
                        _ => B::zero(),
                    };
                    let y = task.y.as_mut_ptr().add(block * rows * cols * LANES);
                    for (r, line) in half.into_iter().enumerate() {
                        for (c, value) in output::<B, N, M>(line).into_iter().enumerate() {
                            if top + r >= rows || left + c >= cols {
                                continue;
                            }
                            let y = y.add(((top + r) * cols + left + c) * LANES);
                            let mut value = B::add(value, bias);
                            if matches!(task.start, Start::Add) {
                                value = B::add(value, B::load(y));
                            }
                            if let Some((low, high)) = task.clamp {
                                value = B::min(B::max(value, B::splat(low)), B::splat(high));
                            }
                            B::store(y, value);
                        }
                    }
                }
            }
        }
    }
}

/// Bᵀ d.
#[inline(always)]
unsafe fn input<B: Block, const N: usize>(d: [B::V; N]) -> [B::V; N] {
    // SAFETY: arithmetic only.
    unsafe {
        let mut out = [B::zero(); N];
        if N == 4 {
            out[0] = B::sub(d[0], d[2]);
            out[1] = B::add(d[1], d[2]);
            out[2] = B::sub(d[2], d[1]);
            out[3] = B::sub(d[1], d[3]);
        } else {
            let (four, minus_five) = (B::splat(4.0), B::splat(-5.0));
            let (two, minus_four) = (B::splat(2.0), B::splat(-4.0));
            let even = B::fma(minus_four, d[2], d[4]);
            let odd = B::fma(minus_four, d[1], d[3]);
            let far = B::sub(d[4], d[2]);
            let near = B::sub(d[3], d[1]);
            out[0] = B::fma(four, d[0], B::fma(minus_five, d[2], d[4]));
            out[1] = B::add(even, odd);
            out[2] = B::sub(even, odd);
            out[3] = B::fma(two, near, far);
            out[4] = B::fma(B::splat(-2.0), near, far);
            out[5] = B::fma(four, d[1], B::fma(minus_five, d[3], d[5]));
        }
        out
    }
}

/// Aᵀ m.
#[inline(always)]
unsafe fn output<B: Block, const N: usize, const M: usize>(m: [B::V; N]) -> [B::V; M] {
    // SAFETY: arithmetic only.
    unsafe {
        let mut out = [B::zero(); M];
        let (sum, difference) = (B::add(m[1], m[2]), B::sub(m[1], m[2]));
        if M == 2 {
            out[0] = B::add(m[0], sum);
            out[1] = B::sub(difference, m[3]);
        } else {
            let (wide, turn) = (B::add(m[3], m[4]), B::sub(m[3], m[4]));
            out[0] = B::add(m[0], B::add(sum, wide));
            out[1] = B::fma(B::splat(2.0), turn, difference);
            out[2] = B::fma(B::splat(4.0), wide, sum);
            out[3] = B::add(m[5], B::fma(B::splat(8.0), turn, difference));
        }
        out
    }
}
