//! Heat maps of a class: where in its images the network sees it.
//!
//! SpRAy (Lapuschkin et al. 2019) clusters the heat maps of a class, and a cluster that stands apart is suspicious;
//! Anders et al. (2022) order clusters by Fisher's separability. Here the groups are given, the images with a feature
//! and those without, so only the separability is left to compute.

use super::features::Features;
use crate::math::whiten;
use ndarray::{Array1, Array2};

/// Rows and columns of a heat map at most; finer ones are averaged.
const SIDE: usize = 8;
/// Of the mean variance, what is added to every variance before it is divided by.
const RIDGE: f32 = 0.05;

/// The heat maps of a class's images, less their mean, in units of what varies within the class.
pub(super) struct HeatMaps {
    /// Images × squares.
    white: Array2<f32>,
    /// Mean squared length of the rows.
    spread: f32,
}

impl HeatMaps {
    /// Of each image how much every part of it gives to the class.
    pub(super) fn new(features: &Features<'_>, class: usize, images: &[u32]) -> Self {
        let (rows, cols) = features.map;
        let (down, across) = (rows.min(SIDE), cols.min(SIDE));
        let mut maps = Array2::zeros((images.len(), down * across));
        for (mut map, &image) in maps.rows_mut().into_iter().zip(images) {
            let mut n = vec![0.0_f32; down * across];
            let positions = features.of_position.row(image as usize);
            for (position, &feature) in positions.iter().enumerate() {
                let (row, col) = (position / cols, position % cols);
                let at = row * down / rows * across + col * across / cols;
                map[at] += features.attributions[(usize::from(feature), class)];
                n[at] += 1.0;
            }
            map.zip_mut_with(&Array1::from_vec(n), |sum, n| *sum /= n.max(1.0));
        }
        Self::of(maps)
    }

    /// Of heat maps, images × squares.
    fn of(mut maps: Array2<f32>) -> Self {
        let n = maps.nrows().max(1) as f32;
        let mean = maps.mean_axis(ndarray::Axis(0)).unwrap_or_default();
        maps -= &mean;
        let covariance = whiten::gram(&maps.view()) / n;
        let white = maps.dot(&whiten::whitener(&covariance, RIDGE).inverse.t());
        let spread = white.iter().map(|v| v * v).sum::<f32>() / n;
        Self { white, spread }
    }

    /// Fisher's separability of the maps of some images, by their places among the class's, from those of the others:
    /// (μ₁ − μ₀)ᵀ S⁻¹ (μ₁ − μ₀) with the covariance S within the two groups, less what two groups of these sizes have by
    /// chance. None where a group is empty.
    pub(super) fn separability(&self, some: impl Iterator<Item = usize>) -> Option<f32> {
        let mut sum = Array1::<f32>::zeros(self.white.ncols());
        let mut own = 0.0_f32;
        for at in some {
            sum += &self.white.row(at);
            own += 1.0;
        }
        let n = self.white.nrows() as f32;
        let others = n - own;
        if own < 1.0 || others < 1.0 {
            return None;
        }
        // All rows sum to nothing, so the others' mean follows.
        let apart = &sum * (1.0 / own + 1.0 / others);
        let by_chance = self.spread * (1.0 / own + 1.0 / others);
        let distance = (apart.dot(&apart) - by_chance).max(0.0);
        // The rows are in units of the whole covariance, which is S and what lies between the groups (Sherman and
        // Morrison 1950).
        let between = (own / n * others / n * distance).min(0.999);
        Some(distance / (1.0 - between))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Rng;

    /// Two groups of unit variance, three apart along one of four squares: τ = 9.
    #[test]
    fn separability_of_two_groups() {
        let mut rng = Rng::new(4);
        let maps = Array2::from_shape_fn((4000, 4), |(row, square)| {
            let apart = if row < 1000 && square == 2 { 3.0 } else { 0.0 };
            rng.normal() + apart
        });
        let found = HeatMaps::of(maps);
        let tau = found.separability(0..1000).unwrap();
        // The ridge takes a little.
        assert!((7.0..9.5).contains(&tau), "{tau}");
        let none = found.separability((0..4000).step_by(4)).unwrap();
        assert!(none < 0.05, "{none}");
        assert!(found.separability(0..0).is_none());
        assert!(found.separability(0..4000).is_none());
    }
}
