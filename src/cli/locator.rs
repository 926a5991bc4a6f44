//! Photographs through the network of an atlas: which cell each of their positions falls in.
//!
//! As in a build, a position belongs to the cell of the finest level whose direction is nearest by cosine.

use super::args::{InputArgs, NetworkArgs, RunArgs, TestedNetworkArgs};
use super::{Failure, explore, networks, patch};
use crate::atlas::{Atlas, ClassId, LayerAtlas};
use crate::collect::{self, Prepared};
use crate::explorer::photographs::{self, Album, Photographs as _, Window};
use crate::explorer::worker::{Located, Locator, Photo};
use crate::images;
use crate::network::{Layer, Network, catalogue};
use image::RgbImage;
use ndarray::{Array2, ArrayView2, Axis};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Classes that are told.
const TOLD: usize = 5;

/// Loads the network when the first photograph comes.
pub(super) struct NetworkLocator {
    network_args: Option<TestedNetworkArgs>,
    atlas: Option<Arc<Atlas>>,
    album: Album,
    network: Option<Network>,
}

impl NetworkLocator {
    /// `folders` are looked in first for images of the atlas.
    pub(super) fn new(network: Option<TestedNetworkArgs>, folders: Vec<PathBuf>) -> Self {
        Self {
            network_args: network,
            atlas: None,
            album: Album::new(folders, explore::window),
            network: None,
        }
    }

    fn image(&mut self, photo: &Photo) -> Result<(String, Arc<RgbImage>), String> {
        match photo {
            Photo::File(path) => {
                let image = images::decode::load(path)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                let name = path.file_name().unwrap_or(path.as_os_str());
                Ok((name.to_string_lossy().into_owned(), Arc::new(image)))
            }
            Photo::Image(idx) => {
                let name = self
                    .atlas
                    .as_ref()
                    .and_then(|atlas| atlas.images.path.get(*idx as usize));
                Ok((name.cloned().unwrap_or_default(), self.album.read(*idx)?))
            }
        }
    }
}

impl Locator for NetworkLocator {
    fn atlas(&mut self, atlas: Arc<Atlas>) {
        self.album.atlas(&atlas);
        self.atlas = Some(atlas);
    }

    fn locate(&mut self, photo: &Photo) -> Result<Located, String> {
        let atlas = self.atlas.clone().ok_or("there is no atlas yet")?;
        let (name, image) = self.image(photo)?;
        let network = match self.network.take() {
            Some(network) => network,
            None => opened(&atlas, self.network_args.as_ref())?,
        };
        let located = locate(&network, &atlas, &image);
        self.network = Some(network);
        let located = located.map_err(|error| format!("{name}: {error:#}"))?;
        let image = match photo {
            Photo::Image(idx) => Some(*idx),
            Photo::File(_) => None,
        };
        Ok(Located {
            name,
            image,
            ..located
        })
    }
}

/// The network that made the atlas, as the person named it, with its classes as the atlas calls them.
///
/// # Errors
/// One sentence for the status line.
pub(super) fn opened(atlas: &Atlas, named: Option<&TestedNetworkArgs>) -> Result<Network, String> {
    let network = match named {
        Some(args) => patch::load(args, Some(atlas)),
        None => load(atlas, None),
    };
    let mut network = network.map_err(|failure| {
        let hints = failure.hints.join("; ");
        let separator = if hints.is_empty() { "" } else { ": " };
        format!("{:#}{separator}{hints}", failure.error)
    })?;
    if network.classes.len() == atlas.classes.len() {
        network.classes.clone_from(&atlas.classes);
    }
    Ok(network)
}

/// The network that made the atlas.
///
/// # Errors
/// An unknown network, weights that are missing or others than the atlas's.
pub(super) fn load(atlas: &Atlas, weights: Option<&Path>) -> Result<Network, Failure> {
    let recipe = &atlas.recipe;
    // An ONNX file is network and weights in one; its name in the atlas is no path.
    let onnx = weights.filter(|path| path.extension().is_some_and(|e| e == "onnx"));
    let asked = NetworkArgs {
        network: onnx.map_or(recipe.network.clone(), |path| path.display().to_string()),
        run: RunArgs {
            weights: weights.filter(|_| onnx.is_none()).map(Path::to_owned),
            classes: None,
            device: "cpu".to_owned(),
            reference: false,
            input: InputArgs::default(),
        },
    };
    let network = networks::load_as(&asked, Some(atlas))?.network;
    if network.weights_sha256 != recipe.weights_sha256 {
        let short = |hash: &str| hash.chars().take(12).collect::<String>();
        return Err(Failure::failed(format!(
            "these are not the weights that made the atlas ({} instead of {})",
            short(&network.weights_sha256),
            short(&recipe.weights_sha256)
        ))
        .hint("give the file that the atlas was built with"));
    }
    Ok(network)
}

/// Runs one photograph.
///
/// # Errors
/// Those of the network, and layers that it does not have.
pub(super) fn locate(
    network: &Network,
    atlas: &Atlas,
    image: &RgbImage,
) -> anyhow::Result<Located> {
    let layers: Vec<Layer> = atlas
        .layers
        .iter()
        .map(|layer| network.layer(&layer.name))
        .collect::<Result<_, _>>()?;
    let prepared = Prepared {
        image: 0,
        pixels: network.input.preprocess(image)?,
        positions: 0,
    };
    let outputs = collect::forward(network, &layers, &[prepared])?;
    let mut cells = Vec::with_capacity(layers.len());
    for (layer, output) in atlas.layers.iter().zip(&outputs) {
        let (_, depth, rows, cols) = output.dims4()?;
        let values = output.flatten_all()?.to_vec1::<f32>()?;
        let map = Array2::from_shape_vec((depth, rows * cols), values)?;
        cells.push(nearest(layer, &map.view())?);
    }
    let predictions = match network.logits.and(outputs.get(layers.len())) {
        Some(logits) => predictions(&logits.flatten_all()?.to_vec1::<f32>()?),
        None => Vec::new(),
    };
    Ok(Located {
        name: String::new(),
        predictions,
        cells,
        image: None,
        picture: Some(photographs::Crop {
            picture: photographs::reduced(image),
        }),
    })
}

/// For each column of `map` (depth × positions) the cell of the finest level whose direction has the largest cosine.
/// The norm of the activation itself does not change the order.
fn nearest(layer: &LayerAtlas, map: &ArrayView2<'_, f32>) -> anyhow::Result<Vec<u16>> {
    let Some(level) = layer.levels.last() else {
        return Ok(Vec::new());
    };
    let mut directions = level.directions.mapv(half::f16::to_f32);
    anyhow::ensure!(
        directions.ncols() == map.nrows(),
        "layer {} has {} channels in the atlas and {} in the network",
        layer.name,
        directions.ncols(),
        map.nrows()
    );
    for mut row in directions.rows_mut() {
        let norm = row.dot(&row).sqrt().max(1e-12);
        row /= norm;
    }
    let similarity = directions.dot(map);
    let best = similarity.axis_iter(Axis(1)).map(|column| {
        let best = column
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(cell, _)| cell as u16)
    });
    Ok(best.collect())
}

/// The classes with the largest logits and their probabilities.
fn predictions(logits: &[f32]) -> Vec<(ClassId, f32)> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|v| (v - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    let mut classes: Vec<(ClassId, f32)> = powers
        .iter()
        .enumerate()
        .map(|(class, p)| (class as ClassId, p / sum))
        .collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    classes.truncate(TOLD);
    classes
}

/// Which part of a photograph a known network sees.
pub(super) fn window(network: &str) -> Option<Window> {
    let manifest = catalogue::find(network).ok()??;
    Some(Window::of_input(&manifest.input))
}
