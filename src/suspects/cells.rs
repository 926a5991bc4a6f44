//! Features that go with a class: every pair of a cell (or cluster) and a class that has enough images.

use super::columns::{Id, empty};
use super::context::Context;
use super::features::Features;
use super::heat::HeatMaps;
use super::style::Look;
use super::{Candidate, Exemplar, Kind, MAX_EXEMPLARS, MIN_IMAGES, Place};
use crate::atlas::ClassId;
use ndarray::{Array1, Array2};
use rayon::prelude::*;

/// Images of the class that must show a feature.
const MIN_SHOWING: usize = 8;

/// A candidate with the chance that permuted labels do as well.
pub(super) struct Tested {
    pub(super) candidate: Candidate,
    /// The feature of a vocabulary that most exemplars show; none for what fills pictures.
    pub(super) shows: Option<u16>,
    pub(super) p: f64,
    /// Where the images of a crowd lie; none for what has a place in its picture.
    pub(super) look: Option<Look>,
}

/// How many images show each feature.
struct Counts {
    /// Features × classes.
    by_class: Array2<u32>,
    /// Features × classes: images of other classes that are predicted as the class.
    pulled: Array2<u32>,
    /// Features: all images.
    all: Vec<u32>,
    /// Features: all positions.
    places: Vec<u32>,
}

/// One place of a feature in images of one class.
#[derive(Clone, Copy)]
struct Seen {
    feature: u16,
    image: u32,
    position: u32,
}

/// All pairs of one vocabulary, in the order of classes and features.
pub(super) fn candidates(context: &Context<'_>, features: &Features<'_>) -> Vec<Tested> {
    let counts = counts(context, features);
    let isolation = features.isolation();
    let classes = 0..context.atlas.classes.len();
    let found: Vec<Vec<Tested>> = classes
        .into_par_iter()
        .filter(|&class| context.members.images[class].len() >= MIN_IMAGES)
        .map(|class| Search::new(context, features, &counts, class).candidates(&isolation))
        .collect();
    found.into_iter().flatten().collect()
}

fn counts(context: &Context<'_>, features: &Features<'_>) -> Counts {
    let shape = (features.len(), context.atlas.classes.len());
    let mut counts = Counts {
        by_class: Array2::zeros(shape),
        pulled: Array2::zeros(shape),
        all: vec![0; features.len()],
        places: vec![0; features.len()],
    };
    let mut last_seen = vec![u32::MAX; features.len()];
    for (image, row) in (0_u32..).zip(features.of_position.rows()) {
        let class = context.members.class_of[image as usize];
        let predicted = context.atlas.images.prediction[image as usize];
        let pulled = predicted.filter(|_| context.is_right(image) == Some(false));
        for &feature in row {
            let feature = usize::from(feature);
            counts.places[feature] += 1;
            if std::mem::replace(&mut last_seen[feature], image) == image {
                continue;
            }
            counts.all[feature] += 1;
            if let Some(class) = class {
                counts.by_class[(feature, usize::from(class))] += 1;
            }
            if let Some(predicted) = pulled {
                counts.pulled[(feature, usize::from(predicted))] += 1;
            }
        }
    }
    counts
}

/// One class at work.
struct Search<'a> {
    context: &'a Context<'a>,
    features: &'a Features<'a>,
    counts: &'a Counts,
    class: usize,
    /// Confusable classes with this one.
    group: Vec<usize>,
    /// The class most alike.
    rival: Option<usize>,
    /// Attribution-weighted mean direction, unit length.
    core: Array1<f32>,
    /// Largest attribution of a feature to the class.
    strongest: f32,
    /// Of the class's images.
    heat: HeatMaps,
}

impl<'a> Search<'a> {
    fn new(
        context: &'a Context<'a>,
        features: &'a Features<'a>,
        counts: &'a Counts,
        class: usize,
    ) -> Self {
        let mut core = Array1::zeros(features.units.ncols());
        for feature in 0..features.len() {
            let support = features.attributions[(feature, class)].max(0.0);
            let weight = support * counts.by_class[(feature, class)] as f32;
            core.scaled_add(weight, &features.units.row(feature));
        }
        let norm = core.dot(&core).sqrt();
        if norm > 0.0 {
            core /= norm;
        }
        let group = context.members.group(class, &context.alike);
        let attributions = features.attributions.column(class);
        Self {
            strongest: attributions.fold(f32::MIN_POSITIVE, |most, &v| most.max(v)),
            rival: group.get(1).copied(),
            heat: HeatMaps::new(features, class, &context.members.images[class]),
            context,
            features,
            counts,
            class,
            group,
            core,
        }
    }

    fn candidates(&self, isolation: &[f32]) -> Vec<Tested> {
        let images = &self.context.members.images[self.class];
        let mut seen: Vec<Seen> = Vec::new();
        let mut medians = Vec::with_capacity(images.len());
        for &image in images {
            let row = self.features.of_position.row(image as usize);
            let mut values: Vec<f32> = row.iter().map(|&f| self.attribution(f)).collect();
            values.sort_by(f32::total_cmp);
            medians.push(values.get(values.len() / 2).copied().unwrap_or(0.0));
            seen.extend((0..).zip(row).map(|(position, &feature)| Seen {
                feature,
                image,
                position,
            }));
        }
        seen.sort_by_key(|seen| (seen.feature, seen.image, seen.position));
        let runs = seen.chunk_by(|a, b| a.feature == b.feature);
        runs.filter_map(|run| self.candidate(run, &medians, isolation))
            .collect()
    }

    fn attribution(&self, feature: u16) -> f32 {
        self.features.attributions[(usize::from(feature), self.class)]
    }

    /// `run` are all places of one feature in the class's images.
    fn candidate(&self, run: &[Seen], medians: &[f32], isolation: &[f32]) -> Option<Tested> {
        let feature = run.first()?.feature;
        let attribution = self.attribution(feature);
        let by_image: Vec<&[Seen]> = run.chunk_by(|a, b| a.image == b.image).collect();
        if by_image.len() < MIN_SHOWING || attribution <= 0.0 {
            return None;
        }
        let chosen = self.exemplars(&by_image);
        let cell = match self.features.head {
            None => usize::from(feature),
            Some(_) => self.context.cell_of_most(self.features, &chosen)?,
        };
        let shown = &self.context.atlas.layers[self.features.layer];
        let level = shown.levels.last()?;
        let place = level.cells.get(cell)?;
        let exemplar = |&(image, position): &(u32, usize)| {
            let (row, col) = self.features.place_in(shown, position);
            Exemplar { image, row, col }
        };
        let mut scores = self.scores(feature, run, &by_image, &chosen);
        scores[Id::Outlier as usize] = Some(isolation[usize::from(feature)]);
        scores[Id::Dominance as usize] = Some(self.dominance(&by_image, medians));
        Some(Tested {
            shows: Some(feature),
            look: None,
            p: self.p(feature, by_image.len()),
            candidate: Candidate {
                kind: Kind::Cell,
                layer: self.features.layer,
                class: self.class as ClassId,
                other: None,
                cell: Place::of(level, place),
                component: self.features.head.map(|_| feature),
                score: 0.0,
                exemplars: chosen.iter().map(exemplar).collect(),
                scores,
                q: None,
            },
        })
    }

    /// The strongest place of each of the images that show the feature most, as (image, position).
    fn exemplars(&self, by_image: &[&[Seen]]) -> Vec<(u32, usize)> {
        let strength = |seen: &Seen| {
            let known = self
                .features
                .strength(seen.image as usize, seen.position as usize);
            known.map_or(0.0, |(cosine, norm)| cosine * norm)
        };
        let best = |places: &&[Seen]| {
            // Without strengths: the image with the most places, and the place in their middle.
            let middle = places[places.len() / 2];
            let strongest = places
                .iter()
                .max_by(|a, b| {
                    strength(a)
                        .total_cmp(&strength(b))
                        .then(b.position.cmp(&a.position))
                })
                .copied()
                .filter(|_| self.features.head.is_some())
                .unwrap_or(middle);
            (strength(&strongest), places.len(), strongest)
        };
        let mut best: Vec<(f32, usize, Seen)> = by_image.iter().map(best).collect();
        best.sort_by(|a, b| {
            let by_strength = b.0.total_cmp(&a.0).then(b.1.cmp(&a.1));
            by_strength.then(a.2.image.cmp(&b.2.image))
        });
        best.truncate(MAX_EXEMPLARS);
        let place = |(_, _, seen): (f32, usize, Seen)| (seen.image, seen.position as usize);
        best.into_iter().map(place).collect()
    }

    fn scores(
        &self,
        feature: u16,
        run: &[Seen],
        by_image: &[&[Seen]],
        chosen: &[(u32, usize)],
    ) -> Vec<Option<f32>> {
        let (at, class) = (usize::from(feature), self.class);
        let n_images = self.context.members.images[class].len() as f32;
        let showing = by_image.len() as f32;
        let n_shown = self.counts.all[at] as f32;
        let (share, presence) = (showing / n_shown, showing / n_images);
        let prior = n_images / self.context.members.class_of.len() as f32;
        let attribution = self.attribution(feature);
        let cosine = self.features.units.row(at).dot(&self.core);
        let mut scores = empty();
        let mut set = |id: Id, value: Option<f32>| scores[id as usize] = value;
        set(Id::Attribution, Some(attribution));
        set(Id::Share, Some(share));
        set(Id::Lift, Some((share / prior).ln()));
        set(Id::Presence, Some(presence));
        let places = run.len() as f32 / self.counts.places[at] as f32;
        set(Id::PlaceShare, Some(places));
        set(Id::Strength, Some(attribution / self.strongest));
        set(Id::Rarity, Some(share * (1.0 - presence)));
        set(Id::Incoherence, Some(attribution * (1.0 - cosine)));
        set(Id::Likeness, self.likeness(chosen));
        let same = self.features.sameness(chosen);
        set(Id::NearDuplicate, same.map(|same| share * same));
        let images = &self.context.members.images[class];
        let with = by_image
            .iter()
            .filter_map(|seen| images.binary_search(&seen[0].image).ok());
        set(Id::Separability, self.heat.separability(with));
        set(Id::Concentration, Some(self.concentration(run)));
        let on_border = run
            .iter()
            .filter(|s| self.features.on_border(s.position as usize));
        set(
            Id::Border,
            Some(on_border.count() as f32 / run.len() as f32),
        );
        set(Id::Reuse, self.reuse(at));
        let rival = self
            .rival
            .map(|rival| self.features.attributions[(at, rival)]);
        set(Id::Contrast, rival.map(|rival| attribution - rival));
        if self.context.members.evidence == super::Evidence::Labels {
            let others = n_shown - showing;
            let pulled = self.counts.pulled[(at, class)] as f32;
            set(Id::Pull, (others > 0.0).then(|| pulled / others));
            set(Id::Necessity, self.necessity(by_image));
        }
        let own: Vec<u32> = chosen.iter().map(|&(image, _)| image).collect();
        set(Id::Ease, self.context.ease(class, &own));
        scores
    }

    fn likeness(&self, chosen: &[(u32, usize)]) -> Option<f32> {
        let cosines = chosen
            .iter()
            .map(|&(image, position)| Some(self.features.strength(image as usize, position)?.0));
        let sum: Option<f32> = cosines.sum();
        Some(sum? / chosen.len() as f32)
    }

    /// Kullback–Leibler divergence of the positions from everywhere alike, without what so few places give by chance
    /// (Miller and Madow 1955).
    fn concentration(&self, run: &[Seen]) -> f32 {
        let n_positions = self.features.map.0 * self.features.map.1;
        let mut counts = vec![0.0_f32; n_positions];
        for seen in run {
            counts[seen.position as usize] += 1.0;
        }
        let n = run.len() as f32;
        let occupied = counts.iter().filter(|&&count| count > 0.0).count();
        let divergence: f32 = (counts.iter().filter(|&&count| count > 0.0))
            .map(|&count| count / n * (count / n * n_positions as f32).ln())
            .sum();
        let bias = (occupied as f32 - 1.0) / (2.0 * n);
        (divergence - bias).max(0.0)
    }

    fn reuse(&self, feature: usize) -> Option<f32> {
        let row = self.features.attributions.row(feature);
        let own = row[self.class];
        let others = (0..row.len()).filter(|&other| other != self.class);
        let reuse = |other: usize| {
            let unlike = (1.0 - self.context.alike[(self.class, other)]).clamp(0.0, 1.0);
            row[other].min(own).max(0.0) * unlike
        };
        others.map(reuse).reduce(f32::max)
    }

    fn necessity(&self, by_image: &[&[Seen]]) -> Option<f32> {
        let right = |image: u32| self.context.is_right(image) == Some(true);
        let images = &self.context.members.images[self.class];
        let n_without = images.len() - by_image.len();
        if n_without == 0 {
            return None;
        }
        let all = images.iter().filter(|&&image| right(image)).count();
        let with = by_image
            .iter()
            .filter(|places| right(places[0].image))
            .count();
        Some(with as f32 / by_image.len() as f32 - (all - with) as f32 / n_without as f32)
    }

    fn dominance(&self, by_image: &[&[Seen]], medians: &[f32]) -> f32 {
        let images = &self.context.members.images[self.class];
        let median = |places: &&[Seen]| {
            let at = images.binary_search(&places[0].image);
            at.map_or(0.0, |at| medians[at])
        };
        let mean = by_image.iter().map(median).sum::<f32>() / by_image.len() as f32;
        self.attribution(by_image[0][0].feature) - mean
    }

    fn p(&self, feature: u16, showing: usize) -> f64 {
        let images = &self.context.members.images;
        let drawn: u32 = (self.group.iter())
            .map(|&class| self.counts.by_class[(usize::from(feature), class)])
            .sum();
        let total: usize = self.group.iter().map(|&class| images[class].len()).sum();
        let own = images[self.class].len();
        self.context
            .chance
            .at_least(showing, drawn as usize, own, total)
    }
}
