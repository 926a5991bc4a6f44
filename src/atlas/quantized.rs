//! Matrices in 8 bits with one common step, so that a file compressor sees small numbers where little varies.

use ndarray::{Array2, ArrayView1, ArrayView2};

/// A matrix stored as `value = zero + step · data`, one `zero` and one `step` for the whole matrix.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Quantized {
    /// Rows × columns.
    pub data: Array2<u8>,
    /// The value of a stored 0.
    pub zero: f32,
    /// The distance of two neighbouring stored values; ≥ 0.
    pub step: f32,
}

impl Quantized {
    /// Quantises to 256 levels between the smallest and the largest finite value.
    pub fn from_f32(values: &ArrayView2<'_, f32>) -> Self {
        let finite = values.iter().copied().filter(|v| v.is_finite());
        let (lo, hi) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), v| {
            (lo.min(v), hi.max(v))
        });
        if lo >= hi {
            let zero = if lo.is_finite() { lo } else { 0.0 };
            return Self {
                data: Array2::zeros(values.raw_dim()),
                zero,
                step: 0.0,
            };
        }
        let step = (hi - lo) / 255.0;
        let data = values.mapv(|v| {
            if v.is_finite() {
                ((v - lo) / step).round() as u8
            } else {
                0
            }
        });
        Self {
            data,
            zero: lo,
            step,
        }
    }

    /// Row `idx` in single precision.
    pub fn row(&self, idx: usize) -> Vec<f32> {
        self.row_view(idx)
            .iter()
            .map(|&q| self.zero + self.step * f32::from(q))
            .collect()
    }

    /// Row `idx` as stored.
    pub fn row_view(&self, idx: usize) -> ArrayView1<'_, u8> {
        self.data.row(idx)
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.data.nrows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_at_most_half_a_step() {
        let values = Array2::from_shape_fn((7, 5), |(r, c)| (r as f32 * 1.7 - c as f32).sin());
        let q = Quantized::from_f32(&values.view());
        for (r, row) in values.rows().into_iter().enumerate() {
            for (a, b) in row.iter().zip(q.row(r)) {
                assert!((a - b).abs() <= q.step * 0.5 + 1e-6);
            }
        }
    }

    #[test]
    fn constant_and_not_finite_matrices_survive() {
        let q = Quantized::from_f32(&Array2::from_elem((2, 2), 3.5).view());
        assert_eq!(q.row(1), vec![3.5, 3.5]);
        let q = Quantized::from_f32(&Array2::from_elem((1, 2), f32::NAN).view());
        assert_eq!(q.row(0), vec![0.0, 0.0]);
    }
}
