//! Fully connected layer.

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
    /// `[b, in]` → `[b, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.jvp(x)?.broadcast_add(&self.bias)?)
    }

    /// The product without the bias.
    pub fn jvp(&self, tangent: &Tensor) -> Result<Tensor> {
        Ok(tangent.matmul(&self.weight.t()?)?)
    }

    /// `[b, out]` → `[b, in]`.
    pub fn vjp(&self, cotangent: &Tensor) -> Result<Tensor> {
        Ok(cotangent.matmul(&self.weight)?)
    }
}
