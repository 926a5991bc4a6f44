//! What tests say of a network's first candidates, as the explorer makes them: how many are confirmed, and which of
//! these show what was planted.

use crate::find;
use crate::images::truth;
use crate::nets::classes;
use crate::score::Net;
use crate::spec::{Flags, Photographs, fixtures};
use atlascope::atlas::Atlas;
use atlascope::causal::tester::{NetworkTester, Options};
use atlascope::store;
use atlascope::suspects::claim::{Estimate, Outcome, Tester as _, outcome};
use atlascope::suspects::{self, Candidate};
use atlascope::train::planted::{self, Artefact};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Exemplars that must carry an artefact.
const SHOWN: usize = 8;

/// Tests the first candidates of some networks; their images lie in `IMAGES/NET/images`, and their atlases are kept
/// there.
pub fn table(names: &[&str], flags: &Flags) {
    let root = flags.get("from").map_or_else(fixtures, PathBuf::from);
    let images = PathBuf::from(flags.get("images").expect("--images FOLDER"));
    let first = flags.get("first").map_or(10, |n| n.parse().unwrap());
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
        let told = net(name, &root, &atlas, &folder.join("images"), first);
        for one in &told {
            println!("{name} {}", line(one));
        }
        all.insert((*name).to_owned(), told);
    }
    if let Some(path) = flags.get("json") {
        std::fs::write(path, json!(all).to_string() + "\n").unwrap();
    }
}

fn line(one: &Value) -> String {
    let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
    format!(
        "{:2} {:9} {:14} {:12} {:10} {}",
        one["rank"],
        text("kind"),
        text("class"),
        text("outcome"),
        text("shows"),
        text("verdict")
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

fn net(name: &str, root: &Path, atlas: &Arc<Atlas>, images: &Path, first: usize) -> Vec<Value> {
    let truth = truth(root, name);
    let known = Net::open(root, name);
    let bytes = std::fs::read(root.join(name).join("net.onnx")).unwrap();
    let network = planted::load(name, &bytes, truth.side, classes(&truth.classes)).unwrap();
    let mut network = Some(network);
    let open = move |_: &Atlas| network.take().ok_or_else(|| "it is open".to_owned());
    let folders = vec![images.to_owned()];
    let mut tester = NetworkTester::new(Box::new(open), folders, Options::default());
    tester.atlas(Arc::clone(atlas));
    let bytes = std::fs::read(root.join(name).join("net.onnx")).unwrap();
    let mut network = planted::load(name, &bytes, truth.side, classes(&truth.classes)).ok();
    let open = move |_: &Atlas| network.take().ok_or_else(|| "it is open".to_owned());
    let options = Options {
        early: false,
        transfer: atlascope::causal::tester::When::Always,
        ..Options::default()
    };
    let mut full = NetworkTester::new(Box::new(open), vec![images.to_owned()], options);
    full.atlas(Arc::clone(atlas));
    let found = suspects::find(atlas).candidates;
    let mut told = Vec::new();
    for (at, candidate) in found.iter().take(first).enumerate() {
        let go_on = &mut |_: &Estimate| ControlFlow::Continue(());
        let claim = tester.test(candidate, go_on).unwrap();
        let shown = shows(candidate, atlas, &known);
        let raw = raw(&mut tester, atlas, candidate);
        let all = full.test(candidate, go_on).unwrap().estimates;
        told.push(json!({
            "raw": raw, "all": all,
            "rank": at + 1,
            "kind": candidate.kind,
            "component": candidate.component,
            "class": atlas.classes[usize::from(candidate.class)].id,
            "score": candidate.score,
            "q": candidate.q,
            "outcome": outcome(&claim.estimates),
            "confirmed": outcome(&claim.estimates) == Outcome::Used,
            "shows": shown.map(Artefact::name),
            "learned": shown.is_some_and(|artefact| known.targets.contains(&artefact)),
            "verdict": claim.verdict,
            "estimates": claim.estimates,
        }));
    }
    told
}

/// Everything that a rule could be made of.
fn raw(tester: &mut NetworkTester, atlas: &Atlas, candidate: &Candidate) -> Value {
    use atlascope::causal::lab::{Spot, centred, predicted, probability};
    use atlascope::causal::paste::{Paste, paste};
    use atlascope::causal::pixels;
    use atlascope::causal::transfer;
    use atlascope::math::rng::Rng;
    let (pasted_before, _) = tester.last().unwrap();
    let target = candidate.class;
    let lab = tester.lab().unwrap();
    let full = Paste {
        early: false,
        ..pasted_before
    };
    let done = paste(lab, &full, &mut |_| ControlFlow::Continue(())).unwrap();
    let own: Vec<u32> = lab.album().of_class(target);
    let mut rng = Rng::stream(5, u64::from(target));
    let (mut mine, mut controls, mut noise, mut same) = (vec![], vec![], vec![], vec![]);
    let mut clean = vec![];
    for (at, trial) in done.trials.iter().enumerate() {
        let c = centred(&trial.clean, target);
        let told = |l: &[f32], piece: usize| {
            json!([
                at,
                piece,
                centred(l, target) - c,
                predicted(l) == target,
                probability(l, target) - probability(&trial.clean, target)
            ])
        };
        clean.push(json!([
            c,
            predicted(&trial.clean),
            probability(&trial.clean, target)
        ]));
        for (l, &piece) in trial.pasted.iter().zip(&trial.pieces) {
            mine.push(told(l, piece));
        }
        for l in &trial.controls {
            controls.push(told(l, 0));
        }
        for l in &trial.noise {
            noise.push(told(l, 0));
        }
        let piece = &full.pieces[trial.pieces[0]];
        let place = full.place(piece, lab.side());
        let size = piece.picture.dimensions();
        let mut squares = vec![];
        for _ in 0..3 {
            let source = loop {
                let source = own[rng.below(own.len())];
                if !candidate.exemplars.iter().any(|e| e.image == source) {
                    break source;
                }
            };
            let source = lab.square(source).unwrap();
            let crop =
                image::imageops::crop_imm(&*source, place.0, place.1, size.0, size.1).to_image();
            squares.push(pixels::paste(
                &*lab.square(trial.background).unwrap(),
                &crop,
                place,
            ));
        }
        let _ = Spot { size, at: place };
        for l in lab.run(&squares).unwrap() {
            same.push(told(&l, 0));
        }
    }
    let backgrounds: Vec<u32> = done.trials.iter().map(|t| t.background).collect();
    let gap = transfer::gap(
        lab,
        target,
        &own.iter().copied().take(100).collect::<Vec<_>>(),
        &backgrounds,
    )
    .unwrap();
    let _ = atlas;
    json!({"gap": gap, "side": full.pieces[0].picture.width(), "clean": clean, "own": mine, "controls": controls, "noise": noise, "same": same})
}
