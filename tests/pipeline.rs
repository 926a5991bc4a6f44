//! Builds of the synthetic world: reproducible, resumable, and told about what cannot be read.

use atlascope::atlas::{
    Atlas, AttributionRecipe, CollectRecipe, IconRecipe, LayoutRecipe, Recipe, Source,
};
use atlascope::images::scenes::Scenes;
use atlascope::images::world::{World, planted};
use atlascope::images::{Folder, ImageSet, Mirrored};
use atlascope::network::{Network, demo};
use atlascope::pipeline::{self, Job, PipelineError, Sourced, Workspace};
use atlascope::progress::{Progress, Silent};
use atlascope::store;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn network() -> Network {
    demo::load(&candle_core::Device::Cpu).unwrap()
}

fn job<'a>(network: &'a Network, set: &'a dyn ImageSet, layers: &[&str]) -> Job<'a> {
    let recipe = Recipe {
        network: network.name.clone(),
        weights_sha256: network.weights_sha256.clone(),
        input: None,
        sources: vec![Source {
            name: set.name().to_owned(),
            path: None,
            n_images: set.len() as u64,
            n_skipped: 0,
            positions: 2,
            mirrored: false,
        }],
        layers: layers.iter().map(|&name| name.to_owned()).collect(),
        grids: vec![3, 6],
        collect: CollectRecipe::default(),
        layout: LayoutRecipe {
            n_neighbors: 8,
            n_epochs: 30,
            ..LayoutRecipe::default()
        },
        attribution: AttributionRecipe::default(),
        icons: IconRecipe {
            size: 32,
            steps: 3,
            min_samples: 4,
            ..IconRecipe::default()
        },
        seed: 5,
        device: "cpu".to_owned(),
        program: "test".to_owned(),
    };
    Job {
        network,
        layers: layers
            .iter()
            .map(|name| network.layer(name).unwrap())
            .collect(),
        sources: vec![Sourced { set, positions: 2 }],
        recipe,
        truth: None,
        keep_activations: false,
        keep_head: true,
    }
}

fn build(
    job: &Job<'_>,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Arc<Atlas>, PipelineError> {
    let workspace = Workspace::open(folder)?;
    pipeline::build(job, &workspace, progress, &mut |atlas| {
        atlas.check().unwrap();
    })
}

/// Cancels once `left` steps were reported.
struct Countdown(AtomicU64);

impl Progress for Countdown {
    fn begin(&self, _: &str, _: u64, _: &str) {}
    fn advance(&self, n: u64) {
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(n))
            });
    }
    fn note(&self, _: &str) {}
    fn cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// Equal as files: scores that are not there are NaN, which equals nothing.
fn assert_same(found: &Atlas, expected: &Atlas, what: &str) {
    let bytes = |atlas: &Atlas| store::to_bytes(atlas, Path::new("test.atlas")).unwrap();
    assert!(bytes(found) == bytes(expected), "{what}: another atlas");
}

fn stage_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    files.sort();
    files
}

#[test]
fn an_interrupted_build_ends_in_the_same_atlas() {
    let network = network();
    let scenes = Scenes::new(World::new(3), 96);
    let job = job(&network, &scenes, &[demo::DEFAULT_LAYER]);
    let whole = tempfile::tempdir().unwrap();
    let expected = build(&job, whole.path(), &Silent).unwrap();
    assert!(expected.complete);
    assert_eq!(expected.layers[0].samples.len(), 192);

    let folder = tempfile::tempdir().unwrap();
    let mut interrupts = 0;
    let resumed = loop {
        // Each run gets a little further than the last: collect, layout, icons and the second pass are all cut.
        match build(
            &job,
            folder.path(),
            &Countdown(AtomicU64::new(100 + 17 * interrupts)),
        ) {
            Ok(atlas) => break atlas,
            Err(PipelineError::Interrupted(_)) => interrupts += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(interrupts < 200);
    };
    assert!(interrupts >= 3, "only {interrupts} interrupts");
    assert_same(&resumed, &expected, "resumed");
}

#[test]
fn damaged_stage_files_are_made_again() {
    let network = network();
    let scenes = Scenes::new(World::new(4), 40);
    let job = job(&network, &scenes, &[demo::DEFAULT_LAYER]);
    let folder = tempfile::tempdir().unwrap();
    let expected = build(&job, folder.path(), &Silent).unwrap();
    let files = stage_files(folder.path());
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let again = build(&job, folder.path(), &Silent).unwrap();
        assert_same(&again, &expected, &file.display().to_string());
    }
}

/// Snow is planted under wolves: against the other cells, those of snowy scenes support `wolf` more than any class.
#[test]
fn cells_of_snow_support_the_wolf() {
    let network = network();
    let (world, n) = (World::new(2), 400);
    let scenes = Scenes::new(world, n);
    let mut job = job(&network, &scenes, &[demo::DEFAULT_LAYER]);
    job.recipe.icons.min_samples = u32::MAX;
    job.recipe.layout.n_epochs = 200;
    job.truth = Some(world.truth(n));
    let folder = tempfile::tempdir().unwrap();
    let atlas = build(&job, folder.path(), &Silent).unwrap();
    let truth = atlas.truth.as_ref().unwrap();
    let layer = &atlas.layers[0];
    let level = layer.levels.last().unwrap();
    // Mean attribution over the samples with and without snow, each sample with its cell's.
    let (mut sums, mut counts) = (vec![[0.0; 2]; atlas.classes.len()], [0.0; 2]);
    for cell in 0..level.cells.len() {
        for &sample in level.members_of(cell) {
            let image = layer.samples.image[sample as usize] as usize;
            let snowy = usize::from(truth.present[image] & planted::SNOW != 0);
            counts[snowy] += 1.0;
            for (sum, attribution) in sums.iter_mut().zip(level.attributions.row(cell)) {
                sum[snowy] += attribution.to_f32();
            }
        }
    }
    assert!(counts[1] > 30.0, "{counts:?}");
    let gains = sums
        .iter()
        .map(|[without, with]| with / counts[1] - without / counts[0]);
    let (best, gain) = gains
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap();
    assert_eq!(atlas.classes[best].id, "wolf", "{gain}");
}

#[test]
fn several_layers_share_their_images() {
    let network = network();
    let scenes = Scenes::new(World::new(6), 48);
    let names: Vec<String> = network
        .layers()
        .into_iter()
        .map(|layer| layer.name)
        .collect();
    let names: Vec<&str> = names
        .iter()
        .rev()
        .take(2)
        .rev()
        .map(String::as_str)
        .collect();
    let job = job(&network, &scenes, &names);
    let folder = tempfile::tempdir().unwrap();
    let atlas = build(&job, folder.path(), &Silent).unwrap();
    assert_eq!(
        atlas
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect::<Vec<_>>(),
        names
    );
    for layer in &atlas.layers {
        assert_eq!(layer.samples.len(), 96);
        let finest = layer.levels.last().unwrap();
        assert_eq!(
            finest.cells.iter().map(|cell| cell.n_samples).sum::<u32>(),
            96
        );
        let drawn = finest
            .icons
            .steps
            .iter()
            .filter(|&&steps| steps > 0)
            .count();
        let wanted = finest
            .cells
            .iter()
            .filter(|cell| cell.n_samples >= 4)
            .count();
        assert_eq!(drawn, wanted);
        assert_eq!(layer.position_cells.nrows(), 48);
    }
}

#[test]
fn unreadable_images_are_counted_and_named() {
    let network = network();
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(1);
    for idx in 0..24 {
        world
            .scene(idx)
            .image
            .save(folder.path().join(format!("{idx:02}.png")))
            .unwrap();
    }
    std::fs::write(folder.path().join("broken.png"), b"not a picture").unwrap();
    std::fs::write(folder.path().join("empty.jpg"), b"").unwrap();
    let set = Folder::open(folder.path(), None).unwrap();
    let job = job(&network, &set, &[demo::DEFAULT_LAYER]);
    let part = tempfile::tempdir().unwrap();
    let atlas = build(&job, part.path(), &Silent).unwrap();
    assert_eq!(atlas.images.len(), 24);
    assert_eq!(atlas.recipe.sources[0].n_skipped, 2);
    assert_eq!(atlas.recipe.sources[0].n_images, 24);
}

#[test]
fn a_folder_of_rubbish_is_an_error_that_names_the_first_file() {
    let network = network();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.png"), b"not a picture").unwrap();
    let set = Folder::open(folder.path(), None).unwrap();
    let job = job(&network, &set, &[demo::DEFAULT_LAYER]);
    let part = tempfile::tempdir().unwrap();
    let error = build(&job, part.path(), &Silent).unwrap_err();
    assert!(
        matches!(&error, PipelineError::NoReadableImage { n: 1, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("broken.png"), "{error}");
}

/// Twice the images from the same files; the recipe says which half is mirrored.
#[test]
fn mirrored_images_are_a_source_of_their_own() {
    let network = network();
    let scenes = Scenes::new(World::new(8), 24);
    let mirrored = Mirrored::new(&scenes);
    let mut job = job(&network, &scenes, &[demo::DEFAULT_LAYER]);
    job.sources.push(Sourced {
        set: &mirrored,
        positions: 3,
    });
    let twin = Source {
        mirrored: true,
        positions: 3,
        ..job.recipe.sources[0].clone()
    };
    job.recipe.sources.push(twin);
    let folder = tempfile::tempdir().unwrap();
    let atlas = build(&job, folder.path(), &Silent).unwrap();
    assert_eq!(atlas.images.len(), 48);
    assert_eq!(atlas.images.path[..24], atlas.images.path[24..]);
    assert_eq!(atlas.images.source[23..25], [0, 1]);
    assert!(!atlas.recipe.sources[0].mirrored && atlas.recipe.sources[1].mirrored);
    let layer = &atlas.layers[0];
    assert_eq!(layer.samples.len(), 24 * 2 + 24 * 3);
    assert!(layer.samples.image[48..].iter().all(|&image| image >= 24));
    // A mirrored scene is another input, so its mean activation is another one.
    let pooled = &layer.pooled.data;
    assert_ne!(pooled.row(0), pooled.row(24));
}

/// The colours of every picture against its pixels, and the finest stripes against differences of neighbours.
#[test]
fn styles_are_those_of_the_pictures() {
    let network = network();
    let scenes = Scenes::new(World::new(6), 24);
    let job = job(&network, &scenes, &["mixed4a"]);
    let folder = tempfile::tempdir().unwrap();
    let atlas = build(&job, folder.path(), &Silent).unwrap();
    assert_eq!(atlas.images.style.dim(), (24, atlascope::atlas::STYLE));
    let mut fine: Vec<(f32, f32)> = Vec::new();
    for (idx, style) in atlas.images.style.rows().into_iter().enumerate() {
        let side = network.input.size as u32;
        let scene = scenes.load(idx).unwrap();
        assert_eq!(scene.width(), side, "scenes are as large as the input");
        let n = (side * side) as f32;
        for c in 0..3 {
            let values = || scene.pixels().map(move |p| f32::from(p.0[c]));
            let mean = values().sum::<f32>() / n;
            let deviation = (values().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
            let found = style[3 + c].to_f32();
            assert!(
                (found - (deviation + 1.0).ln()).abs() < 0.01,
                "{idx}: {found}"
            );
        }
        let grey = |x: u32, y: u32| {
            let p = scene.get_pixel(x, y).0.map(f32::from);
            0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]
        };
        let mut steps = 0.0;
        for y in 0..side - 1 {
            for x in 0..side - 1 {
                let (dx, dy) = (grey(x + 1, y) - grey(x, y), grey(x, y + 1) - grey(x, y));
                steps += dx * dx + dy * dy;
            }
        }
        let finest = (9..15).map(|at| style[at].to_f32().exp()).sum::<f32>();
        fine.push((steps.ln(), finest.ln()));
    }
    let mean = |of: fn(&(f32, f32)) -> f32| fine.iter().map(of).sum::<f32>() / fine.len() as f32;
    let (a, b) = (mean(|v| v.0), mean(|v| v.1));
    let product = |f: &dyn Fn(&(f32, f32)) -> f32| fine.iter().map(f).sum::<f32>();
    let both = product(&|v| (v.0 - a) * (v.1 - b));
    let each = product(&|v| (v.0 - a).powi(2)) * product(&|v| (v.1 - b).powi(2));
    assert!(
        both / each.sqrt() > 0.8,
        "correlation {}",
        both / each.sqrt()
    );
}

/// Every number of the head against the network's own: logits from the mean, and the nearest cluster by brute force.
#[test]
fn the_head_says_what_the_network_says() {
    let network = network();
    let scenes = Scenes::new(World::new(6), 48);
    // The layer of the atlas is not the one before the classifier.
    let job = job(&network, &scenes, &["mixed4a"]);
    let folder = tempfile::tempdir().unwrap();
    let atlas = build(&job, folder.path(), &Silent).unwrap();
    let head = atlas.head.as_ref().unwrap();
    assert_eq!((head.layer.as_str(), head.map_size), ("mixed5a", (4, 4)));
    let layer = network.layer("mixed5a").unwrap();
    let clusters = head.clusters.mapv(f32::from);
    assert!(clusters.nrows() >= 8, "{}", clusters.nrows());
    let pixels = network.input.preprocess(&scenes.load(7).unwrap()).unwrap();
    let side = network.input.size;
    let image = candle_core::Tensor::from_vec(pixels, (1, 3, side, side), &network.device).unwrap();
    let outputs = network
        .forward(&image, &[layer.id, network.logits.unwrap()])
        .unwrap();
    let logits = crate::support::values(&outputs[1]);
    let pooled = ndarray::Array1::from(head.pooled.row(7));
    let found =
        head.weights.mapv(f32::from).dot(&pooled) + ndarray::Array1::from(head.bias.clone());
    let range = logits.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    for (found, logit) in found.iter().zip(&logits) {
        assert!((found - logit).abs() < 0.03 * range, "{found} for {logit}");
    }
    let map = crate::support::values(&outputs[0]);
    let n_positions = 16;
    for position in 0..n_positions {
        let at: Vec<f32> = (0..layer.depth)
            .map(|c| map[c * n_positions + position])
            .collect();
        let dot = |row: ndarray::ArrayView1<'_, f32>| -> f32 {
            row.iter().zip(&at).map(|(a, b)| a * b).sum()
        };
        let norm = at.iter().map(|v| v * v).sum::<f32>().sqrt();
        let cosine = |row: ndarray::ArrayView1<'_, f32>| dot(row) / row.dot(&row).sqrt() / norm;
        let cosines: Vec<f32> = clusters.rows().into_iter().map(cosine).collect();
        let best = cosines.iter().fold(-1.0_f32, |most, &v| most.max(v));
        let chosen = cosines[usize::from(head.position_clusters[(7, position)])];
        assert!(best - chosen < 1e-3, "{best} {chosen}");
        assert!((head.position_cosines.row(7)[position] - chosen).abs() < 5e-3);
        assert!((head.position_norms.row(7)[position] - norm).abs() <= head.position_norms.step);
    }
}

/// Its weights are the network's, which not everybody may pass on.
#[test]
fn the_head_is_left_out_when_asked() {
    let network = network();
    let scenes = Scenes::new(World::new(6), 48);
    let whole = job(&network, &scenes, &["mixed4a"]);
    let without = Job {
        keep_head: false,
        ..whole.clone()
    };
    let built = |job: &Job<'_>| {
        let folder = tempfile::tempdir().unwrap();
        Arc::unwrap_or_clone(build(job, folder.path(), &Silent).unwrap())
    };
    let (whole, without) = (built(&whole), built(&without));
    assert!(without.head.is_none());
    let headless = Atlas {
        head: None,
        ..whole
    };
    assert_same(&without, &headless, "without a head");
}
