//! Scores ordered lists of candidates against what was planted.
//!
//! Every method is judged alike: an entry of its list shows an artefact when at least eight of its ten exemplar
//! images carry it. A target (an artefact that the network learned) is found at k when one of the first k entries
//! shows it. Lists are `atlascope suspects --json`, one file `NET.json` per network, or the frozen ones of other
//! methods in `fixtures/planted/baselines.json`.

use crate::images::truth;
use crate::rank::{Entry, Scored, parse, score};
use crate::spec::{Flags, Spec, carried, fixtures};
use atlascope::train::planted::Artefact;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// How far lists are read.
const DEPTH: usize = 20;

/// Lists of one method by network.
pub type Lists = BTreeMap<String, Vec<Entry>>;

/// Networks and their lists as they are frozen: entries are a class and images.
type Frozen = BTreeMap<String, Vec<(usize, Vec<usize>)>>;

/// The frozen lists: method → network → entries `[class, [image, …]]`.
pub fn frozen(path: &Path) -> BTreeMap<String, Lists> {
    let Ok(text) = std::fs::read(path) else {
        return BTreeMap::new();
    };
    let methods: BTreeMap<String, Frozen> = serde_json::from_slice(&text).unwrap();
    let entry = |(_, images): (usize, Vec<usize>)| Entry { images, q: None };
    let lists = |lists: Frozen| {
        let list = |(net, list): (String, Vec<_>)| (net, list.into_iter().map(entry).collect());
        lists.into_iter().map(list).collect()
    };
    let methods = methods.into_iter();
    methods.map(|(method, all)| (method, lists(all))).collect()
}

/// Names of the networks of a role.
pub fn names(root: &Path, role: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with(role)).collect();
    names.sort();
    names
}

/// What is planted in a network's images, without drawing them.
pub struct Net {
    pub name: String,
    pub prevalence: f64,
    pub targets: Vec<Artefact>,
    pub bits: Vec<u8>,
    pub index: HashMap<String, usize>,
}

impl Net {
    pub fn open(root: &Path, name: &str) -> Self {
        let truth = truth(root, name);
        let images = carried(&Spec::parse(name), &truth);
        let learned = truth.outcomes.iter().filter(|outcome| outcome.learned);
        let learned = learned.map(|outcome| outcome.artefact);
        let paths = images.iter().enumerate();
        Self {
            name: name.to_owned(),
            prevalence: truth.prevalence,
            targets: learned
                .filter(|a| Artefact::SHORTCUTS.contains(a))
                .collect(),
            index: paths.map(|(at, (path, ..))| (path.clone(), at)).collect(),
            bits: images.iter().map(|(_, _, bits)| *bits).collect(),
        }
    }
}

pub fn table(lists: &[&str], flags: &Flags) {
    let root = flags.get("from").map_or_else(fixtures, PathBuf::from);
    let role = flags.get("role").map_or("report", String::as_str);
    let names = names(&root, role);
    let nets: Vec<Net> = names.iter().map(|name| Net::open(&root, name)).collect();
    let mut methods = frozen(&root.join("baselines.json"));
    for list in lists {
        let (method, folder) = list.split_once('=').expect("METHOD=FOLDER");
        let read = |net: &Net| {
            let path = Path::new(folder).join(format!("{}.json", net.name));
            let text = std::fs::read(&path).ok()?;
            let list: Value = serde_json::from_slice(&text).unwrap();
            Some((net.name.clone(), parse(&list, &net.index)))
        };
        methods.insert(method.to_owned(), nets.iter().filter_map(read).collect());
    }
    println!(
        "{:<24} {:<9} {:>4} {:>7} {:>5} {:>5} {:>5} {:>7} {:>6} {:>6} {:>12}",
        "method",
        "planted",
        "nets",
        "targets",
        "@5",
        "@10",
        "@20",
        "median",
        "90 %",
        "decoys",
        "q≤.05 decoys"
    );
    for (method, lists) in &methods {
        for (group, wanted) in GROUPS {
            let scored: Vec<Scored> = nets
                .iter()
                .filter(|net| wanted(net.prevalence))
                .filter_map(|net| Some(score(lists.get(&net.name)?, &net.bits, &net.targets)))
                .collect();
            if !scored.is_empty() {
                println!("{}", row(method, group, &scored));
            }
        }
    }
    println!();
    kinds(&methods, &nets);
    if flags.contains_key("each") {
        println!();
        each(&methods, &nets);
    }
}

/// Every network's targets with their ranks.
fn each(methods: &BTreeMap<String, Lists>, nets: &[Net]) {
    for (method, lists) in methods {
        for net in nets {
            let Some(list) = lists.get(&net.name) else {
                continue;
            };
            let told = |(artefact, rank): (Artefact, Option<usize>)| {
                let rank = rank.map_or("never".to_owned(), |rank| rank.to_string());
                format!("{} {rank}", artefact.name())
            };
            let targets = score(list, &net.bits, &net.targets).targets.into_iter();
            let text: Vec<String> = targets.map(told).collect();
            println!("{method:<24} {:<22} {}", net.name, text.join("  "));
        }
    }
}

type Group = (&'static str, fn(f64) -> bool);

/// Prevalences that are reported together.
const GROUPS: [Group; 3] = [
    ("p ≥ .25", |p| p >= 0.25),
    ("p ≤ .1", |p| p > 0.0 && p <= 0.1),
    ("nothing", |p| p == 0.0),
];

fn row(method: &str, group: &str, scored: &[Scored]) -> String {
    let targets = scored.iter().flat_map(|one| &one.targets);
    let mut ranks: Vec<usize> = targets.map(|(_, r)| r.unwrap_or(usize::MAX)).collect();
    ranks.sort_unstable();
    let n = ranks.len();
    let found = |k: usize| {
        if n == 0 {
            return "–".to_owned();
        }
        let found = ranks.iter().filter(|rank| **rank <= k).count();
        format!("{:.2}", found as f64 / n as f64)
    };
    let quantile = |share: f64| {
        let at = ((n as f64 * share).ceil() as usize).clamp(1, n.max(1)) - 1;
        match ranks.get(at) {
            Some(&usize::MAX) => "never".to_owned(),
            Some(rank) => rank.to_string(),
            None => "–".to_owned(),
        }
    };
    let sum = |f: fn(&Scored) -> usize| scored.iter().map(f).sum::<usize>();
    let significant = sum(|one| one.n_significant);
    let false_share = if significant == 0 {
        "–".to_owned()
    } else {
        format!("{}/{significant}", sum(|one| one.n_significant_decoys))
    };
    format!(
        "{method:<24} {group:<9} {:>4} {n:>7} {:>5} {:>5} {:>5} {:>7} {:>6} {:>6} {false_share:>12}",
        scored.len(),
        found(5),
        found(10),
        found(DEPTH),
        quantile(0.5),
        quantile(0.9),
        sum(|one| one.n_decoys),
    )
}

/// Found within ten, per kind of artefact.
fn kinds(methods: &BTreeMap<String, Lists>, nets: &[Net]) {
    println!("found within 10 entries, of targets");
    for (method, lists) in methods {
        for (group, wanted) in &GROUPS[..2] {
            let mut counts = BTreeMap::<Artefact, (usize, usize)>::new();
            for net in nets.iter().filter(|net| wanted(net.prevalence)) {
                let Some(list) = lists.get(&net.name) else {
                    continue;
                };
                for (artefact, rank) in score(list, &net.bits, &net.targets).targets {
                    let count = counts.entry(artefact).or_default();
                    count.0 += usize::from(rank.is_some_and(|rank| rank <= 10));
                    count.1 += 1;
                }
            }
            let text = counts
                .iter()
                .map(|(artefact, (found, n))| format!("{} {found}/{n}", artefact.name()));
            println!(
                "{method:<24} {group:<9} {}",
                text.collect::<Vec<_>>().join("  ")
            );
        }
    }
}
