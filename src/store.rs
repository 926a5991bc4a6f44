//! Atlas to and from one .atlas file; the only place that knows the format.

mod atomic;
mod error;
mod manifest;
mod npy;
mod reader;
mod writer;

pub use error::Error;

use crate::atlas::Atlas;
use std::path::Path;

/// The version of the format that is written, and the latest that is read.
pub const VERSION: u32 = 1;

/// Largest side of an icon in pixels.
pub const MAX_ICON_SIZE: u32 = 512;

/// Writes an atlas: beside `path` first, then renamed, so that there is never half a file.
///
/// # Errors
/// [`Error::Inconsistent`] when the atlas contradicts itself or holds what a file cannot, else [`Error::Write`].
pub fn write(path: &Path, atlas: &Atlas) -> Result<(), Error> {
    let bytes = to_bytes(atlas, path)?;
    atomic::write(path, &bytes).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// The bytes of the file; `path` is for messages.
///
/// # Errors
/// As [`write`].
pub fn to_bytes(atlas: &Atlas, path: &Path) -> Result<Vec<u8>, Error> {
    writer::bytes(atlas).map_err(|source| Error::Inconsistent {
        path: path.to_owned(),
        source,
    })
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
    let bytes = std::fs::read(path).map_err(failed)?;
    from_bytes(&bytes, path)
}

/// Reads an atlas from a file's bytes; `path` is for messages.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Atlas, Error> {
    reader::atlas(bytes, path)
}
