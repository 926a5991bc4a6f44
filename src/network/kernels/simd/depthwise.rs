//! Convolution of each channel with a kernel of its own.

use super::sweep::Start;
use super::{Block, Isa, Kernel, LANES};

/// A depthwise convolution without padding over one image. Lengths and steps are in floats.
#[derive(Debug)]
pub(in super::super) struct Depthwise<'a> {
    /// Input, `[blocks][rows][columns][LANES]`.
    pub x: &'a [f32],
    /// From one block to the next.
    pub x_block: usize,
    /// From one row of the kernel to the next, in the input.
    pub x_row: usize,
    /// From one column of the kernel to the next, in the input.
    pub x_col: usize,
    /// In the input, from one output row to the next.
    pub row_step: usize,
    /// In the input, from one output column to the next.
    pub col_step: usize,
    /// Kernel rows and columns.
    pub kernel: [usize; 2],
    /// `[blocks][kernel rows][kernel columns][LANES]`.
    pub weights: &'a [f32],
    /// What the sums start from.
    pub start: Start<'a>,
    /// Least and largest value in the end.
    pub clamp: Option<(f32, f32)>,
    /// Output rows and columns.
    pub size: [usize; 2],
    /// `[blocks][rows][columns][LANES]`.
    pub y: &'a mut [f32],
}

impl Depthwise<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let [rows, cols] = self.size;
        let [k_rows, k_cols] = self.kernel;
        assert!(rows * cols * k_rows * k_cols > 0);
        let blocks = self.weights.len() / (k_rows * k_cols * LANES);
        assert!(blocks > 0 && self.weights.len() == blocks * k_rows * k_cols * LANES);
        assert_eq!(self.y.len(), blocks * rows * cols * LANES);
        if let Start::Bias(bias) = self.start {
            assert_eq!(bias.len(), blocks * LANES);
        }
        let last = (blocks - 1) * self.x_block
            + (rows - 1) * self.row_step
            + (k_rows - 1) * self.x_row
            + (cols - 1) * self.col_step
            + (k_cols - 1) * self.x_col
            + LANES;
        assert!(last <= self.x.len(), "{last} > {}", self.x.len());
        let widest = if isa == Isa::Avx512 { 8 } else { 4 };
        // SAFETY: all reads and writes lie in the slices by the assertions above.
        unsafe { isa.launch(Rows { task: self, widest }) }
    }
}

/// All rows, each in nearly equal parts of at most `widest` columns.
struct Rows<'a> {
    task: Depthwise<'a>,
    widest: usize,
}

impl Kernel for Rows<'_> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let task = self.task;
        let to = task.y.as_mut_ptr();
        let task = &task;
        let [rows, cols] = task.size;
        let per_block = task.kernel[0] * task.kernel[1] * LANES;
        let n_parts = cols.div_ceil(self.widest);
        // SAFETY: see `Depthwise::run`.
        unsafe {
            for block in 0..task.weights.len() / per_block {
                let mut part = Part {
                    x: std::ptr::null(),
                    weights: task.weights.as_ptr().add(block * per_block),
                    start: match task.start {
                        Start::Bias(bias) => B::load(bias.as_ptr().add(block * LANES)),
                        _ => B::zero(),
                    },
                    add: matches!(task.start, Start::Add),
                    y: std::ptr::null_mut(),
                };
                for row in 0..rows {
                    let mut col = 0;
                    for idx in 0..n_parts {
                        let width = (cols - col).div_ceil(n_parts - idx);
                        let x = block * task.x_block + row * task.row_step + col * task.col_step;
                        part.x = task.x.as_ptr().add(x);
                        let y = ((block * rows + row) * cols + col) * LANES;
                        part.y = to.add(y);
                        match width {
                            1 => part.run::<B, 1>(task),
                            2 => part.run::<B, 2>(task),
                            3 => part.run::<B, 3>(task),
                            4 => part.run::<B, 4>(task),
                            5 => part.run::<B, 5>(task),
                            6 => part.run::<B, 6>(task),
                            7 => part.run::<B, 7>(task),
                            _ => part.run::<B, 8>(task),
                        }
                        col += width;
                    }
                }
            }
        }
    }
}

/// Some neighbouring outputs of a row.
struct Part<V> {
    x: *const f32,
    weights: *const f32,
    start: V,
    add: bool,
    y: *mut f32,
}

impl<V: Copy> Part<V> {
    #[inline(always)]
    unsafe fn run<B: Block<V = V>, const P: usize>(&self, task: &Depthwise) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [self.start; P];
            if self.add {
                for p in 0..P {
                    sums[p] = B::load(self.y.add(p * LANES));
                }
            }
            let mut weights = self.weights;
            for row in 0..task.kernel[0] {
                let mut x = self.x.add(row * task.x_row);
                for _ in 0..task.kernel[1] {
                    let w = B::load(weights);
                    weights = weights.add(LANES);
                    for p in 0..P {
                        sums[p] = B::fma(w, B::load(x.add(p * task.col_step)), sums[p]);
                    }
                    x = x.wrapping_add(task.x_col);
                }
            }
            let (clamps, low, high) = match task.clamp {
                Some((low, high)) => (true, B::splat(low), B::splat(high)),
                None => (false, B::zero(), B::zero()),
            };
            for p in 0..P {
                let mut sum = sums[p];
                if clamps {
                    sum = B::min(B::max(sum, low), high);
                }
                B::store(self.y.add(p * LANES), sum);
            }
        }
    }
}
