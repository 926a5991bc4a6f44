//! The images that are analysed, and which of them carry what: `carries.json`.

use crate::nets;
use crate::spec::{ANALYSED, Flags, Photographs, Source, Spec, Truth, fixtures, path_of, supply};
use atlascope::train::planted::{self, Artefact, PlantedImages};
use std::path::{Path, PathBuf};

/// One artefact in one image.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Carried {
    pub artefact: Artefact,
    /// `[x, y, width, height]` in pixels.
    pub bounds: [usize; 4],
    /// `[row, column]` of the positions of the last block that it drives.
    pub positions: Vec<[usize; 2]>,
}

/// One analysed image.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Below the folder of images, with `/`; the entries are in the order of these paths.
    pub path: String,
    /// Index of its class.
    pub class: usize,
    pub carries: Vec<Carried>,
}

pub fn write(name: &str, folder: &str, flags: &Flags) {
    let root = flags.get("from").map_or_else(fixtures, PathBuf::from);
    let folder = Path::new(folder);
    let entries = make(
        name,
        &root,
        Some(&folder.join("images")),
        &mut Photographs::default(),
    );
    let text = serde_json::to_string(&entries).unwrap();
    std::fs::write(folder.join("carries.json"), text + "\n").unwrap();
    println!("{name}: {} images in {}", entries.len(), folder.display());
}

/// What is known about a network.
pub fn truth(root: &Path, name: &str) -> Truth {
    let path = root.join(name).join("truth.json");
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// The analysed images of a network that lies under `root`, as PNG files below `folder` if there is one.
pub fn make(
    name: &str,
    root: &Path,
    folder: Option<&Path>,
    photographs: &mut Photographs,
) -> Vec<Entry> {
    let truth = truth(root, name);
    let spec = Spec::parse(name);
    let supply = supply(&spec, photographs, false);
    assert_eq!(supply.classes, truth.classes, "{name} has other classes");
    let (network, bytes) = nets::open(root, name, &truth);
    if let Some(file) = folder.filter(|_| spec.source == Source::Finetuned) {
        // Other methods need all of it, and its trunk is not ours to keep.
        std::fs::create_dir_all(file).unwrap();
        std::fs::write(file.with_file_name("net.onnx"), bytes).unwrap();
    }
    let plan = spec.plan(truth.classes.len());
    let set = PlantedImages::new(supply.analysed, &plan, ANALYSED);
    let columns = network.layer(&truth.layer).unwrap().map_size.1;
    let mut entries = Vec::new();
    for image in 0..set.planted().labels.len() {
        let class = set.planted().labels[image];
        let path = path_of(&truth, class, image);
        if let Some(folder) = folder {
            let file = folder.join(&path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let side = truth.side as u32;
            let pixels = set.planted().pixels(image).to_vec();
            let picture = image::RgbImage::from_raw(side, side, pixels).unwrap();
            picture.save(file).unwrap();
        }
        let (_, masks) = set.with(image, set.carries(image));
        let carried = |(artefact, mask): (Artefact, planted::Mask)| {
            let moved = planted::driven(&network, &set, image, artefact).unwrap();
            let on = moved.iter().enumerate().filter(|(_, on)| **on);
            Carried {
                artefact,
                bounds: mask.bounds(),
                positions: on.map(|(at, _)| [at / columns, at % columns]).collect(),
            }
        };
        entries.push(Entry {
            path,
            class,
            carries: masks.into_iter().map(carried).collect(),
        });
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}
