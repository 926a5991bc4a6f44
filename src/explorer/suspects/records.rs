//! What was found out about candidates, and how a record finds its candidate again.

use super::heads;
use crate::atlas::{Atlas, ClassId};
use crate::explorer::link::Link;
use crate::explorer::photographs::{self, Part};
use crate::explorer::worker::Shot;
use crate::suspects::claim::{
    Claim, Estimate, Judgement, Outcome, Provenance, Shown, Subject, outcome,
};
use crate::suspects::{Candidate, Kind, Place};
use std::collections::HashMap;

/// A candidate without its numbers: the same in every list of one atlas. Several features of a class may lie in one
/// cell; their exemplars tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    kind: Kind,
    layer: usize,
    cell: Place,
    class: ClassId,
    other: Option<ClassId>,
    component: Option<u16>,
    exemplars: u64,
}

/// Which candidate it is.
pub fn id_of(candidate: &Candidate) -> Id {
    Id {
        kind: candidate.kind,
        layer: candidate.layer,
        cell: candidate.cell,
        class: candidate.class,
        other: candidate.other,
        component: candidate.component,
        exemplars: fingerprint(candidate.exemplars.iter().map(|e| (e.image, e.row, e.col))),
    }
}

/// A number of exemplars and their order.
fn fingerprint(exemplars: impl Iterator<Item = (u32, u16, u16)>) -> u64 {
    let word = |(image, row, col)| u64::from(image) << 32 | u64::from(row) << 16 | u64::from(col);
    exemplars.map(word).fold(0, |hash: u64, word| {
        (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

/// What was found out about one candidate or picture.
#[derive(Debug, Clone)]
pub struct Record {
    /// The candidate; none for a picture, or when the atlas no longer has its cell.
    pub id: Option<Id>,
    /// The claim so far.
    pub claim: Claim,
    /// The person said something.
    pub judged: bool,
    /// Pictures before and after.
    pub shots: Vec<Shot>,
    /// Why the last test could not be made.
    pub failure: Option<String>,
}

impl Record {
    /// A record of a claim.
    pub fn of(id: Option<Id>, claim: Claim) -> Record {
        Record {
            id,
            judged: claim.judgement != Judgement::Unsure,
            claim,
            shots: Vec::new(),
            failure: None,
        }
    }

    /// True when there is something to keep.
    pub fn says_something(&self) -> bool {
        self.judged || !self.claim.note.is_empty() || !self.claim.estimates.is_empty()
    }

    /// Takes an estimate in the place of an older one of the same method.
    pub fn take(&mut self, estimate: Estimate) {
        let estimates = &mut self.claim.estimates;
        match estimates.iter_mut().find(|e| e.method == estimate.method) {
            Some(old) => *old = estimate,
            None => estimates.push(estimate),
        }
        self.claim.verdict = crate::suspects::claim::verdict(&self.claim.estimates);
    }

    /// Takes the end of a test; what the person said stays.
    pub fn finish(&mut self, claim: Claim) {
        let (judgement, note) = (self.claim.judgement, std::mem::take(&mut self.claim.note));
        self.claim = Claim {
            judgement,
            note,
            ..claim
        };
    }

    /// A test was broken off.
    pub fn is_partial(&self) -> bool {
        self.claim.estimates.iter().any(|estimate| !estimate.done)
    }
}

/// A test on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Its number.
    pub number: u64,
    /// Index of its record.
    pub record: usize,
    /// Nothing of it has arrived: the record still holds what an older test said.
    pub fresh: bool,
    /// The person stopped it, but the worker has not noticed.
    pub stopping: bool,
}

/// One word for what tests say.
pub fn verdict_word(claim: Option<&Claim>) -> &'static str {
    let estimates = claim.map_or(&[][..], |claim| &claim.estimates);
    if estimates.is_empty() {
        return "untested";
    }
    match outcome(estimates) {
        Outcome::Used => "used",
        Outcome::Slight => "slight",
        Outcome::NotSpecific => "unspecific",
        Outcome::NotShown => "unshown",
        Outcome::NotTestable => "no-patch",
        Outcome::TooFew => "too-few",
    }
}

fn class_id(atlas: &Atlas, class: ClassId) -> String {
    let known = atlas.classes.get(usize::from(class));
    known.map_or_else(|| class.to_string(), |class| class.id.clone())
}

/// A claim about a candidate before anything was measured, from what the atlas knows.
pub fn provisional(atlas: &Atlas, candidate: &Candidate) -> Claim {
    let layer = atlas.layers.get(candidate.layer);
    let cell = candidate.cell;
    let place = layer.map(|layer| Link {
        layer: layer.name.clone(),
        grid: cell.grid,
        row: cell.row,
        col: cell.col,
    });
    let size = layer.map_or(0, |layer| layer.map_size.0 * layer.stride);
    let shown = candidate.exemplars.iter().map(|exemplar| {
        let position = (exemplar.row.min(255) as u8, exemplar.col.min(255) as u8);
        let part = layer.map_or(Part::WHOLE, |layer| photographs::seen_by(layer, position));
        let pixels = |share: f32| (share * size as f32).round() as u32;
        let path = atlas.images.path.get(exemplar.image as usize);
        let side = pixels(part.width).min(size);
        let from = |share: f32| pixels(share).min(size - side);
        Shown {
            image: path.cloned().unwrap_or_default(),
            row: exemplar.row,
            col: exemplar.col,
            window: [from(part.x), from(part.y), side],
        }
    });
    claim(
        atlas,
        Subject {
            kind: Some(candidate.kind),
            cell: place.map(|place| place.to_string()),
            picture: None,
            class: class_id(atlas, candidate.class),
            class_name: atlas.class_name(candidate.class),
            other: candidate.other.map(|other| class_id(atlas, other)),
            component: candidate.component,
            score: Some(candidate.score),
            q: candidate.q,
            exemplars: shown.collect(),
            with: Vec::new(),
            without: Vec::new(),
        },
        size,
    )
}

/// A claim about a picture before anything was measured.
pub(in crate::explorer) fn of_picture(atlas: &Atlas, path: &str, class: ClassId) -> Claim {
    let subject = Subject {
        kind: None,
        cell: None,
        picture: Some(path.to_owned()),
        class: class_id(atlas, class),
        class_name: atlas.class_name(class),
        other: None,
        component: None,
        score: None,
        q: None,
        exemplars: Vec::new(),
        with: Vec::new(),
        without: Vec::new(),
    };
    claim(atlas, subject, 0)
}

fn claim(atlas: &Atlas, subject: Subject, size: u32) -> Claim {
    Claim {
        subject,
        estimates: Vec::new(),
        verdict: "not tested".to_owned(),
        left_out: Vec::new(),
        sweep: Vec::new(),
        pairs: Vec::new(),
        judgement: Judgement::Unsure,
        note: String::new(),
        provenance: Provenance {
            network: atlas.recipe.network.clone(),
            weights_sha256: atlas.recipe.weights_sha256.clone(),
            size,
            resize: String::new(),
            seed: 0,
            backgrounds: 0,
            ratio: None,
            at: String::new(),
            command: String::new(),
        },
    }
}

/// The candidate that a claim is about, if the atlas has its cell and classes.
pub(super) fn recognised(
    atlas: &Atlas,
    images: &HashMap<&str, u32>,
    subject: &Subject,
) -> Option<Id> {
    let class = |id: &String| {
        let found = atlas.classes.iter().position(|class| class.id == *id);
        found.map(|class| class as ClassId)
    };
    let link: Link = subject.cell.as_ref()?.parse().ok()?;
    let layer = atlas.layer_idx(&link.layer)?;
    let level = atlas.layers[layer]
        .levels
        .iter()
        .find(|level| level.grid == link.grid)?;
    level.cell_at(link.row, link.col)?;
    let shown = |shown: &Shown| Some((*images.get(shown.image.as_str())?, shown.row, shown.col));
    let exemplars: Option<Vec<_>> = subject.exemplars.iter().map(shown).collect();
    let exemplars = exemplars?;
    let other = match &subject.other {
        Some(id) => Some(class(id)?),
        None => None,
    };
    Some(Id {
        kind: subject.kind?,
        layer,
        cell: Place {
            grid: link.grid,
            row: link.row,
            col: link.col,
        },
        class: class(&subject.class)?,
        other,
        component: subject.component,
        exemplars: fingerprint(exemplars.into_iter()),
    })
}

/// What a record is about, in a few words.
pub fn heading(claim: &Claim) -> String {
    let subject = &claim.subject;
    let kind = subject.kind.map_or("picture", heads::kind_word);
    let place = subject.cell.as_deref().or(subject.picture.as_deref());
    format!("{kind} {}", place.unwrap_or_default())
}
