//! Max and average pooling with padding and rounded-up sizes.
//!
//! Ties of a max pool go to the first element of the window in row-major order, forward and backward alike.

use super::tensor::{dilate, on_host, resize_ends, strided, with_values};
use super::window::Window;
use crate::atlas::Relaxation;
use crate::network::{NetworkError, Result};
use candle_core::Tensor;
use rayon::prelude::*;

/// Max pooling; padding never wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    /// Round the output size up (a last window may hang over the edge, but must start inside the padded input).
    pub ceil: bool,
}

/// Average pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    /// Padding counts in the divisor.
    pub count_include_pad: bool,
}

impl MaxPool {
    /// Where its windows lie.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            pads: self.pads,
            ceil: self.ceil,
        }
    }

    /// `[b, c, h, w]` → `[b, c, h', w']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let window = self.window();
        if on_host(x) {
            let (values, _) = host_max(&window, x)?;
            return from_planes(x, window, values);
        }
        let slices = Slices::new(window, x)?;
        let padded = slices.padded(x, f32::NEG_INFINITY)?;
        let mut best = slices.at(&padded, 0)?;
        for offset in 1..slices.len() {
            best = best.maximum(&slices.at(&padded, offset)?)?;
        }
        Ok(best)
    }

    /// Cotangent of the output → gradient to the input: each window's cotangent goes to its winner in `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let window = self.window();
        if on_host(x) {
            return host_scatter(&window, x, cotangent);
        }
        let slices = Slices::new(window, x)?;
        let mut sum = slices.zeros(x)?;
        for (offset, mask) in slices.winners(x)?.iter().enumerate() {
            sum = (sum + slices.placed(&cotangent.mul(mask)?, offset)?)?;
        }
        slices.cropped(&sum)
    }

    /// Tangents `[p, c, h, w]` → tangents of the output, linearised at `x` of `[1, c, h, w]` or `[p, …]`.
    ///
    /// [`Relaxation::Plain`] is the derivative: the winner's tangent. [`Relaxation::Average`] replaces it by
    /// the mean tangent of the window, where elements of the padding do not count.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor, relaxation: Relaxation) -> Result<Tensor> {
        let window = self.window();
        match relaxation {
            Relaxation::Average => mean(window, tangent, false),
            Relaxation::Plain if on_host(x) => host_gather(&window, x, tangent),
            Relaxation::Plain => {
                let slices = Slices::new(window, x)?;
                let padded = slices.padded(tangent, 0.0)?;
                let masks = slices.winners(x)?;
                let mut sum = slices.at(&padded, 0)?.broadcast_mul(&masks[0])?;
                for (offset, mask) in masks.iter().enumerate().skip(1) {
                    sum = (sum + slices.at(&padded, offset)?.broadcast_mul(mask)?)?;
                }
                Ok(sum)
            }
        }
    }
}

impl AvgPool {
    /// Where its windows lie.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            pads: self.pads,
            ceil: false,
        }
    }

    /// `[b, c, h, w]` → `[b, c, h', w']`; linear, so this is its jvp as well.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        mean(self.window(), x, self.count_include_pad)
    }

    /// Cotangent of the output → gradient to the input of `size` rows and columns.
    pub fn vjp(&self, size: (usize, usize), cotangent: &Tensor) -> Result<Tensor> {
        let (b, c, _, _) = cotangent.dims4()?;
        let like = Tensor::zeros(
            (b, c, size.0, size.1),
            cotangent.dtype(),
            cotangent.device(),
        )?;
        let slices = Slices::new(self.window(), &like)?;
        let share =
            cotangent.broadcast_mul(&slices.inverse_counts(&like, self.count_include_pad)?)?;
        let mut sum = slices.zeros(&like)?;
        for offset in 0..slices.len() {
            sum = (sum + slices.placed(&share, offset)?)?;
        }
        slices.cropped(&sum)
    }
}

/// Mean of every window.
fn mean(window: Window, x: &Tensor, include_pad: bool) -> Result<Tensor> {
    let slices = Slices::new(window, x)?;
    if on_host(x) {
        return host_mean(&window, x, include_pad);
    }
    let padded = slices.padded(x, 0.0)?;
    let mut sum = slices.at(&padded, 0)?;
    for offset in 1..slices.len() {
        sum = (sum + slices.at(&padded, offset)?)?;
    }
    Ok(sum.broadcast_mul(&slices.inverse_counts(x, include_pad)?)?)
}

/// A pool as operations on whole slices, one per element of the kernel: how it runs on any device.
struct Slices {
    window: Window,
    /// Rows and columns of the input and of the output.
    size: (usize, usize),
    output: (usize, usize),
    /// Rows and columns of the padded map: every slice of every offset lies inside.
    room: (usize, usize),
}

impl Slices {
    fn new(window: Window, x: &Tensor) -> Result<Self> {
        let (_, _, h, w) = x.dims4()?;
        let output = output_of(&window, x)?;
        let room = |axis: usize, size: usize, n: usize| {
            (window.kernel[axis] - 1 + n * window.stride[axis]).max(window.pads[axis] + size)
        };
        Ok(Self {
            window,
            size: (h, w),
            output,
            room: (room(0, h, output.0), room(1, w, output.1)),
        })
    }

    fn len(&self) -> usize {
        self.window.kernel[0] * self.window.kernel[1]
    }

    fn offset(&self, idx: usize) -> [usize; 2] {
        [idx / self.window.kernel[1], idx % self.window.kernel[1]]
    }

    fn padded(&self, x: &Tensor, value: f32) -> Result<Tensor> {
        let [top, left, ..] = self.window.pads;
        let bottom = self.room.0 - top - self.size.0;
        let right = self.room.1 - left - self.size.1;
        let x = resize_ends(x, 2, top as isize, bottom as isize, value)?;
        resize_ends(&x, 3, left as isize, right as isize, value)
    }

    /// Element `idx` of every window, from a padded map.
    fn at(&self, padded: &Tensor, idx: usize) -> Result<Tensor> {
        strided(padded, self.offset(idx), self.window.stride, self.output)
    }

    /// The adjoint of [`Self::at`]: windows' values at element `idx` of an else empty padded map.
    fn placed(&self, values: &Tensor, idx: usize) -> Result<Tensor> {
        let [row, col] = self.offset(idx);
        let wide = dilate(values, self.window.stride)?;
        let (_, _, h, w) = wide.dims4()?;
        let wide = wide.pad_with_zeros(2, row, self.room.0 - row - h)?;
        Ok(wide.pad_with_zeros(3, col, self.room.1 - col - w)?)
    }

    fn zeros(&self, x: &Tensor) -> Result<Tensor> {
        let (b, c, _, _) = x.dims4()?;
        Ok(Tensor::zeros(
            (b, c, self.room.0, self.room.1),
            x.dtype(),
            x.device(),
        )?)
    }

    fn cropped(&self, padded: &Tensor) -> Result<Tensor> {
        let [top, left, ..] = self.window.pads;
        let x = padded.narrow(2, top, self.size.0)?;
        Ok(x.narrow(3, left, self.size.1)?.contiguous()?)
    }

    /// For each element of the kernel 1 in the windows where it is the (first) largest, else 0.
    fn winners(&self, x: &Tensor) -> Result<Vec<Tensor>> {
        let padded = self.padded(x, f32::NEG_INFINITY)?;
        let slices = (0..self.len())
            .map(|idx| self.at(&padded, idx))
            .collect::<Result<Vec<_>>>()?;
        let mut best = slices[0].clone();
        for slice in &slices[1..] {
            best = best.maximum(slice)?;
        }
        let mut free = best.ones_like()?;
        let mut masks = Vec::with_capacity(slices.len());
        for slice in &slices {
            let mask = slice.eq(&best)?.to_dtype(x.dtype())?.mul(&free)?;
            free = (free - &mask)?;
            masks.push(mask);
        }
        Ok(masks)
    }

    fn inverse_counts(&self, x: &Tensor, include_pad: bool) -> Result<Tensor> {
        let counts = self
            .window
            .inverse_counts(self.size, include_pad)
            .unwrap_or_default();
        let shape = (1, 1, self.output.0, self.output.1);
        Ok(Tensor::from_vec(counts, shape, x.device())?.to_dtype(x.dtype())?)
    }
}

fn output_of(window: &Window, x: &Tensor) -> Result<(usize, usize)> {
    let (_, _, h, w) = x.dims4()?;
    window.output((h, w)).ok_or_else(|| {
        NetworkError::BadGraph(format!(
            "a {}×{} pool does not fit a {h}×{w} map",
            window.kernel[0], window.kernel[1]
        ))
    })
}

fn from_planes(x: &Tensor, window: Window, values: Vec<f32>) -> Result<Tensor> {
    let (b, c, _, _) = x.dims4()?;
    let (rows, cols) = output_of(&window, x)?;
    Ok(Tensor::from_vec(values, (b, c, rows, cols), x.device())?)
}

/// Largest value of every window and where in its plane it lies.
fn host_max(window: &Window, x: &Tensor) -> Result<(Vec<f32>, Vec<u32>)> {
    let (b, c, h, w) = x.dims4()?;
    let (rows, cols) = output_of(window, x)?;
    let mut values = vec![0f32; b * c * rows * cols];
    let mut winners = vec![0u32; values.len()];
    with_values(x, |x| {
        values
            .par_chunks_mut(rows * cols)
            .zip(winners.par_chunks_mut(rows * cols))
            .zip(x.par_chunks(h * w))
            .for_each(|((values, winners), plane)| {
                for row in 0..rows {
                    let (top, bottom) = window.span(0, row, h);
                    for col in 0..cols {
                        let (left, right) = window.span(1, col, w);
                        let mut winner = top * w + left;
                        for r in top..bottom {
                            for idx in r * w + left..r * w + right {
                                if plane[idx] > plane[winner] {
                                    winner = idx;
                                }
                            }
                        }
                        values[row * cols + col] = plane[winner];
                        winners[row * cols + col] = winner as u32;
                    }
                }
            });
    })?;
    Ok((values, winners))
}

fn host_scatter(window: &Window, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (rows, cols) = output_of(window, x)?;
    let (_, winners) = host_max(window, x)?;
    let mut gradient = vec![0f32; x.elem_count()];
    with_values(cotangent, |cotangent| {
        gradient
            .par_chunks_mut(h * w)
            .zip(winners.par_chunks(rows * cols))
            .zip(cotangent.par_chunks(rows * cols))
            .for_each(|((plane, winners), cotangent)| {
                for (&winner, &value) in winners.iter().zip(cotangent) {
                    plane[winner as usize] += value;
                }
            });
    })?;
    Ok(Tensor::from_vec(gradient, x.shape(), x.device())?)
}

fn host_gather(window: &Window, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let (rows, cols) = output_of(window, x)?;
    let (_, winners) = host_max(window, x)?;
    let mut out = vec![0f32; tangent.elem_count() / (h * w) * rows * cols];
    with_values(tangent, |tangent| {
        out.par_chunks_mut(rows * cols)
            .zip(tangent.par_chunks(h * w))
            .enumerate()
            .for_each(|(idx, (out, plane))| {
                // One primal serves all tangents: its winners repeat.
                let start = idx * rows * cols % winners.len();
                for (out, &winner) in out.iter_mut().zip(&winners[start..]) {
                    *out = plane[winner as usize];
                }
            });
    })?;
    from_planes(tangent, *window, out)
}

fn host_mean(window: &Window, x: &Tensor, include_pad: bool) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let (rows, cols) = output_of(window, x)?;
    let inverse = window
        .inverse_counts((h, w), include_pad)
        .unwrap_or_default();
    let mut out = vec![0f32; b * c * rows * cols];
    with_values(x, |x| {
        out.par_chunks_mut(rows * cols)
            .zip(x.par_chunks(h * w))
            .for_each(|(out, plane)| {
                for row in 0..rows {
                    let (top, bottom) = window.span(0, row, h);
                    for col in 0..cols {
                        let (left, right) = window.span(1, col, w);
                        let sum: f32 = (top..bottom)
                            .map(|r| plane[r * w + left..r * w + right].iter().sum::<f32>())
                            .sum();
                        out[row * cols + col] = sum * inverse[row * cols + col];
                    }
                }
            });
    })?;
    from_planes(x, *window, out)
}
