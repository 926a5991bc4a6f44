//! Small tensor movements that candle lacks, differentiable by hand and the same on every device.

use crate::network::Result;
use candle_core::{Device, Storage, Tensor};

/// Runs `f` on the values of a CPU tensor in row-major order, without a copy when they already lie so.
pub(super) fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    if let (Storage::Cpu(cpu), Some((start, end))) = (&*storage, layout.contiguous_offsets()) {
        return Ok(f(&cpu.as_slice::<f32>()?[start..end]));
    }
    drop(storage);
    Ok(f(&x.flatten_all()?.to_vec1::<f32>()?))
}

/// True when the tensor's memory can be read directly.
pub(super) fn on_host(x: &Tensor) -> bool {
    matches!(x.device(), Device::Cpu)
}

/// Grows (positive) or crops (negative) both ends of `dim`; new elements are `value`.
pub(in crate::network) fn resize_ends(
    x: &Tensor,
    dim: usize,
    before: isize,
    after: isize,
    value: f32,
) -> Result<Tensor> {
    let size = x.dim(dim)? as isize;
    let start = (-before).max(0);
    let kept = size - start - (-after).max(0);
    if kept <= 0 {
        let mut dims = x.dims().to_vec();
        dims[dim] = (size + before + after).max(0) as usize;
        return Ok(Tensor::full(value, dims, x.device())?);
    }
    let mut out = if kept == size {
        x.clone()
    } else {
        x.narrow(dim, start as usize, kept as usize)?
    };
    let (before, after) = (before.max(0) as usize, after.max(0) as usize);
    if before + after == 0 {
        return Ok(out);
    }
    if value == 0.0 {
        out = out.pad_with_zeros(dim, before, after)?;
    } else {
        let mut dims = out.dims().to_vec();
        dims[dim] = before;
        let left = Tensor::full(value, dims.as_slice(), x.device())?;
        dims[dim] = after;
        let right = Tensor::full(value, dims.as_slice(), x.device())?;
        out = match (before, after) {
            (0, _) => Tensor::cat(&[&out, &right], dim)?,
            (_, 0) => Tensor::cat(&[&left, &out], dim)?,
            _ => Tensor::cat(&[&left, &out, &right], dim)?,
        };
    }
    Ok(out)
}

/// Puts `stride - 1` zeros behind every element of a `[b, c, h, w]` tensor: `[b, c, h · s₀, w · s₁]`.
pub(super) fn dilate(x: &Tensor, stride: [usize; 2]) -> Result<Tensor> {
    if stride == [1, 1] {
        return Ok(x.clone());
    }
    let (b, c, h, w) = x.dims4()?;
    let x = x.reshape((b, c, h, 1, w, 1))?;
    let x = x.pad_with_zeros(3, 0, stride[0] - 1)?;
    let x = x.pad_with_zeros(5, 0, stride[1] - 1)?;
    Ok(x.reshape((b, c, h * stride[0], w * stride[1]))?)
}

/// Every `stride`-th element of a `[b, c, h, w]` tensor from `start` on, `size` of them per axis.
/// The tensor must reach to `start + size · stride`.
pub(super) fn strided(
    x: &Tensor,
    start: [usize; 2],
    stride: [usize; 2],
    size: (usize, usize),
) -> Result<Tensor> {
    let (b, c, _, _) = x.dims4()?;
    let x = x
        .narrow(2, start[0], size.0 * stride[0])?
        .narrow(3, start[1], size.1 * stride[1])?;
    if stride == [1, 1] {
        return Ok(x.contiguous()?);
    }
    let x = x
        .contiguous()?
        .reshape((b, c, size.0, stride[0], size.1, stride[1]))?;
    let x = x.narrow(3, 0, 1)?.narrow(5, 0, 1)?.contiguous()?;
    Ok(x.reshape((b, c, size.0, size.1))?)
}

/// 1 where `x > 0`, else 0.
pub(super) fn positive(x: &Tensor) -> Result<Tensor> {
    Ok(x.gt(0f32)?.to_dtype(x.dtype())?)
}

/// 1 where `x >= least`, else 0.
pub(super) fn at_least(x: &Tensor, least: f32) -> Result<Tensor> {
    Ok(x.ge(least)?.to_dtype(x.dtype())?)
}

/// 1 where `min < x < max`, else 0.
pub(super) fn between(x: &Tensor, min: f32, max: f32) -> Result<Tensor> {
    let low = x.gt(min)?.to_dtype(x.dtype())?;
    if max == f32::INFINITY {
        return Ok(low);
    }
    Ok(low.mul(&x.lt(max)?.to_dtype(x.dtype())?)?)
}

/// Sums over the axes that were repeated to get from `dims` to the shape of `x`.
pub(in crate::network) fn sum_to(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    let axes: Vec<usize> = (0..x.rank())
        .filter(|&axis| dims[axis] == 1 && x.dims()[axis] != 1)
        .collect();
    if axes.is_empty() {
        return Ok(x.clone());
    }
    Ok(x.sum_keepdim(axes.as_slice())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(h: usize, w: usize) -> Tensor {
        Tensor::arange(0f32, (h * w) as f32, &Device::Cpu)
            .unwrap()
            .reshape((1, 1, h, w))
            .unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        with_values(x, <[f32]>::to_vec).unwrap()
    }

    #[test]
    fn ends_grow_and_shrink() {
        let x = ramp(1, 4);
        assert_eq!(
            values(&resize_ends(&x, 3, 1, -2, 9.0).unwrap()),
            [9.0, 0.0, 1.0]
        );
        assert_eq!(
            values(&resize_ends(&x, 3, -3, 2, 0.0).unwrap()),
            [3.0, 0.0, 0.0]
        );
        // Nothing of the tensor is left.
        assert_eq!(values(&resize_ends(&x, 3, -5, 3, 9.0).unwrap()), [9.0; 2]);
    }

    #[test]
    fn strided_undoes_dilate() {
        let x = ramp(2, 3);
        let wide = dilate(&x, [2, 3]).unwrap();
        assert_eq!(wide.dims(), [1, 1, 4, 9]);
        assert_eq!(
            values(&wide.narrow(2, 0, 1).unwrap())[..7],
            [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0]
        );
        let back = strided(&wide, [0, 0], [2, 3], (2, 3)).unwrap();
        assert_eq!(values(&back), values(&x));
    }
}
