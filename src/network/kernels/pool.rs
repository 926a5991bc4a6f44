//! Pools over blocks of one image.

use super::simd::{LANES, Work};
use crate::network::ops;

/// Windows of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    pub ceil: bool,
}

impl From<ops::MaxPool> for Window {
    fn from(pool: ops::MaxPool) -> Self {
        Self {
            kernel: pool.kernel,
            stride: pool.stride,
            pads: pool.pads,
            ceil: pool.ceil,
        }
    }
}

impl From<ops::AvgPool> for Window {
    fn from(pool: ops::AvgPool) -> Self {
        Self {
            kernel: pool.kernel,
            stride: pool.stride,
            pads: pool.pads,
            ceil: pool.ceil,
        }
    }
}

impl Window {
    /// Number of windows per axis over a map of `size`, `None` when none fits or one could lie in padding alone.
    pub(super) fn output(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        Some([self.along(0, size[0])?, self.along(1, size[1])?])
    }

    /// The same for a convolution, where padding may be as wide as it likes.
    pub(super) fn outputs(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let room = size[axis] + self.pads[axis] + self.pads[axis + 2];
            Some(room.checked_sub(self.kernel[axis])? / self.stride[axis] + 1)
        };
        Some([along(0)?, along(1)?])
    }

    fn along(&self, axis: usize, size: usize) -> Option<usize> {
        let (kernel, stride) = (self.kernel[axis], self.stride[axis]);
        let (before, after) = (self.pads[axis], self.pads[axis + 2]);
        if stride == 0 || size == 0 || before >= kernel || after >= kernel {
            return None;
        }
        let room = (size + before + after).checked_sub(kernel)?;
        if !self.ceil {
            return Some(room / stride + 1);
        }
        let n = room.div_ceil(stride) + 1;
        Some(n - usize::from((n - 1) * stride >= size + before))
    }

    /// The part of window `idx` along `axis` that lies on a map of `size`.
    pub(super) fn span(&self, axis: usize, idx: usize, size: usize) -> (usize, usize) {
        let start = idx * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.pads[axis]);
        (start.saturating_sub(self.pads[axis]), end.min(size))
    }
}

/// Largest value of each window; `winners`, when not empty, gets its place in the window
/// (kernel row · kernel columns + kernel column). The first of equals wins.
pub(super) struct MaxForward<'a> {
    pub window: &'a Window,
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub x: &'a [f32],
    pub y: &'a mut [f32],
    pub winners: &'a mut [u8],
}

impl Work for MaxForward<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [rows, cols] = self.output;
        let pixels = self.input[0] * self.input[1];
        let blocks = self.x.len() / (pixels * LANES);
        let record = !self.winners.is_empty();
        for block in 0..blocks {
            let x = &self.x[block * pixels * LANES..(block + 1) * pixels * LANES];
            for row in 0..rows {
                let (top, bottom) = self.window.span(0, row, self.input[0]);
                for col in 0..cols {
                    let (left, right) = self.window.span(1, col, self.input[1]);
                    let at = ((block * rows + row) * cols + col) * LANES;
                    // Start from the window's first element on the map, so that NaN cannot win by absence.
                    let first = (top * self.input[1] + left) * LANES;
                    let mut best = [0f32; LANES];
                    best.copy_from_slice(&x[first..first + LANES]);
                    let code = (top + self.window.pads[0] - row * self.window.stride[0])
                        * self.window.kernel[1]
                        + (left + self.window.pads[1] - col * self.window.stride[1]);
                    let mut winner = [code as u32; LANES];
                    for r in top..bottom {
                        let start = (r * self.input[1] + left) * LANES;
                        let end = (r * self.input[1] + right) * LANES;
                        let line = x[start..end].chunks_exact(LANES);
                        if record {
                            let k_row = r + self.window.pads[0] - row * self.window.stride[0];
                            let k_col = left + self.window.pads[1] - col * self.window.stride[1];
                            let first = (k_row * self.window.kernel[1] + k_col) as u32;
                            for (code, values) in (first..).zip(line) {
                                for lane in 0..LANES {
                                    let larger = values[lane] > best[lane];
                                    best[lane] = if larger { values[lane] } else { best[lane] };
                                    winner[lane] = if larger { code } else { winner[lane] };
                                }
                            }
                        } else {
                            for values in line {
                                for lane in 0..LANES {
                                    let larger = values[lane] > best[lane];
                                    best[lane] = if larger { values[lane] } else { best[lane] };
                                }
                            }
                        }
                    }
                    self.y[at..at + LANES].copy_from_slice(&best);
                    if record {
                        self.winners[at..at + LANES].copy_from_slice(&winner.map(|w| w as u8));
                    }
                }
            }
        }
    }
}

/// Adds each window's cotangent to its winner's gradient.
pub(super) struct MaxBackward<'a> {
    pub window: &'a Window,
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub g: &'a [f32],
    pub winners: &'a [u8],
    pub gx: &'a mut [f32],
}

impl Work for MaxBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [rows, cols] = self.output;
        let pixels = self.input[0] * self.input[1];
        // Where each element of the kernel lies relative to the window's first, in lanes.
        let [k_rows, k_cols] = self.window.kernel;
        let mut offsets = [0isize; 256];
        for (code, offset) in offsets.iter_mut().enumerate().take(k_rows * k_cols) {
            *offset = ((code / k_cols * self.input[1] + code % k_cols) * LANES) as isize;
        }
        for (block, gx) in self.gx.chunks_exact_mut(pixels * LANES).enumerate() {
            for row in 0..rows {
                for col in 0..cols {
                    let at = ((block * rows + row) * cols + col) * LANES;
                    let origin = ((row * self.window.stride[0]) as isize
                        - self.window.pads[0] as isize)
                        * self.input[1] as isize
                        + (col * self.window.stride[1]) as isize
                        - self.window.pads[1] as isize;
                    let origin = origin * LANES as isize;
                    let g = &self.g[at..at + LANES];
                    let winners = &self.winners[at..at + LANES];
                    for lane in 0..LANES {
                        let to = origin + offsets[winners[lane] as usize] + lane as isize;
                        gx[to as usize] += g[lane];
                    }
                }
            }
        }
    }
}

/// Mean of each window, `counts_padding` or only over the map.
pub(super) struct MeanForward<'a> {
    pub window: &'a Window,
    pub counts_padding: bool,
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

impl Work for MeanForward<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [rows, cols] = self.output;
        let pixels = self.input[0] * self.input[1];
        for (block, y) in self.y.chunks_exact_mut(rows * cols * LANES).enumerate() {
            let x = &self.x[block * pixels * LANES..(block + 1) * pixels * LANES];
            for (idx, y) in y.chunks_exact_mut(LANES).enumerate() {
                let (top, bottom) = self.window.span(0, idx / cols, self.input[0]);
                let (left, right) = self.window.span(1, idx % cols, self.input[1]);
                let on_map = (bottom - top) * (right - left);
                let share = mean_share(self.window, self.counts_padding, on_map);
                let mut sum = [0f32; LANES];
                for r in top..bottom {
                    let start = (r * self.input[1] + left) * LANES;
                    let end = (r * self.input[1] + right) * LANES;
                    for values in x[start..end].chunks_exact(LANES) {
                        for lane in 0..LANES {
                            sum[lane] += values[lane];
                        }
                    }
                }
                for lane in 0..LANES {
                    y[lane] = sum[lane] * share;
                }
            }
        }
    }
}

#[inline(always)]
pub(super) fn mean_share(window: &Window, counts_padding: bool, on_map: usize) -> f32 {
    let count = if counts_padding {
        window.kernel[0] * window.kernel[1]
    } else {
        on_map
    };
    1.0 / count as f32
}

/// Adds each window's share of its cotangent to its elements' gradients.
pub(super) struct MeanBackward<'a> {
    pub window: &'a Window,
    pub counts_padding: bool,
    pub input: [usize; 2],
    pub output: [usize; 2],
    pub g: &'a [f32],
    pub gx: &'a mut [f32],
}

impl Work for MeanBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [rows, cols] = self.output;
        let pixels = self.input[0] * self.input[1];
        for (block, g) in self.g.chunks_exact(rows * cols * LANES).enumerate() {
            let gx = &mut self.gx[block * pixels * LANES..(block + 1) * pixels * LANES];
            for (idx, g) in g.chunks_exact(LANES).enumerate() {
                let (top, bottom) = self.window.span(0, idx / cols, self.input[0]);
                let (left, right) = self.window.span(1, idx % cols, self.input[1]);
                let on_map = (bottom - top) * (right - left);
                let share = mean_share(self.window, self.counts_padding, on_map);
                for r in top..bottom {
                    let start = (r * self.input[1] + left) * LANES;
                    let end = (r * self.input[1] + right) * LANES;
                    for values in gx[start..end].chunks_exact_mut(LANES) {
                        for lane in 0..LANES {
                            values[lane] += g[lane] * share;
                        }
                    }
                }
            }
        }
    }
}
