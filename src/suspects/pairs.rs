//! Cells that stand between two classes: those that support two unlike ones, and those that tell two apart.

use super::columns::{Id, empty};
use super::context::Context;
use super::features::Features;
use super::{Candidate, Exemplar, Kind, MAX_EXEMPLARS, Place};
use crate::atlas::ClassId;
use crate::math::first;
use std::cmp::Reverse;

/// Strongest classes of a cell that are looked at.
const STRONGEST: usize = 8;
/// Unlike enough: 1 − cosine of the two classes' weights. Nine in ten pairs of GoogLeNet's classes are; no class and the
/// one nearest to it are (cosines from 0.2 on).
const UNLIKE: f32 = 0.9;
/// A feature serves a class when it gives at least this share of what it gives to its strongest class.
const SERVES: f32 = 0.4;

/// Cells that support two unlike classes, the strongest first: at most one for each cell.
pub(super) fn multi_use(context: &Context<'_>, features: &Features<'_>) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = (0..features.len())
        .filter_map(|cell| {
            let (class, other, score) = unlike_pair(context, features, cell)?;
            candidate(
                context,
                features,
                Kind::MultiUse,
                (cell, class, other, score),
            )
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

/// The best pair of classes of a cell: smaller attribution times how unlike they are.
fn unlike_pair(
    context: &Context<'_>,
    features: &Features<'_>,
    cell: usize,
) -> Option<(usize, usize, f32)> {
    let row = features.attributions.row(cell);
    let by_attribution = |&a: &usize, &b: &usize| row[b].total_cmp(&row[a]).then(a.cmp(&b));
    let order = first((0..row.len()).collect(), STRONGEST, by_attribution);
    let most = row[*order.first()?];
    let mut best = None::<(usize, usize, f32)>;
    for (rank, &class) in order.iter().enumerate() {
        for &other in &order[rank + 1..] {
            let unlike = (1.0 - context.alike[(class, other)]).clamp(0.0, 1.0);
            let value = row[other] * unlike;
            let serves = row[other] >= SERVES * most && row[other] > 0.0;
            if serves && unlike >= UNLIKE && best.is_none_or(|best| value > best.2) {
                best = Some((class, other, value));
            }
        }
    }
    best
}

/// Cells by how much more they give to `class` than to `other`, and the other way round, the largest first.
pub(super) fn contrast(
    context: &Context<'_>,
    features: &Features<'_>,
    (a, b): (usize, usize),
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = (0..features.len())
        .filter_map(|cell| {
            let row = features.attributions.row(cell);
            let difference = row[a] - row[b];
            let (class, other) = if difference >= 0.0 { (a, b) } else { (b, a) };
            let score = difference.abs();
            candidate(
                context,
                features,
                Kind::Contrast,
                (cell, class, other, score),
            )
        })
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found
}

fn candidate(
    context: &Context<'_>,
    features: &Features<'_>,
    kind: Kind,
    (cell, class, other, score): (usize, usize, usize, f32),
) -> Option<Candidate> {
    let level = context.atlas.layers[features.layer].levels.last()?;
    let place = level.cells.get(cell)?;
    let row = features.attributions.row(cell);
    let mut scores = empty();
    scores[Id::Attribution as usize] = Some(row[class]);
    scores[Id::Contrast as usize] = Some(row[class] - row[other]);
    let unlike = (1.0 - context.alike[(class, other)]).clamp(0.0, 1.0);
    scores[Id::Reuse as usize] = Some(row[other].min(row[class]).max(0.0) * unlike);
    Some(Candidate {
        kind,
        layer: features.layer,
        class: class as ClassId,
        other: Some(other as ClassId),
        cell: Place::of(level, place),
        component: None,
        score,
        scores,
        exemplars: Vec::new(),
        q: None,
    })
}

/// Fills the exemplars of listed candidates: images of both classes in turn for a cell of two uses, of the class for
/// a contrast, and others where these do not show it.
pub(super) fn fill_exemplars<'c>(
    context: &Context<'_>,
    features: &Features<'_>,
    candidates: impl Iterator<Item = &'c mut Candidate>,
) {
    let Some(level) = context.atlas.layers[features.layer].levels.last() else {
        return;
    };
    for candidate in candidates {
        let Some(cell) = level.cell_at(candidate.cell.row, candidate.cell.col) else {
            continue;
        };
        let mut showing: Vec<(usize, u32, usize)> = Vec::new();
        for (image, row) in (0_u32..).zip(features.of_position.rows()) {
            let at: Vec<usize> = (0..row.len())
                .filter(|&position| usize::from(row[position]) == cell)
                .collect();
            if let Some(&middle) = at.get(at.len() / 2) {
                showing.push((at.len(), image, middle));
            }
        }
        showing.sort_by_key(|&(n, image, _)| (Reverse(n), image));
        let class_of = |image: u32| context.members.class_of[image as usize];
        let (class, other) = (Some(candidate.class), candidate.other);
        let of = |wanted: Option<ClassId>| {
            let images = showing
                .iter()
                .filter(move |place| class_of(place.1) == wanted);
            images.copied().collect::<Vec<_>>()
        };
        let mut chosen = of(class);
        if candidate.kind == Kind::MultiUse {
            let others = of(other);
            let half = MAX_EXEMPLARS / 2;
            chosen.truncate(MAX_EXEMPLARS - half.min(others.len()));
            chosen.extend(others.into_iter().take(MAX_EXEMPLARS - chosen.len()));
        }
        chosen.truncate(MAX_EXEMPLARS);
        for place in &showing {
            if chosen.len() < MAX_EXEMPLARS && !chosen.contains(place) {
                chosen.push(*place);
            }
        }
        let shown = &context.atlas.layers[features.layer];
        let exemplar = |&(_, image, position): &(usize, u32, usize)| {
            let (row, col) = features.place_in(shown, position);
            Exemplar { image, row, col }
        };
        candidate.exemplars = chosen.iter().map(exemplar).collect();
    }
}
