//! Principal components of activations.

use super::{eigen, moments};
use crate::atlas::{Pca, Quantized};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip};

/// Largest number of components.
pub const MAX_COMPONENTS: usize = 64;

/// The `k` (at most [`MAX_COMPONENTS`]) leading principal components of `rows` (n × depth), largest variance
/// first, and the rows' coordinates with one common step, so that later components take small numbers.
pub fn fit(rows: &ArrayView2<'_, f32>, k: usize, seed: u64) -> Pca {
    let (mean, components, explained) = axes(rows, k, seed);
    let coordinates = project(rows, &mean.view(), &components.view());
    Pca {
        mean,
        components,
        coordinates: Quantized::from_f32(&coordinates.view()),
        explained,
    }
}

/// Mean (depth), orthonormal components (k × depth) and the share of the variance that they hold.
pub fn axes(rows: &ArrayView2<'_, f32>, k: usize, seed: u64) -> (Array1<f32>, Array2<f32>, f32) {
    let mean = moments::mean(rows);
    let covariance = moments::covariance(&moments::second_moment(rows), &mean);
    let leading = eigen::leading(&covariance, k.min(MAX_COMPONENTS), seed);
    let total = covariance.diag().sum();
    let explained = if total > 0.0 {
        (leading.values.sum() / total).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let components = leading.vectors.mapv(|v| v as f32);
    (mean.mapv(|v| v as f32), components, explained as f32)
}

/// Coordinates of `rows` (n × depth) along `components` (k × depth) after subtracting `mean`: n × k.
pub fn project(
    rows: &ArrayView2<'_, f32>,
    mean: &ArrayView1<'_, f32>,
    components: &ArrayView2<'_, f32>,
) -> Array2<f32> {
    let mut coordinates = Array2::<f32>::zeros((rows.nrows(), components.nrows()));
    coordinates
        .axis_chunks_iter_mut(Axis(0), 512)
        .into_par_iter()
        .zip(rows.axis_chunks_iter(Axis(0), 512))
        .for_each(|(mut out, chunk)| {
            let centred = &chunk - mean;
            out.assign(&centred.dot(&components.t()));
        });
    coordinates
}

/// The rows that coordinates stand for: mean + coordinates · components, n × depth.
pub fn reconstruct(pca: &Pca) -> Array2<f32> {
    let (zero, step) = (pca.coordinates.zero, pca.coordinates.step);
    let coordinates = pca.coordinates.data.mapv(|q| zero + step * f32::from(q));
    let mut rows = coordinates.dot(&pca.components);
    Zip::from(rows.rows_mut()).for_each(|mut row| row += &pca.mean);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn a_plane_is_found_and_reconstructed() {
        let mut rng = Rng::new(9);
        let (n, depth) = (400, 120);
        let axes = Array2::from_shape_fn((2, depth), |_| rng.normal());
        let weights = Array2::from_shape_fn((n, 2), |(_, c)| rng.normal() * [5.0, 1.0][c]);
        let rows = weights.dot(&axes) + 2.0;
        let pca = fit(&rows.view(), 2, 1);
        assert!(pca.explained > 0.9999);
        let overlap = pca.components.dot(&pca.components.t());
        assert!(
            (overlap - Array2::<f32>::eye(2))
                .iter()
                .all(|d| d.abs() < 1e-5)
        );
        let error = (reconstruct(&pca) - &rows).mapv(|v| v * v).sum();
        let spread = (&rows - 2.0).mapv(|v| v * v).sum();
        // One step of 1/255 of the range along the first axis, half of it at most.
        assert!(error < spread * 1e-3, "{error} of {spread}");
    }

    #[test]
    fn constant_rows_and_nothing() {
        let pca = fit(&Array2::from_elem((5, 4), 1.5).view(), 3, 1);
        assert!(pca.coordinates.row(2).iter().all(|v| v.abs() < 1e-4));
        let pca = fit(&Array2::zeros((0, 4)).view(), 3, 1);
        assert_eq!(pca.coordinates.n_rows(), 0);
    }
}
