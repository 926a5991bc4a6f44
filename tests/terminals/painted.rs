//! What the screen should look like, pixel by pixel, and how far a terminal's screen is from it.
//!
//! The map is painted from the atlas: the stored icon of every square in view, as large as the projection says, the
//! middle of it where it is small, averaged by area in linear light. What lies over and beside the map is painted from
//! the list of placements. No page, no palette, no encoder has a part in it.

use atlascope::atlas::{Atlas, Level, TILE_SIZE};
use atlascope::explorer::{State, pictures, placements};
use atlascope::graphics::{PictureKey, Protocol};
use image::{Rgba, RgbaImage};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

/// Left, top, width and height in pixels.
type Area = (i64, i64, i64, i64);

/// How a screen differs from what was meant.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Pixels of the map's pane with a picture.
    pub(super) pixels: usize,
    /// Mean difference of their channels.
    pub(super) mean: f64,
    /// The largest difference of a channel.
    pub(super) worst: u8,
    /// Mean difference beside the map, where pictures are smoothed.
    pub(super) beside: f64,
    /// Characters that show a picture and should not, or the other way round.
    pub(super) astray: Vec<(u32, u32)>,
}

/// How far a protocol's screen may be from what is meant.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Largest difference of a channel on the map where icons are shown in their own size.
    own: u8,
    /// The same where they are reduced, so that their means become the palette's colours.
    reduced: u8,
    /// Mean difference of the map's channels at any size.
    mean: f64,
    /// Mean difference beside the map, where the terminal enlarges.
    beside: f64,
}

impl Limits {
    pub(super) fn of(protocol: Protocol) -> Self {
        let exact = Self {
            own: 0,
            reduced: 32,
            mean: 4.5,
            beside: 10.0,
        };
        match protocol {
            // Colours are given in per cent.
            Protocol::Sixel => Self { own: 1, ..exact },
            // JPEG of quality 80, on icons that are half noise and at the edges of a flag.
            Protocol::Iterm => Self {
                own: 80,
                reduced: 80,
                mean: 7.5,
                ..exact
            },
            _ => exact,
        }
    }

    /// True when what was found is what `state` means, beside the map as well.
    pub(super) fn admit(self, state: &State, found: &Found) -> bool {
        self.admit_map(state, found) && found.beside <= self.beside && found.astray.is_empty()
    }

    /// The same of the map alone, but for characters that are astray.
    pub(super) fn admit_map(self, state: &State, found: &Found) -> bool {
        let size = state.level().unwrap().icons.size;
        let side = u32::from(state.projection().unwrap().cell_columns) * 8;
        let worst = match side.cmp(&size) {
            Ordering::Equal if !state.display.density_icons => self.own,
            // The terminal enlarges.
            Ordering::Greater => u8::MAX,
            _ => self.reduced,
        };
        found.worst <= worst && found.pixels > 5000 && found.mean <= self.mean
    }
}

/// What `state` means, over its background; transparent where no picture is meant.
pub(super) fn meant(state: &State, atlas: &Atlas) -> RgbaImage {
    let mut painter = Painter::new(state);
    painter.paint(state, atlas);
    painter.canvas
}

/// Compares a screen with what is meant.
pub(super) fn compare(state: &State, meant: &RgbaImage, shown: &RgbaImage) -> Found {
    let (width, height) = state.screen.cell_pixels;
    let (width, height) = (u32::from(width), u32::from(height));
    let pane = state.projection().unwrap().pane;
    let skipped = corners(state);
    let (mut found, mut beside) = (Found::default(), 0usize);
    for row in 0..u32::from(state.screen.rows) {
        for column in 0..u32::from(state.screen.columns) {
            if skipped.contains(&(i64::from(column), i64::from(row))) {
                continue;
            }
            let in_map = pane.contains((column as u16, row as u16).into());
            let (mut wanted, mut touched, mut there) = (false, false, false);
            for at in 0..width * height {
                let (x, y) = (column * width + at % width, row * height + at / width);
                let (meant, seen) = (meant.get_pixel(x, y).0, shown.get_pixel(x, y).0);
                // Pictures are cut at the pixels that are more than half theirs.
                wanted |= meant[3] >= 128;
                touched |= meant[3] > 0;
                there |= seen[3] > 0;
                if meant[3] < 128 && seen[3] == 0 {
                    continue;
                }
                let channels = meant.iter().zip(seen).take(3);
                let off: Vec<u8> = channels.map(|(&a, b)| a.abs_diff(b)).collect();
                let mean = off.iter().map(|&off| f64::from(off)).sum::<f64>() / 3.0;
                if in_map {
                    found.pixels += 1;
                    found.mean += mean;
                    found.worst = found.worst.max(*off.iter().max().unwrap());
                } else {
                    beside += 1;
                    found.beside += mean;
                }
            }
            // Beside the map terminals scale: what is hardly there may be or not.
            let wrong = wanted != there && (in_map || there != touched);
            if wrong {
                found.astray.push((column, row));
            }
        }
    }
    found.mean /= found.pixels.max(1) as f64;
    found.beside /= beside.max(1) as f64;
    found
}

/// The characters at the corners of the cursor's square, where pictures are placed by characters.
fn corners(state: &State) -> Vec<(i64, i64)> {
    if state.screen.protocol != Protocol::Placeholders {
        return Vec::new();
    }
    let projection = state.projection().unwrap();
    let (row, col) = state.cursor;
    let (x, y) = projection.screen_from_grid(i64::from(row), i64::from(col));
    let right = x + i64::from(projection.cell_columns) - 1;
    let bottom = y + i64::from(projection.cell_rows) - 1;
    vec![(x, y), (right, y), (x, bottom), (right, bottom)]
}

/// A picture's part that goes somewhere, seen through a window.
struct Sprite {
    picture: Rc<RgbaImage>,
    source: Area,
    target: Area,
    window: Area,
}

struct Painter {
    canvas: RgbaImage,
    cell: (i64, i64),
    pictures: HashMap<PictureKey, Rc<RgbaImage>>,
}

impl Painter {
    fn new(state: &State) -> Self {
        let (w, h) = state.screen.cell_pixels;
        let (columns, rows) = (
            u32::from(state.screen.columns),
            u32::from(state.screen.rows),
        );
        let [r, g, b] = state.screen.background;
        let nothing = Rgba([r, g, b, 0]);
        Self {
            canvas: RgbaImage::from_pixel(columns * u32::from(w), rows * u32::from(h), nothing),
            cell: (i64::from(w), i64::from(h)),
            pictures: HashMap::new(),
        }
    }

    /// Characters as pixels.
    fn pixels(&self, (x, y, columns, rows): Area) -> Area {
        let (w, h) = self.cell;
        (x * w, y * h, columns * w, rows * h)
    }

    fn paint(&mut self, state: &State, atlas: &Atlas) {
        let plain = !state.display.density_icons;
        if plain {
            self.icons(state, &atlas.layers[state.layer].levels[state.zoom.level]);
        }
        let mut others = placements(state);
        let pane = state.projection().unwrap().pane;
        others.retain(|p| {
            let on_map = pane.contains((p.target.column, p.target.row).into());
            // The cursor is characters there, and marks lie over no picture.
            let covered = on_map && p.z > 1 && state.screen.protocol == Protocol::Placeholders;
            !(covered || on_map && p.z == 0 && plain)
        });
        others.sort_by_key(|p| p.z);
        for p in others {
            let picture = self.pictures.entry(p.picture).or_insert_with(|| {
                let found = pictures::picture(state, p.picture).unwrap();
                Rc::new(image::load_from_memory(&found.png).unwrap().into_rgba8())
            });
            let picture = picture.clone();
            let [x, y, w, h] = [p.source.x, p.source.y, p.source.width, p.source.height];
            let t = p.target;
            let [column, row, columns, rows] = [t.column, t.row, t.columns, t.rows].map(i64::from);
            let target = self.pixels((column, row, columns, rows));
            self.lay(&Sprite {
                picture,
                source: (x.into(), y.into(), w.into(), h.into()),
                target,
                window: target,
            });
        }
    }

    /// Every icon in view.
    fn icons(&mut self, state: &State, level: &Level) {
        let projection = state.projection().unwrap();
        let pane = projection.pane;
        let [x, y, columns, rows] = [pane.x, pane.y, pane.width, pane.height].map(i64::from);
        let window = self.pixels((x, y, columns, rows));
        let tiles: HashMap<(u32, u32), Rc<RgbaImage>> = (level.icons.tiles.iter())
            .map(|tile| {
                let pixels = image::load_from_memory(&tile.png).unwrap().into_rgba8();
                ((tile.row, tile.col), Rc::new(pixels))
            })
            .collect();
        let (columns, rows) = (projection.cell_columns, projection.cell_rows);
        let width = f64::from(columns) * self.cell.0 as f64;
        // The article's crop: small icons lose a rim of eight pixels, at most 0.6.
        let share = if state.display.crop && width < 48.0 {
            1.0 - (8.0 / width).min(0.6)
        } else {
            1.0
        };
        let size = i64::from(level.icons.size);
        let side = (size as f64 * share).round() as i64;
        let inset = (size - side) / 2;
        for (cell, _) in (level.cells.iter().zip(&level.icons.steps)).filter(|(_, n)| **n > 0) {
            let (x, y) = projection.screen_from_grid(i64::from(cell.row), i64::from(cell.col));
            let place = |idx: u32| i64::from(idx % TILE_SIZE) * size + inset;
            let picture = tiles[&(cell.row / TILE_SIZE, cell.col / TILE_SIZE)].clone();
            let target = self.pixels((x, y, columns.into(), rows.into()));
            self.lay(&Sprite {
                picture,
                source: (place(cell.col), place(cell.row), side, side),
                target,
                window,
            });
        }
    }

    fn lay(&mut self, sprite: &Sprite) {
        let (left, top, width, height) = sprite.target;
        let (x0, y0, w, h) = sprite.window;
        let across = shares(sprite.source.0, sprite.source.2, width);
        let down = shares(sprite.source.1, sprite.source.3, height);
        for y in top.max(y0)..(top + height).min(y0 + h) {
            let rows = &down[(y - top) as usize];
            for x in left.max(x0)..(left + width).min(x0 + w) {
                let columns = &across[(x - left) as usize];
                let above = mean(&sprite.picture, columns, rows);
                over(self.canvas.get_pixel_mut(x as u32, y as u32), above);
            }
        }
    }
}

/// For each of `targets` pixels, the source's pixels under it and their shares, which add up to 1.
fn shares(start: i64, n: i64, targets: i64) -> Vec<Vec<(u32, f64)>> {
    let of = |target: i64| {
        let (from, to) = (target * n, (target + 1) * n);
        let touched = from / targets..(to + targets - 1) / targets;
        let share = |i: i64| (to.min((i + 1) * targets) - from.max(i * targets)) as f64 / n as f64;
        touched.map(|i| ((start + i) as u32, share(i))).collect()
    };
    (0..targets).map(of).collect()
}

fn mean(picture: &RgbaImage, columns: &[(u32, f64)], rows: &[(u32, f64)]) -> Rgba<u8> {
    if let (&[(x, _)], &[(y, _)]) = (columns, rows) {
        return *picture.get_pixel(x, y);
    }
    let linear = |byte: u8| {
        let v = f64::from(byte) / 255.0;
        if v <= 0.04045 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    };
    let (mut sums, mut alpha) = ([0f64; 3], 0f64);
    for &(y, down) in rows {
        for &(x, across) in columns {
            let [r, g, b, a] = picture.get_pixel(x, y).0;
            let share = across * down * f64::from(a) / 255.0;
            alpha += share;
            for (sum, byte) in sums.iter_mut().zip([r, g, b]) {
                *sum += linear(byte) * share;
            }
        }
    }
    if alpha == 0.0 {
        return Rgba([0; 4]);
    }
    let [r, g, b] = sums.map(|sum| {
        let v = sum / alpha;
        let v = if v <= 0.003_130_8 {
            12.92 * v
        } else {
            1.055 * v.powf(1.0 / 2.4) - 0.055
        };
        (255.0 * v).round() as u8
    });
    Rgba([r, g, b, (255.0 * alpha).round() as u8])
}

/// Mixed as terminals mix: in the stored numbers.
fn over(below: &mut Rgba<u8>, above: Rgba<u8>) {
    let alpha = f64::from(above.0[3]) / 255.0;
    for (below, &above) in below.0.iter_mut().zip(&above.0[..3]) {
        let under = f64::from(*below);
        *below = (under + (f64::from(above) - under) * alpha).round() as u8;
    }
    below.0[3] = below.0[3].max(above.0[3]);
}
