//! Reductions along axes, softmax, and normalisation by moments.

use super::tensor::sum_to;
use crate::atlas::Relaxation;
use crate::network::Result;
use candle_core::{D, Tensor};

/// What a reduction gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Mean.
    Mean,
    /// Sum.
    Sum,
    /// Largest value; its gradient goes to all that are equal to it, in equal shares.
    Max,
}

/// A reduction along axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduce {
    /// What comes out.
    pub reduction: Reduction,
    /// Axes of `[batch, …]`, ascending, never 0.
    pub axes: Vec<usize>,
    /// Reduced axes stay, with size 1.
    pub keep: bool,
}

impl Reduce {
    /// True for the mean over all positions that keeps both axes: `[b, c, h, w]` → `[b, c, 1, 1]`, the squeeze of a
    /// squeeze-and-excite block.
    pub fn is_map_mean(&self) -> bool {
        self.reduction == Reduction::Mean && self.axes == [2, 3] && self.keep
    }

    /// The reduced tensor.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let kept = self.kept(x)?;
        self.squeezed(&kept)
    }

    /// Cotangent of the output → gradient to an input of the shape `dims`.
    pub fn vjp_linear(&self, dims: &[usize], cotangent: &Tensor) -> Result<Tensor> {
        let wide = self.unsqueezed(cotangent, dims)?;
        Ok((wide.broadcast_as(dims)?.contiguous()? * self.share(dims))?)
    }

    /// The same for any reduction, linearised at `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        if self.reduction != Reduction::Max {
            return self.vjp_linear(x.dims(), cotangent);
        }
        let wide = self.unsqueezed(cotangent, x.dims())?;
        Ok(self.winners(x)?.broadcast_mul(&wide)?)
    }

    /// Tangents `[p, …]` → tangents of the output, linearised at `x` where it is a maximum.
    pub fn jvp(&self, x: Option<&Tensor>, tangent: &Tensor) -> Result<Tensor> {
        match x {
            Some(x) if self.reduction == Reduction::Max => {
                let sum = tangent.broadcast_mul(&self.winners(x)?)?;
                self.squeezed(&sum.sum_keepdim(self.axes.as_slice())?)
            }
            _ => self.forward(tangent),
        }
    }

    fn kept(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match self.reduction {
            Reduction::Mean | Reduction::Sum => {
                (x.sum_keepdim(self.axes.as_slice())? * self.share(x.dims()))?
            }
            Reduction::Max => {
                let mut y = x.clone();
                for &axis in &self.axes {
                    y = y.contiguous()?.max_keepdim(axis)?;
                }
                y
            }
        })
    }

    /// What one element counts.
    fn share(&self, dims: &[usize]) -> f64 {
        if self.reduction == Reduction::Mean {
            let n: usize = self.axes.iter().map(|&axis| dims[axis]).product();
            1.0 / n as f64
        } else {
            1.0
        }
    }

    /// 1 at the largest value, or shares of it.
    fn winners(&self, x: &Tensor) -> Result<Tensor> {
        let wins = x.broadcast_eq(&self.kept(x)?)?.to_dtype(x.dtype())?;
        let n = wins.sum_keepdim(self.axes.as_slice())?;
        Ok(wins.broadcast_div(&n)?)
    }

    fn squeezed(&self, kept: &Tensor) -> Result<Tensor> {
        if self.keep {
            return Ok(kept.clone());
        }
        let dims = kept.dims().iter().enumerate();
        let dims: Vec<usize> = dims
            .filter(|(axis, _)| !self.axes.contains(axis))
            .map(|(_, &size)| size)
            .collect();
        Ok(kept.reshape(dims)?)
    }

    fn unsqueezed(&self, reduced: &Tensor, dims: &[usize]) -> Result<Tensor> {
        let mut dims = dims.to_vec();
        dims[0] = reduced.dim(0)?;
        for &axis in &self.axes {
            dims[axis] = 1;
        }
        Ok(reduced.reshape(dims)?)
    }
}

/// eˣ / Σ eˣ along an axis of `[batch, …]`, or its logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
    /// The logarithm of it.
    pub log: bool,
}

impl Softmax {
    /// The shape stays.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.broadcast_sub(&x.contiguous()?.max_keepdim(self.axis)?)?;
        let sum = x.exp()?.sum_keepdim(self.axis)?;
        Ok(if self.log {
            x.broadcast_sub(&sum.log()?)?
        } else {
            x.exp()?.broadcast_div(&sum)?
        })
    }

    /// Cotangent of the output → gradient to the input; `y` is the operator's output.
    pub fn vjp(&self, y: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        if self.log {
            let sum = cotangent.sum_keepdim(self.axis)?;
            return Ok((cotangent - y.exp()?.broadcast_mul(&sum)?)?);
        }
        let sum = cotangent.mul(y)?.sum_keepdim(self.axis)?;
        Ok(y.mul(&cotangent.broadcast_sub(&sum)?)?)
    }

    /// Tangents `[p, …]` → tangents of the output, linearised at `x` of `[1, …]` or `[p, …]`.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        let y = self.forward(x)?;
        let y = if self.log { y.exp()? } else { y };
        let mean = tangent.broadcast_mul(&y)?.sum_keepdim(self.axis)?;
        let centred = tangent.broadcast_sub(&mean)?;
        Ok(if self.log {
            centred
        } else {
            centred.broadcast_mul(&y)?
        })
    }
}

/// (x − mean) / √(variance + ε) over the last axes, then scaled and shifted.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// Number of last axes that are normalised together.
    pub n_axes: usize,
    /// Of the normalised axes' shape; `None` = 1.
    pub scale: Option<Tensor>,
    /// Of the normalised axes' shape; `None` = 0.
    pub bias: Option<Tensor>,
    /// ε.
    pub epsilon: f64,
}

impl LayerNorm {
    /// The shape stays.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (unit, _) = self.standardised(x)?;
        let y = self.scaled(&unit)?.reshape(x.dims())?;
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }

    /// Cotangent of the output → gradient to the input, linearised at `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let (unit, inverse) = self.standardised(x)?;
        let cotangent = self.scaled(&self.flat(cotangent)?)?;
        Ok(project(&unit, &inverse, &cotangent)?.reshape(x.dims())?)
    }

    /// Tangents `[p, …]` → tangents of the output, linearised at `x` of `[1, …]` or `[p, …]`; relaxed, σ is held
    /// constant.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor, relaxation: Relaxation) -> Result<Tensor> {
        let (unit, inverse) = self.standardised(x)?;
        let t = self.flat(tangent)?;
        let y = match relaxation {
            Relaxation::Plain => project(&unit, &inverse, &t)?,
            Relaxation::Average => t
                .broadcast_sub(&t.mean_keepdim(D::Minus1)?)?
                .broadcast_mul(&inverse)?,
        };
        Ok(self.scaled(&y)?.reshape(tangent.dims())?)
    }

    /// `[b, …, n]` with the normalised axes as one.
    fn flat(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.flatten_from(x.rank() - self.n_axes)?)
    }

    /// (x − mean) / σ and 1 / σ.
    fn standardised(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let x = self.flat(x)?;
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let inverse = (variance + self.epsilon)?.sqrt()?.recip()?;
        Ok((centred.broadcast_mul(&inverse)?, inverse))
    }

    fn scaled(&self, x: &Tensor) -> Result<Tensor> {
        match &self.scale {
            Some(scale) => Ok(x.broadcast_mul(&scale.flatten_all()?)?),
            None => Ok(x.clone()),
        }
    }
}

/// The Jacobian of the standardised value, which is symmetric: (t − mean t − u · mean(u t)) / σ.
fn project(unit: &Tensor, inverse: &Tensor, t: &Tensor) -> Result<Tensor> {
    let centred = t.broadcast_sub(&t.mean_keepdim(D::Minus1)?)?;
    let along = t.broadcast_mul(unit)?.mean_keepdim(D::Minus1)?;
    let along = along.broadcast_mul(unit)?;
    Ok((centred - along)?.broadcast_mul(inverse)?)
}

/// `[…, n, k] · […, k, m]`, leading axes alike or 1.
pub mod matmul {
    use super::{Result, Tensor, sum_to};

    /// The product; leading axes alike or 1.
    pub fn forward(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let (a_dims, b_dims) = (a.dims(), b.dims());
        let n = a_dims.len().saturating_sub(2);
        if n <= 2 || a_dims.len() != b_dims.len() {
            return Ok(a.contiguous()?.broadcast_matmul(&b.contiguous()?)?);
        }
        // Candle multiplies stacks of two axes at most.
        let pairs = a_dims[..n].iter().zip(&b_dims[..n]);
        let leading: Vec<usize> = pairs.map(|(&a, &b)| a.max(b)).collect();
        let stack = |x: &Tensor| -> Result<Tensor> {
            let [rows, cols] = [x.dim(n)?, x.dim(n + 1)?];
            let wide = x.broadcast_as([leading.as_slice(), &[rows, cols]].concat())?;
            let n_matrices = leading.iter().product::<usize>();
            Ok(wide.contiguous()?.reshape((n_matrices, rows, cols))?)
        };
        let product = stack(a)?.matmul(&stack(b)?)?;
        let [rows, cols] = [a_dims[n], b_dims[n + 1]];
        Ok(product.reshape([leading.as_slice(), &[rows, cols]].concat())?)
    }

    /// Cotangent of the product → gradients to both factors.
    pub fn vjp(a: &Tensor, b: &Tensor, cotangent: &Tensor) -> Result<[Tensor; 2]> {
        let da = forward(cotangent, &transposed(b)?)?;
        let db = forward(&transposed(a)?, cotangent)?;
        Ok([sum_to(&da, a.dims())?, sum_to(&db, b.dims())?])
    }

    /// Tangents of both factors → tangents of the product.
    pub fn jvp((a, b): (&Tensor, &Tensor), [ta, tb]: [&Tensor; 2]) -> Result<Tensor> {
        Ok(forward(ta, b)?.broadcast_add(&forward(a, tb)?)?)
    }

    fn transposed(x: &Tensor) -> Result<Tensor> {
        Ok(x.transpose(x.rank() - 2, x.rank() - 1)?)
    }
}
