//! What tests say of a network's first candidates, as the explorer makes them: how many are confirmed, and which of
//! these show what was planted.

use crate::find;
use crate::images::truth;
use crate::nets;
use crate::score::Net;
use crate::spec::{Flags, Photographs, Spec, analysed_scenes, fixtures};
use atlascope::atlas::Atlas;
use atlascope::causal::tester::{NetworkTester, Options};
use atlascope::store;
use atlascope::suspects::claim::{Estimate, Outcome, Shown, Tester as _, outcome};
use atlascope::suspects::{self, Candidate};
use atlascope::train::planted::Artefact;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Levels of 255 by which a subject must change a pixel to be seen there.
const VISIBLE: u8 = 12;
/// Share of a window in which a subject must be seen to be shown.
const SEEN: f64 = 0.1;
/// Exemplars that must carry an artefact, or show their subject.
const SHOWN: usize = 8;

/// Tests the first candidates of some networks, whose images lie in `IMAGES/NET/images`; atlases are kept beside them.
pub fn table(names: &[&str], flags: &Flags) {
    let root = flags.get("from").map_or_else(fixtures, PathBuf::from);
    let images = PathBuf::from(flags.get("images").expect("--images FOLDER"));
    let first = flags.get("first").map_or(10, |n| n.parse().unwrap());
    let ranks: Vec<usize> = match flags.get("ranks") {
        Some(ranks) => ranks.split(',').map(|rank| rank.parse().unwrap()).collect(),
        None => (1..=first).collect(),
    };
    let mut photographs = Photographs::default();
    let mut all = BTreeMap::new();
    for name in names {
        let folder = images.join(name);
        let path = folder.join("net.atlas");
        let atlas = if path.exists() {
            Arc::new(store::read(&path).unwrap())
        } else {
            let atlas = find::atlas(name, &root, flags, &mut photographs);
            store::write(&path, &atlas).unwrap();
            atlas
        };
        let known = Net::open(&root, name);
        let told = net(
            (name, &root),
            (&atlas, &folder.join("images")),
            &known,
            &ranks,
        );
        for one in &told {
            println!("{name} {}", line(one));
        }
        println!("{name}: {}", summary(&told, &known));
        all.insert((*name).to_owned(), told);
    }
    if let Some(path) = flags.get("json") {
        std::fs::write(path, json!(all).to_string() + "\n").unwrap();
    }
}

fn line(one: &Value) -> String {
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    format!(
        "{:>2} {:9} {:14} {:12} {:10} {}",
        one["rank"],
        text("kind"),
        text("class"),
        text("outcome"),
        text("shows"),
        text("verdict")
    )
}

/// How many of the learned artefacts that the first candidates show are confirmed, and how many candidates that show
/// none.
fn summary(told: &[Value], known: &Net) -> String {
    let confirmed = |one: &&Value| one["confirmed"] == json!(true);
    let of = |artefact: Artefact| {
        told.iter()
            .filter(move |one| one["shows"] == json!(artefact.name()))
    };
    let shown = known.targets.iter().filter(|&&a| of(a).count() > 0);
    let kept = known
        .targets
        .iter()
        .filter(|&&a| of(a).filter(confirmed).count() > 0);
    let others = told.iter().filter(|one| one["shows"].is_null());
    // Where nothing goes with a class but its subject, these are the false alarms.
    let elsewhere = |one: &&Value| {
        let shares = one["subject"].as_array();
        shares.is_some_and(|shares| {
            let seen = shares.iter().filter_map(Value::as_f64);
            seen.filter(|share| *share >= SEEN).count() < SHOWN
        })
    };
    let decoys = Artefact::DECOYS.into_iter().flat_map(of).filter(confirmed);
    format!(
        "{} targets, {} shown, {} confirmed; {} of {} others confirmed, {} of {} that do not show their subject, {} decoys",
        known.targets.len(),
        shown.count(),
        kept.count(),
        others.clone().filter(confirmed).count(),
        others.clone().count(),
        others.clone().filter(confirmed).filter(elsewhere).count(),
        others.filter(elsewhere).count(),
        decoys.count()
    )
}

/// The artefact that at least eight exemplars carry.
fn shows(candidate: &Candidate, atlas: &Atlas, net: &Net) -> Option<Artefact> {
    let all = Artefact::SHORTCUTS.into_iter().chain(Artefact::DECOYS);
    let carriers = |artefact: &Artefact| {
        let carries = |image: u32| {
            let at = net.index[&atlas.images.path[image as usize]];
            net.bits[at] & artefact.bit() != 0
        };
        let exemplars = candidate.exemplars.iter();
        exemplars.filter(|e| carries(e.image)).count()
    };
    all.into_iter().find(|artefact| carriers(artefact) >= SHOWN)
}

/// Share of each exemplar's window in which the scene's subject, its shadow or its reflection is seen; none for
/// photographs, of which nobody knows.
fn subject_seen(spec: &Spec, exemplars: &[Shown]) -> Option<Vec<f64>> {
    let (world, scenes) = analysed_scenes(spec)?;
    let seen = |exemplar: &Shown| {
        let number = Path::new(&exemplar.image).file_stem().unwrap();
        let (scene, _) = scenes[number.to_str().unwrap().parse::<usize>().unwrap()];
        let (with, without) = (
            world.scene_with(scene, 0).image,
            world.scene_without_subject(scene),
        );
        let [x, y, side] = exemplar.window;
        let all = (y..y + side).flat_map(|row| (x..x + side).map(move |column| (column, row)));
        let differs = |&(column, row): &(u32, u32)| {
            let (a, b) = (with.get_pixel(column, row), without.get_pixel(column, row));
            a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > VISIBLE)
        };
        all.filter(differs).count() as f64 / f64::from(side * side)
    };
    Some(exemplars.iter().map(seen).collect())
}

fn net(
    (name, root): (&str, &Path),
    (atlas, images): (&Arc<Atlas>, &Path),
    known: &Net,
    ranks: &[usize],
) -> Vec<Value> {
    let (truth, spec) = (truth(root, name), Spec::parse(name));
    let (network, _) = nets::open(root, name, &truth);
    let mut network = Some(network);
    let open = move |_: &Atlas| network.take().ok_or_else(|| "it is open".to_owned());
    let folders = vec![images.to_owned()];
    let mut tester = NetworkTester::new(Box::new(open), folders, Options::default());
    tester.atlas(Arc::clone(atlas));
    let found = suspects::find(atlas).candidates;
    let test = |(at, candidate): (usize, &Candidate)| {
        let go_on = &mut |_: &Estimate| ControlFlow::Continue(());
        let claim = tester.test(candidate, go_on).unwrap();
        let outcome = outcome(&claim.estimates);
        json!({
            "rank": at + 1,
            "kind": candidate.kind,
            "class": atlas.classes[usize::from(candidate.class)].id,
            "outcome": outcome,
            "confirmed": outcome == Outcome::Used,
            "shows": shows(candidate, atlas, known).map(Artefact::name),
            "verdict": claim.verdict,
            "estimates": claim.estimates,
            "subject": subject_seen(&spec, &claim.subject.exemplars),
            "exemplars": claim.subject.exemplars,
        })
    };
    let wanted = found.iter().enumerate();
    let wanted = wanted.filter(|(at, _)| ranks.contains(&(at + 1)));
    wanted.map(test).collect()
}
