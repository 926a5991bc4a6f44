//! max(x, 0); the derivative at 0 is 0.

use super::tensor::positive;
use crate::network::Result;
use candle_core::Tensor;

/// max(x, 0).
pub fn forward(x: &Tensor) -> Result<Tensor> {
    Ok(x.relu()?)
}

/// Passes the cotangent where the primal is positive; `x` may be the operator's input or its output.
pub fn vjp(x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
    Ok(cotangent.mul(&positive(x)?)?)
}

/// Passes the tangents `[p, …]` where the primal `[1, …]` or `[p, …]` is positive.
pub fn jvp(x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
    Ok(tangent.broadcast_mul(&positive(x)?)?)
}
