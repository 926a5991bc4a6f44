//! Colours: the linear map between the colour distributions of two groups.

use super::Change;
use crate::causal::pixels::byte;
use crate::math::eigen::jacobi;
use image::{Rgb, RgbImage};
use ndarray::{Array1, Array2};
use std::sync::Arc;

/// Added to variances (grey values squared), so that a grey group has a map.
const FLOOR: f64 = 1.0;

/// `M (x − from) + to`.
pub(super) struct Map {
    matrix: [[f32; 3]; 3],
    from: [f32; 3],
    to: [f32; 3],
}

/// Mean and covariance of the colours of all pixels of a group.
fn moments(group: &[Arc<RgbImage>]) -> (Array1<f64>, Array2<f64>) {
    let mut mean = Array1::<f64>::zeros(3);
    let mut second = Array2::<f64>::zeros((3, 3));
    let mut n = 0.0;
    for pixel in group.iter().flat_map(|square| square.pixels()) {
        let c = pixel.0.map(f64::from);
        n += 1.0;
        for i in 0..3 {
            mean[i] += c[i];
            for j in 0..3 {
                second[(i, j)] += c[i] * c[j];
            }
        }
    }
    mean /= f64::max(n, 1.0);
    second /= f64::max(n, 1.0);
    let mut covariance = second;
    for i in 0..3 {
        for j in 0..3 {
            covariance[(i, j)] -= mean[i] * mean[j];
        }
        covariance[(i, i)] += FLOOR;
    }
    (mean, covariance)
}

/// A power of a symmetric positive matrix.
fn power(matrix: &Array2<f64>, exponent: f64) -> Array2<f64> {
    let eigen = jacobi(matrix);
    let n = matrix.nrows();
    let mut out = Array2::zeros((n, n));
    for (value, vector) in eigen.values.iter().zip(eigen.vectors.rows()) {
        let scale = value.max(1e-9).powf(exponent);
        for i in 0..n {
            for j in 0..n {
                out[(i, j)] += scale * vector[i] * vector[j];
            }
        }
    }
    out
}

impl Map {
    /// The map that turns the colours of the first group into those of the second.
    pub(super) fn between(from: &[Arc<RgbImage>], to: &[Arc<RgbImage>]) -> Self {
        let ((m0, c0), (m1, c1)) = (moments(from), moments(to));
        let (root, inverse) = (power(&c0, 0.5), power(&c0, -0.5));
        let middle = power(&root.dot(&c1).dot(&root), 0.5);
        let matrix = inverse.dot(&middle).dot(&inverse);
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| matrix[(i, j)] as f32)),
            from: std::array::from_fn(|i| m0[i] as f32),
            to: std::array::from_fn(|i| m1[i] as f32),
        }
    }
}

impl Change for Map {
    fn apply(&self, square: &RgbImage) -> RgbImage {
        let mut out = square.clone();
        for pixel in out.pixels_mut() {
            let c: [f32; 3] = std::array::from_fn(|i| f32::from(pixel.0[i]) - self.from[i]);
            *pixel = Rgb(std::array::from_fn(|i| {
                let row = &self.matrix[i];
                byte(row[0] * c[0] + row[1] * c[1] + row[2] * c[2] + self.to[i])
            }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Rng;

    /// Colours `x` and their image under a known symmetric positive map (which is its own Monge map).
    #[test]
    fn a_known_map_of_colours_comes_back() {
        let mut rng = Rng::new(2);
        let mut bytes = || std::array::from_fn(|_| (60.0 + 40.0 * rng.uniform()).round());
        let colours: Vec<[f32; 3]> = (0..4096).map(|_| bytes()).collect();
        let known = [[1.2, 0.1, 0.0], [0.1, 0.8, 0.05], [0.0, 0.05, 1.1]];
        let mapped = |c: &[f32; 3]| -> [f32; 3] {
            std::array::from_fn(|i| (0..3).map(|j| known[i][j] * c[j]).sum::<f32>() + 10.0)
        };
        let picture = |of: &dyn Fn(&[f32; 3]) -> [f32; 3]| {
            Arc::new(RgbImage::from_fn(64, 64, |x, y| {
                Rgb(of(&colours[(y * 64 + x) as usize]).map(byte))
            }))
        };
        let (plain, cast) = (picture(&|c| *c), picture(&mapped));
        let map = Map::between(std::slice::from_ref(&plain), std::slice::from_ref(&cast));
        for (found, expected) in map.matrix.iter().flatten().zip(known.iter().flatten()) {
            assert!((found - expected).abs() < 0.02, "{:?}", map.matrix);
        }
        let out = map.apply(&plain);
        let furthest = out
            .iter()
            .zip(cast.iter())
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(furthest <= Some(2), "{furthest:?}");
    }
}
