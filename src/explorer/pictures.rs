//! The pictures behind the placements: stored tiles by name, and a few that are drawn here.
//!
//! A key always means the same pixels, so a tile's key is a hash of its bytes: a tile that a growing atlas
//! replaced gets another key, one that stayed keeps it and is not sent again.

use super::focus::{Colouring, STRENGTHS, Shade};
use super::state::State;
use crate::atlas::{Atlas, Tile};
use crate::graphics::page::{Page, Veil};
use crate::graphics::{Picture, PictureKey, Source};
use std::collections::HashMap;
use std::sync::Arc;

/// The two top bits of a key say what kind of picture it is.
const KIND: u64 = 3 << 62;
const TILE: u64 = 0;
const SWATCHES: u64 = 1 << 62;
const FRAME: u64 = 2 << 62;

/// Where the tiles of an atlas are, by key.
#[derive(Debug, Clone, Default)]
pub struct TileKeys {
    /// Per layer and level, the key of each tile.
    keys: Vec<Vec<Vec<PictureKey>>>,
    /// Layer, level and index of a tile.
    places: HashMap<PictureKey, (usize, usize, usize)>,
}

impl TileKeys {
    /// Names all tiles.
    pub fn of(atlas: &Atlas) -> TileKeys {
        let mut places = HashMap::new();
        let mut keys = Vec::with_capacity(atlas.layers.len());
        for (layer_idx, layer) in atlas.layers.iter().enumerate() {
            let mut of_layer = Vec::with_capacity(layer.levels.len());
            for (level_idx, level) in layer.levels.iter().enumerate() {
                let of_level: Vec<PictureKey> = level.icons.tiles.iter().map(tile_key).collect();
                for (tile_idx, &key) in of_level.iter().enumerate() {
                    places.insert(key, (layer_idx, level_idx, tile_idx));
                }
                of_layer.push(of_level);
            }
            keys.push(of_layer);
        }
        TileKeys { keys, places }
    }

    /// The key of a tile.
    pub fn key(&self, layer: usize, level: usize, tile: usize) -> Option<PictureKey> {
        self.keys.get(layer)?.get(level)?.get(tile).copied()
    }
}

/// True for the key of a stored tile.
pub(super) fn is_tile(key: PictureKey) -> bool {
    key.0 & KIND == TILE && key.0 & PAGE == 0
}

/// In a key of kind [`TILE`]: a page made of tiles.
const PAGE: u64 = 1 << 61;

/// The key of a page.
pub(super) fn page_key(page: &Page) -> PictureKey {
    PictureKey(TILE | PAGE | page.hash(3))
}

/// A multiplicative hash over eight bytes at a time: quick, and good enough to tell tiles apart.
fn tile_key(tile: &Tile) -> PictureKey {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = tile.png.len() as u64;
    let mut mix = |word: u64| {
        hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    };
    let (chunks, rest) = tile.png.as_chunks::<8>();
    for &chunk in chunks {
        mix(u64::from_le_bytes(chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(u64::from_le_bytes(last));
    hash ^= hash >> 32;
    PictureKey((hash & !(KIND | PAGE)) | TILE)
}

/// The picture of a key, `None` for tiles that the atlas no longer has.
pub fn picture(state: &State, key: PictureKey) -> Option<Picture> {
    match key.0 & KIND {
        SWATCHES => Some(swatches(key)),
        FRAME => Some(frame(key)),
        super::made::MADE => super::made::picture(state, key),
        _ => {
            let &(layer, level, tile) = state.tile_keys.places.get(&key)?;
            let icons = &state
                .atlas
                .as_ref()?
                .layers
                .get(layer)?
                .levels
                .get(level)?
                .icons;
            let side = icons.size * crate::atlas::TILE_SIZE;
            Some(Picture {
                key,
                png: icons.tiles.get(tile)?.png.clone(),
                width: side,
                height: side,
            })
        }
    }
}

/// Side of one swatch in pixels.
const SWATCH: u32 = 32;
/// Pixels between swatches, so that a terminal's smoothing does not mix them.
const GAP: u32 = 4;
const SWATCH_KINDS: u32 = 4;

/// Opacity of the strongest fading.
const FADED: f32 = 0.88;
/// Opacity of tints by sign: the icon stays recognisable.
const TINTED: f32 = 0.62;

/// The colours of support and opposition: blue and vermilion, told apart with any kind of colour vision.
pub const PLUS_RGB: [u8; 3] = [0, 130, 220];
/// See [`PLUS_RGB`].
pub const MINUS_RGB: [u8; 3] = [225, 95, 0];

/// In a key of swatches: they will be mixed in linear light.
const LINEAR: u64 = 1 << 24;

/// The key of the swatches that fade towards a background colour. Terminals mix colours as they are stored,
/// half-blocks are mixed in `linear` light, where the same opacity would hide less.
pub fn swatches_key(background: [u8; 3], linear: bool) -> PictureKey {
    let [r, g, b] = background.map(u64::from);
    let mixing = if linear { LINEAR } else { 0 };
    PictureKey(SWATCHES | mixing | r << 16 | g << 8 | b)
}

/// The part of a shade's swatch without its sign, for pictures too coarse to show it.
pub fn unsigned(swatch: Source) -> Source {
    Source {
        x: swatch.x + SWATCH / 2,
        y: swatch.y + SWATCH / 2,
        width: SWATCH / 2,
        height: SWATCH / 2,
    }
}

/// Where a shade's swatch lies; `None` when nothing needs to be drawn.
pub fn swatch(shade: Shade) -> Option<Source> {
    let (kind, strength) = match shade {
        Shade::Faded(0) => return None,
        Shade::Faded(strength) => (0, strength),
        Shade::FadedMinus(strength) => (1, strength),
        Shade::Plus(strength) => (2, strength),
        Shade::Minus(strength) => (3, strength),
    };
    Some(Source {
        x: u32::from(strength) * (SWATCH + GAP),
        y: kind * (SWATCH + GAP),
        width: SWATCH,
        height: SWATCH,
    })
}

/// Strengths from which on a tint carries its sign.
pub const SIGNED_FROM: u8 = STRENGTHS / 4;

fn swatches(key: PictureKey) -> Picture {
    let background = [(key.0 >> 16) as u8, (key.0 >> 8) as u8, key.0 as u8];
    let opacity = |opacity: f32| {
        if key.0 & LINEAR == 0 {
            opacity
        } else {
            1.0 - (1.0 - opacity).powf(2.2)
        }
    };
    let width = u32::from(STRENGTHS) * (SWATCH + GAP);
    let height = SWATCH_KINDS * (SWATCH + GAP);
    let mut rgba = vec![0u8; (width * height * 4) as usize];
    for strength in 0..STRENGTHS {
        let share = f32::from(strength) / f32::from(STRENGTHS - 1);
        let fade = rgba_of(background, opacity(FADED * share));
        let tint = |rgb: [u8; 3]| rgba_of(mixed(background, rgb, share), opacity(TINTED));
        let signed = strength >= SIGNED_FROM;
        let rows = [
            (Shade::Faded(strength), fade, None),
            (Shade::FadedMinus(strength), fade, Some(false)),
            (
                Shade::Plus(strength),
                tint(PLUS_RGB),
                signed.then_some(true),
            ),
            (
                Shade::Minus(strength),
                tint(MINUS_RGB),
                signed.then_some(false),
            ),
        ];
        for (shade, colour, sign) in rows {
            let Some(source) = swatch(shade) else {
                continue;
            };
            for y in 0..source.height {
                for x in 0..source.width {
                    let at = (((source.y + y) * width + source.x + x) * 4) as usize;
                    let pixel = sign
                        .and_then(|plus| sign_pixel(x, y, plus))
                        .unwrap_or(colour);
                    rgba[at..at + 4].copy_from_slice(&pixel);
                }
            }
        }
    }
    Picture {
        key,
        png: encoded(width, height, &rgba),
        width,
        height,
    }
}

/// The veils that may lie over icons now, for palettes: steps of fading, or of tints by sign.
pub(super) fn veils(state: &State) -> Vec<Veil> {
    if state.tinting().is_none() {
        return Vec::new();
    }
    let background = state.screen.background;
    let both = state.shown_focus();
    if both.is_some_and(|focus| focus.colouring == Colouring::Both) {
        let tint = |(rgb, share): ([u8; 3], f32)| Veil {
            colour: mixed(background, rgb, share),
            per_cent: (100.0 * TINTED) as u8,
        };
        let tints = [
            (PLUS_RGB, 0.0),
            (PLUS_RGB, 0.5),
            (PLUS_RGB, 1.0),
            (MINUS_RGB, 0.5),
            (MINUS_RGB, 1.0),
        ];
        return tints.map(tint).to_vec();
    }
    let fade = |share: f32| Veil {
        colour: background,
        per_cent: (100.0 * FADED * share) as u8,
    };
    [0.0, 0.35, 0.7, 1.0].map(fade).to_vec()
}

/// A white plus or minus on a dark disc in the upper left corner of a swatch.
fn sign_pixel(x: u32, y: u32, plus: bool) -> Option<[u8; 4]> {
    let (dx, dy) = (x.abs_diff(7), y.abs_diff(7));
    if dx * dx + dy * dy > 40 {
        return None;
    }
    let across = dy <= 1 && dx <= 4;
    let down = plus && dx <= 1 && dy <= 4;
    Some(if across || down {
        [255, 255, 255, 255]
    } else {
        [20, 20, 24, 220]
    })
}

fn rgba_of(rgb: [u8; 3], opacity: f32) -> [u8; 4] {
    [rgb[0], rgb[1], rgb[2], (opacity * 255.0).round() as u8]
}

fn mixed(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|i| {
        let (from, to) = (f32::from(from[i]), f32::from(to[i]));
        (from + (to - from) * share).round() as u8
    })
}

/// The key of the cursor's frame for a cell of so many pixels, up to 4095 each.
pub fn frame_key(width: u32, height: u32) -> PictureKey {
    let side = |v: u32| u64::from(v.clamp(1, 4095));
    PictureKey(FRAME | side(width) << 12 | side(height))
}

/// A light line with a dark one inside, so that it is seen on any icon; a veil when the cell is too small.
fn frame(key: PictureKey) -> Picture {
    let (width, height) = ((key.0 >> 12) as u32 & 4095, key.0 as u32 & 4095);
    let small = width.min(height);
    let light = if small < 12 {
        1
    } else {
        (small / 24).clamp(2, 4)
    };
    let dark = if small >= 12 { light / 2 } else { 0 };
    let pixel = |x: u32, y: u32| {
        let depth = x.min(y).min(width - 1 - x).min(height - 1 - y);
        if small < 4 {
            [255, 255, 255, 190]
        } else if depth < light {
            [255, 255, 255, 255]
        } else if depth < light + dark {
            [0, 0, 0, 255]
        } else {
            [0; 4]
        }
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let rgba: Vec<u8> = pixels.flat_map(|(x, y)| pixel(x, y)).collect();
    Picture {
        key,
        png: encoded(width, height, &rgba),
        width,
        height,
    }
}

/// RGBA pixels as PNG.
pub(super) fn encoded(width: u32, height: u32, rgba: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(rgba));
    debug_assert!(written.is_ok(), "a vector takes all bytes and sizes agree");
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(picture: &Picture) -> image::RgbaImage {
        image::load_from_memory(&picture.png).unwrap().to_rgba8()
    }

    #[test]
    fn a_stronger_fade_covers_more() {
        let sheet = pixels(&swatches(swatches_key([0, 0, 0], false)));
        let alpha = |shade: Shade| {
            let s = swatch(shade).unwrap();
            sheet.get_pixel(s.x + s.width / 2, s.y + s.height / 2).0[3]
        };
        assert_eq!(swatch(Shade::Faded(0)), None);
        assert!(alpha(Shade::Faded(15)) > 200 && alpha(Shade::Faded(1)) < 30);
        assert_eq!(alpha(Shade::Plus(3)), alpha(Shade::Minus(9)));
    }

    #[test]
    fn signs_differ_in_shape_not_only_in_colour() {
        let sheet = pixels(&swatches(swatches_key([9, 9, 9], true)));
        let at = |shade: Shade, x: u32, y: u32| {
            let s = swatch(shade).unwrap();
            sheet.get_pixel(s.x + x, s.y + y).0
        };
        assert_eq!(at(Shade::Plus(15), 7, 4), [255; 4]);
        assert_ne!(at(Shade::Minus(15), 7, 4), [255; 4]);
        assert_eq!(at(Shade::Minus(15), 4, 7), [255; 4]);
        let s = unsigned(swatch(Shade::Plus(15)).unwrap());
        let first = sheet.get_pixel(s.x, s.y);
        assert!((0..16 * 16).all(|i| sheet.get_pixel(s.x + i % 16, s.y + i / 16) == first));
    }

    #[test]
    fn the_frame_leaves_the_icon_free() {
        let picture = frame(frame_key(48, 48));
        let frame = pixels(&picture);
        assert_eq!(frame.dimensions(), (picture.width, picture.height));
        assert_eq!(frame.get_pixel(24, 24).0[3], 0);
        assert_eq!(frame.get_pixel(0, 47).0, [255; 4]);
    }
}
