//! Many small pictures made into one, so that a pan moves a few.
//!
//! A [`Page`] is a list of placements on a sheet of its own. It is drawn here, in as many pixels as the screen will
//! show (or fewer, for a first impression), and becomes an indexed PNG of the atlas's colours. Its key is a hash of
//! the list: the same icons in the same places are the same page, whatever put them there.

use super::halfblock::scaled;
use super::sixel::Palette;
use super::{Picture, PictureKey, Pictures, Placement, decode};
use std::sync::Arc;

/// Bytes of decoded pictures kept.
const DECODED_LIMIT: usize = 48 << 20;
/// Colours beside the transparent one.
const COLOURS: usize = 255;

/// What lies on a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Columns of the sheet.
    pub columns: u16,
    /// Rows of the sheet.
    pub rows: u16,
    /// Width and height of a character in this page's pixels.
    pub cell_pixels: (u16, u16),
    /// Targets are relative to the sheet and lie on it.
    pub sprites: Vec<Placement>,
    /// The veils that may lie over the icons; empty where icons are bare.
    pub veils: Vec<Veil>,
    /// Of colours of its own and half transparent in places, where it shows something else than icons.
    pub true_colour: bool,
}

/// A colour that lies over icons, which need colours of their own then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Veil {
    /// sRGB.
    pub colour: [u8; 3],
    /// How much of it covers the icon.
    pub per_cent: u8,
}

/// At most `most` colours of icons of these `colours` under `veils`: half of them for bare icons, if those are among
/// the veils (0 per cent), which are looked at most.
pub fn veiled(colours: &[[u8; 3]], veils: &[Veil], most: usize) -> Vec<[u8; 3]> {
    let bare = veils.iter().any(|veil| veil.per_cent == 0);
    let others = veils.iter().filter(|veil| veil.per_cent > 0);
    let n = others.clone().count();
    let first = match (bare, n) {
        (true, 0) => most,
        (true, _) => most / 2,
        (false, _) => 0,
    };
    let mut all = Vec::new();
    if first > 0 {
        all.extend_from_slice(Palette::new(colours, first).colours());
    }
    if let Some(each) = (most - all.len()).checked_div(n) {
        let few = Palette::new(colours, each);
        for veil in others {
            let share = f32::from(veil.per_cent) / 100.0;
            let under = few.colours().iter();
            all.extend(under.map(|&colour| mixed(colour, veil.colour, share)));
        }
    }
    all
}

impl Page {
    /// A hash of everything that the page's pixels depend on, without its `reserved` top bits.
    pub fn hash(&self, reserved: u32) -> u64 {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut hash = 0x5851_f42d_4c95_7f2d_u64;
        let mut mix = |word: u64| {
            hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
        };
        let pair = |a: u32, b: u32| u64::from(a) << 32 | u64::from(b);
        mix(pair(u32::from(self.columns), u32::from(self.rows)));
        mix(pair(
            u32::from(self.cell_pixels.0),
            u32::from(self.cell_pixels.1),
        ));
        for sprite in &self.sprites {
            let (s, t) = (sprite.source, sprite.target);
            mix(sprite.picture.0);
            mix(pair(s.x, s.y));
            mix(pair(s.width, s.height));
            mix(pair(u32::from(t.column), u32::from(t.row)));
            mix(pair(u32::from(t.columns), u32::from(t.rows)));
            mix(sprite.z as u64);
        }
        hash ^= hash >> 32;
        hash.wrapping_mul(FACTOR) >> reserved
    }

    /// Width and height in pixels.
    pub fn pixels(&self) -> (u32, u32) {
        (
            u32::from(self.columns) * u32::from(self.cell_pixels.0),
            u32::from(self.rows) * u32::from(self.cell_pixels.1),
        )
    }
}

/// Draws pages.
#[derive(Debug)]
pub struct Maker {
    decoded: decode::Cache,
    colours: Vec<[u8; 3]>,
    plain: Option<Palette>,
    veiled: Option<(Vec<Veil>, Palette)>,
}

impl Default for Maker {
    fn default() -> Self {
        Self {
            decoded: decode::Cache::new(DECODED_LIMIT),
            colours: Vec::new(),
            plain: None,
            veiled: None,
        }
    }
}

impl Maker {
    /// The colours of the icons.
    pub fn set_palette(&mut self, colours: &[[u8; 3]]) {
        if self.colours != colours {
            self.colours = colours.to_vec();
            self.plain = None;
            self.veiled = None;
        }
    }

    /// Draws `page`; `None` when one of its pictures is not there yet.
    pub fn make(
        &mut self,
        key: PictureKey,
        page: &Page,
        pictures: &Pictures<'_>,
    ) -> Option<Picture> {
        let (width, height) = page.pixels();
        let mut sheet = vec![[0u8; 4]; width as usize * height as usize];
        let mut order: Vec<&Placement> = page.sprites.iter().collect();
        order.sort_by_key(|sprite| sprite.z);
        for sprite in order {
            self.draw(&mut sheet, page, sprite, pictures)?;
        }
        if page.true_colour {
            return Some(Picture {
                key,
                png: encoded_rgba((width, height), sheet.as_flattened()),
                width,
                height,
            });
        }
        let palette = self.palette(&page.veils);
        // Index 0 is transparent; colours are numbered in the order of their appearance.
        let mut numbers = [0u8; 256];
        let mut used: Vec<[u8; 3]> = Vec::new();
        let mut indices = Vec::with_capacity(sheet.len());
        for [r, g, b, alpha] in sheet {
            if alpha < 128 {
                indices.push(0);
                continue;
            }
            let entry = usize::from(palette.index([r, g, b]));
            if numbers[entry] == 0 {
                used.push(palette.colours()[entry]);
                numbers[entry] = used.len() as u8;
            }
            indices.push(numbers[entry]);
        }
        Some(Picture {
            key,
            png: encoded((width, height), &used, &indices),
            width,
            height,
        })
    }

    fn palette(&mut self, veils: &[Veil]) -> &Palette {
        let colours = &self.colours;
        if !veils.is_empty() && self.veiled.as_ref().is_none_or(|(of, _)| of != veils) {
            let palette = Palette::new(&veiled(colours, veils, COLOURS - 2), COLOURS);
            self.veiled = Some((veils.to_vec(), palette));
        }
        match &self.veiled {
            Some((_, palette)) if !veils.is_empty() => palette,
            _ => self
                .plain
                .get_or_insert_with(|| Palette::new(colours, COLOURS)),
        }
    }

    fn draw(
        &mut self,
        sheet: &mut [[u8; 4]],
        page: &Page,
        sprite: &Placement,
        pictures: &Pictures<'_>,
    ) -> Option<()> {
        let (cell_width, cell_height) = (
            usize::from(page.cell_pixels.0),
            usize::from(page.cell_pixels.1),
        );
        let target = sprite.target;
        let (width, height) = (
            usize::from(target.columns) * cell_width,
            usize::from(target.rows) * cell_height,
        );
        let (left, top) = (
            usize::from(target.column) * cell_width,
            usize::from(target.row) * cell_height,
        );
        let stride = page.pixels().0 as usize;
        if width == 0 || left + width > stride {
            return Some(());
        }
        let pixels = self.decoded.get(sprite.picture, pictures)?;
        let Some(source) = sprite.source.clipped(pixels.width(), pixels.height()) else {
            return Some(());
        };
        let block = scaled(&pixels, source, width, height);
        for (y, from) in block.pixels().chunks_exact(width).enumerate() {
            let start = (top + y) * stride + left;
            let Some(to) = sheet.get_mut(start..start + width) else {
                break;
            };
            for (below, &above) in to.iter_mut().zip(from) {
                *below = over(above, *below);
            }
        }
        Some(())
    }
}

/// Mixed as terminals mix: in the stored numbers. Over nothing, what is more than half there is there.
fn over(top: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    if top[3] == 0 {
        return below;
    }
    if top[3] == 255 || below[3] < 128 {
        return top;
    }
    let [r, g, b] = mixed(
        [below[0], below[1], below[2]],
        [top[0], top[1], top[2]],
        f32::from(top[3]) / 255.0,
    );
    [r, g, b, 255]
}

fn mixed(from: [u8; 3], to: [u8; 3], share: f32) -> [u8; 3] {
    std::array::from_fn(|c| {
        let (from, to) = (f32::from(from[c]), f32::from(to[c]));
        (from + (to - from) * share).round() as u8
    })
}

fn encoded_rgba((width, height): (u32, u32), rgba: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(rgba));
    debug_assert!(written.is_ok(), "a vector takes all bytes and sizes agree");
    bytes.into()
}

fn encoded((width, height): (u32, u32), colours: &[[u8; 3]], indices: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    // Neighbouring indices are no neighbouring colours, so filters only harm.
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_compression(png::Compression::Balanced);
    let mut palette = vec![0; 3];
    palette.extend_from_slice(colours.as_flattened());
    encoder.set_palette(palette);
    encoder.set_trns(vec![0]);
    let written = encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(indices));
    debug_assert!(written.is_ok(), "a vector takes all bytes and sizes agree");
    bytes.into()
}
