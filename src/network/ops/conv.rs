//! 2-D convolution.

use super::tensor::{dilate, resize_ends};
use super::window::Window;
use crate::network::Result;
use candle_core::Tensor;

/// 2-D convolution.
#[derive(Debug, Clone)]
pub struct Conv {
    /// `[out, in / groups, kernel rows, kernel columns]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Zeros added at top, left, bottom, right.
    pub pads: [usize; 4],
    /// Channel groups; 1 = dense, `in` = depthwise.
    pub groups: usize,
    /// Input elements between neighbouring elements of the kernel, rows and columns; 1 = side by side.
    pub dilation: [usize; 2],
}

impl Conv {
    /// Where its windows lie; a dilated kernel covers its gaps.
    pub fn window(&self) -> Window {
        let dims = self.weight.dims();
        Window {
            kernel: [0, 1].map(|axis| (dims[axis + 2] - 1) * self.dilation[axis] + 1),
            stride: self.stride,
            pads: self.pads,
            ceil: false,
        }
    }

    /// `[b, in, h, w]` → `[b, out, h', w']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.reshape((1, self.bias.elem_count(), 1, 1))?;
        Ok(self.jvp(x)?.broadcast_add(&bias)?)
    }

    /// The convolution without its bias.
    pub fn jvp(&self, tangent: &Tensor) -> Result<Tensor> {
        convolve(tangent, &self.spread(&self.weight)?, self)
    }

    /// Cotangent of the output → gradient to the input of `size` rows and columns: the cotangent, with
    /// `stride - 1` zeros between its elements, convolved with the kernel turned by 180° and its channel
    /// axes swapped.
    pub fn vjp(&self, size: (usize, usize), cotangent: &Tensor) -> Result<Tensor> {
        let [rows, cols] = self.window().kernel;
        let wide = dilate(cotangent, self.stride)?;
        let (_, _, h, w) = wide.dims4()?;
        // Padded to size + kernel - 1 with the first window on the first input element.
        let top = rows as isize - 1 - self.pads[0] as isize;
        let left = cols as isize - 1 - self.pads[1] as isize;
        let bottom = (size.0 + rows - 1) as isize - top - h as isize;
        let right = (size.1 + cols - 1) as isize - left - w as isize;
        let weight = self.spread(&self.turned()?)?;
        let dilation = self.even_dilation();
        if top >= 0 && [left, bottom, right] == [top; 3] {
            return Ok(wide.conv2d(&weight, top as usize, 1, dilation, self.groups)?);
        }
        let wide = resize_ends(&wide, 2, top, bottom, 0.0)?;
        let wide = resize_ends(&wide, 3, left, right, 0.0)?;
        Ok(wide.conv2d(&weight, 0, 1, dilation, self.groups)?)
    }

    /// candle has one dilation for both axes. Where they differ the zeros stand in the kernel instead.
    fn even_dilation(&self) -> usize {
        if self.dilation[0] == self.dilation[1] {
            self.dilation[0]
        } else {
            1
        }
    }

    /// A kernel with zeros between its elements where [`Self::even_dilation`] cannot say so.
    fn spread(&self, weight: &Tensor) -> Result<Tensor> {
        if self.dilation[0] == self.dilation[1] {
            return Ok(weight.clone());
        }
        let [rows, cols] = self.window().kernel;
        let wide = dilate(weight, self.dilation)?;
        Ok(wide.narrow(2, 0, rows)?.narrow(3, 0, cols)?.contiguous()?)
    }

    /// The kernel turned by 180°, `[in, out / groups, rows, columns]`.
    fn turned(&self) -> Result<Tensor> {
        let (out, per_group, rows, cols) = self.weight.dims4()?;
        let weight = self
            .weight
            .reshape((self.groups, out / self.groups, per_group, rows, cols))?
            .transpose(1, 2)?
            .contiguous()?
            .reshape((self.groups * per_group, out / self.groups, rows, cols))?;
        if rows * cols == 1 {
            return Ok(weight);
        }
        Ok(weight.flip(&[2, 3])?)
    }
}

/// Convolution with zeros on each side as given; candle's own padding where it is the same on all sides.
fn convolve(x: &Tensor, weight: &Tensor, conv: &Conv) -> Result<Tensor> {
    let (stride, pads, groups) = (conv.stride, conv.pads, conv.groups);
    let dilation = conv.even_dilation();
    let (padded, padding);
    if pads == [pads[0]; 4] {
        (padded, padding) = (x.clone(), pads[0]);
    } else {
        let rows = x.pad_with_zeros(2, pads[0], pads[2])?;
        (padded, padding) = (rows.pad_with_zeros(3, pads[1], pads[3])?, 0);
    }
    if stride[0] == stride[1] {
        return Ok(padded.conv2d(weight, padding, stride[0], dilation, groups)?);
    }
    // candle has one stride for both axes: take every element, then keep the wanted ones.
    let mut y = padded.conv2d(weight, padding, 1, dilation, groups)?;
    for (axis, &step) in stride.iter().enumerate() {
        let kept: Vec<u32> = (0..y.dim(axis + 2)? as u32).step_by(step).collect();
        let n = kept.len();
        y = y.index_select(&Tensor::from_vec(kept, n, x.device())?, axis + 2)?;
    }
    Ok(y)
}
