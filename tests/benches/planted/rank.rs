//! Judges one ordered list of candidates: which entries show an artefact, and how far down.

use atlascope::train::planted::Artefact;
use serde_json::Value;
use std::collections::HashMap;

/// Exemplars of an entry that must carry an artefact.
const SHOWN: usize = 8;

/// One entry of a list.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Indices of images in the order of their paths.
    pub images: Vec<usize>,
    /// False discovery rate, where the method has one.
    pub q: Option<f64>,
}

/// What one list came to.
#[derive(Debug, Clone, Default)]
pub struct Scored {
    /// Per target its artefact and the rank of the first entry that shows it, from 1.
    pub targets: Vec<(Artefact, Option<usize>)>,
    /// Entries among the first ten that show a decoy.
    pub n_decoys: usize,
    /// Entries with a false discovery rate of 5 % at most, and those among them that show a decoy.
    pub n_significant: usize,
    pub n_significant_decoys: usize,
}

/// Scores one list.
pub fn score(list: &[Entry], bits: &[u8], targets: &[Artefact]) -> Scored {
    let shows = |entry: &Entry, artefact: Artefact| {
        let carriers = entry.images.iter().take(10);
        carriers
            .filter(|&&image| bits[image] & artefact.bit() != 0)
            .count()
            >= SHOWN
    };
    let decoy = |entry: &&Entry| Artefact::DECOYS.into_iter().any(|d| shows(entry, d));
    let rank = |artefact: Artefact| {
        let found = list.iter().position(|entry| shows(entry, artefact));
        (artefact, found.map(|at| at + 1))
    };
    let significant = || list.iter().filter(|e| e.q.is_some_and(|q| q <= 0.05));
    Scored {
        targets: targets.iter().copied().map(rank).collect(),
        n_decoys: list.iter().take(10).filter(decoy).count(),
        n_significant: significant().count(),
        n_significant_decoys: significant().filter(decoy).count(),
    }
}

/// A list in the form of `atlascope suspects --json`.
pub fn parse(list: &Value, index: &HashMap<String, usize>) -> Vec<Entry> {
    let entries = list.as_array().expect("a list of candidates");
    let image = |exemplar: &Value| {
        let path = exemplar["image"].as_str().expect("an exemplar's image");
        *index
            .get(path)
            .unwrap_or_else(|| panic!("no image {path} was planted"))
    };
    let one = |entry: &Value| Entry {
        images: entry["exemplars"]
            .as_array()
            .unwrap()
            .iter()
            .map(image)
            .collect(),
        q: entry["q"].as_f64(),
    };
    entries.iter().map(one).collect()
}
