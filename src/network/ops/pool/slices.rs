//! Pools as operations on whole slices, one per element of the kernel: how they run on any device.

use super::output_of;
use crate::network::Result;
use crate::network::ops::tensor::{dilate, resize_ends, strided};
use crate::network::ops::window::Window;
use candle_core::Tensor;

/// See [`super::MaxPool::forward`].
pub(super) fn max(window: Window, x: &Tensor) -> Result<Tensor> {
    let slices = Slices::new(window, x)?;
    let padded = slices.padded(x, f32::NEG_INFINITY)?;
    let mut best = slices.at(&padded, 0)?;
    for idx in 1..slices.len() {
        best = best.maximum(&slices.at(&padded, idx)?)?;
    }
    Ok(best)
}

/// See [`super::MaxPool::vjp`].
pub(super) fn scatter(window: Window, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
    let slices = Slices::new(window, x)?;
    let mut sum = slices.zeros(x)?;
    for (idx, mask) in slices.winners(x)?.iter().enumerate() {
        sum = (sum + slices.placed(&cotangent.mul(mask)?, idx)?)?;
    }
    slices.cropped(&sum)
}

/// See [`super::MaxPool::jvp`].
pub(super) fn gather(window: Window, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
    let slices = Slices::new(window, x)?;
    let padded = slices.padded(tangent, 0.0)?;
    let masks = slices.winners(x)?;
    let mut sum = slices.at(&padded, 0)?.broadcast_mul(&masks[0])?;
    for (idx, mask) in masks.iter().enumerate().skip(1) {
        sum = (sum + slices.at(&padded, idx)?.broadcast_mul(mask)?)?;
    }
    Ok(sum)
}

/// Mean of every window.
pub(super) fn mean(window: Window, x: &Tensor, include_pad: bool) -> Result<Tensor> {
    let slices = Slices::new(window, x)?;
    let padded = slices.padded(x, 0.0)?;
    let mut sum = slices.at(&padded, 0)?;
    for idx in 1..slices.len() {
        sum = (sum + slices.at(&padded, idx)?)?;
    }
    Ok(sum.broadcast_mul(&slices.inverse_counts(x, include_pad)?)?)
}

/// The adjoint of [`mean`] for an input of `size` rows and columns.
pub(super) fn spread(
    window: Window,
    size: (usize, usize),
    cotangent: &Tensor,
    include_pad: bool,
) -> Result<Tensor> {
    let (b, c, _, _) = cotangent.dims4()?;
    let shape = (b, c, size.0, size.1);
    let like = Tensor::zeros(shape, cotangent.dtype(), cotangent.device())?;
    let slices = Slices::new(window, &like)?;
    let share = cotangent.broadcast_mul(&slices.inverse_counts(&like, include_pad)?)?;
    let mut sum = slices.zeros(&like)?;
    for idx in 0..slices.len() {
        sum = (sum + slices.placed(&share, idx)?)?;
    }
    slices.cropped(&sum)
}

/// The slices of one pool over one map.
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
