//! The networks of the benchmark of planted shortcuts: they read back, they give onnxruntime's logits, what is
//! written about them agrees with itself; and the judge of lists of candidates.

#[allow(unreachable_pub, reason = "a module of the benchmark")]
#[path = "benches/planted/rank.rs"]
mod rank;

use atlascope::atlas::Class;
use atlascope::train::planted::{self, Artefact, LEARNED, Outcome, Style};
use candle_core::{DType, Device, Tensor};
use rank::{Entry, score};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/planted")
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Names of the networks that are kept.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(root()).unwrap();
    let folders = entries.map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.join("truth.json").exists());
    let mut names: Vec<String> = folders
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

/// The image that `tests/benches/peers/planted_onnxruntime.py` gave onnxruntime, already preprocessed.
fn pattern(side: usize) -> Tensor {
    let value = |at: usize| {
        let (channel, row, column) = (at / (side * side), at / side % side, at % side);
        ((channel * 41 + row * 13 + column * row + column * 29) % 251) as f32 / 60.0 - 2.0
    };
    let values = (0..3 * side * side).map(value).collect();
    Tensor::from_vec(values, (1, 3, side, side), &Device::Cpu).unwrap()
}

/// The bytes of a network; of a fine-tuned one only with the weights of its trunk.
fn file(name: &str, side: usize, n_classes: usize) -> Option<Vec<u8>> {
    let folder = root().join(name);
    let (whole, block) = (folder.join("net.onnx"), folder.join("block.safetensors"));
    let kept = if whole.exists() { &whole } else { &block };
    let bytes = std::fs::read(kept).unwrap();
    assert!(bytes.len() < 300_000, "{name} has {} bytes", bytes.len());
    if whole.exists() {
        return Some(bytes);
    }
    let trunk =
        crate::support::data("a fine-tuned network")?.join("squeezenet1_1/weights.safetensors");
    let trunk = planted::Trunk::open(&std::fs::read(trunk).unwrap(), side).unwrap();
    let block = candle_core::safetensors::load(&block, &Device::Cpu).unwrap();
    let single = |(name, tensor): (String, Tensor)| (name, tensor.to_dtype(DType::F32).unwrap());
    let block = block.into_iter().map(single).collect();
    Some(trunk.with(&block, n_classes).unwrap())
}

#[test]
fn every_kept_network_gives_the_logits_of_onnxruntime() {
    let reference = read(&root().join("onnxruntime.json"));
    assert!(!names().is_empty());
    for name in names() {
        let truth = read(&root().join(&name).join("truth.json"));
        let side = truth["side"].as_u64().unwrap() as usize;
        let ids = truth["classes"].as_array().unwrap().iter();
        let class = |id: &Value| Class {
            id: id.as_str().unwrap().to_owned(),
            names: id.as_str().unwrap().to_owned(),
        };
        let Some(bytes) = file(&name, side, ids.len()) else {
            continue;
        };
        let network = planted::load(&name, &bytes, side, ids.map(class).collect()).unwrap();
        let logits = network
            .forward(&pattern(side), &[network.logits.unwrap()])
            .unwrap();
        let logits = logits[0].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let theirs = reference[&name].as_array().unwrap();
        assert_eq!(logits.len(), theirs.len());
        for (ours, theirs) in logits.iter().zip(theirs) {
            let theirs = theirs.as_f64().unwrap() as f32;
            assert!((ours - theirs).abs() < 1e-3, "{name}: {ours}, {theirs}");
        }
        assert_eq!(network.layer(planted::LAYER).unwrap().depth, 48);
    }
}

#[test]
fn what_is_written_about_a_network_agrees_with_its_plan() {
    for name in names() {
        let truth = read(&root().join(&name).join("truth.json"));
        let n_classes = truth["classes"].as_array().unwrap().len();
        let seed = truth["seed"].as_u64().unwrap();
        let plan = planted::Plan::new(seed, truth["prevalence"].as_f64().unwrap(), n_classes);
        let style: Style = serde_json::from_value(truth["style"].clone()).unwrap();
        assert_eq!(style, plan.style, "{name}");
        let outcomes: Vec<Outcome> = serde_json::from_value(truth["outcomes"].clone()).unwrap();
        let planted = &outcomes[..plan.planted.len()];
        let pairs: Vec<_> = planted.iter().map(|o| (o.artefact, o.class)).collect();
        assert_eq!(pairs, plan.planted, "{name}");
        assert_eq!(outcomes.len(), plan.planted.len() + Artefact::DECOYS.len());
        for outcome in outcomes {
            assert_eq!(outcome.learned, outcome.after - outcome.before >= LEARNED);
        }
    }
}

#[test]
fn frozen_lists_name_images_and_classes_that_exist() {
    let frozen = read(&root().join("baselines.json"));
    let methods = frozen.as_object().unwrap();
    assert!(methods.len() >= 5);
    for (method, lists) in methods {
        for (name, list) in lists.as_object().unwrap() {
            let truth = read(&root().join(name).join("truth.json"));
            let n_images = truth["n_analysed"].as_u64().unwrap();
            let n_classes = truth["classes"].as_array().unwrap().len() as u64;
            for entry in list.as_array().unwrap() {
                assert!(entry[0].as_u64().unwrap() < n_classes, "{method}, {name}");
                let images: Vec<u64> = serde_json::from_value(entry[1].clone()).unwrap();
                assert!(images.len() <= 10 && images.iter().all(|&image| image < n_images));
            }
        }
    }
}

fn entry(images: impl Iterator<Item = usize>, q: Option<f64>) -> Entry {
    Entry {
        images: images.collect(),
        q,
    }
}

#[test]
fn an_entry_counts_from_eight_of_ten_exemplars_on() {
    // Images 0..20 carry a patch, 20..40 a ring, the others nothing.
    let bits: Vec<u8> = (0..100)
        .map(|image| match image {
            0..20 => Artefact::Patch.bit(),
            20..40 => Artefact::Ring.bit(),
            _ => 0,
        })
        .collect();
    let list = [
        entry((0..7).chain(50..53), Some(0.01)),
        entry((20..28).chain(50..52), Some(0.05)),
        entry((0..8).chain(50..52), Some(0.2)),
        entry(0..10, None),
    ];
    let scored = score(&list, &bits, &[Artefact::Patch, Artefact::Tint]);
    let expected = [(Artefact::Patch, Some(3)), (Artefact::Tint, None)];
    assert_eq!(scored.targets, expected);
    assert_eq!(scored.n_decoys, 1);
    assert_eq!((scored.n_significant, scored.n_significant_decoys), (2, 1));
}

#[test]
fn lists_are_read_in_the_form_of_the_command_line() {
    let index: HashMap<String, usize> =
        HashMap::from([("a/1.png".into(), 4), ("b/2.png".into(), 9)]);
    let list = json!([
        {"kind": "cell", "class": "a", "q": 0.03, "exemplars": [{"image": "b/2.png", "row": 0, "col": 1}]},
        {"kind": "component", "class": "b", "q": null, "exemplars": [{"image": "a/1.png"}, {"image": "b/2.png"}]},
    ]);
    let list = rank::parse(&list, &index);
    assert_eq!((&list[0].images, list[0].q), (&vec![9], Some(0.03)));
    assert_eq!((&list[1].images, list[1].q), (&vec![4, 9], None));
}
