//! An atlas for other programs: one picture, a page for a browser, tables.

mod folder;
mod page;
mod picture;
mod tables;

pub use page::html;
pub use picture::{PictureOptions, picture, png};
pub use tables::csv;

use super::Error;
use crate::atlas::{Atlas, LayerAtlas, Level};

/// A level by its numbers.
fn level(atlas: &Atlas, layer: usize, level: usize) -> Result<(&LayerAtlas, &Level), Error> {
    let layer_atlas = atlas.layers.get(layer).ok_or_else(|| Error::NoSuchPart {
        what: format!("layer {layer}"),
        has: format!("{} layers", atlas.layers.len()),
    })?;
    let found = layer_atlas
        .levels
        .get(level)
        .ok_or_else(|| Error::NoSuchPart {
            what: format!("level {level} of {}", layer_atlas.name),
            has: format!("{} levels", layer_atlas.levels.len()),
        })?;
    Ok((layer_atlas, found))
}

/// A name that is safe as a part of a file's name everywhere.
fn file_name(name: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    name.chars().take(40).map(safe).collect()
}
