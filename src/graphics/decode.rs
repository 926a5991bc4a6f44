//! PNG → RGBA, for the back ends that need pixels themselves.
//!
//! Icon tiles are drawn again and again while a person moves, so decoded pictures are kept up to a number of
//! bytes; the least recently used go first.

use super::{Picture, PictureKey};
use image::RgbaImage;
use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

/// A picture that cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a PNG, or a broken one.
    #[error("decode picture {key}")]
    Png {
        /// The picture's key.
        key: u64,
        /// What is wrong with it.
        source: image::ImageError,
    },
    /// The caller and the PNG disagree about the size.
    #[error("picture {key} is {found_width}×{found_height} pixels, expected {width}×{height}")]
    Size {
        /// The picture's key.
        key: u64,
        /// Expected pixels.
        width: u32,
        /// Expected pixels.
        height: u32,
        /// Pixels in the PNG's header.
        found_width: u32,
        /// Pixels in the PNG's header.
        found_height: u32,
    },
}

/// Decodes `picture`, 8 bits per channel, straight alpha.
///
/// # Errors
/// [`Error::Png`] for bytes that are no PNG, [`Error::Size`] when its header names another size than the caller;
/// the header is checked before any pixel is decoded.
pub fn decode(picture: &Picture) -> Result<RgbaImage, Error> {
    let key = picture.key.0;
    let png = |source| Error::Png { key, source };
    let header =
        image::ImageReader::with_format(Cursor::new(&*picture.png), image::ImageFormat::Png);
    let (found_width, found_height) = header.into_dimensions().map_err(png)?;
    if (found_width, found_height) != (picture.width, picture.height) {
        return Err(Error::Size {
            key,
            width: picture.width,
            height: picture.height,
            found_width,
            found_height,
        });
    }
    let pixels = image::load_from_memory_with_format(&picture.png, image::ImageFormat::Png);
    Ok(pixels.map_err(png)?.into_rgba8())
}

/// Decoded pictures, bounded by bytes.
#[derive(Debug)]
pub struct Cache {
    limit: usize,
    held: usize,
    clock: u64,
    entries: HashMap<PictureKey, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// `None` for a picture that does not decode, so that it is tried once only.
    pixels: Option<Arc<RgbaImage>>,
    last_used: u64,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.pixels.as_ref().map_or(0, |p| p.as_raw().len())
    }
}

impl Cache {
    /// An empty cache of at most `limit` bytes (one picture is kept even if larger).
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            held: 0,
            clock: 0,
            entries: HashMap::new(),
        }
    }

    /// The pixels of picture `key`, decoded now if need be; `None` when `pictures` has none or it is broken.
    pub fn get(
        &mut self,
        key: PictureKey,
        pictures: &super::Pictures<'_>,
    ) -> Option<Arc<RgbaImage>> {
        self.clock += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.last_used = self.clock;
            return entry.pixels.clone();
        }
        let picture = pictures(key)?;
        let pixels = decode(&picture)
            .inspect_err(|error| tracing::warn!(%error, "picture left out"))
            .ok()
            .map(Arc::new);
        let entry = Entry {
            pixels: pixels.clone(),
            last_used: self.clock,
        };
        self.held += entry.bytes();
        self.entries.insert(key, entry);
        self.shrink();
        pixels
    }

    /// Bytes of pixels held.
    pub fn held(&self) -> usize {
        self.held
    }

    fn shrink(&mut self) {
        while self.held > self.limit && self.entries.len() > 1 {
            let oldest = self.entries.iter().min_by_key(|(_, e)| e.last_used);
            let Some(key) = oldest.map(|(&key, _)| key) else {
                return;
            };
            if let Some(entry) = self.entries.remove(&key) {
                self.held -= entry.bytes();
            }
        }
    }
}
