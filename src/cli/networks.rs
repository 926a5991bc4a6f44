//! Networks by name or file, their weights, and devices by name.

use super::args::{NetworkArgs, ResizeArg};
use super::{Failure, output};
use crate::atlas::{Atlas, Class};
use crate::hub::{Expected, Hub, Origin, Remote};
use crate::network::manifest::{Architecture, ClassTable, Manifest, Source, parse_classes};
use crate::network::weights::sha256;
use crate::network::{
    Channels, Compute, InputSpec, Network, NetworkError, Resize, catalogue, demo, onnx,
};
use crate::paths::Paths;
use anyhow::Context as _;
use candle_core::Device;
use std::path::{Path, PathBuf};

/// A manifest with the folder that its files lie in, if it was given as a file.
pub(super) struct Known {
    pub(super) manifest: Manifest,
    folder: Option<PathBuf>,
}

/// A network ready to run.
pub(super) struct Loaded {
    pub(super) network: Network,
    /// Layers that an atlas is made of unless others are asked for.
    pub(super) default_layers: Vec<String>,
    /// The device as the recipe records it.
    pub(super) device: String,
}

/// Hugging Face's and our own caches.
pub(super) fn hub() -> Hub {
    let env = |name: &str| std::env::var(name).ok();
    Hub::resolve(env, &Paths::resolve(env).cache)
}

/// The names of the known networks.
pub(super) fn names() -> Vec<String> {
    // The manifests are compiled in, and a test reads them all.
    let manifests = catalogue::manifests().unwrap_or_default();
    manifests
        .into_iter()
        .map(|manifest| manifest.name)
        .collect()
}

/// The manifest of a known network or of a `model.toml`.
pub(super) fn known(name: &str) -> Result<Known, Failure> {
    let path = Path::new(name);
    if has_extension(path, "toml") {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = Manifest::parse(&text).with_context(|| path.display().to_string())?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        return Ok(Known {
            manifest,
            folder: Some(folder),
        });
    }
    if let Some(manifest) = catalogue::find(name)? {
        return Ok(Known {
            manifest,
            folder: None,
        });
    }
    let mut failure = Failure::usage(format!("no network named {name}"))
        .hint(format!("known networks: {}", names().join(", ")));
    failure = if path.is_file() {
        failure.hint(
            "a file of weights needs the network that it belongs to: --network NAME --weights FILE; files with a \
             network in them end in .onnx",
        )
    } else {
        failure.hint("your own: --network model.onnx, or a model.toml that describes it")
    };
    Err(failure)
}

/// One source of a manifest as the hub wants it.
pub(super) fn remote(manifest: &Manifest, source: &Source) -> Remote {
    let origin = match (&source.url, &source.hugging_face) {
        (Some(url), _) => Origin::Url(url.clone()),
        (None, Some(repository)) => Origin::HuggingFace {
            repository: repository.clone(),
            revision: source.revision.clone().unwrap_or_default(),
        },
        (None, None) => Origin::ByHand,
    };
    Remote {
        network: manifest.name.clone(),
        file: source.file.clone(),
        origin,
        expected: source
            .sha256
            .as_ref()
            .map_or_else(Expected::unknown, Expected::new),
    }
}

impl Known {
    /// Where the weights are: beside a manifest that was given as a file, or in the cache.
    pub(super) fn find_weights(&self, hub: &Hub) -> Option<PathBuf> {
        let sources = &self.manifest.sources;
        let beside = self.folder.iter().flat_map(|folder| {
            let paths = sources.iter().map(|source| folder.join(&source.file));
            paths.filter(|path| path.is_file())
        });
        let cached = || {
            let mut remotes = sources.iter().map(|source| remote(&self.manifest, source));
            remotes.find_map(|remote| hub.find(&remote))
        };
        beside.into_iter().next().or_else(cached)
    }

    fn weights(&self, given: Option<&Path>) -> Result<Vec<u8>, Failure> {
        let manifest = &self.manifest;
        if manifest.architecture == Architecture::Demo && given.is_none() {
            return Ok(demo::WEIGHTS.to_vec());
        }
        let found = || self.find_weights(&hub());
        let Some(path) = given.map(Path::to_owned).or_else(found) else {
            let name = &manifest.name;
            let failure = Failure::usage(format!("{name} needs its weights"));
            let known = |source: &Source| source.url.is_some() || source.hugging_face.is_some();
            return Err(if manifest.sources.iter().any(known) {
                failure.hint(format!(
                    "`atlascope pull {name}` downloads them; or give --weights FILE"
                ))
            } else {
                failure.hint(format!(
                    "give --weights FILE, or keep the file for good: atlascope pull {name} --from FILE"
                ))
            });
        };
        let bytes = read(&path)?;
        if manifest.sha256().is_some() && !manifest.knows(&sha256(&bytes)) {
            let text = format!(
                "{} are other weights than those that {} was measured with",
                path.display(),
                manifest.name
            );
            output::error_line("note", &text);
        }
        Ok(bytes)
    }

    fn classes(&self) -> Result<Vec<Class>, Failure> {
        match (&self.manifest.classes, &self.folder) {
            (ClassTable::File(name), folder) => {
                let path = folder.clone().unwrap_or_default().join(name);
                read_classes(&path)
            }
            (table, _) => Ok(catalogue::classes(table)?),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
}

fn read_classes(path: &Path) -> Result<Vec<Class>, Failure> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(parse_classes(&text).with_context(|| path.display().to_string())?)
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// Loads what the flags ask for.
pub(super) fn load(args: &NetworkArgs) -> Result<Loaded, Failure> {
    load_as(args, None)
}

/// The same for a network that an atlas was made with, or one like it: what the flags do not say of its input, and
/// the classes of an ONNX file, are the atlas's.
pub(super) fn load_as(args: &NetworkArgs, atlas: Option<&Atlas>) -> Result<Loaded, Failure> {
    let recorded = atlas.and_then(|atlas| atlas.recipe.input);
    let (device, device_name) = device(&args.run.device)?;
    let given = match args.run.classes.as_deref() {
        None => None,
        Some("imagenet") => Some(catalogue::classes(&ClassTable::Imagenet)?),
        Some(path) => Some(read_classes(Path::new(path))?),
    };
    let path = Path::new(&args.network);
    let (network, default_layers) = if has_extension(path, "onnx") {
        if args.run.weights.is_some() {
            return Err(
                Failure::usage("an ONNX file brings its own weights").hint("leave --weights out")
            );
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = read(path)?;
        let file = OnnxFile {
            name: &name,
            bytes: &bytes,
            path,
        };
        let named = || atlas.map_or_else(Vec::new, |atlas| atlas.classes.clone());
        let classes = given.unwrap_or_else(named);
        let network = onnx(&file, args, recorded, classes, &device)?;
        (network, Vec::new())
    } else {
        let known = known(&args.network)?;
        let bytes = known.weights(args.run.weights.as_deref())?;
        let classes = match given {
            Some(classes) => classes,
            None => known.classes()?,
        };
        let manifest = &known.manifest;
        let shown = args.run.weights.as_deref().unwrap_or(path);
        let network = if manifest.architecture == Architecture::Onnx {
            let file = OnnxFile {
                name: &manifest.name,
                bytes: &bytes,
                path: shown,
            };
            let base = recorded.unwrap_or(manifest.input);
            onnx(&file, args, Some(base), classes, &device)?
        } else {
            let input = input(args, recorded.unwrap_or(manifest.input), true);
            catalogue::build(manifest, input, classes, &bytes, &device)
                .map_err(|error| unfit(error, shown, args))?
        };
        (network, manifest.default_layers.clone())
    };
    let compute = if args.run.reference {
        Compute::Reference
    } else {
        Compute::Auto
    };
    let network = network.with_compute(compute);
    let default_layers = if default_layers.is_empty() {
        let last = network.layers().pop();
        last.map(|layer| layer.name).into_iter().collect()
    } else {
        default_layers
    };
    Ok(Loaded {
        network,
        default_layers,
        device: device_name,
    })
}

/// An error of loading, with the file and, for a wrong number of names, the way out.
fn unfit(error: NetworkError, path: &Path, args: &NetworkArgs) -> Failure {
    let wrong_classes = matches!(error, NetworkError::WrongClasses { .. });
    let failure = Failure::from(anyhow::Error::from(error).context(path.display().to_string()));
    match (&args.run.classes, wrong_classes) {
        (Some(_), true) => failure.hint("--classes must have exactly one line per output"),
        (None, true) => failure.hint("give the names of your classes with --classes FILE"),
        _ => failure,
    }
}

/// Reads part of a file that lies beside the model; the loader has checked that `location` stays there.
fn external(
    folder: &Path,
    location: &str,
    offset: u64,
    length: Option<u64>,
) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(folder.join(location))?;
    let rest = file.metadata()?.len().saturating_sub(offset);
    let length = length.unwrap_or(rest);
    if length > rest {
        return Err(std::io::Error::new(
            std::io::ErrorKind::UnexpectedEof,
            format!("{length} bytes from {offset} on are asked for, {rest} are there"),
        ));
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An ONNX file that was read.
struct OnnxFile<'a> {
    name: &'a str,
    bytes: &'a [u8],
    path: &'a Path,
}

/// The network in an ONNX file. Its input size is the file's, or what the flags or the manifest say.
fn onnx(
    file: &OnnxFile<'_>,
    args: &NetworkArgs,
    base: Option<InputSpec>,
    classes: Vec<Class>,
    device: &Device,
) -> Result<Network, Failure> {
    let path = file.path;
    let shown = || path.display().to_string();
    let mut input = input(args, base.unwrap_or(USUAL), base.is_some());
    if let Some((rows, cols)) = onnx::input_size(file.bytes).with_context(shown)? {
        if rows != cols {
            return Err(Failure::failed(format!(
                "{}: its input has {rows} rows and {cols} columns; only squares can be used",
                shown()
            )));
        }
        match args.run.input.size {
            Some(size) if size as usize != rows => {
                return Err(Failure::usage(format!(
                    "--size {size}, but {} takes {rows} × {cols} pixels",
                    shown()
                ))
                .hint("export the model with dynamic rows and columns to choose the size"));
            }
            Some(_) => (),
            None => input = resized(input, rows),
        }
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let external = |location: &str, offset: u64, length: Option<u64>| {
        self::external(&folder, location, offset, length)
    };
    let source = onnx::Source {
        name: file.name,
        model: file.bytes,
        external: &external,
    };
    let given = (!classes.is_empty()).then_some(classes);
    let network =
        onnx::load(&source, input, given, device).map_err(|error| unfit(error, path, args))?;
    if network.logits.is_none() {
        let text = format!(
            "{} has no classifier: atlases of it have no attribution and no predictions",
            network.name
        );
        output::error_line("note", &text);
    }
    Ok(network)
}

/// What torchvision's networks expect, the best guess where nothing is known.
pub(super) const USUAL: InputSpec = InputSpec {
    size: 224,
    resize: Resize::Crop { via: 256 },
    filter: crate::atlas::Filter::Bilinear,
    channels: Channels::Rgb,
    mean: [123.675, 116.28, 103.53],
    scale: [58.395, 57.12, 57.375],
};

/// The same for another size; a crop keeps its margin.
fn resized(base: InputSpec, size: usize) -> InputSpec {
    let scaled = |via: usize| (via * size).div_ceil(base.size);
    let resize = match base.resize {
        Resize::Warp => Resize::Warp,
        Resize::WarpCrop { via } => Resize::WarpCrop { via: scaled(via) },
        Resize::Crop { via } => Resize::Crop { via: scaled(via) },
    };
    InputSpec {
        size,
        resize,
        ..base
    }
}

/// `base` with what the flags say instead; says what was guessed unless `base` is `fixed`.
fn input(args: &NetworkArgs, base: InputSpec, fixed: bool) -> InputSpec {
    let flags = &args.run.input;
    let size = flags.size.map_or(base.size, |size| size as usize);
    let resize = match flags.resize {
        Some(ResizeArg {
            warp: true, via, ..
        }) => via.map_or(Resize::Warp, |via| Resize::WarpCrop { via }),
        Some(ResizeArg {
            warp: false, via, ..
        }) => Resize::Crop {
            via: via.unwrap_or(size),
        },
        None => resized(base, size).resize,
    };
    let input = InputSpec {
        size,
        resize,
        filter: flags.resize.map_or(base.filter, |resize| resize.filter),
        channels: flags.channels.unwrap_or(base.channels),
        mean: flags.mean.unwrap_or(base.mean),
        scale: flags.scale.unwrap_or(base.scale),
    };
    let guessed = [
        (flags.resize.is_none(), "--resize"),
        (flags.channels.is_none(), "--channels"),
        (flags.mean.is_none(), "--mean"),
        (flags.scale.is_none(), "--scale"),
    ];
    let missing: Vec<&str> = guessed.iter().filter(|g| g.0).map(|g| g.1).collect();
    if !fixed && !missing.is_empty() {
        let text = format!(
            "nothing is known of this network's preprocessing; {} taken from torchvision's networks",
            missing.join(", ")
        );
        output::error_line("note", &text);
    }
    input
}
/// The device called `name`, with the name that the recipe records.
pub(super) fn device(name: &str) -> Result<(Device, String), Failure> {
    let index = |text: &str| {
        text.parse::<usize>()
            .map_err(|_| Failure::usage(format!("device number {text:?} is not a number")))
    };
    let device = match name.split_once(':').unwrap_or((name, "0")) {
        ("auto", _) => Device::cuda_if_available(0).unwrap_or(Device::Cpu),
        ("cpu", _) => Device::Cpu,
        ("cuda", number) => {
            let number = index(number)?;
            Device::new_cuda(number).map_err(|error| no_device(name, "cuda", &error))?
        }
        ("metal", number) => {
            let number = index(number)?;
            Device::new_metal(number).map_err(|error| no_device(name, "metal", &error))?
        }
        _ => {
            return Err(Failure::usage(format!("no device named {name}"))
                .hint("devices: auto, cpu, cuda, cuda:N, metal"));
        }
    };
    let label = match &device {
        Device::Cpu => "cpu".to_owned(),
        other if other.is_cuda() => format!(
            "cuda:{}",
            name.split_once(':').map_or("0", |(_, number)| number)
        ),
        _ => "metal".to_owned(),
    };
    Ok((device, label))
}

fn no_device(name: &str, feature: &str, error: &candle_core::Error) -> Failure {
    // candle's errors carry a backtrace on further lines; the first says it all.
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Failure::failed(format!("device {name} cannot be used: {first}"))
        .hint(format!("a build with `--features {feature}` and the device's toolkit is needed; --device cpu always works"))
}
