//! Max pools, which remember where each largest value stood.

use super::super::pool::Window;
use super::{Block, Isa, Kernel, LANES};

/// Largest value of each window; `winners`, when not empty, gets its place in the window
/// (kernel row · kernel columns + kernel column). The first of equals wins.
#[derive(Debug)]
pub(in super::super) struct MaxForward<'a> {
    /// Of at most 256 elements.
    pub window: &'a Window,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    pub x: &'a [f32],
    pub y: &'a mut [f32],
    pub winners: &'a mut [u8],
}

/// Adds each window's cotangent to its winner's gradient.
#[derive(Debug)]
pub(in super::super) struct MaxBackward<'a> {
    pub window: &'a Window,
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    pub g: &'a [f32],
    pub winners: &'a [u8],
    pub gx: &'a mut [f32],
}

/// Number of blocks; panics when the lengths of input and output do not fit.
fn blocks(x: usize, y: usize, input: [usize; 2], output: [usize; 2], window: &Window) -> usize {
    let [pixels, outputs] = [input, output].map(|size| size[0] * size[1] * LANES);
    let blocks = x / pixels;
    assert!(x == blocks * pixels && y == blocks * outputs);
    assert!(window.covers(input, output));
    assert!(window.kernel[0] * window.kernel[1] <= 256);
    blocks
}

impl MaxForward<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let (x, y) = (self.x.len(), self.y.len());
        let blocks = blocks(x, y, self.input, self.output, self.window);
        assert!(self.winners.is_empty() || self.winners.len() == y);
        // SAFETY: windows are clipped to the map, whose size was checked.
        unsafe { isa.launch(Forward(self, blocks)) }
    }
}

impl MaxBackward<'_> {
    /// Runs it.
    pub(in super::super) fn run(self, isa: Isa) {
        let (x, y) = (self.gx.len(), self.g.len());
        let blocks = blocks(x, y, self.input, self.output, self.window);
        assert_eq!(self.winners.len(), y);
        // SAFETY: windows are clipped to the map, whose size was checked.
        unsafe { isa.launch(Backward(self, blocks)) }
    }
}

/// First and one past the last element of window `idx` along `axis`, and the first's place in the kernel.
#[inline(always)]
fn span(window: &Window, axis: usize, idx: usize, size: usize) -> (usize, usize, usize) {
    let (first, end) = window.span(axis, idx, size);
    let place = first + window.pads[axis] - idx * window.stride[axis] - window.skip[axis];
    (first, end, place)
}

struct Forward<'a>(MaxForward<'a>, usize);

impl Kernel for Forward<'_> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let Self(task, blocks) = self;
        let ([rows, cols], [out_rows, out_cols]) = (task.input, task.output);
        let record = !task.winners.is_empty();
        // SAFETY: the caller's.
        unsafe {
            let one = B::splat(1.0);
            for block in 0..blocks {
                let x = task.x.as_ptr().add(block * rows * cols * LANES);
                for row in 0..out_rows {
                    let (top, bottom, k_row) = span(task.window, 0, row, rows);
                    for col in 0..out_cols {
                        let (left, right, k_col) = span(task.window, 1, col, cols);
                        let at = ((block * out_rows + row) * out_cols + col) * LANES;
                        // Start from the window's first element on the map, so that NaN cannot win by absence.
                        let mut best = B::load(x.add((top * cols + left) * LANES));
                        let place =
                            |row: usize| (row - top + k_row) * task.window.kernel[1] + k_col;
                        let mut winner = B::splat(place(top) as f32);
                        for r in top..bottom {
                            let mut code = B::splat(place(r) as f32);
                            for c in left..right {
                                let value = B::load(x.add((r * cols + c) * LANES));
                                if record {
                                    winner = B::where_greater(value, best, code, winner);
                                    code = B::add(code, one);
                                }
                                best = B::where_greater(value, best, value, best);
                            }
                        }
                        B::store(task.y.as_mut_ptr().add(at), best);
                        if record {
                            B::store_bytes(task.winners.as_mut_ptr().add(at), winner);
                        }
                    }
                }
            }
        }
    }
}

struct Backward<'a>(MaxBackward<'a>, usize);

impl Kernel for Backward<'_> {
    #[inline(always)]
    unsafe fn run<B: Block>(self) {
        let Self(task, blocks) = self;
        let ([rows, cols], [out_rows, out_cols]) = (task.input, task.output);
        // SAFETY: the caller's.
        unsafe {
            let one = B::splat(1.0);
            for block in 0..blocks {
                let gx = task.gx.as_mut_ptr().add(block * rows * cols * LANES);
                for row in 0..out_rows {
                    let (top, bottom, k_row) = span(task.window, 0, row, rows);
                    for col in 0..out_cols {
                        let (left, right, k_col) = span(task.window, 1, col, cols);
                        let at = ((block * out_rows + row) * out_cols + col) * LANES;
                        let g = B::load(task.g.as_ptr().add(at));
                        let winner = B::load_bytes(task.winners.as_ptr().add(at));
                        for r in top..bottom {
                            let code = (r - top + k_row) * task.window.kernel[1] + k_col;
                            let mut code = B::splat(code as f32);
                            for c in left..right {
                                let to = gx.add((r * cols + c) * LANES);
                                let share = B::where_equal(winner, code, g);
                                B::store(to, B::add(B::load(to), share));
                                code = B::add(code, one);
                            }
                        }
                    }
                }
            }
        }
    }
}
