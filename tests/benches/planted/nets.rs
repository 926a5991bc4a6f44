//! Training, and measuring what was learned.

use crate::spec::{
    ANALYSED, Flags, Photographs, Source, Spec, Supply, TRAINING, Truth, fixtures, supply,
};
use atlascope::atlas::Class;
use atlascope::progress::Progress;
use atlascope::train::TrainRecipe;
use atlascope::train::planted::{self, LAYER, PlantedImages};
use std::path::PathBuf;
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

/// How networks are trained; photographs are few, so they are seen more often.
fn recipe(spec: &Spec, flags: &Flags) -> TrainRecipe {
    let number = |name: &str, default: f64| {
        flags
            .get(name)
            .map_or(default, |text| text.parse().unwrap())
    };
    let photos = spec.source == Source::Photos;
    TrainRecipe {
        epochs: number("epochs", if photos { 14.0 } else { 7.0 }) as usize,
        batch: 32,
        learning_rate: number("rate", if photos { 3e-3 } else { 4e-3 }),
        warmup: 100,
        weight_decay: number("decay", 0.03),
        label_smoothing: 0.0,
        shift: 2,
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

fn train(spec: &Spec, supply: Supply, folder: &std::path::Path, flags: &Flags) -> Truth {
    let n_classes = supply.classes.len();
    let plan = spec.plan(n_classes);
    let side = supply.training.side;
    let training = PlantedImages::new(supply.training, &plan, TRAINING);
    let bytes =
        planted::train(training.planted(), n_classes, &recipe(spec, flags), &Notes).unwrap();
    std::fs::write(folder.join("net.onnx"), &bytes).unwrap();
    let lines: Vec<String> = supply
        .classes
        .iter()
        .map(|id| format!("{id}\t{id}\n"))
        .collect();
    std::fs::write(folder.join("classes.txt"), lines.concat()).unwrap();
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
