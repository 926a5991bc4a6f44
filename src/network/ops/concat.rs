//! Concatenation along channels; its jvp is the same concatenation of the tangents.

use crate::network::Result;
use candle_core::Tensor;

/// `[b, cᵢ, h, w]` → `[b, Σ cᵢ, h, w]`.
pub fn forward(parts: &[&Tensor]) -> Result<Tensor> {
    Ok(Tensor::cat(parts, 1)?)
}

/// Cuts the cotangent into parts of `depths` channels.
pub fn vjp(depths: &[usize], cotangent: &Tensor) -> Result<Vec<Tensor>> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(depths.len());
    for &depth in depths {
        parts.push(cotangent.narrow(1, start, depth)?.contiguous()?);
        start += depth;
    }
    Ok(parts)
}
