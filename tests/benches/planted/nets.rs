//! Training, and measuring what was learned.

use crate::spec::{
    ANALYSED, Flags, Photographs, Source, Spec, Supply, TRAINING, Truth, data, fixtures, supply,
};
use atlascope::atlas::Class;
use atlascope::network::Network;
use atlascope::progress::Progress;
use atlascope::train::TrainRecipe;
use atlascope::train::planted::{self, LAYER, PlantedImages, Trunk};
use candle_core::{DType, Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

struct Notes;

impl Progress for Notes {
    fn note(&self, text: &str) {
        eprintln!("  {text}");
    }
    fn begin(&self, _: &str, _: u64, _: &str) {}
    fn advance(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// How networks are trained; photographs are few, so they are seen more often, unless a trained network looks at them.
fn recipe(spec: &Spec, flags: &Flags) -> TrainRecipe {
    let number = |name: &str, default: f64| {
        flags
            .get(name)
            .map_or(default, |text| text.parse().unwrap())
    };
    let (epochs, rate, shift) = match spec.source {
        Source::World | Source::Anywhere => (7.0, 4e-3, 2),
        Source::Photos => (14.0, 3e-3, 2),
        Source::Finetuned => (6.0, 2e-3, 8),
    };
    TrainRecipe {
        epochs: number("epochs", epochs) as usize,
        batch: 32,
        learning_rate: number("rate", rate),
        warmup: 100,
        weight_decay: number("decay", 0.03),
        label_smoothing: 0.0,
        shift,
        noise: 6.0,
        seed: spec.seed,
    }
}

pub fn train_all(names: &[&str], flags: &Flags) {
    let root = flags.get("to").map_or_else(fixtures, PathBuf::from);
    let mut photographs = Photographs::default();
    for name in names {
        let spec = Spec::parse(name);
        let start = Instant::now();
        let supply = supply(&spec, &mut photographs, true);
        let drawn = start.elapsed().as_secs_f64();
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let truth = train(&spec, supply, &folder, flags);
        println!(
            "{name}: {drawn:.0} s of drawing, {:.0} s in all, accuracy {:.3} planted, {:.3} clean",
            start.elapsed().as_secs_f64(),
            truth.accuracy,
            truth.accuracy_clean
        );
        for outcome in &truth.outcomes {
            println!(
                "  {:<9} {:<14} {:.3} → {:.3}  gain {:+.3}{}",
                outcome.artefact.name(),
                truth.classes[outcome.class],
                outcome.before,
                outcome.after,
                outcome.after - outcome.before,
                if outcome.learned { "  learned" } else { "" }
            );
        }
    }
}

fn train(spec: &Spec, supply: Supply, folder: &Path, flags: &Flags) -> Truth {
    let n_classes = supply.classes.len();
    let plan = spec.plan(n_classes);
    let side = supply.training.side;
    let training = PlantedImages::new(supply.training, &plan, TRAINING);
    let recipe = recipe(spec, flags);
    if spec.source == Source::Finetuned {
        let block = trunk(side).train(training.planted(), n_classes, &recipe, &Notes);
        let halves = block.unwrap().into_iter();
        let halves = halves.map(|(name, tensor)| (name, tensor.to_dtype(DType::F16).unwrap()));
        let halves: HashMap<String, Tensor> = halves.collect();
        candle_core::safetensors::save(&halves, folder.join(BLOCK)).unwrap();
    } else {
        let bytes = planted::train(training.planted(), n_classes, &recipe, &Notes).unwrap();
        std::fs::write(folder.join(WHOLE), &bytes).unwrap();
    }
    let lines: Vec<String> = supply
        .classes
        .iter()
        .map(|id| format!("{id}\t{id}\n"))
        .collect();
    std::fs::write(folder.join("classes.txt"), lines.concat()).unwrap();
    let bytes = file(folder, side, n_classes);
    let network = planted::load(&spec.name, &bytes, side, classes(&supply.classes)).unwrap();
    let analysed = PlantedImages::new(supply.analysed, &plan, ANALYSED);
    let input = planted::input(side);
    let truth = Truth {
        name: spec.name.clone(),
        seed: spec.seed,
        source: spec.source.name().to_owned(),
        prevalence: spec.prevalence,
        side,
        mean: input.mean[0],
        scale: input.scale[0],
        layer: LAYER.to_owned(),
        classes: supply.classes,
        n_training: training.planted().labels.len(),
        n_analysed: analysed.planted().labels.len(),
        accuracy: planted::accuracy(&network, analysed.planted()).unwrap(),
        accuracy_clean: planted::accuracy(&network, analysed.clean()).unwrap(),
        outcomes: planted::measure(&network, &analysed, &plan).unwrap(),
        style: plan.style.clone(),
    };
    let text = serde_json::to_string_pretty(&truth).unwrap();
    std::fs::write(folder.join("truth.json"), text + "\n").unwrap();
    truth
}

pub fn classes(ids: &[String]) -> Vec<Class> {
    let class = |id: &String| Class {
        id: id.clone(),
        names: id.clone(),
    };
    ids.iter().map(class).collect()
}

/// A network that is ours from the first weight to the last.
const WHOLE: &str = "net.onnx";
/// The new last block of another one.
const BLOCK: &str = "block.safetensors";

/// What fine-tuned networks have in common.
fn trunk(side: usize) -> Trunk {
    let bytes = std::fs::read(data().join("squeezenet1_1/weights.safetensors")).unwrap();
    Trunk::open(&bytes, side).unwrap()
}

/// The bytes of the network in a folder, as an ONNX file.
fn file(folder: &Path, side: usize, n_classes: usize) -> Vec<u8> {
    let whole = folder.join(WHOLE);
    if whole.exists() {
        return std::fs::read(whole).unwrap();
    }
    let block = candle_core::safetensors::load(folder.join(BLOCK), &Device::Cpu).unwrap();
    let single = |(name, tensor): (String, Tensor)| (name, tensor.to_dtype(DType::F32).unwrap());
    let block = block.into_iter().map(single).collect();
    trunk(side).with(&block, n_classes).unwrap()
}

/// The network of this name, and the bytes of its file.
pub fn open(root: &Path, name: &str, truth: &Truth) -> (Network, Vec<u8>) {
    let bytes = file(&root.join(name), truth.side, truth.classes.len());
    let network = planted::load(name, &bytes, truth.side, classes(&truth.classes));
    (network.unwrap(), bytes)
}
