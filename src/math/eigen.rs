//! Symmetric matrices: Cholesky factor, eigenvectors of small ones (Jacobi), leading eigenvectors of large
//! ones (subspace iteration). Double precision; written out here because a linear algebra crate would be
//! larger than everything that is needed of it.

use super::Rng;
use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut1, Axis, s};

/// Eigenvalues in falling order and eigenvectors as rows.
#[derive(Debug, Clone)]
pub struct Eigen {
    /// Falling.
    pub values: Array1<f64>,
    /// One unit eigenvector per row; the entry of largest magnitude is positive.
    pub vectors: Array2<f64>,
}

/// The lower triangular L with L·Lᵀ = `matrix`, or `None` when the matrix is not positive definite to working
/// precision. Only the lower triangle is read.
pub fn cholesky(matrix: &Array2<f64>) -> Option<Array2<f64>> {
    let n = matrix.nrows();
    let mut lower = Array2::<f64>::zeros((n, n));
    for j in 0..n {
        let (done, mut rest) = lower.view_mut().split_at(Axis(0), j);
        let mut pivot_row = rest.row_mut(0);
        // Row j: forward substitution against the rows above, which are final.
        for (k, row) in done.rows().into_iter().enumerate() {
            let sum = row.slice(s![..k]).dot(&pivot_row.slice(s![..k]));
            pivot_row[k] = (matrix[(j, k)] - sum) / row[k];
        }
        let head = pivot_row.slice(s![..j]);
        let pivot = matrix[(j, j)] - head.dot(&head);
        // A pivot this small is rounding noise: the matrix is singular for our purposes.
        if pivot.is_nan() || pivot <= matrix[(j, j)].abs() * 1e-14 {
            return None;
        }
        pivot_row[j] = pivot.sqrt();
    }
    Some(lower)
}

/// All eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub & Van Loan,
/// *Matrix Computations*, §8.5). Cubic with a large factor: for matrices up to a few hundred rows.
pub fn jacobi(matrix: &Array2<f64>) -> Eigen {
    let n = matrix.nrows();
    let mut a = matrix.clone();
    let mut v = Array2::<f64>::eye(n);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _sweep in 0..60 {
        let mut off = 0.0;
        for p in 0..n {
            for q in p + 1..n {
                off += a[(p, q)] * a[(p, q)];
            }
        }
        if off.is_nan() || off <= total * 1e-26 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut v, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[(j, j)].total_cmp(&a[(i, i)]).then(i.cmp(&j)));
    let mut vectors = v.select(Axis(0), &order);
    vectors.rows_mut().into_iter().for_each(fix_sign);
    Eigen {
        values: order.iter().map(|&i| a[(i, i)]).collect(),
        vectors,
    }
}

/// One Jacobi rotation that zeroes `a[p, q]`; `v` collects the rotations in its rows.
fn rotate(a: &mut Array2<f64>, v: &mut Array2<f64>, p: usize, q: usize) {
    let apq = a[(p, q)];
    if apq == 0.0 {
        return;
    }
    let theta = (a[(q, q)] - a[(p, p)]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let t = if theta == 0.0 { 1.0 } else { t };
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..a.nrows() {
        let (x, y) = (a[(k, p)], a[(k, q)]);
        a[(k, p)] = c * x - s * y;
        a[(k, q)] = s * x + c * y;
    }
    for k in 0..a.nrows() {
        let (x, y) = (a[(p, k)], a[(q, k)]);
        a[(p, k)] = c * x - s * y;
        a[(q, k)] = s * x + c * y;
    }
    for k in 0..a.nrows() {
        let (x, y) = (v[(p, k)], v[(q, k)]);
        v[(p, k)] = c * x - s * y;
        v[(q, k)] = s * x + c * y;
    }
}

/// The `k` leading eigenpairs of a symmetric positive semidefinite matrix by subspace iteration with
/// Rayleigh–Ritz steps (Halko, Martinsson, Tropp 2011, §4.5, on the matrix itself). Exact up to a size where
/// Jacobi is cheap.
pub fn leading(matrix: &Array2<f64>, k: usize, seed: u64) -> Eigen {
    let n = matrix.nrows();
    let k = k.min(n);
    let block = (k + 12).min(n);
    if n <= 96 {
        let all = jacobi(matrix);
        return Eigen {
            values: all.values.slice(s![..k]).to_owned(),
            vectors: all.vectors.slice(s![..k, ..]).to_owned(),
        };
    }
    let mut rng = Rng::stream(seed, 0x0e16);
    let mut basis = Array2::from_shape_fn((block, n), |_| f64::from(rng.normal()));
    orthonormalise(&mut basis);
    let mut previous = f64::NAN;
    loop {
        for _ in 0..4 {
            basis = basis.dot(matrix);
            orthonormalise(&mut basis);
        }
        let image = basis.dot(matrix);
        let small = jacobi(&image.dot(&basis.t()));
        basis = small.vectors.dot(&basis);
        let held: f64 = small.values.slice(s![..k]).sum();
        let settled = (held - previous).abs() <= held.abs() * 1e-7;
        if settled || !held.is_finite() {
            basis.rows_mut().into_iter().for_each(fix_sign);
            return Eigen {
                values: small.values.slice(s![..k]).to_owned(),
                vectors: basis.slice(s![..k, ..]).to_owned(),
            };
        }
        previous = held;
    }
}

/// Makes the rows orthonormal (modified Gram–Schmidt, twice); rows that vanish become zero.
pub fn orthonormalise(rows: &mut Array2<f64>) {
    for i in 0..rows.nrows() {
        let (done, mut rest) = rows.view_mut().split_at(Axis(0), i);
        let mut row = rest.row_mut(0);
        let before = row.dot(&row).sqrt();
        for _ in 0..2 {
            for other in done.rows() {
                let overlap = other.dot(&row);
                row.scaled_add(-overlap, &other);
            }
        }
        let norm = row.dot(&row).sqrt();
        let scale = if norm > before * 1e-12 {
            1.0 / norm
        } else {
            0.0
        };
        row *= scale;
    }
}

/// Turns a vector so that its entry of largest magnitude is positive: eigenvectors have no sign of their own.
fn fix_sign(mut row: ArrayViewMut1<'_, f64>) {
    let largest = |row: &ArrayView1<'_, f64>| {
        row.iter().copied().fold(
            0.0_f64,
            |best, v| if v.abs() > best.abs() { v } else { best },
        )
    };
    if largest(&row.view()) < 0.0 {
        row *= -1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(n: usize, falling: f64) -> Array2<f64> {
        let mut rng = Rng::new(11);
        let mut basis = Array2::from_shape_fn((n, n), |_| f64::from(rng.normal()));
        orthonormalise(&mut basis);
        let scaled = Array2::from_shape_fn((n, n), |(i, j)| falling.powi(i as i32) * basis[(i, j)]);
        basis.t().dot(&scaled)
    }

    #[test]
    fn two_by_two_by_hand() {
        // [[2, 1], [1, 2]] has eigenvalues 3 along (1, 1) and 1 along (1, -1).
        let eigen = jacobi(&ndarray::arr2(&[[2.0, 1.0], [1.0, 2.0]]));
        assert!((eigen.values[0] - 3.0).abs() < 1e-12);
        assert!((eigen.values[1] - 1.0).abs() < 1e-12);
        assert!((eigen.vectors[(0, 0)] - eigen.vectors[(0, 1)]).abs() < 1e-12);
        // [[4, 2], [2, 5]] = [[2, 0], [1, 2]] · [[2, 1], [0, 2]]
        let lower = cholesky(&ndarray::arr2(&[[4.0, 2.0], [2.0, 5.0]])).unwrap();
        assert_eq!(lower, ndarray::arr2(&[[2.0, 0.0], [1.0, 2.0]]));
        assert!(cholesky(&ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]])).is_none());
    }

    #[test]
    fn jacobi_and_subspace_iteration_find_known_spectra() {
        let eigen = jacobi(&spread(40, 0.8));
        for i in 0..40 {
            assert!((eigen.values[i] - 0.8_f64.powi(i as i32)).abs() < 1e-10);
        }
        let matrix = spread(150, 0.9);
        let eigen = leading(&matrix, 10, 1);
        for i in 0..10 {
            assert!((eigen.values[i] - 0.9_f64.powi(i as i32)).abs() < 1e-6);
            let v = eigen.vectors.row(i);
            let residual = matrix.dot(&v) - &v * eigen.values[i];
            assert!(residual.dot(&residual).sqrt() < 2e-3, "{i}");
        }
    }
}
