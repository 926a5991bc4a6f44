//! The columns of the table: what they say, how they order rows, what they mean.

use super::records::verdict_word;
use super::{Board, Row};
use crate::atlas::Atlas;
use crate::suspects::claim::{Estimate, Judgement, Method};
use crate::suspects::{COLUMNS, Kind, Suspects, column};
use std::cmp::Ordering;

/// A column of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Head {
    /// Place in the list as it was found.
    Rank,
    /// What kind of candidate.
    Kind,
    /// The class, or both.
    Class,
    /// Row and column of the cell.
    Cell,
    /// What the list is ordered by.
    Score,
    /// False discovery rate.
    Q,
    /// What tests say.
    Verdict,
    /// What the person says.
    Judgement,
    /// A score by its number among the columns of a list.
    Column(usize),
}

/// The columns before the scores.
pub const FIXED: [Head; 8] = [
    Head::Rank,
    Head::Kind,
    Head::Class,
    Head::Cell,
    Head::Score,
    Head::Q,
    Head::Verdict,
    Head::Judgement,
];

impl Head {
    /// Number of columns.
    pub fn count() -> usize {
        FIXED.len() + COLUMNS.len()
    }

    /// The column with this index.
    pub fn at(idx: usize) -> Head {
        let of_scores = || Head::Column((idx - FIXED.len()).min(COLUMNS.len() - 1));
        FIXED.get(idx).copied().unwrap_or_else(of_scores)
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Head> {
        (0..Head::count()).map(Head::at)
    }

    /// The columns with numbers, which can colour the map.
    pub fn numbers() -> impl Iterator<Item = Head> {
        Head::all().filter(|head| matches!(head, Head::Score | Head::Q | Head::Column(_)))
    }

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Head::Rank => "#",
            Head::Kind => "kind",
            Head::Class => "class",
            Head::Cell => "cell",
            Head::Score => "score",
            Head::Q => "q",
            Head::Verdict => "verdict",
            Head::Judgement => "judged",
            Head::Column(idx) => COLUMNS[idx].name,
        }
    }

    /// Whether small values come first unless it is turned.
    fn rises(self) -> bool {
        !matches!(self, Head::Score | Head::Column(_))
    }
}

/// What a column means, and who proposed it.
pub fn definition(head: Head) -> (&'static str, &'static str) {
    match head {
        Head::Rank => (
            "Place in the list as it was found: by score, less for every candidate of the same class before it.",
            "",
        ),
        Head::Kind => (
            "cell: goes with the class, but only with few of its images. component: a direction along which the class's \
             images differ, shown at the cell where it is strongest. colour, texture: images of the class that look alike as a \
             whole. multi-use: supports two unlike classes. contrast: \
             tells two classes apart. picture: a file of yours.",
            "",
        ),
        Head::Class => (
            "The class that it speaks for; of two, the other one behind it.",
            "",
        ),
        Head::Cell => ("Row and column on the layer's finest grid.", ""),
        Head::Score => (
            "What it is listed by, as a multiple of the best candidate of its kind of the middle class; reuse for multi-use \
             cells, difference of attributions for a contrast.",
            "",
        ),
        Head::Q => (
            "The false discovery rate at which it would be reported, over labels permuted among the classes.",
            "Benjamini and Hochberg 1995",
        ),
        Head::Verdict => (
            "What tests say: used, slight (hardly more than any part of the class), unspecific (noise does as much), \
             unshown (no more than the controls), no-patch (removing it matters, but nothing that \
             was put into images carried it), too-few (images), untested.",
            "",
        ),
        Head::Judgement => (
            "What you say: core, part of what the class is; shortcut, goes with it but is not the thing; unsure.",
            "",
        ),
        Head::Column(idx) => (COLUMNS[idx].what, COLUMNS[idx].source),
    }
}

/// Why a column has no values, if the list says so.
pub fn why_missing(list: &Suspects, head: Head) -> Option<&'static str> {
    let Head::Column(idx) = head else { return None };
    let mut missing = list.missing.iter();
    let found = missing.find(|missing| missing.column == COLUMNS[idx].name);
    found.map(|missing| missing.why)
}

pub(super) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Cell => "cell",
        Kind::Component => "component",
        Kind::Colour => "colour",
        Kind::Texture => "texture",
        Kind::MultiUse => "multi-use",
        Kind::Contrast => "contrast",
    }
}

/// What a row says under a column; empty where it has nothing to say.
pub(super) fn text(board: &Board, atlas: &Atlas, head: Head, row: Row) -> String {
    let subject = || Some(&board.record_of(row)?.claim.subject);
    let candidate = board.candidate_of(row);
    match head {
        Head::Rank => match row {
            Row::Candidate(idx) => (idx + 1).to_string(),
            Row::Picture(_) => "–".to_owned(),
        },
        Head::Kind => candidate
            .map_or("picture", |candidate| kind_word(candidate.kind))
            .to_owned(),
        Head::Class => match candidate {
            Some(candidate) => {
                let class = atlas.class_name(candidate.class);
                match candidate.other {
                    Some(other) => format!("{class} / {}", atlas.class_name(other)),
                    None => class,
                }
            }
            None => subject().map_or(String::new(), |subject| subject.class_name.clone()),
        },
        Head::Cell => {
            if let Some(candidate) = candidate {
                return format!("{},{}", candidate.cell.row, candidate.cell.col);
            }
            let path = subject().and_then(|subject| subject.picture.as_deref());
            let name = path.and_then(|path| path.rsplit('/').next());
            name.unwrap_or_default().to_owned()
        }
        Head::Verdict => {
            if board.is_running(row) {
                return "testing".to_owned();
            }
            let claim = board.record_of(row).map(|record| &record.claim);
            verdict_word(claim).to_owned()
        }
        Head::Judgement => judgement_word(board, row).to_owned(),
        Head::Q if number(board, head, row).is_some_and(|q| q < 0.0005) => "<.001".to_owned(),
        Head::Score | Head::Q | Head::Column(_) => {
            number(board, head, row).map_or("–".to_owned(), brief)
        }
    }
}

/// What the person said of a row; nothing where nothing was said.
fn judgement_word(board: &Board, row: Row) -> &'static str {
    let record = board.record_of(row).filter(|record| record.judged);
    match record.map(|record| record.claim.judgement) {
        Some(Judgement::Core) => "core",
        Some(Judgement::Shortcut) => "shortcut",
        Some(Judgement::Unsure) => "unsure",
        None => "",
    }
}

/// Three digits that count.
pub fn brief(value: f32) -> String {
    let text = match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    text.replace('-', "−")
}

/// The number of a row under a column.
pub(super) fn number(board: &Board, head: Head, row: Row) -> Option<f32> {
    let candidate = board.candidate_of(row);
    let value = match head {
        Head::Rank => match row {
            Row::Candidate(idx) => Some(idx as f32),
            Row::Picture(_) => None,
        },
        Head::Score => candidate.map(|candidate| candidate.score),
        Head::Q => candidate.and_then(|candidate| candidate.q),
        Head::Column(idx) => {
            let tested = tested_by(idx);
            let measured = tested.and_then(|(method, value)| {
                let estimates = &board.record_of(row)?.claim.estimates;
                let of = |wanted| estimates.iter().find(|e| e.method == wanted);
                // A picture of the person's own is pasted as well.
                let picture = of(Method::Picture).filter(|_| method == Method::Paste);
                of(method).or(picture).map(value)
            });
            match measured {
                Some(value) => Some(value),
                None => candidate.and_then(|c| c.scores.get(idx).copied().flatten()),
            }
        }
        _ => None,
    };
    value.filter(|value| value.is_finite())
}

/// A number of an estimate.
type Value = fn(&Estimate) -> f32;

/// The test that fills a column, and with what.
fn tested_by(idx: usize) -> Option<(Method, Value)> {
    let change = |estimate: &Estimate| estimate.delta - estimate.controls.delta;
    let flips = |estimate: &Estimate| {
        (estimate.flips as f32 - estimate.controls.flips as f32) / estimate.n.max(1) as f32
    };
    if Some(idx) == column("paste") {
        Some((Method::Paste, change))
    } else if Some(idx) == column("flips") {
        Some((Method::Paste, flips))
    } else if Some(idx) == column("ablation") {
        Some((Method::Ablate, change))
    } else {
        None
    }
}

/// Rows by a column; those without a value come last, equal ones stay as they were found.
pub(super) fn sort(board: &Board, atlas: &Atlas, rows: &mut [Row], head: Head, turned: bool) {
    let rises = head.rises() != turned;
    let turn = |order: Ordering| if rises { order } else { order.reverse() };
    if matches!(head, Head::Rank | Head::Score | Head::Q | Head::Column(_)) {
        rows.sort_by(
            |&a, &b| match (number(board, head, a), number(board, head, b)) {
                (Some(a), Some(b)) => turn(a.total_cmp(&b)),
                (a, b) => b.is_some().cmp(&a.is_some()),
            },
        );
        return;
    }
    let key = |row: Row| match head {
        Head::Verdict => verdict_rank(&text(board, atlas, head, row)).to_string(),
        Head::Cell => board.candidate_of(row).map_or(String::new(), |candidate| {
            let cell = candidate.cell;
            format!("{:4} {:6} {:6}", candidate.layer, cell.row, cell.col)
        }),
        _ => text(board, atlas, head, row).to_lowercase(),
    };
    rows.sort_by(|&a, &b| {
        let (a, b) = (key(a), key(b));
        let empty = a.is_empty().cmp(&b.is_empty());
        empty.then_with(|| turn(a.cmp(&b)))
    });
}

fn verdict_rank(word: &str) -> usize {
    let order = [
        "testing",
        "used",
        "slight",
        "unspecific",
        "no-patch",
        "unshown",
        "too-few",
        "untested",
    ];
    order.iter().position(|&w| w == word).unwrap_or(order.len())
}
