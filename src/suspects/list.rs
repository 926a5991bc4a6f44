//! The order of the list: each kind by its own score, what shows the same images left out, kinds in turn.

use super::columns::Id;
use super::{Candidate, Kind};

/// Cells between two classes that are this near on the map are one.
const NEAR: u32 = 2;
/// Shared images from which two lists of exemplars show the same.
const SAME_IMAGES: usize = 6;

/// What candidates of a kind are ordered by: how exclusive times how strong for a cell, how strong times how much of
/// one kind for a component. Chosen on planted networks for tuning.
pub(super) fn score(candidate: &Candidate) -> f32 {
    let value = |id: Id| candidate.scores[id as usize].unwrap_or(0.0);
    match candidate.kind {
        Kind::Cell => {
            let strength = value(Id::Attribution) * value(Id::Strength);
            value(Id::PlaceShare) * strength.max(0.0).sqrt()
        }
        Kind::Component => value(Id::Alpha) * value(Id::Unison),
        Kind::MultiUse | Kind::Contrast => candidate.score,
    }
}

fn place(candidate: &Candidate) -> (usize, u32, u32, u16) {
    let cell = candidate.cell;
    (candidate.layer, cell.row, cell.col, candidate.class)
}

/// Reported at this false discovery rate.
const REPORTED: f32 = 0.05;

/// What permuted labels do not explain first, each part by falling score; equal scores by place, so that the order is
/// always the same.
pub(super) fn sort(candidates: &mut [Candidate]) {
    let chance = |candidate: &Candidate| candidate.q.is_some_and(|q| q > REPORTED);
    candidates.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        let by_chance = chance(a).cmp(&chance(b)).then(by_score);
        by_chance.then_with(|| place(a).cmp(&place(b)))
    });
}

/// Whether two candidates show the same thing.
fn same(a: &Candidate, b: &Candidate) -> bool {
    if a.class != b.class || a.other != b.other {
        return false;
    }
    let near = a.other.is_some()
        && a.layer == b.layer
        && a.cell.row.abs_diff(b.cell.row) < NEAR
        && a.cell.col.abs_diff(b.cell.col) < NEAR;
    let shared = a
        .exemplars
        .iter()
        .filter(|one| b.exemplars.iter().any(|two| two.image == one.image));
    near || shared.count() >= SAME_IMAGES
}

/// Takes candidates of the kinds in turn, each kind in its order, and leaves out what is already there. At most
/// `most` entries.
pub(super) fn interleave(kinds: Vec<Vec<Candidate>>, most: usize) -> Vec<Candidate> {
    let mut waiting: Vec<_> = kinds.into_iter().map(Vec::into_iter).collect();
    let mut list: Vec<Candidate> = Vec::new();
    let mut left = true;
    while left && list.len() < most {
        left = false;
        for kind in &mut waiting {
            let next = kind.find(|candidate| !list.iter().any(|listed| same(listed, candidate)));
            if let Some(next) = next {
                left = true;
                list.push(next);
            }
        }
    }
    list.truncate(most);
    list
}
