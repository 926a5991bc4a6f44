//! `atlascope build`: the whole pipeline from a command line.

use super::args::{
    BuildArgs, Keep, Metric, ObjectiveArg, PrecisionArg, RelaxationArg, TransformArg,
};
use super::interrupt::Interrupt;
use super::progress::Report;
use super::{Failure, classes, networks, output};
use crate::atlas::{
    AttributionRecipe, CollectRecipe, IconRecipe, LayoutMetric, LayoutRecipe, ObjectiveForm,
    Precision, Recipe, Relaxation, Source, TransformForm,
};
use crate::featurevis;
use crate::images::{Folder, ImageSet, Mirrored, labels::LabelTable};
use crate::network::{Layer, Network, NetworkError};
use crate::pipeline::{self, Job, PipelineError, Sourced, Workspace};
use crate::{progress::Progress as _, store};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// While a build runs its snapshot is rewritten at most this often.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(args: &BuildArgs) -> Result<(), Failure> {
    check_output(&args.output, args.force)?;
    let positions = positions(args)?;
    let folders = folders(args)?;
    let networks::Loaded {
        mut network,
        default_layers,
        device,
    } = networks::load(&args.network)?;
    classes::from_folders(&mut network.classes, folders.iter());
    let layers = layers(
        &network,
        if args.layer.is_empty() {
            &default_layers
        } else {
            &args.layer
        },
    )?;
    let mut recipe = recipe(args, &network, &layers, &folders, &positions, device);
    if args.icons.icon_size.is_none() {
        recipe.icons.size = featurevis::fitting_size(&network, &layers, &recipe.icons);
    }
    let mirrored: Vec<Mirrored<'_>> = folders.iter().map(|set| Mirrored::new(set)).collect();
    let plain = folders.iter().map(|set| -> &dyn ImageSet { set });
    let twins = mirrored.iter().map(|set| -> &dyn ImageSet { set });
    let sets = plain.chain(twins.filter(|_| args.flip));
    let sources = sets
        .zip(positions.iter().cycle())
        .map(|(set, &positions)| Sourced { set, positions })
        .collect();
    let job = Job {
        network: &network,
        layers,
        sources,
        recipe,
        truth: None,
        keep_activations: args.keep.contains(&Keep::Activations),
        keep_head: !args.no_head,
    };
    build_to(&job, &args.output)
}

/// Builds into `path`; the state of an unfinished build lies in `path.part`.
pub(super) fn build_to(job: &Job<'_>, path: &Path) -> Result<(), Failure> {
    let part = part_of(path);
    let workspace = Workspace::open(&part).map_err(|error| failure(error, &part))?;
    let interrupt = Interrupt::listen()?;
    let report = Report::new(interrupt.clone());
    let snapshot_path = workspace.snapshot_path();
    let mut written = None::<Instant>;
    let result = pipeline::build(job, &workspace, &report, &mut |atlas| {
        if atlas.complete || written.is_some_and(|at| at.elapsed() < SNAPSHOT_EVERY) {
            return;
        }
        written = Some(Instant::now());
        if let Err(error) = store::write(&snapshot_path, atlas) {
            report.note(&format!("no snapshot for explorers: {error}"));
        }
    });
    report.finish();
    let stopped = |error| failure(error, &part).stopped_with(interrupt.exit_code());
    let atlas = result.map_err(stopped)?;
    store::write(path, &atlas)?;
    workspace.remove().map_err(|error| failure(error, &part))?;
    let skipped: u64 = atlas
        .recipe
        .sources
        .iter()
        .map(|source| source.n_skipped)
        .sum();
    if skipped > 0 {
        output::error_line(
            "note",
            &format!("{skipped} images could not be read and were skipped"),
        );
    }
    let n_samples: usize = atlas.layers.iter().map(|layer| layer.samples.len()).sum();
    let n_bytes = std::fs::metadata(path).map_or(0, |meta| meta.len());
    let text = format!(
        "{n_samples} activations, {:.1} MB in {}",
        n_bytes as f64 / 1e6,
        path.display()
    );
    output::error_line("atlas", &text);
    Ok(())
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Refuses to write where something is in the way, before any work is done.
pub(super) fn check_output(path: &Path, force: bool) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::usage(format!("{} is a folder", path.display()))
            .hint("give -o a file name, for example my.atlas"));
    }
    if path.exists() && !force {
        return Err(Failure::failed(format!("{} exists", path.display()))
            .hint("--force replaces it once the new one is complete"));
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(Failure::failed(format!(
            "the folder {} does not exist",
            folder.display()
        )));
    }
    Ok(())
}

/// Refuses outputs that are one of the `inputs`, also by a link, or each other.
pub(super) fn check_apart(outputs: &[&Path], inputs: &[&Path]) -> Result<(), Failure> {
    // A file that is not there yet is known by its folder and its name.
    let place = |path: &Path| {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok();
        let by_name = folder
            .zip(path.file_name())
            .map(|(folder, name)| folder.join(name));
        path.canonicalize().ok().or(by_name)
    };
    for (idx, output) in outputs.iter().enumerate() {
        let Some(at) = place(output) else { continue };
        if inputs
            .iter()
            .any(|input| place(input).as_ref() == Some(&at))
        {
            let text = format!("{} is read here, so it is not written", output.display());
            return Err(Failure::usage(text).hint("give the output another name"));
        }
        if outputs[..idx]
            .iter()
            .any(|other| place(other).as_ref() == Some(&at))
        {
            let text = format!("two outputs are called {}", output.display());
            return Err(Failure::usage(text).hint("give each a name of its own"));
        }
    }
    Ok(())
}

/// What a failed build says, with the way to go on.
pub(super) fn failure(error: PipelineError, part: &Path) -> Failure {
    let resume = format!(
        "what is finished is kept in {}; the same command goes on from there",
        part.display()
    );
    match error {
        PipelineError::Interrupted(_) => {
            Failure::interrupted("the build was interrupted").hint(resume)
        }
        PipelineError::InUse { .. } => {
            Failure::from(error).hint("wait for it, or give another output")
        }
        PipelineError::Io { .. } if part.is_dir() => Failure::from(error).hint(resume),
        PipelineError::BadStageFile { .. } => {
            let hint = format!("remove {} to start afresh", part.display());
            Failure::from(error).hint(hint)
        }
        other => Failure::from(other),
    }
}

fn positions(args: &BuildArgs) -> Result<Vec<u32>, Failure> {
    match args.positions.as_slice() {
        [one] => Ok(vec![*one; args.images.len()]),
        several if several.len() == args.images.len() => Ok(several.to_vec()),
        several => Err(Failure::usage(format!(
            "--positions has {} numbers for {} image folders",
            several.len(),
            args.images.len()
        ))
        .hint("give one number for all folders or one for each")),
    }
}

fn folders(args: &BuildArgs) -> Result<Vec<Folder>, Failure> {
    let labels = args.labels.as_deref().map(LabelTable::read).transpose()?;
    let mut folders = Vec::new();
    for path in &args.images {
        let mut folder = Folder::open(path, labels.as_ref()).map_err(|error| {
            Failure::from(error).hint("--images takes a folder of JPEG, PNG or WebP files")
        })?;
        if let Some(n) = args.max_images {
            folder = folder.thinned(n as usize);
        }
        if labels.is_some() && folder.n_labelled() == 0 {
            output::error_line(
                "note",
                &format!("no image under {} has a label in the table", path.display()),
            );
        }
        folders.push(folder);
    }
    Ok(folders)
}

fn layers(network: &Network, names: &[String]) -> Result<Vec<Layer>, Failure> {
    let mut layers = Vec::new();
    for name in names {
        let layer = network.layer(name).map_err(|error| match error {
            NetworkError::UnknownLayer { .. } => Failure {
                kind: super::Kind::Usage,
                error: error.into(),
                hints: Vec::new(),
            },
            other => Failure::from(other),
        })?;
        layers.push(layer);
    }
    layers.sort_by_key(|layer| layer.id);
    layers.dedup();
    if layers.is_empty() {
        return Err(Failure::usage("no layer was chosen").hint("give --layer NAME"));
    }
    if let Some(layer) = layers
        .iter()
        .find(|layer| layer.map_size.0 > 256 || layer.map_size.1 > 256)
    {
        return Err(Failure::usage(format!(
            "layer {} has more than 256 rows or columns",
            layer.name
        )));
    }
    Ok(layers)
}

fn recipe(
    args: &BuildArgs,
    network: &Network,
    layers: &[Layer],
    folders: &[Folder],
    positions: &[u32],
    device: String,
) -> Recipe {
    let source = |(folder, &positions): (&Folder, &u32)| {
        let path = Path::new(folder.name());
        let own = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        Source {
            name: own.unwrap_or_else(|| folder.name().to_owned()),
            path: (!args.no_image_paths).then(|| folder.name().to_owned()),
            n_images: folder.len() as u64,
            n_skipped: 0,
            positions,
            mirrored: false,
        }
    };
    let mut sources: Vec<Source> = folders.iter().zip(positions).map(source).collect();
    if args.flip {
        let mirror = |source: &Source| Source {
            name: format!("{}, mirrored", source.name),
            mirrored: true,
            ..source.clone()
        };
        sources.extend(sources.iter().map(mirror).collect::<Vec<_>>());
    }
    let mut grids = args.grid.clone();
    grids.sort_unstable();
    grids.dedup();
    Recipe {
        network: network.name.clone(),
        weights_sha256: network.weights_sha256.clone(),
        input: None,
        sources,
        layers: layers.iter().map(|layer| layer.name.clone()).collect(),
        grids,
        collect: CollectRecipe {
            positions: positions[0],
            ..CollectRecipe::default()
        },
        layout: LayoutRecipe {
            n_neighbors: args.layout.neighbors,
            min_dist: args.layout.min_dist,
            metric: match args.layout.metric {
                Metric::Cosine => LayoutMetric::Cosine,
                Metric::Euclidean => LayoutMetric::Euclidean,
            },
            n_epochs: args.layout.epochs,
            ..LayoutRecipe::default()
        },
        attribution: AttributionRecipe {
            relaxation: match args.layout.relaxation {
                RelaxationArg::Average => Relaxation::Average,
                RelaxationArg::Plain => Relaxation::Plain,
            },
        },
        icons: icon_recipe(args),
        seed: args.seed,
        device,
        program: concat!("atlascope ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

fn icon_recipe(args: &BuildArgs) -> IconRecipe {
    let icons = &args.icons;
    let default = IconRecipe::default();
    let objective = icons.objective.map(|form| match form {
        ObjectiveArg::Article => ObjectiveForm::Article,
        ObjectiveArg::Lucid => ObjectiveForm::Lucid,
    });
    let transforms = icons.transforms.map(|form| match form {
        TransformArg::Recipe => TransformForm::Recipe,
        TransformArg::Notebook => TransformForm::Notebook,
    });
    IconRecipe {
        size: icons.icon_size.unwrap_or(default.size),
        steps: icons.steps,
        attempts: icons.attempts,
        objective: objective.unwrap_or(default.objective),
        cosine_power: icons.power.unwrap_or(default.cosine_power),
        whiten: !icons.no_whiten,
        transforms: transforms.unwrap_or(default.transforms),
        min_samples: icons.min_samples,
        precision: match icons.precision {
            PrecisionArg::Full => Precision::Full,
            PrecisionArg::Half => Precision::Half,
        },
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_no_inputs_and_not_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let atlas = folder.path().join("my.atlas");
        std::fs::write(&atlas, b"x").unwrap();
        let by_detour = folder.path().join(".").join("my.atlas");
        let (new, other) = (folder.path().join("a.png"), folder.path().join("b.png"));
        assert!(check_apart(&[&new, &other], &[&atlas]).is_ok());
        assert!(check_apart(&[&by_detour], &[&atlas]).is_err());
        assert!(check_apart(&[&new, &folder.path().join("./a.png")], &[&atlas]).is_err());
    }
}
