//! The stages in order, resumable: the only place where computation meets disk.
//!
//! A build is a chain of stages ([`STAGES`]). Each stage writes its results into a folder of its own inside the
//! workspace, named by a fingerprint of everything that determines them (inputs, weights, recipe so far). A build
//! that was interrupted, however rudely, finds what is finished under the same fingerprint and goes on from there; a
//! changed recipe simply has another fingerprint. Damaged files count as absent.

mod arrange;
mod assemble;
mod chunks;
mod draw;
mod end;
mod gather;
mod head;
mod locate;
mod rows;
mod tensors;
mod workspace;

pub use workspace::Workspace;

use crate::atlas::{Atlas, Recipe, Truth};
use crate::collect::CollectError;
use crate::images::ImageSet;
use crate::layout::LayoutError;
use crate::network::{Layer, Network, NetworkError};
use crate::progress::{Interrupted, Progress};
use std::path::PathBuf;
use std::sync::Arc;

/// One stage of a build.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// A verb phrase for people.
    pub name: &'static str,
    /// What one step is.
    pub unit: &'static str,
    /// Its folder's prefix in the workspace.
    pub key: &'static str,
    /// Its usual share of a build's time, for an overall estimate; the shares add up to 1.
    pub weight: f32,
}

/// Images → activations, attributions, predictions.
pub const COLLECT: Stage = Stage {
    name: "collect activations",
    unit: "images",
    key: "collect",
    weight: 0.3,
};
/// Activations → positions on the map.
pub const LAYOUT: Stage = Stage {
    name: "lay out",
    unit: "epochs",
    key: "layout",
    weight: 0.1,
};
/// Directions → icons.
pub const ICONS: Stage = Stage {
    name: "draw icons",
    unit: "icon steps",
    key: "icons",
    weight: 0.45,
};
/// Every position of every image → its cell.
pub const LOCATE: Stage = Stage {
    name: "locate positions",
    unit: "images",
    key: "locate",
    weight: 0.15,
};

/// All stages in the order in which a build passes them.
pub const STAGES: [Stage; 4] = [COLLECT, LAYOUT, ICONS, LOCATE];

/// One source of images with the number of positions drawn from each image.
#[derive(Clone, Copy)]
pub struct Sourced<'a> {
    /// The images.
    pub set: &'a dyn ImageSet,
    /// Positions per image and layer.
    pub positions: u32,
}

/// Everything a build needs.
#[derive(Clone)]
pub struct Job<'a> {
    /// The network.
    pub network: &'a Network,
    /// The layers to make maps of, shallow to deep.
    pub layers: Vec<Layer>,
    /// Where the images come from.
    pub sources: Vec<Sourced<'a>>,
    /// The knobs; `sources[..].n_images` and `n_skipped` are filled in by the build, and `grids` when empty.
    pub recipe: Recipe,
    /// What is planted in the images (indexed like the concatenated sources), if the program made them.
    pub truth: Option<Truth>,
    /// Keep every sample's full activation vector in the atlas.
    pub keep_activations: bool,
    /// Keep the weights of a linear end, and what belongs to it, in the atlas ([`crate::atlas::Head`]).
    pub keep_head: bool,
}

/// Why a build ended without an atlas.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Asked to stop; the workspace can be resumed.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    /// Another build holds the workspace.
    #[error("{} is in use by another build", path.display())]
    InUse {
        /// The workspace.
        path: PathBuf,
    },
    /// Reading or writing a stage file failed.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No image could be read.
    #[error("none of the {n} images could be read; the first: {first}")]
    NoReadableImage {
        /// How many were tried.
        n: usize,
        /// What was wrong with the first.
        first: String,
    },
    /// The network failed.
    #[error(transparent)]
    Network(NetworkError),
    /// Collecting failed.
    #[error(transparent)]
    Collect(CollectError),
    /// An activation is not a number.
    #[error(
        "layer {layer} gives NaN or infinity for {path}; the weights or the preprocessing are wrong"
    )]
    NotFinite {
        /// The layer.
        layer: String,
        /// The image.
        path: String,
    },
    /// The layout failed.
    #[error("layout: {0}")]
    Layout(LayoutError),
    /// Drawing icons failed.
    #[error("icons: {0}")]
    Icons(crate::featurevis::Error),
    /// Icons could not be put into sheets.
    #[error("icon sheet: {0}")]
    Sheet(#[from] crate::featurevis::sheet::Error),
    /// A stage file did not hold what it must.
    #[error("stage file {}: {what}", path.display())]
    BadStageFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl From<NetworkError> for PipelineError {
    fn from(error: NetworkError) -> Self {
        Self::Network(error)
    }
}

impl From<CollectError> for PipelineError {
    fn from(error: CollectError) -> Self {
        Self::Collect(error)
    }
}

impl From<LayoutError> for PipelineError {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::Interrupted(interrupted) => Self::Interrupted(interrupted),
            other => Self::Layout(other),
        }
    }
}

impl From<crate::featurevis::Error> for PipelineError {
    fn from(error: crate::featurevis::Error) -> Self {
        match error {
            crate::featurevis::Error::Interrupted(interrupted) => Self::Interrupted(interrupted),
            other => Self::Icons(other),
        }
    }
}

/// Runs or resumes a build. `on_snapshot` gets the atlas as far as it is done, each time that it is worth showing;
/// the last one is complete and is returned.
///
/// # Errors
/// As [`PipelineError`]; after [`PipelineError::Interrupted`] the same call goes on where it stopped.
pub fn build(
    job: &Job<'_>,
    workspace: &Workspace,
    progress: &dyn Progress,
    on_snapshot: &mut dyn FnMut(&Arc<Atlas>),
) -> Result<Arc<Atlas>, PipelineError> {
    let gathered = gather::gather(job, workspace, progress)?;
    let mut draft = assemble::Draft::new(job, gathered);
    for idx in 0..job.layers.len() {
        let arranged = arrange::arrange(job, workspace, &mut draft, idx, progress)?;
        draft.layers.push(arranged);
        on_snapshot(&draft.snapshot(false)?);
    }
    draw::draw(job, workspace, &mut draft, progress, on_snapshot)?;
    on_snapshot(&draft.snapshot(false)?);
    locate::locate(job, workspace, &mut draft, progress)?;
    let atlas = draft.snapshot(true)?;
    on_snapshot(&atlas);
    Ok(atlas)
}
