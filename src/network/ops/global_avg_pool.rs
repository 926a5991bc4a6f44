//! Mean over all positions; linear, so its jvp is itself.

use crate::network::Result;
use candle_core::Tensor;

/// `[b, c, h, w]` → `[b, c]`.
pub fn forward(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(2)?.mean(2)?)
}

/// Spreads the cotangent `[b, c]` evenly over `size` rows and columns.
pub fn vjp(size: (usize, usize), cotangent: &Tensor) -> Result<Tensor> {
    let (b, c) = cotangent.dims2()?;
    let share = (cotangent / (size.0 * size.1) as f64)?.reshape((b, c, 1, 1))?;
    Ok(share.broadcast_as((b, c, size.0, size.1))?.contiguous()?)
}
