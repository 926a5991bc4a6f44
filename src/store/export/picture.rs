//! A level as one picture.

use super::level;
use crate::atlas::{Atlas, Cell, Level, TILE_SIZE};
use crate::files;
use crate::store::Error;
use image::imageops::{self, FilterType};
use image::{Rgba, RgbaImage};
use std::collections::HashMap;
use std::path::Path;

/// How the picture looks.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureOptions {
    /// Side of a cell in pixels; `None` takes the icons' own size.
    pub cell_size: Option<u32>,
    /// Cells with fewer samples than `1 / density` times the mean over the whole grid get smaller icons, as in the
    /// article: side = cell · min(1, √(density · n / mean)). `None` draws all equally large.
    pub density: Option<f32>,
    /// Colour behind the icons; `None` is transparent.
    pub background: Option<[u8; 3]>,
}

impl Default for PictureOptions {
    fn default() -> Self {
        Self {
            cell_size: None,
            density: Some(1.0),
            background: Some([255; 3]),
        }
    }
}

/// Largest side of a picture in pixels.
const MAX_SIDE: u32 = 20_000;

/// Draws level `level_idx` of layer `layer_idx`.
///
/// # Errors
/// [`Error::NoSuchPart`] for a level that does not exist or a picture of more than 20,000 pixels a side,
/// [`Error::Damaged`] for an icon tile that is no picture.
pub fn picture(
    atlas: &Atlas,
    layer_idx: usize,
    level_idx: usize,
    options: &PictureOptions,
) -> Result<RgbaImage, Error> {
    let (layer, level) = level(atlas, layer_idx, level_idx)?;
    let cell_size = options.cell_size.unwrap_or(level.icons.size).max(1);
    let side = level.grid.saturating_mul(cell_size);
    if side > MAX_SIDE {
        return Err(Error::NoSuchPart {
            what: format!("picture of {side} × {side} pixels"),
            has: format!(
                "{} × {0} cells and room for {MAX_SIDE} pixels a side",
                level.grid
            ),
        });
    }
    let behind = options
        .background
        .map_or(Rgba([0; 4]), |[r, g, b]| Rgba([r, g, b, 255]));
    let mut picture = RgbaImage::from_pixel(side, side, behind);
    let tiles = decode(level).map_err(|(tile, why)| Error::Damaged {
        path: "the atlas".into(),
        entry: format!("icon tile {},{} of {}", tile.0, tile.1, layer.name),
        why,
    })?;
    let mean = layer.samples.len() as f32 / (level.grid * level.grid) as f32;
    for (cell, _) in level
        .cells
        .iter()
        .zip(&level.icons.steps)
        .filter(|&(_, &steps)| steps > 0)
    {
        let Some(tile) = tiles.get(&(cell.row / TILE_SIZE, cell.col / TILE_SIZE)) else {
            continue;
        };
        let shrink = options
            .density
            .map_or(1.0, |density| density_scale(cell, mean, density));
        let icon = scaled_icon(
            tile,
            cell,
            level.icons.size,
            ((cell_size as f32 * shrink).round() as u32).max(1),
        );
        let margin = (cell_size - icon.width().min(cell_size)) / 2;
        let (left, top) = (cell.col * cell_size + margin, cell.row * cell_size + margin);
        imageops::overlay(&mut picture, &icon, i64::from(left), i64::from(top));
    }
    Ok(picture)
}

/// Draws a level and writes it as a PNG file.
///
/// # Errors
/// As [`picture`], and [`Error::Write`].
pub fn png(
    atlas: &Atlas,
    layer: usize,
    level: usize,
    options: &PictureOptions,
    path: &Path,
) -> Result<(), Error> {
    let picture = picture(atlas, layer, level, options)?;
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|error| failed(std::io::Error::other(error)))?;
    files::write_whole(path, bytes.get_ref()).map_err(failed)
}

/// Side of an icon in cells.
fn density_scale(cell: &Cell, mean: f32, density: f32) -> f32 {
    (density * cell.n_samples as f32 / mean.max(f32::MIN_POSITIVE))
        .max(0.0)
        .sqrt()
        .min(1.0)
}

fn scaled_icon(tile: &RgbaImage, cell: &Cell, size: u32, side: u32) -> RgbaImage {
    let (x, y) = ((cell.col % TILE_SIZE) * size, (cell.row % TILE_SIZE) * size);
    let icon = imageops::crop_imm(tile, x, y, size, size).to_image();
    if side == size {
        return icon;
    }
    imageops::resize(&icon, side, side, FilterType::Triangle)
}

type Tiles = HashMap<(u32, u32), RgbaImage>;

/// All tiles of a level in colour, or the place of the first bad one and what is wrong with it.
fn decode(level: &Level) -> Result<Tiles, ((u32, u32), String)> {
    let side = TILE_SIZE * level.icons.size;
    let mut tiles = Tiles::new();
    for tile in &level.icons.tiles {
        let place = (tile.row, tile.col);
        let decoded = image::load_from_memory_with_format(&tile.png, image::ImageFormat::Png);
        let decoded = decoded
            .map_err(|error| (place, error.to_string()))?
            .into_rgba8();
        if decoded.dimensions() != (side, side) {
            return Err((
                place,
                format!(
                    "it has {:?} pixels, {side} × {side} expected",
                    decoded.dimensions()
                ),
            ));
        }
        tiles.insert(place, decoded);
    }
    Ok(tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn icons_grow_with_the_root_of_the_count() {
        let cell = |n_samples| Cell {
            row: 0,
            col: 0,
            n_samples,
        };
        assert!((density_scale(&cell(5), 20.0, 1.0) - 0.5).abs() < 1e-6);
        assert!((density_scale(&cell(5), 20.0, 4.0) - 1.0).abs() < 1e-6);
        assert!((density_scale(&cell(500), 20.0, 1.0) - 1.0).abs() < 1e-6);
    }
}
