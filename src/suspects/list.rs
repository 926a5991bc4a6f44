//! The order of the list: each kind by its own score, what shows the same images left out, classes in turn.
//!
//! Scores of different kinds have different units. What they have in common is that most classes have no shortcut:
//! the best candidate of the middle class is what a kind finds where there is nothing to find, and a score in units of
//! it says how far a candidate stands out. A class's next candidates count less and less, because a second look at the
//! same class is worth less than a first look at another one, and what is like one that is listed already counts only
//! for what is new in it (after Carbonell and Goldstein 1998, "The use of MMR"), so that ten entries show ten things.

use super::columns::Id;
use super::{Candidate, Kind, MAX_EXEMPLARS};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

/// Cells between two classes that are this near on the map are one.
const NEAR: u32 = 2;
/// Shared images from which two lists of exemplars show the same.
pub(super) const SAME_IMAGES: usize = 6;
/// What each candidate of a class in the list leaves of the weight of the next one. Chosen on planted networks for
/// tuning, as the scores are.
const NEXT: f32 = 0.6;
/// Candidates of a class that others are compared with.
const FIRST: usize = 10;
/// Log-odds by which exemplars are surer than their class, at least, where less would count for nothing.
const LEAST_EASE: f32 = 0.01;
/// Reported at this false discovery rate.
const REPORTED: f32 = 0.05;

/// What candidates of a kind are ordered by: how exclusive times how strong for a cell, how strong times how much of
/// one kind for a component, how much nearer than other classes' images for a crowd; each with how sure the exemplars
/// are. Chosen on planted networks for tuning.
pub(super) fn score(candidate: &Candidate) -> f32 {
    let value = |id: Id| candidate.scores[id as usize].unwrap_or(0.0);
    // Without logits nothing is known of it.
    let ease = candidate.scores[Id::Ease as usize].map_or(1.0, |ease| ease.max(LEAST_EASE));
    match candidate.kind {
        Kind::Cell => {
            let strength = value(Id::Attribution) * value(Id::Strength);
            value(Id::PlaceShare) * strength.max(0.0).sqrt() * ease
        }
        Kind::Component => (value(Id::Alpha) * value(Id::Unison)).max(0.0) * ease.sqrt(),
        Kind::Colour | Kind::Texture if ease > LEAST_EASE => value(Id::Closeness).powi(2),
        Kind::Colour | Kind::Texture => 0.0,
        Kind::MultiUse | Kind::Contrast => candidate.score,
    }
}

fn place(candidate: &Candidate) -> (usize, u32, u32, u16) {
    let cell = candidate.cell;
    (candidate.layer, cell.row, cell.col, candidate.class)
}

/// By falling score; equal scores by place, so that the order is always the same. Then scores become multiples of the
/// best score of the middle class.
pub(super) fn sort(candidates: &mut [Candidate]) {
    candidates.sort_by(|a, b| {
        let by_score = b.score.total_cmp(&a.score);
        by_score.then_with(|| place(a).cmp(&place(b)))
    });
    let mut best: BTreeMap<u16, f32> = BTreeMap::new();
    for candidate in candidates.iter() {
        best.entry(candidate.class).or_insert(candidate.score);
    }
    let mut best: Vec<f32> = best.into_values().collect();
    best.sort_by(f32::total_cmp);
    let Some(&largest) = best.last() else {
        return;
    };
    let n = best.len();
    let middle = f32::midpoint(best[(n - 1) / 2], best[n / 2]);
    let unit = if middle > 0.0 { middle } else { largest };
    if unit > 0.0 {
        for candidate in candidates {
            candidate.score /= unit;
        }
    }
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
    near || shared(a, b) >= SAME_IMAGES
}

/// Images that two candidates have in common.
fn shared(a: &Candidate, b: &Candidate) -> usize {
    let of_both =
        (a.exemplars.iter()).filter(|one| b.exemplars.iter().any(|two| two.image == one.image));
    of_both.count()
}

/// A candidate that waits for its place.
#[derive(PartialEq)]
struct Waiting {
    /// False where permuted labels do as well.
    reported: bool,
    value: f32,
    at: usize,
}

impl Eq for Waiting {}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_chance = self.reported.cmp(&other.reported);
        let by_value = by_chance.then(self.value.total_cmp(&other.value));
        by_value.then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// One list of sorted kinds: what permuted labels do not explain first; each part by score, less for every candidate
/// of the class that is already there and for what these have told: the most that it has in common with one of them, in
/// images or as `like` says (0..=1). What shows the same images is left out. At most `most` entries.
pub(super) fn merge(
    kinds: Vec<Vec<Candidate>>,
    most: usize,
    like: &dyn Fn(&Candidate, &Candidate) -> f32,
) -> Vec<Candidate> {
    let mut all: Vec<Option<Candidate>> = kinds.into_iter().flatten().map(Some).collect();
    let mut listed: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    // What is new in a candidate beside those of its class that are listed.
    let weight = |candidate: &Candidate, of_class: &[usize], list: &[Candidate]| {
        let first = of_class.iter().take(FIRST);
        let told = first.map(|&at| {
            let images = shared(candidate, &list[at]) as f32 / MAX_EXEMPLARS as f32;
            images.max(like(candidate, &list[at]))
        });
        let told = told.fold(0.0, f32::max).clamp(0.0, 1.0);
        NEXT.powi(of_class.len() as i32) * (1.0 - told)
    };
    let mut waiting: BinaryHeap<Waiting> = (all.iter().flatten().enumerate())
        .map(|(at, candidate)| Waiting {
            reported: candidate.q.is_none_or(|q| q <= REPORTED),
            value: candidate.score,
            at,
        })
        .collect();
    let mut list: Vec<Candidate> = Vec::new();
    while let Some(next) = waiting.pop() {
        if list.len() == most {
            break;
        }
        let Some(candidate) = &all[next.at] else {
            continue;
        };
        let of_class = listed.entry(candidate.class).or_default();
        // More of its class may have been listed since it was given its value.
        let value = candidate.score * weight(candidate, of_class, &list);
        if value < next.value {
            waiting.push(Waiting { value, ..next });
        } else if !of_class.iter().any(|&at| same(&list[at], candidate)) {
            of_class.push(list.len());
            list.extend(all[next.at].take());
        }
    }
    list
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

#[cfg(test)]
mod tests {
    use super::super::columns::empty;
    use super::super::{Exemplar, Place};
    use super::*;

    fn candidate(kind: Kind, class: u16, score: f32, first: u32) -> Candidate {
        let exemplar = |image| Exemplar {
            image,
            row: 0,
            col: 0,
        };
        Candidate {
            kind,
            layer: 0,
            class,
            other: None,
            cell: Place {
                grid: 10,
                row: first,
                col: 0,
            },
            component: None,
            score,
            scores: empty(),
            exemplars: (first..first + 10).map(exemplar).collect(),
            q: Some(0.0),
        }
    }

    #[test]
    fn scores_become_multiples_of_the_middle_class() {
        let mut all: Vec<Candidate> = [(0, 4.0), (1, 2.0), (2, 8.0), (2, 1.0)]
            .into_iter()
            .map(|(class, score)| candidate(Kind::Cell, class, score, 0))
            .collect();
        sort(&mut all);
        let scores: Vec<f32> = all.iter().map(|one| one.score).collect();
        assert_eq!(scores, [2.0, 1.0, 0.5, 0.25]);
        sort(&mut []);
    }

    #[test]
    fn classes_come_in_turn_and_nothing_twice() {
        let cells = vec![
            candidate(Kind::Cell, 0, 5.0, 0),
            candidate(Kind::Cell, 0, 4.0, 10),
            candidate(Kind::Cell, 1, 2.0, 100),
        ];
        // The first shows what the first cell shows; the second is likely enough by chance.
        let mut components = vec![
            candidate(Kind::Component, 0, 6.0, 4),
            candidate(Kind::Component, 2, 9.0, 200),
        ];
        components[1].q = Some(0.5);
        let apart = |_: &Candidate, _: &Candidate| 0.0;
        let list = merge(vec![cells, components], 10, &apart);
        let order: Vec<(Kind, u16, u32)> = list
            .iter()
            .map(|one| (one.kind, one.class, one.exemplars[0].image))
            .collect();
        let expected = [
            (Kind::Component, 0, 4),
            (Kind::Cell, 1, 100),
            (Kind::Cell, 0, 10),
            (Kind::Component, 2, 200),
        ];
        assert_eq!(order, expected);
        assert_eq!(merge(vec![list], 2, &apart).len(), 2);
        // Were the two cells of one class alike, the second would come after another class's.
        let cells_alike = |a: &Candidate, b: &Candidate| f32::from(u8::from(a.kind == b.kind));
        let alike = vec![
            candidate(Kind::Cell, 0, 5.0, 0),
            candidate(Kind::Cell, 0, 4.0, 10),
            candidate(Kind::Cell, 1, 0.1, 100),
        ];
        let list = merge(vec![alike], 10, &cells_alike);
        let order: Vec<u32> = list.iter().map(|one| one.exemplars[0].image).collect();
        assert_eq!(order, [0, 100, 10]);
    }
    #[test]
    fn what_is_told_already_counts_less() {
        // The second cell shares five of its ten images with the first, the third none.
        let cells = vec![
            candidate(Kind::Cell, 0, 5.0, 0),
            candidate(Kind::Cell, 0, 4.0, 5),
            candidate(Kind::Cell, 0, 3.0, 100),
        ];
        let order = |like: &dyn Fn(&Candidate, &Candidate) -> f32| -> Vec<u32> {
            let list = merge(vec![cells.clone()], 10, like);
            list.iter().map(|one| one.exemplars[0].image).collect()
        };
        assert_eq!(order(&|_, _| 0.0), [0, 100, 5]);
        // Where the third shows much of what the first shows, it waits in turn; nothing is lost.
        let third = |a: &Candidate, _: &Candidate| f32::from(u8::from(a.exemplars[0].image == 100));
        assert_eq!(order(&|a, b| 0.8 * third(a, b)), [0, 5, 100]);
    }
}
