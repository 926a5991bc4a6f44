//! The same claim on another network: is the shortcut gone?
//!
//! A retrained network has other activations, so its cells are others; but what was pasted is kept by photograph and
//! window, and what was transferred by lists of images, so both can be done again. An ablation cannot.

use super::lab::Lab;
use super::paste::{self, At, Paste, Piece};
use super::picture;
use super::pixels::{self, Corner};
use super::transfer::{self, Transfer};
use super::{CausalError, Result};
use crate::atlas::class_called;
use crate::suspects::claim::{Claim, Estimate, Method, Outcome};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The other network does not use it, as far as the test can show.
    Gone,
    /// It is still used.
    StillUsed,
    /// The claim's test cannot be made on another network.
    Undecided,
}

/// The test that a claim rests on: the first that showed a use.
pub fn rests_on(claim: &Claim) -> Option<&Estimate> {
    let used = |e: &&Estimate| e.outcome() == Outcome::Used && e.method != Method::Ablate;
    claim.estimates.iter().find(used)
}

/// Makes the test that a claim rests on with the network and the photographs of `lab`; `None` where it rests on none
/// that another network can repeat.
///
/// # Errors
/// A class that the network does not have, photographs that are missing.
pub fn retest(lab: &mut Lab, claim: &Claim) -> Result<Option<Estimate>> {
    let Some(before) = rests_on(claim) else {
        return Ok(None);
    };
    let subject = &claim.subject;
    let class = |name: &str| class_called(&lab.network().classes, name);
    let target = class(&subject.class)
        .or_else(|| class(&subject.class_name))
        .ok_or_else(|| CausalError::NoClass(subject.class_name.clone()))?;
    let other = subject.other.as_deref().and_then(class);
    let avoid: Vec<_> = [Some(target), other].into_iter().flatten().collect();
    let n = claim.provenance.backgrounds as usize;
    let on = &mut |_: &Estimate| ControlFlow::Continue(());
    if before.method.is_transfer() {
        let found = |paths: &[String]| -> Vec<u32> {
            paths
                .iter()
                .filter_map(|path| lab.album().find(path))
                .collect()
        };
        let groups = Transfer {
            target,
            avoid,
            with: found(&subject.with),
            without: found(&subject.without),
            n,
            early: false,
        };
        return transfer::transfer(lab, &groups, before.method, on).map(Some);
    }
    let (pieces, without) = pieces(lab, claim)?;
    let own = paste::own_images(lab, target, &without);
    let paste = Paste {
        method: before.method,
        target,
        avoid,
        without,
        pieces,
        class: own,
        at: At::named(&claim.provenance.at).unwrap_or(At::Corner(Corner::TopLeft)),
        n,
        early: false,
    };
    Ok(Some(paste::paste(lab, &paste, on)?.estimate))
}

/// What a claim pasted, in the sizes of this network, and the photographs that it comes from.
fn pieces(lab: &mut Lab, claim: &Claim) -> Result<(Vec<Piece>, HashSet<u32>)> {
    let longer = |ratio: f32| ((ratio * lab.side() as f32).round() as u32).max(1);
    let longer = claim.provenance.ratio.map(longer);
    if let Some(path) = &claim.subject.picture {
        let piece = picture::load(Path::new(path))?;
        let piece = piece.scaled(longer.unwrap_or(lab.side() / 2));
        return Ok((vec![piece], HashSet::new()));
    }
    let (side, old) = (lab.side(), claim.provenance.size.max(1));
    let mut pieces = Vec::new();
    let mut seen = HashSet::new();
    let mut missing = None;
    for shown in &claim.subject.exemplars {
        let Some(idx) = lab.album().find(&shown.image) else {
            missing = missing.or(Some(shown.image.as_str()));
            continue;
        };
        let here = |v: u32| (v * side + old / 2) / old;
        let [x, y, k] = shown.window.map(here);
        let k = k.clamp(1, side);
        let window = [x.min(side - k), y.min(side - k), k];
        let crop = pixels::cut(&*lab.square(idx)?, window);
        seen.insert(idx);
        pieces.push(match longer {
            Some(longer) => Piece {
                picture: pixels::scaled(&crop, longer),
                shape: None,
                from: None,
            },
            None => Piece {
                picture: crop,
                shape: None,
                from: Some((window[0], window[1])),
            },
        });
    }
    match missing {
        Some(path) if pieces.is_empty() => Err(CausalError::Photograph(format!(
            "{path} is not in the photographs"
        ))),
        _ => Ok((pieces, seen)),
    }
}

/// Why a claim is undecided, in words.
pub fn why_undecided(claim: &Claim, after: Option<&Estimate>) -> String {
    let Some(after) = after else {
        let used = |e: &&Estimate| e.outcome() == Outcome::Used;
        return if claim.estimates.iter().any(|e| used(&e)) {
            "it rests on an ablation, which needs the cells of the network that the claim was made with"
        } else {
            "none of its tests showed a use, so there is nothing to be gone"
        }
        .to_owned();
    };
    match after.outcome() {
        Outcome::TooFew => format!("{} images are too few for an interval", after.n),
        Outcome::NotSpecific => "noise in the same place moves the class as much".to_owned(),
        _ => "the test says nothing of it on this network".to_owned(),
    }
}

/// What the new estimate says about the claim.
pub fn fate(after: Option<&Estimate>) -> Fate {
    let Some(after) = after else {
        return Fate::Undecided;
    };
    match after.outcome() {
        // No more than any part of the class's images, which the feature is not to blame for.
        Outcome::Slight if after.controls.over_class.is_some_and(|[low, _]| low <= 0.0) => {
            Fate::Gone
        }
        // Less is not nothing.
        Outcome::Used | Outcome::Slight => Fate::StillUsed,
        Outcome::NotShown => Fate::Gone,
        // It moves the class, but so may anything.
        _ => Fate::Undecided,
    }
}
