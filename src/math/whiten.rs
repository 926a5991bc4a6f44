//! Coordinates in which a covariance is the unit matrix: z = L⁻¹·x for the covariance L·Lᵀ.
//!
//! In single precision and in blocks, because it is asked while somebody waits; the ridge keeps the condition small.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

/// Rows and columns of a block.
const BLOCK: usize = 64;
/// Parts that a product over many rows is cut in; fixed, so that sums do not depend on the number of threads.
const PARTS: usize = 8;

/// A covariance's factor and its inverse.
#[derive(Debug, Clone)]
pub struct Whitener {
    /// L, lower triangular: whitened → raw.
    pub lower: Array2<f32>,
    /// L⁻¹, lower triangular: raw → whitened, so rows become `rows · inverseᵀ`.
    pub inverse: Array2<f32>,
}

/// `rowsᵀ · rows`, depth × depth.
pub fn gram(rows: &ArrayView2<'_, f32>) -> Array2<f32> {
    let size = rows.nrows().div_ceil(PARTS).max(1);
    let parts: Vec<ArrayView2<'_, f32>> = rows.axis_chunks_iter(Axis(0), size).collect();
    let products: Vec<Array2<f32>> = parts.par_iter().map(|part| part.t().dot(part)).collect();
    let depth = rows.ncols();
    products
        .into_iter()
        .fold(Array2::zeros((depth, depth)), |sum, product| sum + product)
}

/// Whitens `covariance` + ridge · 1, for a ridge of `relative_ridge` times the mean diagonal entry; the ridge grows
/// while the sum is not positive definite to working precision. The identity when there is nothing to whiten.
pub fn whitener(covariance: &Array2<f32>, relative_ridge: f32) -> Whitener {
    let depth = covariance.nrows();
    let identity = || Whitener {
        lower: Array2::eye(depth),
        inverse: Array2::eye(depth),
    };
    let scale = covariance.diag().sum() / depth.max(1) as f32;
    if !covariance.iter().all(|v| v.is_finite()) || scale <= 0.0 {
        return identity();
    }
    let mut ridge = relative_ridge * scale;
    while ridge.is_finite() {
        let mut regular = covariance.clone();
        regular.diag_mut().map_inplace(|v| *v += ridge);
        if let Some(lower) = cholesky(regular) {
            let inverse = inverse_of_lower(&lower);
            return Whitener { lower, inverse };
        }
        ridge = (ridge * 10.0).max(scale * 1e-6);
    }
    identity()
}

/// The lower factor, block column by block column; only the lower triangle of `matrix` is read.
fn cholesky(mut matrix: Array2<f32>) -> Option<Array2<f32>> {
    let n = matrix.nrows();
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for j in start..end {
            for i in j..end {
                let left = matrix
                    .slice(s![i, start..j])
                    .dot(&matrix.slice(s![j, start..j]));
                matrix[(i, j)] -= left;
            }
            let pivot = matrix[(j, j)];
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            let root = pivot.sqrt();
            matrix.slice_mut(s![j..end, j]).map_inplace(|v| *v /= root);
        }
        let inverse = small_inverse(&matrix.slice(s![start..end, start..end]));
        let below = matrix.slice(s![end.., start..end]).dot(&inverse.t());
        matrix.slice_mut(s![end.., start..end]).assign(&below);
        let mut rest = matrix.slice_mut(s![end.., end..]);
        rest -= &below.dot(&below.t());
    }
    for (row, mut values) in matrix.rows_mut().into_iter().enumerate() {
        values.slice_mut(s![row + 1..]).fill(0.0);
    }
    Some(matrix)
}

/// The inverse of a small lower triangle, by forward substitution.
fn small_inverse(lower: &ArrayView2<'_, f32>) -> Array2<f32> {
    let n = lower.nrows();
    let mut inverse = Array2::<f32>::zeros((n, n));
    for col in 0..n {
        inverse[(col, col)] = 1.0 / lower[(col, col)];
        for row in col + 1..n {
            let left = lower
                .slice(s![row, col..row])
                .dot(&inverse.slice(s![col..row, col]));
            inverse[(row, col)] = -left / lower[(row, row)];
        }
    }
    inverse
}

/// The inverse of a lower triangle, block row by block row.
fn inverse_of_lower(lower: &Array2<f32>) -> Array2<f32> {
    let n = lower.nrows();
    let mut inverse = Array2::<f32>::zeros((n, n));
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        let own = small_inverse(&lower.slice(s![start..end, start..end]));
        let left = lower
            .slice(s![start..end, ..start])
            .dot(&inverse.slice(s![..start, ..start]));
        inverse
            .slice_mut(s![start..end, ..start])
            .assign(&-own.dot(&left));
        inverse.slice_mut(s![start..end, start..end]).assign(&own);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn a_whitened_covariance_is_the_unit_matrix() {
        let mut rng = Rng::new(6);
        // More than two blocks, the last one not full.
        let (n, depth) = (900, 150);
        let mix = Array2::from_shape_fn((depth, depth), |_| rng.normal());
        let rows = Array2::from_shape_fn((n, depth), |_| rng.normal()).dot(&mix);
        let covariance = gram(&rows.view()) / n as f32;
        let expected = rows.t().dot(&rows) / n as f32;
        assert!((&covariance - &expected).iter().all(|d| d.abs() < 1e-2));
        let whitener = whitener(&covariance, 0.05);
        let mut regular = covariance.clone();
        let ridge = 0.05 * covariance.diag().mean().unwrap();
        regular.diag_mut().map_inplace(|v| *v += ridge);
        let unit = whitener.inverse.dot(&regular).dot(&whitener.inverse.t());
        let worst = (unit - Array2::<f32>::eye(depth)).fold(0.0_f32, |m, d| m.max(d.abs()));
        assert!(worst < 1e-3, "{worst}");
        let product = whitener.lower.dot(&whitener.inverse);
        let worst = (product - Array2::<f32>::eye(depth)).fold(0.0_f32, |m, d| m.max(d.abs()));
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn singular_and_empty_covariances() {
        let mut flat = Array2::<f32>::zeros((80, 80));
        flat[(3, 3)] = 2.0;
        let whitener_of_flat = whitener(&flat, 0.05);
        assert!(whitener_of_flat.inverse.iter().all(|v| v.is_finite()));
        assert!(whitener_of_flat.inverse[(3, 3)] < whitener_of_flat.inverse[(4, 4)]);
        assert_eq!(
            whitener(&Array2::zeros((3, 3)), 0.1).lower,
            Array2::<f32>::eye(3)
        );
        assert_eq!(whitener(&Array2::zeros((0, 0)), 0.1).lower.dim(), (0, 0));
    }
}
