//! Atlas to and from one `.atlas` file; the only place that knows the format.
//!
//! # The file
//!
//! A ZIP archive that Python reads with `zipfile`, `json` and numpy alone. `manifest.json` says what else is there;
//! arrays are `.npy` (version 1.0, little-endian), deflated; tables are stored column by column (`fortran_order`),
//! because the numbers of one column resemble each other. Icon tiles are PNG as terminals get them, stored as they
//! are. Shapes: n samples, k kept attributions, c cells, d channels, i images, p principal components; `uint` is the
//! narrowest of `u1`, `u2`, `u4` that holds the numbers.
//!
//! | entry | type | shape | meaning |
//! |---|---|---|---|
//! | `manifest.json` | | | format, version, recipe, classes, label names, and for every layer its name, counts, palette, quality, levels |
//! | `images/path.json` | strings | i | path relative to its source |
//! | `images/source.npy` | `u2` | i | index into `recipe.sources` |
//! | `images/label.npy` | `u2` | i | index into `label_names`; 65535 = none |
//! | `images/prediction.npy` | `u2` | i | class with the largest logit; 65535 = none |
//! | `images/style.npy` | `f2` | i × 33 | how the whole picture looks: 9 numbers of its colours, 24 of its stripes; may be missing |
//! | `truth.json` | | | what was planted, when the images were made by the program |
//! | `layers/L/image.npy` | uint | n | image of each sample |
//! | `layers/L/row.npy`, `col.npy` | `u1` | n | position in the layer |
//! | `layers/L/position.npy` | `u2` | n × 2 | x, y on the map, y down: `position / 65535` |
//! | `layers/L/top_classes.npy` | `u2` | n × k | classes of the strongest attributions, by falling absolute value |
//! | `layers/L/top_values.npy` | `i1` | n × k | their logits: `top_values * top_scale[:, None]` |
//! | `layers/L/top_scale.npy` | `f2` | n | logits per step of `top_values` |
//! | `layers/L/pca_mean.npy` | `f4` | d | mean activation |
//! | `layers/L/pca_components.npy` | `f4` | p × d | orthonormal components |
//! | `layers/L/pca_coordinates.npy` | `u1` | n × p | coordinates: `pca.zero + pca.step * pca_coordinates` |
//! | `layers/L/pooled.npy` | `u1` | i × d | mean activation per image: `pooled.zero + pooled.step * pooled` |
//! | `layers/L/position_cells.npy` | `u2` | i × positions | nearest cell of the finest level, per position; may be missing |
//! | `layers/L/activations.npy` | `f2` | n × d | whole activations; only when asked for |
//! | `layers/L/levels/V/row.npy`, `col.npy` | uint | c | place in the grid, y down |
//! | `layers/L/levels/V/n_samples.npy` | uint | c | samples in the cell |
//! | `layers/L/levels/V/sample_cell.npy` | uint | n | cell of each sample; c = in none |
//! | `layers/L/levels/V/directions.npy` | `f2` | c × d | mean activation |
//! | `layers/L/levels/V/attributions.npy` | `f2` | c × classes | mean attribution in logits |
//! | `layers/L/levels/V/icon_steps.npy` | uint | c | steps of ascent; 0 = no icon |
//! | `layers/L/levels/V/icon_score.npy` | `f4` | c | objective of the icon; NaN = no icon |
//! | `layers/L/levels/V/tiles/R_C.png` | | 4 × 4 icons | the icons of rows 4R.. and columns 4C..; index 0 is transparent |
//! | `head/weights.npy` | `f2` | classes × d | when the network ends in a mean over positions and one linear map: logits per unit of mean activation of `head.layer` |
//! | `head/bias.npy` | `f4` | classes | logits |
//! | `head/pooled.npy` | `u1` | i × d | mean activation per image: `pooled.zero + pooled.step * pooled` |
//! | `head/clusters.npy` | `f2` | k × d | mean activations of clusters of positions |
//! | `head/position_clusters.npy` | `u2` | i × positions | nearest cluster by cosine |
//! | `head/position_cosines.npy`, `position_norms.npy` | `u1` | i × positions | cosine to that cluster, and length of the activation: each `zero + step * stored` |
//!
//! Entries under `head/` are there when the manifest has a `head`.
//!
//! The format version rises when a reader of the old version would be wrong about a new file; what a reader does not
//! know in a manifest it ignores.
//!
//! # Reading is careful
//!
//! A file may be cut short, damaged or hostile. Entries are looked up by names that are made here, never used as
//! paths; what an entry inflates to is bounded by the counts in the manifest and by the size of the file before
//! anything is inflated; types and shapes are compared before they are used; [`Atlas::check`] has the last word.

mod error;
pub mod export;
mod manifest;
mod npy;
mod reader;
mod summary;
mod writer;

pub use error::Error;
pub use summary::{describe, summary};

use crate::atlas::Atlas;
use crate::files;
use std::io::Read as _;
use std::path::Path;

/// The version of the format that is written, and the latest that is read.
pub const VERSION: u32 = 1;

/// Largest side of an icon in pixels.
pub const MAX_ICON_SIZE: u32 = 512;

/// Writes an atlas: beside `path` first, then renamed, so that there is never half a file.
///
/// # Errors
/// [`Error::Inconsistent`] or [`Error::Damaged`] when the atlas contradicts itself or holds what a file cannot, else
/// [`Error::Write`].
pub fn write(path: &Path, atlas: &Atlas) -> Result<(), Error> {
    let bytes = to_bytes(atlas, path)?;
    files::write_whole(path, &bytes).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// The bytes of the file; `path` is for messages.
///
/// # Errors
/// As [`write`].
pub fn to_bytes(atlas: &Atlas, path: &Path) -> Result<Vec<u8>, Error> {
    let bytes = writer::bytes(atlas).map_err(|source| Error::Inconsistent {
        path: path.to_owned(),
        source,
    })?;
    // A tenth of a second that saves a build: nothing is written that could not be read.
    reader::atlas(&bytes, path)?;
    Ok(bytes)
}

/// Reads an atlas.
///
/// # Errors
/// Every [`Error`] but those of writing and exporting.
pub fn read(path: &Path) -> Result<Atlas, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(Error::NotAnAtlas {
            path: path.to_owned(),
            why: "it is a folder",
        });
    }
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut start = [0; 4];
    let n = file.read(&mut start).map_err(failed)?;
    // A large file of another kind is not read to its end only to say so.
    if n == 4 && start != *b"PK\x03\x04" {
        return Err(Error::NotAnAtlas {
            path: path.to_owned(),
            why: "it is no ZIP file",
        });
    }
    let mut bytes = start[..n].to_vec();
    file.read_to_end(&mut bytes).map_err(failed)?;
    from_bytes(&bytes, path)
}

/// Reads an atlas from a file's bytes; `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Atlas, Error> {
    reader::atlas(bytes, path)
}
