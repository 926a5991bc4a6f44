//! Icons as sheets: tiles of indexed pixels that share one palette per layer.
//!
//! Terminals with graphics take indexed PNG as it is, a shared palette makes neighbouring icons agree in colour, and
//! indexed pixels are a third of the size. Colours are chosen (Wu's method, then a few rounds of k-means) and
//! replaced (nearest) in Oklab, where distance is about what the eye sees. Everything is deterministic.

use super::Icon;
use crate::atlas::{Cell, Icons, Palette, TILE_SIZE, Tile};
use quantette::PaletteSize;
use quantette::color_space::{oklab_to_srgb8, srgb8_to_oklab};
use quantette::deps::palette::{Oklab, Srgb};
use quantette::wu::{BinnerF32x3, WuF32x3};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

/// Colours beside the transparent index.
const N_COLOURS: u8 = 255;

/// Pixels looked at for a palette.
const MAX_SAMPLED: usize = 1 << 18;

/// Rounds of k-means after Wu's cut.
const ROUNDS: usize = 4;

/// What can go wrong while making a sheet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An icon is not as large as the sheet's icons.
    #[error("the icon of cell {cell} has {found} pixel values, the sheet needs {expected}")]
    WrongSize {
        /// Index of the cell.
        cell: usize,
        /// Pixels × 3.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// As many icons as cells are needed.
    #[error("{icons} icons for {cells} cells")]
    WrongCount {
        /// Number of cells.
        cells: usize,
        /// Number of icons (or `None`s).
        icons: usize,
    },
    /// The palette has no colours.
    #[error("a palette of {0} colours: between 2 and 256 are needed, the first for no icon")]
    BadPalette(usize),
    /// A tile could not be written.
    #[error("encode a tile of icons")]
    Encode(#[from] png::EncodingError),
    /// A tile could not be read.
    #[error("decode a tile of icons")]
    Decode(#[from] png::DecodingError),
    /// A tile is not what this module writes.
    #[error("tile {row}, {col} is not {side} × {side} indexed pixels of 8 bits")]
    ForeignTile {
        /// Row of the tile.
        row: u32,
        /// Column of the tile.
        col: u32,
        /// Expected side in pixels.
        side: usize,
    },
}

/// One palette of at most 255 colours (and the transparent index 0) for all `icons`.
pub fn palette(icons: &[&Icon]) -> Palette {
    let n_pixels: usize = icons.iter().map(|icon| icon.rgb.len() / 3).sum();
    // An odd stride, so that the sample does not keep to a few columns of every icon.
    let stride = n_pixels.div_ceil(MAX_SAMPLED).max(1) | 1;
    let sample: Vec<Srgb<u8>> = icons
        .iter()
        .flat_map(|icon| icon.rgb.chunks_exact(3))
        .step_by(stride)
        .map(|pixel| Srgb::new(pixel[0], pixel[1], pixel[2]))
        .collect();
    let sample = srgb8_to_oklab(&sample);
    let mut colours = vec![[0; 3]];
    if sample.is_empty() {
        // nothing to show yet, but still a palette
        colours.push([128; 3]);
    } else if let Ok(wu) = WuF32x3::run_slice(&sample, BinnerF32x3::oklab_from_srgb8()) {
        let cut = wu.palette(PaletteSize::from_u8_clamped(N_COLOURS));
        let means = refine(cut.as_slice(), &sample);
        let means: Vec<Oklab> = means
            .into_iter()
            .map(|[l, a, b]| Oklab::new(l, a, b))
            .collect();
        colours.extend(
            oklab_to_srgb8(&means)
                .iter()
                .map(|c| [c.red, c.green, c.blue]),
        );
    }
    Palette { colours }
}

/// A few rounds of k-means from `start`; a colour that no pixel is nearest to stays where it is.
fn refine(start: &[Oklab], sample: &[Oklab]) -> Vec<[f32; 3]> {
    let mut means: Vec<[f32; 3]> = start.iter().map(|c| [c.l, c.a, c.b]).collect();
    for _ in 0..ROUNDS {
        let table = Lanes::new(&means);
        let nearest: Vec<usize> = sample
            .par_iter()
            .with_min_len(1024)
            .map(|c| table.nearest([c.l, c.a, c.b]))
            .collect();
        let mut sums = vec![([0.0_f64; 3], 0_u32); means.len()];
        for (colour, idx) in sample.iter().zip(nearest) {
            let (sum, n) = &mut sums[idx];
            for (s, v) in sum.iter_mut().zip([colour.l, colour.a, colour.b]) {
                *s += f64::from(v);
            }
            *n += 1;
        }
        for (mean, (sum, n)) in means.iter_mut().zip(sums) {
            if n > 0 {
                *mean = sum.map(|s| (s / f64::from(n)) as f32);
            }
        }
    }
    means
}

/// Colours as three lanes, so that the search for the nearest is a loop the compiler vectorises.
struct Lanes {
    l: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Lanes {
    fn new(colours: &[[f32; 3]]) -> Self {
        let lane = |k: usize| colours.iter().map(|c| c[k]).collect();
        Self {
            l: lane(0),
            a: lane(1),
            b: lane(2),
        }
    }

    /// Index of the nearest colour; the first of equals.
    fn nearest(&self, [l, a, b]: [f32; 3]) -> usize {
        let mut distances = [f32::INFINITY; 256];
        let lanes = self.l.iter().zip(&self.a).zip(&self.b);
        for (d, ((pl, pa), pb)) in distances.iter_mut().zip(lanes) {
            *d = (pl - l) * (pl - l) + (pa - a) * (pa - a) + (pb - b) * (pb - b);
        }
        let least = distances.iter().copied().fold(f32::INFINITY, f32::min);
        distances
            .iter()
            .position(|d| d.total_cmp(&least).is_eq())
            .unwrap_or(0)
    }
}

/// Replaces colours by palette indices. Remembers each of the 2^24 colours once looked up, so keep one for all levels
/// of a layer.
pub struct Mapper {
    lanes: Lanes,
    /// Per colour its index; 0 = not looked up yet.
    known: Vec<AtomicU8>,
}

impl std::fmt::Debug for Mapper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapper")
            .field("colours", &self.lanes.l.len())
            .finish_non_exhaustive()
    }
}

impl Mapper {
    /// For `palette`.
    ///
    /// # Errors
    /// A palette without colours, or with more than 8 bits can name.
    pub fn new(palette: &Palette) -> Result<Self, Error> {
        let n = palette.colours.len();
        if !(2..=usize::from(N_COLOURS) + 1).contains(&n) {
            return Err(Error::BadPalette(n));
        }
        let colours: Vec<Srgb<u8>> = palette.colours[1..]
            .iter()
            .map(|c| Srgb::new(c[0], c[1], c[2]))
            .collect();
        let colours: Vec<[f32; 3]> = srgb8_to_oklab(&colours)
            .into_iter()
            .map(|c| [c.l, c.a, c.b])
            .collect();
        // zeroed pages cost nothing until a colour on them is asked for
        let known = vec![0_u8; 1 << 24].into_iter().map(AtomicU8::new).collect();
        Ok(Self {
            lanes: Lanes::new(&colours),
            known,
        })
    }

    /// Index of the palette's colour nearest to `pixel` in Oklab; never 0.
    pub fn index(&self, pixel: [u8; 3]) -> u8 {
        let [r, g, b] = pixel.map(usize::from);
        let slot = &self.known[(r << 16) | (g << 8) | b];
        match slot.load(Ordering::Relaxed) {
            0 => {
                let [colour] = srgb8_to_oklab(&[Srgb::new(pixel[0], pixel[1], pixel[2])])[..]
                else {
                    return 1;
                };
                let index = self.lanes.nearest([colour.l, colour.a, colour.b]) as u8 + 1;
                slot.store(index, Ordering::Relaxed);
                index
            }
            index => index,
        }
    }
}

/// All icons of a level with `cells` (by row, then column). `icons` has one entry per cell, `None` where there is
/// none yet. Each icon is `size` × `size` pixels.
///
/// # Errors
/// Counts or sizes that do not fit, a bad palette.
pub fn icons(
    cells: &[Cell],
    icons: &[Option<Icon>],
    palette: &Palette,
    mapper: &Mapper,
    size: u32,
) -> Result<Icons, Error> {
    if cells.len() != icons.len() {
        return Err(Error::WrongCount {
            cells: cells.len(),
            icons: icons.len(),
        });
    }
    let mut sheet = Icons {
        size,
        tiles: Vec::new(),
        steps: vec![0; cells.len()],
        score: vec![f32::NAN; cells.len()],
    };
    let fresh: Vec<(usize, &Icon)> = icons
        .iter()
        .enumerate()
        .filter_map(|(cell, icon)| icon.as_ref().map(|icon| (cell, icon)))
        .collect();
    merge(&mut sheet, cells, &fresh, palette, mapper)?;
    Ok(sheet)
}

/// Puts `fresh` icons (with the index of their cell) into `sheet`, whose tiles have the same palette; only the tiles they fall in are
/// written again.
///
/// # Errors
/// As [`icons`]; tiles that are not from here. `sheet` is unchanged then.
pub fn merge(
    sheet: &mut Icons,
    cells: &[Cell],
    fresh: &[(usize, &Icon)],
    palette: &Palette,
    mapper: &Mapper,
) -> Result<(), Error> {
    let size = sheet.size as usize;
    let mut by_tile: BTreeMap<(u32, u32), Vec<(usize, &Icon)>> = BTreeMap::new();
    for (cell, icon) in fresh {
        let expected = size * size * 3;
        if icon.rgb.len() != expected {
            return Err(Error::WrongSize {
                cell: *cell,
                expected,
                found: icon.rgb.len(),
            });
        }
        let place = cells.get(*cell).ok_or(Error::WrongCount {
            cells: cells.len(),
            icons: cell + 1,
        })?;
        let tile = (place.row / TILE_SIZE, place.col / TILE_SIZE);
        by_tile.entry(tile).or_default().push((*cell, icon));
    }
    let by_tile: Vec<_> = by_tile.into_iter().collect();
    let written: Result<Vec<Tile>, Error> = by_tile
        .par_iter()
        .map(|((row, col), members)| {
            let side = TILE_SIZE as usize * size;
            let mut pixels = match sheet.tile(*row, *col) {
                Some(tile) => decode(tile, side)?,
                None => vec![0; side * side],
            };
            for (cell, icon) in members {
                let top = (cells[*cell].row % TILE_SIZE) as usize * size;
                let left = (cells[*cell].col % TILE_SIZE) as usize * size;
                for (y, line) in icon.rgb.chunks_exact(3 * size).enumerate() {
                    let from = (top + y) * side + left;
                    for (out, pixel) in pixels[from..].iter_mut().zip(line.chunks_exact(3)) {
                        *out = mapper.index([pixel[0], pixel[1], pixel[2]]);
                    }
                }
            }
            Ok(Tile {
                row: *row,
                col: *col,
                png: encode(&pixels, side, palette)?.into(),
            })
        })
        .collect();
    for tile in written? {
        match sheet
            .tiles
            .binary_search_by_key(&(tile.row, tile.col), |tile| (tile.row, tile.col))
        {
            Ok(idx) => sheet.tiles[idx] = tile,
            Err(idx) => sheet.tiles.insert(idx, tile),
        }
    }
    for (cell, icon) in fresh {
        sheet.steps[*cell] = icon.steps;
        sheet.score[*cell] = icon.score;
    }
    Ok(())
}

/// Indices → an indexed PNG of `side` × `side` pixels.
fn encode(pixels: &[u8], side: usize, palette: &Palette) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side as u32, side as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.colours.as_flattened());
    encoder.set_trns(&[0][..]);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The indices of a tile.
fn decode(tile: &Tile, side: usize) -> Result<Vec<u8>, Error> {
    let foreign = Error::ForeignTile {
        row: tile.row,
        col: tile.col,
        side,
    };
    let mut decoder = png::Decoder::new(std::io::Cursor::new(&tile.png[..]));
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info()?;
    let info = reader.info();
    let fits = info.width as usize == side
        && info.height as usize == side
        && info.color_type == png::ColorType::Indexed
        && info.bit_depth == png::BitDepth::Eight;
    if !fits || reader.output_buffer_size() != Some(side * side) {
        return Err(foreign);
    }
    let mut pixels = vec![0; side * side];
    reader.next_frame(&mut pixels)?;
    Ok(pixels)
}

#[cfg(test)]
mod tests {
    use super::super::rng::stream;
    use super::*;

    const SIZE: usize = 6;

    fn icon(seed: u64) -> Icon {
        let mut rng = stream(&[seed]);
        let base = [rng.uniform(), rng.uniform(), rng.uniform()];
        let rgb = (0..SIZE * SIZE * 3)
            .map(|k| (255.0 * (0.8 * base[k % 3] + 0.2 * rng.uniform())) as u8)
            .collect();
        Icon {
            rgb,
            score: seed as f32,
            steps: 8,
        }
    }

    fn cells() -> Vec<Cell> {
        [(0, 0), (0, 3), (0, 4), (2, 2), (5, 1), (7, 7)]
            .map(|(row, col)| Cell {
                row,
                col,
                n_samples: 1,
            })
            .to_vec()
    }

    fn pixels(sheet: &Icons, cell: Cell) -> Vec<u8> {
        let side = TILE_SIZE as usize * SIZE;
        let tile = sheet
            .tile(cell.row / TILE_SIZE, cell.col / TILE_SIZE)
            .unwrap();
        let all = decode(tile, side).unwrap();
        let top = (cell.row % TILE_SIZE) as usize * SIZE;
        let left = (cell.col % TILE_SIZE) as usize * SIZE;
        (0..SIZE)
            .flat_map(|y| all[(top + y) * side + left..][..SIZE].to_vec())
            .collect()
    }

    #[test]
    fn icons_lie_where_their_cells_are_in_nearly_their_colours() {
        let drawn: Vec<Icon> = (0..6).map(icon).collect();
        let palette = palette(&drawn.iter().collect::<Vec<_>>());
        assert!(palette.colours.len() <= 256);
        let mapper = Mapper::new(&palette).unwrap();
        let some: Vec<Option<Icon>> = drawn.iter().cloned().map(Some).collect();
        let sheet = icons(&cells(), &some, &palette, &mapper, SIZE as u32).unwrap();
        let places: Vec<(u32, u32)> = sheet.tiles.iter().map(|t| (t.row, t.col)).collect();
        assert_eq!(places, [(0, 0), (0, 1), (1, 0), (1, 1)]);
        for (cell, icon) in cells().into_iter().zip(&drawn) {
            let indices = pixels(&sheet, cell);
            let mut error = 0.0;
            for (index, pixel) in indices.iter().zip(icon.rgb.chunks_exact(3)) {
                assert_ne!(*index, 0, "transparent is for cells without an icon");
                for (a, b) in palette.colours[usize::from(*index)].iter().zip(pixel) {
                    error += f32::from(a.abs_diff(*b)).powi(2);
                }
            }
            let rms = (error / icon.rgb.len() as f32).sqrt();
            assert!(rms < 12.0, "{rms}");
        }
        assert_eq!(sheet.steps, vec![8; 6]);
    }

    #[test]
    fn cells_without_icon_are_transparent_and_merging_gives_the_same_bytes() {
        let drawn: Vec<Icon> = (0..6).map(icon).collect();
        let palette = palette(&drawn.iter().collect::<Vec<_>>());
        let mapper = Mapper::new(&palette).unwrap();
        let half: Vec<Option<Icon>> = (0..6)
            .map(|k| (k % 2 == 0).then(|| drawn[k].clone()))
            .collect();
        let mut sheet = icons(&cells(), &half, &palette, &mapper, SIZE as u32).unwrap();
        assert!(pixels(&sheet, cells()[1]).iter().all(|index| *index == 0));
        assert!(sheet.tile(1, 1).is_none());
        assert!(sheet.score[1].is_nan() && sheet.steps[1] == 0);
        let rest: Vec<(usize, &Icon)> = [1, 3, 5].map(|k| (k, &drawn[k])).to_vec();
        merge(&mut sheet, &cells(), &rest, &palette, &mapper).unwrap();
        let whole: Vec<Option<Icon>> = drawn.into_iter().map(Some).collect();
        let at_once = icons(&cells(), &whole, &palette, &mapper, SIZE as u32).unwrap();
        assert_eq!(sheet, at_once);
    }

    #[test]
    fn few_colours_are_kept_exactly() {
        let mut drawn = icon(1);
        for (k, pixel) in drawn.rgb.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(if k % 2 == 0 {
                &[255, 0, 0]
            } else {
                &[0, 40, 90]
            });
        }
        let palette = palette(&[&drawn]);
        let mapper = Mapper::new(&palette).unwrap();
        for colour in [[255, 0, 0], [0, 40, 90]] {
            let index = usize::from(mapper.index(colour));
            for (a, b) in palette.colours[index].iter().zip(colour) {
                assert!(
                    a.abs_diff(b) <= 1,
                    "{:?} {colour:?}",
                    palette.colours[index]
                );
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let drawn = icon(1);
        let palette = palette(&[&drawn]);
        let mapper = Mapper::new(&palette).unwrap();
        let one = vec![Some(drawn)];
        let wrong = icons(&cells(), &one, &palette, &mapper, SIZE as u32);
        assert!(matches!(
            wrong,
            Err(Error::WrongCount { cells: 6, icons: 1 })
        ));
        let wrong = icons(&cells()[..1], &one, &palette, &mapper, 5);
        assert!(matches!(wrong, Err(Error::WrongSize { cell: 0, .. })));
        assert!(matches!(
            Mapper::new(&Palette::default()),
            Err(Error::BadPalette(0))
        ));
        let nothing = super::palette(&[]);
        let mapper = Mapper::new(&nothing).unwrap();
        let sheet = icons(&cells(), &vec![None; 6], &nothing, &mapper, 80).unwrap();
        assert!(sheet.tiles.is_empty() && sheet.steps.len() == 6);
    }
}
