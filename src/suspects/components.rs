//! Class-wise neural principal components (Neuhaus et al., "Spurious Features Everywhere", ICCV 2023).
//!
//! What the pooled activation φ gives to the logit of class `c`, channel by channel, is ψ = φ ⊙ (w_c − mean w). The
//! principal components v of ψ over the class's images are ways in which they differ in what makes them the class;
//! α = ⟨1, v⟩⟨v, ψ − mean ψ⟩ is what a component adds to the logit. A component has no place: the position that
//! counts most is where activation · (w_c ⊙ v) is largest, with the activation taken along its cluster.

use super::cells::Tested;
use super::columns::{Id, empty};
use super::context::Context;
use super::features::Features;
use super::members::centred;
use super::{Candidate, Exemplar, Kind, MAX_EXEMPLARS, MIN_IMAGES, Place};
use crate::atlas::ClassId;
use crate::math::eigen;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rayon::prelude::*;

/// Components of a class at most.
const COMPONENTS: usize = 10;
/// Share of the class's images that count as showing a component in its test.
const SHOWING: f32 = 0.1;

/// The components of every class with enough images; none without a linear end.
pub(super) fn candidates(context: &Context<'_>, features: &Features<'_>) -> Vec<Tested> {
    let (Some(head), Some(pooled)) = (features.head, &context.pooled) else {
        return Vec::new();
    };
    let weights = centred(head.weights.mapv(f32::from));
    let found: Vec<Vec<Tested>> = (0..weights.nrows())
        .into_par_iter()
        .filter(|&class| context.members.images[class].len() >= MIN_IMAGES)
        .map(|class| {
            let search = Search {
                context,
                features,
                pooled,
                class,
                weights: weights.row(class).to_owned(),
            };
            search.candidates()
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// One class at work.
struct Search<'a> {
    context: &'a Context<'a>,
    features: &'a Features<'a>,
    /// Images × depth.
    pooled: &'a Array2<f32>,
    class: usize,
    /// Depth, centred over classes.
    weights: Array1<f32>,
}

impl Search<'_> {
    fn images(&self) -> &[u32] {
        &self.context.members.images[self.class]
    }

    /// What each channel gives to the logit, images × depth.
    fn shares(&self, images: &[u32]) -> Array2<f32> {
        let rows: Vec<usize> = images.iter().map(|&image| image as usize).collect();
        self.pooled.select(Axis(0), &rows) * &self.weights
    }

    fn candidates(&self) -> Vec<Tested> {
        let mut shares = self.shares(self.images());
        let mean = shares.mean_axis(Axis(0)).unwrap_or_default();
        shares -= &mean;
        let (values, vectors) = principal(&shares, self.class as u64);
        let group = self.context.members.group(self.class, &self.context.alike);
        let rivals: Vec<u32> = (group.iter().skip(1))
            .flat_map(|&class| self.context.members.images[class].iter().copied())
            .collect();
        let others = self.shares(&rivals) - &mean;
        let found = values.iter().zip(vectors.rows()).enumerate();
        found
            .filter(|(_, (value, _))| **value > 0.0)
            .filter_map(|(number, (&value, vector))| {
                self.candidate((number, value), &vector, &shares, &others)
            })
            .collect()
    }

    fn candidate(
        &self,
        (number, eigenvalue): (usize, f32),
        vector: &ArrayView1<'_, f32>,
        shares: &Array2<f32>,
        others: &Array2<f32>,
    ) -> Option<Tested> {
        let images = self.images();
        let along = vector.sum();
        let alphas = shares.dot(vector) * along;
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by(|&a, &b| alphas[b].total_cmp(&alphas[a]).then(a.cmp(&b)));
        order.truncate(MAX_EXEMPLARS);
        let direction = &self.weights * vector * along.signum();
        let chosen: Vec<(u32, usize)> = (order.iter())
            .map(|&idx| (images[idx], self.strongest(images[idx], &direction)))
            .collect();
        let shown = &self.context.atlas.layers[self.features.layer];
        let level = shown.levels.last()?;
        let cell = level
            .cells
            .get(self.context.cell_of_most(self.features, &chosen)?)?;
        let mut scores = empty();
        scores[Id::Eigenvalue as usize] = Some(eigenvalue);
        let alpha = order.iter().map(|&idx| alphas[idx]).sum::<f32>() / order.len() as f32;
        scores[Id::Alpha as usize] = Some(alpha);
        scores[Id::Tail as usize] = Some(skewness(&alphas));
        let exemplar = |&(image, position): &(u32, usize)| {
            let (row, col) = self.features.place_in(shown, position);
            Exemplar { image, row, col }
        };
        Some(Tested {
            p: self.p(&alphas, &(others.dot(vector) * along)),
            candidate: Candidate {
                kind: Kind::Component,
                layer: self.features.layer,
                class: self.class as ClassId,
                other: None,
                cell: Place {
                    grid: level.grid,
                    row: cell.row,
                    col: cell.col,
                },
                component: Some(number as u16),
                score: 0.0,
                scores,
                exemplars: chosen.iter().map(exemplar).collect(),
                q: None,
            },
        })
    }

    /// The position of an image that gives most along `direction`.
    fn strongest(&self, image: u32, direction: &Array1<f32>) -> usize {
        let row = self.features.of_position.row(image as usize);
        let value = |position: usize| {
            let (cosine, norm) = self.features.strength(image as usize, position)?;
            let unit = self.features.units.row(usize::from(row[position]));
            Some(cosine * norm * unit.dot(direction))
        };
        let values = (0..row.len()).map(|position| value(position).unwrap_or(0.0));
        let best = values
            .enumerate()
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.map_or(0, |(position, _)| position)
    }

    /// The chance that as many of the images farthest along the component belong to the class, were labels permuted
    /// among the confusable classes.
    fn p(&self, own: &Array1<f32>, others: &Array1<f32>) -> f64 {
        let drawn = ((own.len() as f32 * SHOWING) as usize).max(MAX_EXEMPLARS.min(own.len()));
        let mut all: Vec<(f32, bool)> = (own.iter().map(|&alpha| (alpha, true)))
            .chain(others.iter().map(|&alpha| (alpha, false)))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let hits = all[..drawn].iter().filter(|(_, own)| *own).count();
        self.context
            .chance
            .at_least(hits, drawn, own.len(), all.len())
    }
}

/// Leading eigenvalues and unit eigenvectors (rows) of the covariance of centred `rows`, by the smaller of the two
/// Gram matrices.
fn principal(rows: &Array2<f32>, seed: u64) -> (Vec<f32>, Array2<f32>) {
    let (n, depth) = rows.dim();
    let by_rows = n < depth;
    let gram = if by_rows {
        rows.dot(&rows.t())
    } else {
        rows.t().dot(rows)
    };
    let leading = eigen::leading(&gram.mapv(|v| f64::from(v) / n as f64), COMPONENTS, seed);
    let mut vectors = leading.vectors.mapv(|v| v as f32);
    if by_rows {
        vectors = vectors.dot(rows);
    }
    for mut vector in vectors.rows_mut() {
        let norm = vector.dot(&vector).sqrt();
        if norm > 0.0 {
            vector /= norm;
        }
    }
    (leading.values.iter().map(|&v| v as f32).collect(), vectors)
}

fn skewness(values: &Array1<f32>) -> f32 {
    let n = values.len() as f32;
    let mean = values.sum() / n;
    let moment = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f32>() / n;
    let deviation = moment(2).sqrt();
    if deviation > 0.0 {
        moment(3) / deviation.powi(3)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn either_gram_matrix_gives_the_same_components() {
        let mut rng = Rng::new(2);
        let mut rows = Array2::from_shape_fn((30, 12), |(_, col)| rng.normal() * (1 + col) as f32);
        rows -= &rows.mean_axis(Axis(0)).unwrap();
        let (values, vectors) = principal(&rows, 1);
        let covariance = rows.t().dot(&rows) / 30.0;
        for (value, vector) in values.iter().zip(vectors.rows()) {
            let error = covariance.dot(&vector) - &(&vector * *value);
            assert!(error.iter().all(|e| e.abs() < 1e-3 * values[0]), "{error}");
        }
        let mut wide = Array2::zeros((30, 40));
        wide.slice_mut(ndarray::s![.., ..12]).assign(&rows);
        let (wide_values, wide_vectors) = principal(&wide, 1);
        for (idx, value) in values.iter().enumerate() {
            assert!((wide_values[idx] - value).abs() < 1e-3 * values[0]);
            let overlap: f32 = (0..12)
                .map(|c| wide_vectors[(idx, c)] * vectors[(idx, c)])
                .sum();
            assert!((overlap.abs() - 1.0).abs() < 1e-3, "{overlap}");
        }
    }

    #[test]
    fn skewness_of_a_few_far_out() {
        let mut values = vec![0.0; 95];
        values.extend([10.0; 5]);
        // (1 − 2p) / √(p(1 − p)) for a share p.
        let expected = 0.9 / (0.05_f32 * 0.95).sqrt();
        assert!((skewness(&Array1::from_vec(values)) - expected).abs() < 1e-3);
        assert!(skewness(&Array1::from_elem(5, 2.0)).abs() < 1e-9);
    }
}
