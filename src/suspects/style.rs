//! Pictures of a class that look alike as a whole: a cast over the colours, a texture, a mark that repeats.
//!
//! In the last block what fills a picture leaves no place of its own, and what is rare there drowns. In a few numbers
//! of the whole picture it is a crowd: images of the class that lie close together where images of the classes that
//! it is confused with are far. Around every image of the class the mean distance to its nearest of the class is
//! compared with the mean distance to the nearest of the others; distances are in units of what varies within
//! classes. A ratio of distances to neighbours estimates a ratio of densities (Loftsgaarden and Quesenberry 1965).
//! An image of another class is as near as it is either way: as it is, or by how both differ from the middles of their
//! classes. So the colours that a class has anyway make no crowd of those of its images that differ from them as other
//! classes' images differ from theirs, as all that carry one mark do.
//!
//! Whether the network minds is not in these numbers. That the class is surer in the crowd than elsewhere (`ease`) is
//! asked before a crowd is listed, and a transfer of colours or spectrum tests it.

use super::cells::Tested;
use super::columns::{Id, empty};
use super::components::within_classes;
use super::context::Context;
use super::features::Features;
use super::{Candidate, Exemplar, Kind, MAX_EXEMPLARS, MIN_IMAGES, Place, list};
use crate::atlas::{COLOURS, ClassId};
use crate::math::first;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rayon::prelude::*;

/// Crowds of a class at most.
const CROWDS: usize = 20;
/// Images of the class, and of the classes that it is confused with, that are compared at most: evenly chosen.
const MOST: (usize, usize) = (1000, 5000);
/// How many times nearer counts: copies of one file would be nearer than anything.
const NEAREST: f32 = 10.0;

/// The crowds of every class with enough images, by colours and by stripes; shown at the places of `features`.
pub(super) fn candidates(context: &Context<'_>, features: &Features<'_>) -> Vec<Tested> {
    let style = &context.atlas.images.style;
    if style.is_empty() {
        return Vec::new();
    }
    let parts = [
        (Kind::Colour, s![.., ..COLOURS]),
        (Kind::Texture, s![.., COLOURS..]),
    ];
    let mut found = Vec::new();
    for (kind, columns) in parts {
        let raw = style.slice(columns).mapv(f32::from);
        let rows = raw.dot(&within_classes(context, &raw).inverse.t());
        let plain = Rows::new(rows);
        let beyond = Rows::new(beyond_class(context, plain.values.clone()));
        let of_class: Vec<Vec<Tested>> = (0..context.atlas.classes.len())
            .into_par_iter()
            .filter(|&class| context.members.images[class].len() >= MIN_IMAGES)
            .map(|class| {
                Search::new((context, features), kind, (&plain, &beyond), class).candidates()
            })
            .collect();
        found.extend(of_class.into_iter().flatten());
    }
    found
}

/// Images × numbers, in units of what varies within classes.
struct Rows {
    values: Array2<f32>,
    /// Squared lengths of the rows.
    norms: Array1<f32>,
}

impl Rows {
    fn new(values: Array2<f32>) -> Self {
        let norms = values.map_axis(Axis(1), |row| row.dot(&row));
        Self { values, norms }
    }

    /// Squared distances between some images and some others.
    fn squares(&self, from: &[u32], to: &[u32]) -> Array2<f32> {
        let idx = |images: &[u32]| images.iter().map(|&i| i as usize).collect::<Vec<usize>>();
        let (from, to) = (idx(from), idx(to));
        let rows = |at: &[usize]| self.values.select(Axis(0), at);
        let mut squares = rows(&from).dot(&rows(&to).t());
        let norms = self.norms.select(Axis(0), &to);
        for (mut row, &own) in squares.rows_mut().into_iter().zip(&from) {
            row.zip_mut_with(&norms, |v, norm| {
                *v = (self.norms[own] + norm - 2.0 * *v).max(0.0);
            });
        }
        squares
    }
}

/// Rows less the median of their class, number by number; images without a class as they are.
fn beyond_class(context: &Context<'_>, mut rows: Array2<f32>) -> Array2<f32> {
    for images in context.members.images.iter().filter(|own| !own.is_empty()) {
        let own: Vec<usize> = images.iter().map(|&image| image as usize).collect();
        let mut middle = Array1::zeros(rows.ncols());
        for (column, middle) in middle.iter_mut().enumerate() {
            let mut values: Vec<f32> = own.iter().map(|&at| rows[(at, column)]).collect();
            let half = values.len() / 2;
            *middle = *values.select_nth_unstable_by(half, f32::total_cmp).1;
        }
        for at in own {
            let mut row = rows.row_mut(at);
            row -= &middle;
        }
    }
    rows
}

/// One class at work.
struct Search<'a> {
    context: &'a Context<'a>,
    features: &'a Features<'a>,
    kind: Kind,
    rows: &'a Rows,
    /// The same less the middle of each image's class.
    beyond: &'a Rows,
    class: usize,
    /// Images of the class.
    own: Vec<u32>,
    /// Images of the classes that it is confused with.
    others: Vec<u32>,
}

/// Where a crowd lies among pictures.
pub(super) struct Look {
    /// The mean of its images.
    middle: Array1<f32>,
    /// Mean distance to the nearest images of other classes.
    far: f32,
}

impl Look {
    /// How alike two crowds of one kind are, 0..=1: a normal density in units of the distance at which other classes'
    /// images lie.
    pub(super) fn like(&self, other: &Look) -> f32 {
        let apart = &self.middle - &other.middle;
        let far = self.far.min(other.far).max(f32::MIN_POSITIVE);
        (-0.5 * apart.dot(&apart) / (far * far)).exp()
    }
}

/// An image of the class with what lies around it.
struct Crowd {
    /// The image and its nearest of the class.
    images: Vec<u32>,
    /// Their places among the class's images.
    members: Vec<usize>,
    /// Mean distance to the nearest images of other classes.
    far: f32,
    /// How many times nearer these are than the nearest of other classes.
    closeness: f32,
    /// Of the nearest of both, those of the class.
    hits: usize,
}

impl<'a> Search<'a> {
    fn new(
        (context, features): (&'a Context<'a>, &'a Features<'a>),
        kind: Kind,
        (rows, beyond): (&'a Rows, &'a Rows),
        class: usize,
    ) -> Self {
        let images = &context.members.images;
        let group = context.members.group(class, &context.alike);
        let others: Vec<u32> = (group.iter().skip(1))
            .flat_map(|&class| images[class].iter().copied())
            .collect();
        Self {
            own: spread(&images[class], MOST.0),
            others: spread(&others, MOST.1),
            context,
            features,
            kind,
            rows,
            beyond,
            class,
        }
    }

    fn candidates(&self) -> Vec<Tested> {
        // All of a small class would be no choice.
        let n_chosen = MAX_EXEMPLARS.min(self.own.len() / 2).max(2);
        if self.others.len() < n_chosen {
            return Vec::new();
        }
        let to_own = self.rows.squares(&self.own, &self.own);
        let mut to_others = self.rows.squares(&self.own, &self.others);
        let beyond = self.beyond.squares(&self.own, &self.others);
        to_others.zip_mut_with(&beyond, |v, &beyond| *v = v.min(beyond));
        let crowd = |at: usize| self.crowd(at, n_chosen, (to_own.row(at), to_others.row(at)));
        let mut crowds: Vec<Crowd> = (0..self.own.len()).map(crowd).collect();
        crowds.sort_by(|a, b| {
            let by_closeness = b.closeness.total_cmp(&a.closeness);
            by_closeness.then(a.images[0].cmp(&b.images[0]))
        });
        let mut kept: Vec<Crowd> = Vec::new();
        for crowd in crowds {
            let same = |other: &Crowd| {
                let both = crowd.images.iter().filter(|i| other.images.contains(i));
                both.count() >= list::SAME_IMAGES
                    || between(&crowd, other, &to_own) < crowd.far.min(other.far)
            };
            if kept.len() == CROWDS {
                break;
            }
            if !kept.iter().any(same) {
                kept.push(crowd);
            }
        }
        let numbered = kept.iter().enumerate();
        numbered
            .filter_map(|(number, crowd)| self.candidate(number, crowd))
            .collect()
    }

    fn crowd(
        &self,
        at: usize,
        n_chosen: usize,
        (to_own, to_others): (ArrayView1<'_, f32>, ArrayView1<'_, f32>),
    ) -> Crowd {
        let n_drawn = 2 * n_chosen;
        // The image itself comes first, wherever rounding puts it.
        let own = nearest(&to_own, Some(at), n_drawn);
        let others = nearest(&to_others, None, n_drawn);
        let mean = |found: &[(f32, usize)]| {
            let roots = found[..n_chosen - 1].iter().map(|(v, _)| v.sqrt());
            roots.sum::<f32>() / (n_chosen - 1) as f32
        };
        let (near, far) = (mean(&own), mean(&others));
        let closeness = far / near.max(far / NEAREST).max(f32::MIN_POSITIVE);
        let mut both: Vec<(f32, bool)> = (own.iter().map(|&(v, _)| (v, true)))
            .chain(others.iter().map(|&(v, _)| (v, false)))
            .collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let nearest = own[..n_chosen - 1].iter().map(|&(_, at)| at);
        let members: Vec<usize> = [at].into_iter().chain(nearest).collect();
        Crowd {
            images: members.iter().map(|&at| self.own[at]).collect(),
            members,
            far,
            closeness,
            hits: both[..n_drawn].iter().filter(|(_, own)| *own).count(),
        }
    }

    fn candidate(&self, number: usize, crowd: &Crowd) -> Option<Tested> {
        let chosen: Vec<(u32, usize)> = (crowd.images.iter())
            .map(|&image| (image, self.strongest(image)))
            .collect();
        let shown = &self.context.atlas.layers[self.features.layer];
        let level = shown.levels.last()?;
        let cell = level
            .cells
            .get(self.context.cell_of_most(self.features, &chosen)?)?;
        let mut scores = empty();
        scores[Id::Closeness as usize] = Some(crowd.closeness);
        scores[Id::Ease as usize] = self.context.ease(self.class, &crowd.images);
        let exemplar = |&(image, position): &(u32, usize)| {
            let (row, col) = self.features.place_in(shown, position);
            Exemplar { image, row, col }
        };
        let (n_own, n_all) = (self.own.len(), self.own.len() + self.others.len());
        let drawn = 2 * crowd.images.len();
        let chance = self
            .context
            .chance
            .at_least(crowd.hits, drawn, n_own - 1, n_all - 1);
        Some(Tested {
            shows: None,
            look: Some(self.look(crowd)),
            // The best of so many images of the class: Bonferroni's price.
            p: (chance * n_own as f64).min(1.0),
            candidate: Candidate {
                kind: self.kind,
                layer: self.features.layer,
                class: self.class as ClassId,
                other: None,
                cell: Place::of(level, cell),
                component: Some(number as u16),
                score: 0.0,
                scores,
                exemplars: chosen.iter().map(exemplar).collect(),
                q: None,
            },
        })
    }

    fn look(&self, crowd: &Crowd) -> Look {
        let at: Vec<usize> = crowd.images.iter().map(|&image| image as usize).collect();
        let mean = self.rows.values.select(Axis(0), &at).mean_axis(Axis(0));
        Look {
            middle: mean.unwrap_or_default(),
            far: crowd.far,
        }
    }

    /// The position of an image that gives most to the class; a crowd has no place of its own.
    fn strongest(&self, image: u32) -> usize {
        let row = self.features.of_position.row(image as usize);
        let value = |position: usize| {
            let attribution = self.features.attributions[(usize::from(row[position]), self.class)];
            let strength = self.features.strength(image as usize, position);
            attribution * strength.map_or(1.0, |(cosine, norm)| cosine * norm)
        };
        let values = (0..row.len()).map(value).enumerate();
        let best = values.reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.map_or(0, |(position, _)| position)
    }
}

/// Mean distance between the images of two crowds, from squared distances: crowds that are nearer to each other than
/// either is to other classes are parts of one.
fn between(a: &Crowd, b: &Crowd, squares: &Array2<f32>) -> f32 {
    let pairs = a
        .members
        .iter()
        .flat_map(|&i| b.members.iter().map(move |&j| (i, j)));
    let sum: f32 = pairs.map(|at| squares[at].sqrt()).sum();
    sum / (a.members.len() * b.members.len()).max(1) as f32
}

/// At most `most` of some images, evenly chosen.
fn spread(images: &[u32], most: usize) -> Vec<u32> {
    let n = images.len().min(most);
    (0..n).map(|at| images[at * images.len() / n]).collect()
}

/// The `n` smallest values with their places, rising; `without` one place.
fn nearest(values: &ArrayView1<'_, f32>, without: Option<usize>, n: usize) -> Vec<(f32, usize)> {
    let places = values.iter().enumerate();
    let all: Vec<(f32, usize)> = places
        .filter(|(at, _)| Some(*at) != without)
        .map(|(at, &value)| (value, at))
        .collect();
    first(all, n, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_are_the_smallest() {
        let values = Array1::from_vec(vec![3.0, 0.5, 2.0, 0.5, 9.0]);
        let found = nearest(&values.view(), Some(1), 2);
        assert_eq!(found, [(0.5, 3), (2.0, 2)]);
        assert_eq!(nearest(&values.view(), None, 9).len(), 5);
    }

    #[test]
    fn crowds_apart() {
        let crowd = |members: &[usize]| Crowd {
            images: Vec::new(),
            members: members.to_vec(),
            far: 1.0,
            closeness: 1.0,
            hits: 0,
        };
        // Images at 0, 1 and 4 on a line.
        let at = [0.0_f32, 1.0, 4.0];
        let squares = Array2::from_shape_fn((3, 3), |(i, j)| (at[i] - at[j]).powi(2));
        let apart = between(&crowd(&[0, 1]), &crowd(&[2]), &squares);
        assert!((apart - 3.5).abs() < 1e-6);
    }

    #[test]
    fn crowds_are_alike_by_how_near_they_lie() {
        let look = |at: f32, far: f32| Look {
            middle: Array1::from_vec(vec![at, 0.0]),
            far,
        };
        let first = look(0.0, 2.0);
        assert!((first.like(&look(0.0, 2.0)) - 1.0).abs() < 1e-6);
        // At the distance of other classes' images exp(-1/2), by the nearer of the two; far off nothing.
        assert!((first.like(&look(2.0, 5.0)) - (-0.5_f32).exp()).abs() < 1e-6);
        assert!(first.like(&look(20.0, 2.0)) < 1e-6);
    }

    #[test]
    fn an_even_choice() {
        let images: Vec<u32> = (0..10).collect();
        assert_eq!(spread(&images, 4), [0, 2, 5, 7]);
        assert_eq!(spread(&images, 20), images);
        assert!(spread(&[], 3).is_empty());
    }
}
