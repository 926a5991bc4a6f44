//! Resizing maps: each axis is a small matrix, so that every rule is a product.

use crate::network::{NetworkError, Result};
use candle_core::Tensor;

/// How an output element takes its value from the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpolation {
    /// From one element.
    Nearest(Rounding),
    /// From the two around it.
    Linear,
}

/// Which element is nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Down.
    Floor,
    /// Up.
    Ceil,
    /// To the nearest, halves down.
    HalfDown,
    /// To the nearest, halves up.
    HalfUp,
}

/// Where an output element lies in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordinates {
    /// i / scale.
    Asymmetric,
    /// (i + ½) / scale − ½.
    HalfPixel,
    /// The same, but 0 for an output of one element.
    PytorchHalfPixel,
    /// First on first, last on last.
    AlignCorners,
}

/// Resizes rows and columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resize {
    /// Output size by input size, rows and columns.
    pub scale: [f64; 2],
    /// Where output elements lie.
    pub coordinates: Coordinates,
    /// What their values are.
    pub interpolation: Interpolation,
}

impl Resize {
    /// Rows and columns of the output.
    pub fn output(&self, (rows, cols): (usize, usize)) -> (usize, usize) {
        // A scale that came from a quotient of sizes may be a hair too small.
        let along = |axis: usize, size: usize| (size as f64 * self.scale[axis] + 1e-6) as usize;
        (along(0, rows), along(1, cols))
    }

    /// `[b, c, h, w]` → `[b, c, h', w']`; linear, so this is its jvp as well.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, h, w) = x.dims4()?;
        let (rows, cols) = self.output((h, w));
        if rows == 0 || cols == 0 {
            return Err(NetworkError::BadGraph(format!(
                "a {h}×{w} map cannot be resized to {rows}×{cols}"
            )));
        }
        let rows = self.matrix(0, h, x)?;
        let cols = self.matrix(1, w, x)?;
        apply(x, &rows, &cols)
    }

    /// Cotangent of the output → gradient to the input of `size` rows and columns.
    pub fn vjp(&self, size: (usize, usize), cotangent: &Tensor) -> Result<Tensor> {
        let rows = self.matrix(0, size.0, cotangent)?.t()?;
        let cols = self.matrix(1, size.1, cotangent)?.t()?;
        apply(cotangent, &rows, &cols)
    }

    /// `[output, input]`: the weights of the input's elements in each output element.
    fn matrix(&self, axis: usize, size: usize, like: &Tensor) -> Result<Tensor> {
        let (rows, cols) = self.output((size, size));
        let n = if axis == 0 { rows } else { cols };
        let scale = self.scale[axis];
        let mut values = vec![0f32; n * size];
        for (idx, row) in values.chunks_exact_mut(size).enumerate() {
            let i = idx as f64;
            let at = match self.coordinates {
                Coordinates::Asymmetric => i / scale,
                Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if n == 1 => 0.0,
                Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (i + 0.5) / scale - 0.5,
                Coordinates::AlignCorners => i * (size - 1) as f64 / (n - 1) as f64,
            };
            let last = (size - 1) as f64;
            match self.interpolation {
                Interpolation::Nearest(rounding) => {
                    let at = match rounding {
                        Rounding::Floor => at.floor(),
                        Rounding::Ceil => at.ceil(),
                        Rounding::HalfDown => (at - 0.5).ceil(),
                        Rounding::HalfUp => (at + 0.5).floor(),
                    };
                    row[at.clamp(0.0, last) as usize] = 1.0;
                }
                Interpolation::Linear => {
                    let at = at.clamp(0.0, last);
                    let (low, share) = (at.floor() as usize, at.fract() as f32);
                    row[low] += 1.0 - share;
                    row[(low + 1).min(size - 1)] += share;
                }
            }
        }
        Ok(Tensor::from_vec(values, (n, size), like.device())?)
    }
}

/// rows · x · colsᵀ for every map.
fn apply(x: &Tensor, rows: &Tensor, cols: &Tensor) -> Result<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let (n_rows, n_cols) = (rows.dim(0)?, cols.dim(0)?);
    let x = x.contiguous()?.reshape((b * c * h, w))?;
    let x = x.matmul(&cols.t()?)?.reshape((b * c, h, n_cols))?;
    let x = x
        .transpose(1, 2)?
        .contiguous()?
        .reshape((b * c * n_cols, h))?;
    let x = x.matmul(&rows.t()?)?.reshape((b * c, n_cols, n_rows))?;
    Ok(x.transpose(1, 2)?
        .contiguous()?
        .reshape((b, c, n_rows, n_cols))?)
}
