//! Functions of two numbers, applied element by element: between two nodes, or between a node and a constant.
//!
//! Shapes have the same rank; an axis of size 1 is repeated to the other's size. Gradients sum over what was
//! repeated.

use super::tensor::{between, sum_to};
use crate::network::Result;
use candle_core::Tensor;

/// A function of two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
    /// The larger; of equal ones the first.
    Max,
    /// The smaller; of equal ones the first.
    Min,
}

impl Binary {
    /// f(a, b).
    pub fn forward(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Binary::Add => a.broadcast_add(b)?,
            Binary::Sub => a.broadcast_sub(b)?,
            Binary::Mul => a.broadcast_mul(b)?,
            Binary::Div => a.broadcast_div(b)?,
            Binary::Max => a.broadcast_maximum(b)?,
            Binary::Min => a.broadcast_minimum(b)?,
        })
    }

    /// ∂f/∂a and ∂f/∂b, each `None` where it is 1.
    fn slopes(self, a: &Tensor, b: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let choice = |first: Tensor| -> Result<[Option<Tensor>; 2]> {
            let first = first.to_dtype(a.dtype())?;
            let second = first.affine(-1.0, 1.0)?;
            Ok([Some(first), Some(second)])
        };
        match self {
            Binary::Add => Ok([None, None]),
            Binary::Sub => Ok([None, Some(b.ones_like()?.neg()?)]),
            Binary::Mul => Ok([Some(b.clone()), Some(a.clone())]),
            Binary::Div => {
                let inverse = b.recip()?;
                let second = a.neg()?.broadcast_mul(&inverse.sqr()?)?;
                Ok([Some(inverse), Some(second)])
            }
            Binary::Max => choice(a.broadcast_ge(b)?),
            Binary::Min => choice(a.broadcast_le(b)?),
        }
    }

    /// Cotangent of the output → gradients to both inputs.
    pub fn vjp(self, a: &Tensor, b: &Tensor, cotangent: &Tensor) -> Result<[Tensor; 2]> {
        let [da, db] = self.slopes(a, b)?;
        let of = |slope: Option<Tensor>, like: &Tensor| {
            let full = match slope {
                None => cotangent.clone(),
                Some(slope) => cotangent.broadcast_mul(&slope)?,
            };
            sum_to(&full, like.dims())
        };
        Ok([of(da, a)?, of(db, b)?])
    }

    /// Cotangent of the output → gradients to inputs of these shapes, for the functions whose gradient does not
    /// depend on where it is taken ([`Binary::Add`], [`Binary::Sub`]).
    pub fn vjp_linear(self, shapes: [&[usize]; 2], cotangent: &Tensor) -> Result<[Tensor; 2]> {
        let second = if self == Binary::Sub {
            cotangent.neg()?
        } else {
            cotangent.clone()
        };
        Ok([sum_to(cotangent, shapes[0])?, sum_to(&second, shapes[1])?])
    }

    /// Tangents of both inputs → tangents of the output, linearised at `a` and `b` (batch 1 or that of the
    /// tangents).
    pub fn jvp(self, (a, b): (&Tensor, &Tensor), tangents: [&Tensor; 2]) -> Result<Tensor> {
        let [da, db] = self.slopes(a, b)?;
        let of = |slope: Option<Tensor>, tangent: &Tensor| -> Result<Tensor> {
            Ok(match slope {
                None => tangent.clone(),
                Some(slope) => tangent.broadcast_mul(&slope)?,
            })
        };
        Ok(of(da, tangents[0])?.broadcast_add(&of(db, tangents[1])?)?)
    }

    /// [`Self::jvp`] for the functions that are linear.
    pub fn jvp_linear(self, tangents: [&Tensor; 2]) -> Result<Tensor> {
        self.forward(tangents[0], tangents[1])
    }

    /// True when the derivative does not depend on where it is taken.
    pub fn is_linear(self) -> bool {
        matches!(self, Binary::Add | Binary::Sub)
    }
}

/// A function of a node and a constant that is not one number per channel ([`Affine`]).
#[derive(Debug, Clone)]
pub struct WithConstant {
    /// The function.
    pub binary: Binary,
    /// Of the node's rank, batch 1.
    pub constant: Tensor,
    /// The constant is the function's first argument.
    pub constant_first: bool,
}

impl WithConstant {
    fn order<'a>(&'a self, x: &'a Tensor) -> (&'a Tensor, &'a Tensor) {
        if self.constant_first {
            (&self.constant, x)
        } else {
            (x, &self.constant)
        }
    }

    /// f(x, constant) or f(constant, x).
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (a, b) = self.order(x);
        self.binary.forward(a, b)
    }

    /// Cotangent of the output → gradient to the input.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let (a, b) = self.order(x);
        let [first, second] = self.binary.vjp(a, b, cotangent)?;
        Ok(if self.constant_first { second } else { first })
    }

    /// Tangents of the input → tangents of the output.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        let (a, b) = self.order(x);
        let slope = self.binary.slopes(a, b)?;
        let full: Vec<usize> = a.broadcast_add(b)?.dims()[1..].to_vec();
        let mut shape = vec![tangent.dims()[0]];
        shape.extend(full);
        let tangent = match &slope[usize::from(self.constant_first)] {
            None => tangent.clone(),
            Some(slope) => tangent.broadcast_mul(slope)?,
        };
        Ok(tangent.broadcast_as(shape)?.contiguous()?)
    }
}

/// `x · mul + add` with one number of each per channel (axis 1), or one for all: what is left of a batch
/// normalisation, a layer scale, a bias.
#[derive(Debug, Clone)]
pub struct Affine {
    /// `[channels]` or `[1]`.
    pub mul: Tensor,
    /// `[channels]` or `[1]`.
    pub add: Tensor,
}

impl Affine {
    /// `[b, c, …]` → the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self
            .jvp(x)?
            .broadcast_add(&along_channels(&self.add, x.rank())?)?)
    }

    /// The product without the sum; its own adjoint.
    pub fn jvp(&self, tangent: &Tensor) -> Result<Tensor> {
        Ok(tangent.broadcast_mul(&along_channels(&self.mul, tangent.rank())?)?)
    }
}

/// x where positive, else slope · x, with one slope per channel.
#[derive(Debug, Clone)]
pub struct PRelu {
    /// `[channels]` or `[1]`.
    pub slope: Tensor,
}

impl PRelu {
    /// `[b, c, …]` → the same shape.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.mul(&self.derivative(x)?)?)
    }

    /// Cotangent of the output → gradient to the input, linearised at `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        Ok(cotangent.mul(&self.derivative(x)?)?)
    }

    /// Tangents `[p, …]` → tangents of the output, linearised at `x` of `[1, …]` or `[p, …]`.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor) -> Result<Tensor> {
        Ok(tangent.broadcast_mul(&self.derivative(x)?)?)
    }

    fn derivative(&self, x: &Tensor) -> Result<Tensor> {
        let positive = between(x, 0.0, f32::INFINITY)?;
        let slope = along_channels(&self.slope, x.rank())?;
        let below = positive.affine(-1.0, 1.0)?.broadcast_mul(&slope)?;
        Ok((positive + below)?)
    }
}

/// `[c]` → `[1, c, 1, …]` of `rank` axes.
fn along_channels(values: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = vec![1; rank];
    shape[1] = values.elem_count();
    Ok(values.reshape(shape)?)
}
