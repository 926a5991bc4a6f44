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
    /// Between neighbouring elements of the kernel; pools have 1.
    pub dilation: [usize; 2],
    /// Elements of the map before the first window; not 0 where only a part of the map is computed.
    pub skip: [usize; 2],
}

impl From<ops::MaxPool> for Window {
    fn from(pool: ops::MaxPool) -> Self {
        Self {
            kernel: pool.kernel,
            stride: pool.stride,
            pads: pool.pads,
            dilation: [1, 1],
            skip: [0, 0],
        }
    }
}

impl From<ops::AvgPool> for Window {
    fn from(pool: ops::AvgPool) -> Self {
        Self {
            kernel: pool.kernel,
            stride: pool.stride,
            pads: pool.pads,
            dilation: [1, 1],
            skip: [0, 0],
        }
    }
}

impl Window {
    /// Elements from a window's first to its last.
    pub(super) fn extent(&self, axis: usize) -> usize {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Whether each of `output` windows has an element on a map of `input`.
    pub(super) fn covers(&self, input: [usize; 2], output: [usize; 2]) -> bool {
        (0..2).all(|axis| {
            let (pad, skip) = (self.pads[axis], self.skip[axis]);
            let last = output[axis].saturating_sub(1) * self.stride[axis] + skip;
            output[axis] > 0 && skip + self.kernel[axis] > pad && last < input[axis] + pad
        })
    }

    /// The part of window `idx` along `axis` that lies on a map of `size`.
    pub(super) fn span(&self, axis: usize, idx: usize, size: usize) -> (usize, usize) {
        let start = idx * self.stride[axis] + self.skip[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.pads[axis]);
        (start.saturating_sub(self.pads[axis]), end.min(size))
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
                let at = [idx / cols, idx % cols];
                let share = self.window.mean_share(self.counts_padding, at, self.input);
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

impl Window {
    /// 1 / (number of elements that the mean of a window counts), for window `at` over a map of `size`. Padding counts
    /// with `counts_padding`, what lies behind it never.
    #[inline(always)]
    pub(super) fn mean_share(&self, counts_padding: bool, at: [usize; 2], size: [usize; 2]) -> f32 {
        let mut count = 1;
        for axis in 0..2 {
            count *= if counts_padding {
                let room = self.pads[axis] + size[axis] + self.pads[axis + 2];
                self.kernel[axis].min(room - at[axis] * self.stride[axis])
            } else {
                let (first, end) = self.span(axis, at[axis], size[axis]);
                end - first
            };
        }
        1.0 / count as f32
    }
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
                let at = [idx / cols, idx % cols];
                let share = self.window.mean_share(self.counts_padding, at, self.input);
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
