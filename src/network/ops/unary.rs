//! Functions of one number, applied to every element.
//!
//! Kinks have the derivative that PyTorch gives them where it matters (0 for a clipped value, the slope for a leaky
//! ReLU at 0), so that a network whose values lie exactly on one gets the same gradient here and there.

use super::tensor::{at_least, between, positive};
use crate::network::Result;
use candle_core::Tensor;

/// A function of one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unary {
    /// x limited to `min..=max`; either may be infinite.
    Clip {
        /// Lower limit.
        min: f32,
        /// Upper limit.
        max: f32,
    },
    /// x where positive, else `slope · x`.
    LeakyRelu(f32),
    /// x where positive, else `α (eˣ − 1)`.
    Elu(f32),
    /// `γ · elu(x, α)`.
    Selu {
        /// α.
        alpha: f32,
        /// γ.
        gamma: f32,
    },
    /// x where it is larger than the threshold, else 0.
    Threshold(f32),
    /// 1 where x is positive, else 0; flat everywhere.
    Step,
    /// 1 / (1 + e^−x).
    Sigmoid,
    /// `α x + β` limited to 0..=1.
    HardSigmoid {
        /// α.
        alpha: f32,
        /// β.
        beta: f32,
    },
    /// `x · clip(x / 6 + 1 / 2, 0, 1)`.
    HardSwish,
    /// `x · sigmoid(x)`.
    Silu,
    /// `x Φ(x)` with the normal distribution's Φ.
    Gelu,
    /// The same with Φ by way of tanh.
    GeluTanh,
    /// `x · tanh(softplus(x))`.
    Mish,
    /// log(1 + eˣ).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// Gauss's error function.
    Erf,
    /// Hyperbolic tangent.
    Tanh,
    /// eˣ.
    Exp,
    /// Natural logarithm.
    Log,
    /// √x.
    Sqrt,
    /// 1 / x.
    Reciprocal,
    /// |x|.
    Abs,
    /// −x.
    Neg,
    /// x to a power; a whole power takes negative numbers as well.
    Pow(f32),
    /// sin x.
    Sin,
    /// cos x.
    Cos,
}

/// 2 / √π.
const TWO_BY_ROOT_PI: f64 = std::f64::consts::FRAC_2_SQRT_PI;

impl Unary {
    /// f(x), in the shape of `x`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Unary::Clip { min, max } => clip(x, min, max)?,
            Unary::LeakyRelu(slope) => (x.relu()? - (x.neg()?.relu()? * f64::from(slope))?)?,
            Unary::Elu(alpha) => elu(x, alpha)?,
            Unary::Selu { alpha, gamma } => (elu(x, alpha)? * f64::from(gamma))?,
            Unary::Threshold(least) => x.mul(&above(x, least)?)?,
            Unary::Step => positive(x)?,
            Unary::Sigmoid => sigmoid(x)?,
            Unary::HardSigmoid { alpha, beta } => {
                clip(&x.affine(alpha.into(), beta.into())?, 0.0, 1.0)?
            }
            Unary::HardSwish => x.mul(&clip(&x.affine(1.0 / 6.0, 0.5)?, 0.0, 1.0)?)?,
            Unary::Silu => x.mul(&sigmoid(x)?)?,
            Unary::Gelu => x.mul(&normal(x)?)?,
            Unary::GeluTanh => x.mul(&gelu_gate(x)?.affine(0.5, 0.5)?)?,
            Unary::Mish => x.mul(&softplus(x)?.tanh()?)?,
            Unary::Softplus => softplus(x)?,
            Unary::Softsign => (x / (x.abs()? + 1.0)?)?,
            Unary::Erf => x.erf()?,
            Unary::Tanh => x.tanh()?,
            Unary::Exp => x.exp()?,
            Unary::Log => x.log()?,
            Unary::Sqrt => x.sqrt()?,
            Unary::Reciprocal => x.recip()?,
            Unary::Abs => x.abs()?,
            Unary::Neg => x.neg()?,
            Unary::Pow(power) => pow(x, power)?,
            Unary::Sin => x.sin()?,
            Unary::Cos => x.cos()?,
        })
    }

    /// f′(x), in the shape of `x`.
    pub fn slope(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match *self {
            Unary::Clip { min, max } => between(x, min, max)?,
            Unary::LeakyRelu(slope) => {
                let slope = f64::from(slope);
                positive(x)?.affine(1.0 - slope, slope)?
            }
            Unary::Elu(alpha) => elu_slope(x, alpha)?,
            Unary::Selu { alpha, gamma } => (elu_slope(x, alpha)? * f64::from(gamma))?,
            Unary::Threshold(least) => above(x, least)?,
            Unary::Step => x.zeros_like()?,
            Unary::Sigmoid => {
                let y = sigmoid(x)?;
                (&y - y.sqr()?)?
            }
            Unary::HardSigmoid { alpha, beta } => {
                let inside = between(&x.affine(alpha.into(), beta.into())?, 0.0, 1.0)?;
                (inside * f64::from(alpha))?
            }
            Unary::HardSwish => {
                let inside = between(x, -3.0, 3.0)?;
                let curve = x.affine(1.0 / 3.0, 0.5)?.mul(&inside)?;
                (curve + at_least(x, 3.0)?)?
            }
            // σ + x σ (1 − σ).
            Unary::Silu => {
                let s = sigmoid(x)?;
                (&s + x.mul(&(&s - s.sqr()?)?)?)?
            }
            // Φ(x) + x φ(x).
            Unary::Gelu => {
                let density = ((x.sqr()? * -0.5)?.exp()? * (TWO_BY_ROOT_PI / 8f64.sqrt()))?;
                (normal(x)? + x.mul(&density)?)?
            }
            // ½ (1 + t) + ½ x (1 − t²) u′.
            Unary::GeluTanh => {
                let t = gelu_gate(x)?;
                let inner = x.sqr()?.affine(3.0 * 0.044_715, 1.0)?;
                let inner = (inner * (TWO_BY_ROOT_PI / 2f64.sqrt()))?;
                let bend = t.sqr()?.affine(-0.5, 0.5)?.mul(&inner)?.mul(x)?;
                (t.affine(0.5, 0.5)? + bend)?
            }
            // t + x (1 − t²) σ(x).
            Unary::Mish => {
                let t = softplus(x)?.tanh()?;
                let bend = t.sqr()?.affine(-1.0, 1.0)?.mul(&sigmoid(x)?)?;
                (&t + bend.mul(x)?)?
            }
            Unary::Softplus => sigmoid(x)?,
            Unary::Softsign => (x.abs()? + 1.0)?.sqr()?.recip()?,
            Unary::Erf => ((x.sqr()?.neg()?).exp()? * TWO_BY_ROOT_PI)?,
            Unary::Tanh => x.tanh()?.sqr()?.affine(-1.0, 1.0)?,
            Unary::Exp => x.exp()?,
            Unary::Log => x.recip()?,
            // 0 at 0, as the length of a vector has it: tokens of padding are zero, and 0 · ∞ would spread from them.
            Unary::Sqrt => {
                let roots = x.sqrt()?.maximum(f64::from(f32::MIN_POSITIVE))?;
                (roots.recip()?.mul(&positive(x)?)? * 0.5)?
            }
            Unary::Reciprocal => x.sqr()?.recip()?.neg()?,
            Unary::Abs => (positive(x)? - positive(&x.neg()?)?)?,
            Unary::Neg => x.ones_like()?.neg()?,
            Unary::Pow(power) => (pow(x, power - 1.0)? * f64::from(power))?,
            Unary::Sin => x.cos()?,
            Unary::Cos => x.sin()?.neg()?,
        })
    }

    /// Cotangent of the output → gradient to the input, linearised at `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        Ok(cotangent.mul(&self.slope(x)?)?)
    }

    /// Tangents `[p, …]` → tangents of the output, linearised at `x` of `[1, …]` or `[p, …]`.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        Ok(tangent.broadcast_mul(&self.slope(x)?)?)
    }
}

fn clip(x: &Tensor, min: f32, max: f32) -> Result<Tensor> {
    let mut y = x.clone();
    if min > f32::NEG_INFINITY {
        y = y.maximum(f64::from(min))?;
    }
    if max < f32::INFINITY {
        y = y.minimum(f64::from(max))?;
    }
    Ok(y)
}

/// 1 where `x > least`, else 0.
fn above(x: &Tensor, least: f32) -> Result<Tensor> {
    Ok(x.gt(least)?.to_dtype(x.dtype())?)
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

/// max(x, 0) + log(1 + e^−|x|): nothing overflows.
fn softplus(x: &Tensor) -> Result<Tensor> {
    Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
}

/// x where positive, else α (eˣ − 1).
fn elu(x: &Tensor, alpha: f32) -> Result<Tensor> {
    let below = (x.minimum(0f64)?.exp()? - 1.0)?;
    Ok((x.relu()? + (below * f64::from(alpha))?)?)
}

fn elu_slope(x: &Tensor, alpha: f32) -> Result<Tensor> {
    let positive = positive(x)?;
    let below = (x.minimum(0f64)?.exp()? * f64::from(alpha))?;
    Ok((&positive + positive.affine(-1.0, 1.0)?.mul(&below)?)?)
}

/// Φ(x) = (1 + erf(x / √2)) / 2.
fn normal(x: &Tensor) -> Result<Tensor> {
    Ok((x * std::f64::consts::FRAC_1_SQRT_2)?
        .erf()?
        .affine(0.5, 0.5)?)
}

/// tanh(√(2/π) (x + 0.044715 x³)).
fn gelu_gate(x: &Tensor) -> Result<Tensor> {
    let cubic = x.sqr()?.affine(0.044_715, 1.0)?.mul(x)?;
    Ok((cubic * (TWO_BY_ROOT_PI / 2f64.sqrt()))?.tanh()?)
}

fn pow(x: &Tensor, power: f32) -> Result<Tensor> {
    Ok(match power {
        0.0 => x.ones_like()?,
        1.0 => x.clone(),
        2.0 => x.sqr()?,
        3.0 => x.sqr()?.mul(x)?,
        0.5 => x.sqrt()?,
        -1.0 => x.recip()?,
        -0.5 => x.sqrt()?.recip()?,
        _ => x.powf(power.into())?,
    })
}
