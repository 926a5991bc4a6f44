//! Pictures that are made here: photographs' crops, outlines, thumbnails of layers, signs of marks. A key says all
//! that a picture depends on, so that it can be made when a terminal asks for it, and always the same.

use super::focus::Colouring;
use super::photographs::{CropRequest, Part};
use super::pictures::{MINUS_RGB, PLUS_RGB};
use super::state::State;
use crate::atlas::TILE_SIZE;
use crate::graphics::{Picture, PictureKey};

/// Top bits of every key of this module; the next four tell them apart.
pub const MADE: u64 = 3 << 62;
const SORT: u64 = 15 << 58;
const CROP: u64 = 0;
const OUTLINE: u64 = 1 << 58;
const THUMBNAIL: u64 = 2 << 58;
const FLAG: u64 = 3 << 58;
const RING: u64 = 4 << 58;
const NO_ICON: u64 = 5 << 58;

/// The picture of a key of [`MADE`].
pub fn picture(state: &State, key: PictureKey) -> Option<Picture> {
    match key.0 & SORT {
        OUTLINE => Some(outline(key)),
        THUMBNAIL => thumbnail(state, key),
        FLAG => Some(flag(key)),
        RING => Some(ring(key)),
        NO_ICON => Some(no_icon(key)),
        _ => {
            let located = state
                .located
                .as_ref()
                .and_then(|located| located.picture.as_ref());
            let located = located
                .map(|crop| &crop.picture)
                .filter(|picture| picture.key == key);
            let crop = located.or_else(|| state.gallery.get(key));
            crop.or_else(|| state.suspects.picture(key)).cloned()
        }
    }
}

/// A wish for a part of a photograph, with the name that its picture gets.
pub fn crop_request(image: u32, part: Part, framed: bool) -> CropRequest {
    let share = |v: f32| u64::from((v * 1023.0).round() as u16 & 1023);
    let mut hash = u64::from(image).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for word in [
        share(part.x),
        share(part.y),
        share(part.width),
        share(part.height),
        u64::from(framed),
    ] {
        hash = (hash.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    hash ^= hash >> 32;
    CropRequest {
        key: PictureKey(MADE | CROP | (hash & !(MADE | SORT))),
        image,
        part,
        framed,
    }
}

/// The name of a photograph that is no image of the atlas, from its pixels.
pub fn photograph_key(rgb: &[u8]) -> PictureKey {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = rgb.iter().fold(0xcbf2_9ce4_8422_2325, mix);
    PictureKey(MADE | CROP | (hash & !(MADE | SORT)))
}

/// Lines around the cells of a tile of `width` × `height` pixels; bit `row · TILE_SIZE + column` of `mask` is set for
/// cells that have any.
pub fn outline_key(mask: u16, width: u32, height: u32) -> PictureKey {
    let side = |v: u32| u64::from(v.clamp(1, 4095));
    PictureKey(MADE | OUTLINE | u64::from(mask) << 24 | side(width) << 12 | side(height))
}

/// Of outlines.
const LINE_RGB: [u8; 3] = [140; 3];
/// Of flags and rings, and of the lines around them.
const MARK_RGB: [[u8; 3]; 2] = [[255, 214, 64], [20, 20, 24]];

/// Colours that are on the screen beside those of icons: what draws with a palette needs them. Those of single marks are
/// only wanted where marks are no pictures of their own, and there always: with other colours all would be drawn anew.
pub(super) fn colours(state: &State, with_marks: bool) -> Vec<[u8; 3]> {
    let mut all = Vec::new();
    if state.display.outlines {
        all.push(LINE_RGB);
    }
    if with_marks {
        all.extend(MARK_RGB);
    }
    all
}

fn outline(key: PictureKey) -> Picture {
    let [r, g, b] = LINE_RGB;
    let mask = (key.0 >> 24) as u16;
    let (width, height) = ((key.0 >> 12) as u32 & 4095, key.0 as u32 & 4095);
    let has = |row: u32, col: u32| mask >> (row * TILE_SIZE + col) & 1 == 1;
    drawn(key, width, height, |x, y| {
        // Which cell, and how far from its edges.
        let (col, row) = (x * TILE_SIZE / width, y * TILE_SIZE / height);
        let first = |cell: u32, side: u32| (cell * side).div_ceil(TILE_SIZE);
        let left = x - first(col, width);
        let top = y - first(row, height);
        let right = first(col + 1, width) - 1 - x;
        let bottom = first(row + 1, height) - 1 - y;
        if has(row, col) && left.min(top).min(right).min(bottom) == 0 {
            [r, g, b, 255]
        } else {
            [0; 4]
        }
    })
}

/// The sign of a marked cell of so many pixels: a corner.
pub fn flag_key(width: u32, height: u32) -> PictureKey {
    let side = |v: u32| u64::from(v.clamp(1, 4095));
    PictureKey(MADE | FLAG | side(width) << 12 | side(height))
}

fn flag(key: PictureKey) -> Picture {
    let (width, height) = ((key.0 >> 12) as u32 & 4095, key.0 as u32 & 4095);
    let side = (width.min(height) / 3).clamp(2, 24);
    drawn(key, width, height, |x, y| {
        let far = (width - 1 - x) + y;
        match far {
            far if far < side => [255, 214, 64, 255],
            far if far < side + 2 => [20, 20, 24, 255],
            _ => [0; 4],
        }
    })
}

/// A frame around a cell that a located photograph falls in; `strength` 0..=3.
pub fn ring_key(strength: u8, width: u32, height: u32) -> PictureKey {
    let side = |v: u32| u64::from(v.clamp(1, 4095));
    PictureKey(MADE | RING | u64::from(strength.min(3)) << 24 | side(width) << 12 | side(height))
}

fn ring(key: PictureKey) -> Picture {
    let strength = (key.0 >> 24) as u32 & 3;
    let (width, height) = ((key.0 >> 12) as u32 & 4095, key.0 as u32 & 4095);
    let small = width.min(height);
    let line = (1 + strength * small / 48).clamp(1, 6);
    drawn(key, width, height, |x, y| {
        let depth = x.min(y).min(width - 1 - x).min(height - 1 - y);
        if small < 4 {
            [255, 214, 64, 150]
        } else if depth < line {
            [255, 214, 64, 255]
        } else if depth == line {
            [20, 20, 24, 200]
        } else {
            [0; 4]
        }
    })
}

/// What stands where a cell has no icon, or none yet: as large as the icons are and a few bytes, so that coming and
/// going of icons costs no more than other steps.
pub fn no_icon_key(dark: bool) -> PictureKey {
    PictureKey(MADE | NO_ICON | u64::from(dark))
}

fn no_icon(key: PictureKey) -> Picture {
    let grey = if key.0 & 1 == 1 { 48 } else { 208 };
    drawn(key, NO_ICON_SIDE, NO_ICON_SIDE, |_, _| {
        [grey, grey, grey, 255]
    })
}

/// Pixels along a side of the picture that stands where no icon is.
pub const NO_ICON_SIDE: u32 = 16;

/// Side of a thumbnail's picture in squares at most.
const THUMBNAIL_GRID: u32 = 40;

/// The thumbnail of a layer, tinted by a class. `epoch` tells snapshots of a growing atlas apart.
pub fn thumbnail_key(layer: usize, tint: Option<(u16, Colouring)>, epoch: u64) -> PictureKey {
    let tint = tint.map_or(0, |(class, colouring)| {
        let colouring = match colouring {
            Colouring::Supports => 0,
            Colouring::Opposes => 1,
            Colouring::Both => 2,
        };
        1 | u64::from(class) << 1 | colouring << 17
    });
    PictureKey(MADE | THUMBNAIL | (epoch & 0xff_ffff) << 32 | (layer as u64 & 255) << 20 | tint)
}

/// Density as opacity, over it the colour of what supports or opposes the class.
fn thumbnail(state: &State, key: PictureKey) -> Option<Picture> {
    let layer = (key.0 >> 20) as usize & 255;
    let levels = &state.atlas.as_ref()?.layers.get(layer)?.levels;
    let level = levels
        .iter()
        .rev()
        .find(|level| level.grid <= THUMBNAIL_GRID);
    let level = level.or(levels.first())?;
    let class = (key.0 & 1 == 1).then_some((key.0 >> 1) as u16);
    let colouring = match key.0 >> 17 & 3 {
        0 => Colouring::Supports,
        1 => Colouring::Opposes,
        _ => Colouring::Both,
    };
    let densest = level.cells.iter().map(|c| c.n_samples).max().unwrap_or(1) as f32;
    let wanted = |idx: usize, class: u16| colouring.wanted(level.attribution(idx, class));
    let reference = class.map_or(0.0, |class| {
        (0..level.cells.len())
            .map(|idx| wanted(idx, class))
            .fold(0.0, f32::max)
    });
    let scale = (120 / level.grid).max(1);
    let side = level.grid * scale;
    let dark = state.screen.is_dark();
    Some(drawn(key, side, side, |x, y| {
        let Some(idx) = level.cell_at(y / scale, x / scale) else {
            return [0; 4];
        };
        let density = (level.cells[idx].n_samples as f32 / densest).sqrt();
        let Some(class) = class else {
            let grey = if dark { 210 } else { 60 };
            return [grey, grey, grey, (60.0 + 195.0 * density) as u8];
        };
        let share = if reference > 0.0 {
            wanted(idx, class) / reference
        } else {
            0.0
        };
        let share = share.clamp(0.0, 1.0);
        let rgb = if level.attribution(idx, class) < 0.0 {
            MINUS_RGB
        } else {
            PLUS_RGB
        };
        // Weak cells stay as a grey ground, so that the layer's shape is seen.
        let ground = 130.0;
        let mixed = rgb.map(|v| (ground + (f32::from(v) - ground) * share.max(0.02)) as u8);
        let opacity = 40.0 + 30.0 * density + 185.0 * share;
        [mixed[0], mixed[1], mixed[2], opacity.min(255.0) as u8]
    }))
}

fn drawn(key: PictureKey, width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Picture {
    let mut rgba = Vec::with_capacity((width * height * 4) as usize);
    for y in 0..height {
        for x in 0..width {
            rgba.extend_from_slice(&pixel(x, y));
        }
    }
    Picture {
        key,
        png: super::pictures::encoded(width, height, &rgba),
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(picture: &Picture) -> image::RgbaImage {
        image::load_from_memory(&picture.png).unwrap().to_rgba8()
    }

    #[test]
    fn outlines_go_round_the_cells_of_the_mask_only() {
        // Cells (0, 0) and (1, 2) of four times four, 10 × 10 pixels each.
        let mask = 1 | 1 << (TILE_SIZE + 2);
        let picture = pixels(&outline(outline_key(mask, 40, 40)));
        let alpha = |x, y| picture.get_pixel(x, y).0[3];
        assert!(alpha(0, 5) > 0 && alpha(9, 5) > 0 && alpha(5, 0) > 0 && alpha(5, 9) > 0);
        assert_eq!((alpha(5, 5), alpha(15, 0), alpha(10, 5)), (0, 0, 0));
        assert!(alpha(20, 15) > 0 && alpha(29, 15) > 0 && alpha(25, 10) > 0 && alpha(25, 19) > 0);
        assert_eq!(alpha(25, 25), 0);
    }

    #[test]
    fn a_ring_leaves_the_icon_free_and_a_flag_stands_in_the_corner() {
        let ring = pixels(&ring(ring_key(3, 48, 48)));
        assert_eq!(ring.get_pixel(24, 24).0[3], 0);
        assert_eq!(ring.get_pixel(0, 24).0, [255, 214, 64, 255]);
        let flag = pixels(&flag(flag_key(48, 48)));
        assert_eq!(flag.get_pixel(47, 0).0, [255, 214, 64, 255]);
        assert_eq!(flag.get_pixel(0, 47).0[3], 0);
    }

    #[test]
    fn crops_of_other_parts_have_other_names() {
        let a = crop_request(3, Part::WHOLE, false).key;
        let half = Part {
            width: 0.5,
            ..Part::WHOLE
        };
        let others = [
            crop_request(4, Part::WHOLE, false).key,
            crop_request(3, half, false).key,
            crop_request(3, Part::WHOLE, true).key,
        ];
        assert!(others.iter().all(|&b| b != a));
        assert_eq!(a, crop_request(3, Part::WHOLE, false).key);
    }
}
