//! Opening an atlas by what was typed: a file, or the folder of a running build.

use super::Failure;
use crate::atlas::{Atlas, LayerAtlas, Level};
use crate::store;
use std::path::{Path, PathBuf};

/// The name of the snapshot inside a `.part` folder.
pub(super) const SNAPSHOT: &str = "snapshot.atlas";

/// The file to read for `path`: itself, or the snapshot in the folder of a running build.
pub(super) fn file_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        path.join(SNAPSHOT)
    } else {
        path.to_owned()
    }
}

/// Reads an atlas.
pub(super) fn read(path: &Path) -> Result<Atlas, Failure> {
    let file = file_of(path);
    if path.is_dir() && path.extension().is_none_or(|extension| extension != "part") {
        return Err(
            Failure::failed(format!("{} is a folder, not an atlas", path.display()))
                .hint("the folder of a running build ends in .part"),
        );
    }
    if path.is_dir() && !file.exists() {
        return Err(Failure::failed(format!(
            "{} holds no snapshot of a build yet",
            path.display()
        ))
        .hint("a first map appears once the activations are collected and laid out"));
    }
    store::read(&file).map_err(|error| {
        let part = PathBuf::from(format!("{}.part", path.display()));
        let failure = Failure::from(error);
        if !path.exists() && part.is_dir() {
            failure.hint(format!(
                "an unfinished build is in {}; explore that, or resume the build",
                part.display()
            ))
        } else {
            failure
        }
    })
}

/// The layer called `name`, or the deepest.
pub(super) fn layer<'a>(atlas: &'a Atlas, name: Option<&str>) -> Result<&'a LayerAtlas, Failure> {
    let names = || {
        atlas
            .layers
            .iter()
            .map(|layer| layer.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match name {
        None => atlas
            .layers
            .last()
            .ok_or_else(|| Failure::failed("the atlas has no layer")),
        Some(name) => {
            let found = atlas.layers.iter().find(|layer| layer.name == name);
            found.ok_or_else(|| {
                Failure::usage(format!("the atlas has no layer {name}"))
                    .hint(format!("its layers: {}", names()))
            })
        }
    }
}

/// The level with `grid` rows, or what `otherwise` chooses.
pub(super) fn level<'a>(
    layer: &'a LayerAtlas,
    grid: Option<u32>,
    otherwise: impl Fn(&'a LayerAtlas) -> Option<&'a Level>,
) -> Result<&'a Level, Failure> {
    let Some(grid) = grid else {
        return otherwise(layer).ok_or_else(|| Failure::failed("the layer has no level"));
    };
    layer
        .levels
        .iter()
        .find(|level| level.grid == grid)
        .ok_or_else(|| {
            let grids: Vec<String> = layer
                .levels
                .iter()
                .map(|level| level.grid.to_string())
                .collect();
            Failure::usage(format!(
                "layer {} has no level of {grid}×{grid} cells",
                layer.name
            ))
            .hint(format!("its levels: {}", grids.join(", ")))
        })
}
