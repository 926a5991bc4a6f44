//! Fully connected layer, over the last axis.

use crate::network::Result;
use candle_core::Tensor;

/// Fully connected layer.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

impl Linear {
    /// `[b, …, in]` → `[b, …, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.jvp(x)?.broadcast_add(&self.bias)?)
    }

    /// The product without the bias.
    pub fn jvp(&self, tangent: &Tensor) -> Result<Tensor> {
        rows_times(tangent, &self.weight.t()?)
    }

    /// `[b, …, out]` → `[b, …, in]`.
    pub fn vjp(&self, cotangent: &Tensor) -> Result<Tensor> {
        rows_times(cotangent, &self.weight)
    }
}

/// The last axis times a matrix.
fn rows_times(x: &Tensor, matrix: &Tensor) -> Result<Tensor> {
    if x.rank() == 2 {
        return Ok(x.matmul(matrix)?);
    }
    let mut dims = x.dims().to_vec();
    let last = dims.len() - 1;
    let y = x.contiguous()?.flatten_to(last - 1)?.matmul(matrix)?;
    dims[last] = matrix.dim(1)?;
    Ok(y.reshape(dims)?)
}
