//! Our own lists: an atlas of a network's last block, and the candidates that it gives, as the command line would.

use crate::images::truth;
use crate::nets;
use crate::spec::{ANALYSED, Flags, Photographs, Spec, Truth, fixtures, path_of, supply};
use atlascope::atlas::{
    Atlas, AttributionRecipe, CollectRecipe, IconRecipe, LayoutRecipe, Recipe, Source,
};
use atlascope::images::{DecodeError, ImageSet};
use atlascope::pipeline::{self, Job, Sourced, Workspace};
use atlascope::progress::Silent;
use atlascope::suspects;
use atlascope::train::planted::PlantedImages;
use image::RgbImage;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// The analysed images in the order of their paths.
struct Analysed {
    set: PlantedImages,
    classes: Vec<String>,
    paths: Vec<(String, usize)>,
}

impl Analysed {
    fn new(set: PlantedImages, truth: &Truth) -> Self {
        let labels = set.planted().labels.iter().enumerate();
        let path = |(image, &label): (usize, &usize)| (path_of(truth, label, image), image);
        let mut paths: Vec<(String, usize)> = labels.map(path).collect();
        paths.sort();
        Self {
            classes: truth.classes.clone(),
            set,
            paths,
        }
    }
}

impl ImageSet for Analysed {
    fn name(&self) -> &'static str {
        "planted"
    }

    fn len(&self) -> usize {
        self.paths.len()
    }

    fn path(&self, idx: usize) -> String {
        self.paths[idx].0.clone()
    }

    fn label(&self, idx: usize) -> Option<&str> {
        let label = self.set.planted().labels[self.paths[idx].1];
        Some(&self.classes[label])
    }

    fn load(&self, idx: usize) -> Result<RgbImage, DecodeError> {
        let images = self.set.planted();
        let side = images.side as u32;
        let pixels = images.pixels(self.paths[idx].1).to_vec();
        Ok(RgbImage::from_raw(side, side, pixels).unwrap())
    }
}

/// Writes the lists of some networks as `FOLDER/NET.json`.
pub fn write(names: &[&str], flags: &Flags) {
    let root = flags.get("from").map_or_else(fixtures, PathBuf::from);
    let folder = PathBuf::from(flags.get("to").expect("--to FOLDER"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut photographs = Photographs::default();
    for name in names {
        let start = Instant::now();
        let atlas = atlas(name, &root, flags, &mut photographs);
        let built = start.elapsed().as_secs_f64();
        let list = list(&atlas);
        println!(
            "{name}: atlas in {built:.0} s, {} candidates in {:.2} s",
            list.len(),
            start.elapsed().as_secs_f64() - built
        );
        let path = folder.join(format!("{name}.json"));
        std::fs::write(path, json!(list).to_string() + "\n").unwrap();
    }
}

pub fn atlas(name: &str, root: &Path, flags: &Flags, photographs: &mut Photographs) -> Arc<Atlas> {
    let truth = truth(root, name);
    let spec = Spec::parse(name);
    let (network, _) = nets::open(root, name, &truth);
    let plan = spec.plan(truth.classes.len());
    let clean = supply(&spec, photographs, false).analysed;
    let set = Analysed::new(PlantedImages::new(clean, &plan, ANALYSED), &truth);
    let positions = flags.get("positions").map_or(3, |n| n.parse().unwrap());
    let source = Source {
        name: set.name().to_owned(),
        path: None,
        n_images: set.len() as u64,
        n_skipped: 0,
        positions,
        mirrored: false,
    };
    let recipe = Recipe {
        network: name.to_owned(),
        weights_sha256: network.weights_sha256.clone(),
        input: None,
        sources: vec![source],
        layers: vec![truth.layer.clone()],
        grids: Vec::new(),
        collect: CollectRecipe::default(),
        layout: LayoutRecipe::default(),
        attribution: AttributionRecipe::default(),
        // Nobody looks at the icons here.
        icons: IconRecipe {
            size: if truth.side < 64 { 16 } else { 32 },
            steps: 1,
            ..IconRecipe::default()
        },
        seed: 0,
        device: "cpu".to_owned(),
        program: "planted".to_owned(),
    };
    let job = Job {
        network: &network,
        layers: vec![network.layer(&truth.layer).unwrap()],
        sources: vec![Sourced {
            set: &set,
            positions,
        }],
        recipe,
        truth: None,
        keep_activations: false,
        keep_head: true,
    };
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    pipeline::build(&job, &workspace, &Silent, &mut |_| ()).unwrap()
}

/// The part of `atlascope suspects --json` that is scored.
fn list(atlas: &Atlas) -> Vec<Value> {
    let found = suspects::find(atlas);
    let one = |candidate: &suspects::Candidate| {
        let exemplars = candidate.exemplars.iter();
        let exemplars = exemplars.map(|exemplar| {
            let image = &atlas.images.path[exemplar.image as usize];
            json!({"image": image, "row": exemplar.row, "col": exemplar.col})
        });
        json!({
            "kind": candidate.kind,
            "class": atlas.classes[usize::from(candidate.class)].id,
            "score": candidate.score,
            "q": candidate.q,
            "exemplars": exemplars.collect::<Vec<_>>(),
        })
    };
    found.candidates.iter().map(one).collect()
}
