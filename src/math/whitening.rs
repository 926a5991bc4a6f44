//! The inverse second moment: multiplying a direction by it undoes the stretch of a layer's activations.

use super::eigen::cholesky;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, Axis, s};

/// The inverse of `second_moment` + ridge · 1, depth × depth, for a ridge of `relative_eps` times the mean
/// diagonal entry. While the sum is not positive definite to working precision (dead channels, fewer samples
/// than channels) the ridge grows tenfold. The identity when the matrix has no positive, finite trace.
pub fn inverse(second_moment: &Array2<f64>, relative_eps: f64) -> Array2<f32> {
    let depth = second_moment.nrows();
    let scale = second_moment.diag().sum() / depth.max(1) as f64;
    let finite = second_moment.iter().all(|v| v.is_finite());
    if !finite || scale <= 0.0 {
        return Array2::eye(depth);
    }
    let mut ridge = relative_eps.max(0.0) * scale;
    loop {
        let mut regular = second_moment.clone();
        regular.diag_mut().map_inplace(|v| *v += ridge);
        if let Some(lower) = cholesky(&regular) {
            let inverse_lower = invert_lower(&lower);
            // M⁻¹ = L⁻ᵀ·L⁻¹
            return inverse_lower.t().dot(&inverse_lower).mapv(|v| v as f32);
        }
        ridge = (ridge * 10.0).max(scale * 1e-12);
    }
}

/// The inverse of a lower triangular matrix, column by column of the result (rows of its transpose).
fn invert_lower(lower: &Array2<f64>) -> Array2<f64> {
    let n = lower.nrows();
    let mut transposed = Array2::<f64>::zeros((n, n));
    transposed
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .for_each(|(j, mut x)| {
            x[j] = 1.0 / lower[(j, j)];
            for i in j + 1..n {
                let sum = lower.slice(s![i, j..i]).dot(&x.slice(s![j..i]));
                x[i] = -sum / lower[(i, i)];
            }
        });
    transposed.reversed_axes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::{Rng, moments};

    #[test]
    fn two_by_two_by_hand() {
        // [[2, 1], [1, 2]]⁻¹ = [[2, -1], [-1, 2]] / 3
        let found = inverse(&ndarray::arr2(&[[2.0, 1.0], [1.0, 2.0]]), 0.0);
        let expected = ndarray::arr2(&[[2.0_f32, -1.0], [-1.0, 2.0]]) / 3.0;
        assert!((found - expected).iter().all(|d| d.abs() < 1e-6));
    }

    #[test]
    fn inverse_times_matrix_is_one() {
        let mut rng = Rng::new(4);
        let rows = Array2::from_shape_fn((500, 60), |(_, c)| {
            (rng.normal() * (1.0 + c as f32 / 10.0)).max(0.0)
        });
        let moment = moments::second_moment(&rows.view());
        let product = inverse(&moment, 0.0).mapv(f64::from).dot(&moment);
        for ((r, c), v) in product.indexed_iter() {
            assert!((v - f64::from(u8::from(r == c))).abs() < 1e-4);
        }
    }

    #[test]
    fn singular_and_broken_matrices_give_finite_answers() {
        let one = Array2::from_elem((3, 3), 1.0);
        assert!(inverse(&one, 0.0).iter().all(|v| v.is_finite()));
        assert_eq!(inverse(&Array2::zeros((2, 2)), 1e-3), Array2::<f32>::eye(2));
        assert_eq!(
            inverse(&Array2::from_elem((2, 2), f64::NAN), 1e-3),
            Array2::<f32>::eye(2)
        );
    }
}
