//! Local response normalisation across channels (Krizhevsky et al. 2012), as Caffe and PyTorch have it.
//!
//! With d = k + a Σ x² over the window of a channel and a = alpha / size: y = x d^−β. The Jacobian is
//! `∂yᵢ/∂xⱼ = δᵢⱼ dᵢ^−β − 2aβ xᵢ dᵢ^(−β−1) xⱼ` for j in i's window. Windows have an odd size and are therefore
//! symmetric: j in i's window is i in j's.

use crate::network::Result;
use candle_core::Tensor;

/// Local response normalisation: `y = x / (k + alpha / size · Σ x²)^beta` over `size` neighbouring channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lrn {
    /// Number of channels in the window (odd).
    pub size: usize,
    /// Scale of the sum of squares, divided by `size`.
    pub alpha: f64,
    /// Exponent.
    pub beta: f64,
    /// Additive constant.
    pub k: f64,
}

impl Lrn {
    /// `[b, c, h, w]` → the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.mul(&self.base(x)?.powf(-self.beta)?)?)
    }

    /// Cotangent of the output → gradient to the input, linearised at `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let base = self.base(x)?;
        let direct = cotangent.mul(&base.powf(-self.beta)?)?;
        let cross = cotangent.mul(x)?.mul(&base.powf(-self.beta - 1.0)?)?;
        let cross = (self.window_sum(&cross)? * self.slope())?.mul(x)?;
        Ok((direct - cross)?)
    }

    /// Tangents `[p, c, h, w]` → tangents of the output, linearised at `x` of `[1, c, h, w]` or `[p, …]`.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        let base = self.base(x)?;
        let direct = tangent.broadcast_mul(&base.powf(-self.beta)?)?;
        let outer = (x.mul(&base.powf(-self.beta - 1.0)?)? * self.slope())?;
        let cross = self.window_sum(&tangent.broadcast_mul(x)?)?;
        Ok((direct - cross.broadcast_mul(&outer)?)?)
    }

    /// 2 a β.
    fn slope(&self) -> f64 {
        2.0 * self.alpha / self.size as f64 * self.beta
    }

    /// d, the bracket of the formula.
    fn base(&self, x: &Tensor) -> Result<Tensor> {
        let sum = self.window_sum(&x.sqr()?)?;
        Ok(sum.affine(self.alpha / self.size as f64, self.k)?)
    }

    /// Sums over the window around each channel.
    fn window_sum(&self, x: &Tensor) -> Result<Tensor> {
        let channels = x.dim(1)?;
        let reach = self.size / 2;
        let padded = x.pad_with_zeros(1, reach, reach)?;
        let mut sum = padded.narrow(1, 0, channels)?.contiguous()?;
        for shift in 1..self.size {
            sum = (sum + padded.narrow(1, shift, channels)?)?;
        }
        Ok(sum)
    }
}
