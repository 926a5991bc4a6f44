//! Class-wise components: directions in which the images of one class differ in what makes them the class.
//!
//! There are two families, both of the pooled activation φ before the linear end and the class's weights w (minus
//! the mean over classes):
//!
//! - *neural principal components* (Neuhaus et al., "Spurious Features Everywhere", ICCV 2023): ψ = φ ⊙ w is what
//!   each channel gives to the logit, v the principal components of ψ over the class's images, and
//!   α = ⟨1, v⟩⟨v, ψ − mean ψ⟩ what a component adds to the logit;
//! - *contrastive components* (after Abid et al., "Exploring patterns enriched in a dataset with contrastive principal
//!   component analysis", 2018): the same for φ in coordinates in which the covariance within classes is the unit
//!   matrix, so that what varies in every class counts little and what varies in this one alone counts much. A rare
//!   shortcut has little variance, but in a direction in which other classes have none.
//!
//! A component has no place: the position that counts most is where activation · direction is largest, with the
//! activation taken along its cluster. Where the images farthest along it show the same cluster there, the component
//! is one thing and not many, which is what orders the list (α · unison).

use super::cells::Tested;
use super::columns::{Id, empty};
use super::context::Context;
use super::features::Features;
use super::members::centred;
use super::{Candidate, Exemplar, Kind, MAX_EXEMPLARS, MIN_IMAGES, Place};
use crate::atlas::ClassId;
use crate::math::whiten::{self, Whitener};
use crate::math::{Rng, eigen};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rayon::prelude::*;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Components of a class and family at most.
const COMPONENTS: usize = 10;
/// Of the mean variance within classes, what is added to every variance before it is divided by.
const RIDGE: f32 = 0.05;
/// Share of the class's images that count as showing a component in its test.
const SHOWING: f32 = 0.1;
/// Images farthest along a component that are asked whether they show the same.
const FARTHEST: usize = 20;

/// The components of every class with enough images; none without a linear end.
pub(super) fn candidates(context: &Context<'_>, features: &Features<'_>) -> Vec<Tested> {
    let (Some(head), Some(pooled)) = (features.head, &context.pooled) else {
        return Vec::new();
    };
    let weights = centred(head.weights.mapv(f32::from));
    let searched = |class: &usize| context.members.images[*class].len() >= MIN_IMAGES;
    if !(0..weights.nrows()).any(|class| searched(&class)) {
        return Vec::new();
    }
    let whitener = within_classes(context, pooled);
    let found: Vec<Vec<Tested>> = (0..weights.nrows())
        .into_par_iter()
        .filter(searched)
        .map(|class| {
            let search = Search {
                context,
                features,
                pooled,
                whitener: &whitener,
                class,
                weights: weights.row(class).to_owned(),
                group: context.members.group(class, &context.alike),
            };
            search.candidates()
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// Whitens what varies within classes, all classes together.
pub(super) fn within_classes(context: &Context<'_>, pooled: &Array2<f32>) -> Whitener {
    let mut rows: Vec<usize> = Vec::new();
    let mut means: Vec<(usize, Array1<f32>)> = Vec::new();
    for images in context
        .members
        .images
        .iter()
        .filter(|images| images.len() > 1)
    {
        let own: Vec<usize> = images.iter().map(|&image| image as usize).collect();
        let mean = pooled
            .select(Axis(0), &own)
            .mean_axis(Axis(0))
            .unwrap_or_default();
        means.push((own.len(), mean));
        rows.extend(own);
    }
    let mut deviations = pooled.select(Axis(0), &rows);
    let mut start = 0;
    for (n, mean) in means {
        let mut own = deviations.slice_mut(ndarray::s![start..start + n, ..]);
        own -= &mean;
        start += n;
    }
    let covariance = whiten::gram(&deviations.view()) / rows.len().max(1) as f32;
    whiten::whitener(&covariance, RIDGE)
}

/// One class at work.
struct Search<'a> {
    context: &'a Context<'a>,
    features: &'a Features<'a>,
    /// Images × depth.
    pooled: &'a Array2<f32>,
    whitener: &'a Whitener,
    class: usize,
    /// Depth, centred over classes.
    weights: Array1<f32>,
    /// The class and those it is confused with.
    group: Vec<usize>,
}

/// A direction with what it does.
struct Component {
    /// Within its class; the contrastive ones are counted on from the others.
    number: usize,
    /// What a unit of mean activation adds along it, depth: where it is largest in an image, the component is.
    local: Array1<f32>,
    /// What it adds to the logit of each image of the class against their mean.
    alphas: Array1<f32>,
    /// The same for the images of the classes that it is confused with.
    others: Array1<f32>,
    eigenvalue: Option<f32>,
    spread: Option<f32>,
}

impl Search<'_> {
    fn images(&self) -> &[u32] {
        &self.context.members.images[self.class]
    }

    fn candidates(&self) -> Vec<Tested> {
        let rows = |images: &[u32]| {
            let rows: Vec<usize> = images.iter().map(|&image| image as usize).collect();
            self.pooled.select(Axis(0), &rows)
        };
        let mut own = rows(self.images());
        let mean = own.mean_axis(Axis(0)).unwrap_or_default();
        own -= &mean;
        let rivals: Vec<u32> = (self.group.iter().skip(1))
            .flat_map(|&class| self.context.members.images[class].iter().copied())
            .collect();
        let others = rows(&rivals) - &mean;
        let mut found = self.neural(&own, &others);
        found.extend(self.contrastive(&own, &others));
        found
            .iter()
            .filter_map(|component| self.candidate(component))
            .collect()
    }

    fn neural(&self, own: &Array2<f32>, others: &Array2<f32>) -> Vec<Component> {
        let (values, vectors) = principal(&(own * &self.weights), self.class as u64);
        let component = |(number, (&value, vector)): (usize, (&f32, ArrayView1<'_, f32>))| {
            let along = vector.sum();
            let direction = &self.weights * &vector * along;
            Component {
                number,
                alphas: own.dot(&direction),
                others: others.dot(&direction),
                local: direction,
                eigenvalue: Some(value),
                spread: None,
            }
        };
        values
            .iter()
            .zip(vectors.rows())
            .enumerate()
            .map(component)
            .collect()
    }

    fn contrastive(&self, own: &Array2<f32>, others: &Array2<f32>) -> Vec<Component> {
        let white = own.dot(&self.whitener.inverse.t());
        let (values, vectors) = principal(&white, !(self.class as u64));
        // A unit along a component is raw activation L·v, which gives w · L·v to the logit.
        let gains = vectors.dot(&self.whitener.lower.t()).dot(&self.weights);
        let raw = vectors.dot(&self.whitener.inverse);
        let component = |(number, (&value, row)): (usize, (&f32, ArrayView1<'_, f32>))| {
            let direction = &row * gains[number];
            Component {
                number: COMPONENTS + number,
                alphas: own.dot(&direction),
                others: others.dot(&direction),
                local: direction,
                eigenvalue: None,
                spread: Some(value),
            }
        };
        values
            .iter()
            .zip(raw.rows())
            .enumerate()
            .map(component)
            .collect()
    }

    fn candidate(&self, component: &Component) -> Option<Tested> {
        let images = self.images();
        let alphas = &component.alphas;
        let mut order: Vec<usize> = (0..images.len()).collect();
        order.sort_by(|&a, &b| alphas[b].total_cmp(&alphas[a]).then(a.cmp(&b)));
        order.truncate(FARTHEST);
        let along = self.features.units.dot(&component.local);
        let places: Vec<(u32, usize)> = (order.iter())
            .map(|&idx| (images[idx], self.strongest(images[idx], &along)))
            .collect();
        // All of a small class would be no choice.
        let n_chosen = MAX_EXEMPLARS.min(images.len() / 2).max(1);
        let chosen = &places[..places.len().min(n_chosen)];
        let shown = &self.context.atlas.layers[self.features.layer];
        let level = shown.levels.last()?;
        let cell = level
            .cells
            .get(self.context.cell_of_most(self.features, chosen)?)?;
        let alpha = order[..chosen.len()]
            .iter()
            .map(|&idx| alphas[idx])
            .sum::<f32>();
        let mut scores = empty();
        scores[Id::Eigenvalue as usize] = component.eigenvalue;
        scores[Id::Spread as usize] = component.spread;
        scores[Id::Alpha as usize] = Some(alpha / chosen.len() as f32);
        let own: Vec<u32> = chosen.iter().map(|&(image, _)| image).collect();
        scores[Id::Ease as usize] = self.context.ease(self.class, &own);
        let (n_alike, _) = self.most_shown(&places);
        scores[Id::Unison as usize] = Some(n_alike as f32 / places.len().max(1) as f32);
        let (share, p) = self.farthest(alphas, &component.others);
        let same = self.features.sameness(chosen);
        scores[Id::NearDuplicate as usize] = same.map(|same| share * same);
        scores[Id::Tail as usize] = Some(skewness(alphas));
        let exemplar = |&(image, position): &(u32, usize)| {
            let (row, col) = self.features.place_in(shown, position);
            Exemplar { image, row, col }
        };
        Some(Tested {
            p,
            shows: self.most_shown(chosen).1,
            look: None,
            candidate: Candidate {
                kind: Kind::Component,
                layer: self.features.layer,
                class: self.class as ClassId,
                other: None,
                cell: Place::of(level, cell),
                component: Some(component.number as u16),
                score: 0.0,
                scores,
                exemplars: chosen.iter().map(exemplar).collect(),
                q: None,
            },
        })
    }

    /// The position of an image that gives most along a direction; `along` is what a unit of each feature gives.
    fn strongest(&self, image: u32, along: &Array1<f32>) -> usize {
        let row = self.features.of_position.row(image as usize);
        let value = |position: usize| {
            let (cosine, norm) = self.features.strength(image as usize, position)?;
            Some(cosine * norm * along[usize::from(row[position])])
        };
        let values = (0..row.len()).map(|position| value(position).unwrap_or(0.0));
        let best = values
            .enumerate()
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.map_or(0, |(position, _)| position)
    }

    /// The feature that most of some places show, and how many do.
    fn most_shown(&self, places: &[(u32, usize)]) -> (usize, Option<u16>) {
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        for &(image, position) in places {
            let feature = self.features.of_position[(image as usize, position)];
            *counts.entry(feature).or_default() += 1;
        }
        let most = (counts.into_iter()).max_by_key(|&(feature, n)| (n, Reverse(feature)));
        most.map_or((0, None), |(feature, n)| (n, Some(feature)))
    }

    /// The share of the class among the images farthest along the component, and the chance of as many, were labels
    /// permuted among the confusable classes.
    fn farthest(&self, own: &Array1<f32>, others: &Array1<f32>) -> (f32, f64) {
        let drawn = ((own.len() as f32 * SHOWING) as usize).max(MAX_EXEMPLARS.min(own.len()));
        let mut all: Vec<(f32, bool)> = (own.iter().map(|&alpha| (alpha, true)))
            .chain(others.iter().map(|&alpha| (alpha, false)))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let hits = all[..drawn].iter().filter(|(_, own)| *own).count();
        let p = self
            .context
            .chance
            .at_least(hits, drawn, own.len(), all.len());
        (hits as f32 / drawn.max(1) as f32, p)
    }
}

/// Largest side of a matrix whose eigenvectors are computed exactly.
const EXACT: usize = 96;
/// Rounds of subspace iteration, and directions besides those asked for.
const ROUNDS: usize = 12;
const SPARE: usize = 14;

/// Leading eigenvalues and unit eigenvectors (rows) of the covariance of centred `rows`: exactly where the smaller
/// side is small, else by subspace iteration (Halko, Martinsson, Tropp 2011), whose leading values are good to a per
/// cent or better.
fn principal(rows: &Array2<f32>, seed: u64) -> (Vec<f32>, Array2<f32>) {
    let (n, depth) = rows.dim();
    if n.min(depth) > EXACT {
        return by_iteration(rows, seed);
    }
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
    unit_and_kept(&leading.values.mapv(|v| v as f32).to_vec(), vectors)
}

fn by_iteration(rows: &Array2<f32>, seed: u64) -> (Vec<f32>, Array2<f32>) {
    let n = rows.nrows();
    let mut rng = Rng::stream(seed, 0x5ebc);
    let block = (COMPONENTS + SPARE).min(n);
    let mut basis = Array2::from_shape_fn((block, n), |_| f64::from(rng.normal()));
    eigen::orthonormalise(&mut basis);
    for _ in 0..ROUNDS {
        let image = basis.mapv(|v| v as f32).dot(rows).dot(&rows.t());
        basis = image.mapv(f64::from);
        eigen::orthonormalise(&mut basis);
    }
    let image = basis.mapv(|v| v as f32).dot(rows);
    let small = eigen::jacobi(&image.dot(&image.t()).mapv(|v| f64::from(v) / n as f64));
    let vectors = small.vectors.mapv(|v| v as f32).dot(&image);
    let kept = COMPONENTS.min(block);
    let values: Vec<f32> = small.values.iter().take(kept).map(|&v| v as f32).collect();
    unit_and_kept(&values, vectors.slice(ndarray::s![..kept, ..]).to_owned())
}

/// Vectors of unit length, without those that stand for no variance.
fn unit_and_kept(values: &[f32], mut vectors: Array2<f32>) -> (Vec<f32>, Array2<f32>) {
    let largest = values.first().copied().unwrap_or(0.0);
    let kept = values
        .iter()
        .take_while(|&&value| value > 1e-6 * largest)
        .count();
    for mut vector in vectors.rows_mut() {
        let norm = vector.dot(&vector).sqrt();
        if norm > 0.0 {
            vector /= norm;
        }
    }
    (
        values[..kept].to_vec(),
        vectors.slice(ndarray::s![..kept, ..]).to_owned(),
    )
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

    fn rows(n: usize, depth: usize) -> Array2<f32> {
        let mut rng = Rng::new(2);
        let size = |col: usize| 8.0 / (1.0 + col as f32);
        let mut rows = Array2::from_shape_fn((n, depth), |(_, col)| rng.normal() * size(col));
        rows -= &rows.mean_axis(Axis(0)).unwrap();
        rows
    }

    #[test]
    fn every_way_gives_the_same_components() {
        // Exactly by the one and the other Gram matrix, and by iteration.
        for (n, depth) in [(60, 24), (24, 60), (200, 120)] {
            let rows = rows(n, depth);
            let (values, vectors) = principal(&rows, 1);
            assert_eq!(values.len(), COMPONENTS);
            let covariance = rows.t().dot(&rows) / n as f32;
            for (value, vector) in values.iter().zip(vectors.rows()) {
                let error = covariance.dot(&vector) - &(&vector * *value);
                let worst = error.iter().fold(0.0_f32, |most, e| most.max(e.abs()));
                assert!(worst < 1e-3 * values[0], "{n} × {depth}: {worst}");
            }
        }
    }

    #[test]
    fn nothing_varies() {
        let (values, vectors) = principal(&Array2::zeros((20, 5)), 1);
        assert_eq!((values.len(), vectors.nrows()), (0, 0));
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
