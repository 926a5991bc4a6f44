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
}

impl Conv {
    /// Where its windows lie.
    pub fn window(&self) -> Window {
        let dims = self.weight.dims();
        Window {
            kernel: [dims[2], dims[3]],
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
        convolve(tangent, &self.weight, self.stride, self.pads, self.groups)
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
        let weight = self.turned()?;
        if top >= 0 && [left, bottom, right] == [top; 3] {
            return Ok(wide.conv2d(&weight, top as usize, 1, 1, self.groups)?);
        }
        let wide = resize_ends(&wide, 2, top, bottom, 0.0)?;
        let wide = resize_ends(&wide, 3, left, right, 0.0)?;
        Ok(wide.conv2d(&weight, 0, 1, 1, self.groups)?)
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
fn convolve(
    x: &Tensor,
    weight: &Tensor,
    stride: [usize; 2],
    pads: [usize; 4],
    groups: usize,
) -> Result<Tensor> {
    let (padded, padding);
    if pads == [pads[0]; 4] {
        (padded, padding) = (x.clone(), pads[0]);
    } else {
        let rows = x.pad_with_zeros(2, pads[0], pads[2])?;
        (padded, padding) = (rows.pad_with_zeros(3, pads[1], pads[3])?, 0);
    }
    if stride[0] == stride[1] {
        return Ok(padded.conv2d(weight, padding, stride[0], 1, groups)?);
    }
    // candle has one stride for both axes: take every element, then keep the wanted ones.
    let mut y = padded.conv2d(weight, padding, 1, 1, groups)?;
    for (axis, &step) in stride.iter().enumerate() {
        let kept: Vec<u32> = (0..y.dim(axis + 2)? as u32).step_by(step).collect();
        let n = kept.len();
        y = y.index_select(&Tensor::from_vec(kept, n, x.device())?, axis + 2)?;
    }
    Ok(y)
}
