//! Placements → pixels of the whole screen.

use super::Pixels;
use crate::graphics::halfblock::{Block, scaled};
use crate::graphics::{PictureKey, Pictures, Placement, Source, Target, decode};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of decoded pictures kept.
const DECODED_LIMIT: usize = 64 << 20;
/// Pixels of a whole picture that is always scaled at once, and of one that may be.
const SMALL: usize = 1 << 17;
/// See [`SMALL`].
const LARGE: usize = 1 << 20;
/// Opacity from which on a pixel counts as seen: scaling spreads the rim of an icon into the square beside it.
const SEEN: u8 = 128;
/// Bytes of scaled pictures kept.
const SCALED_LIMIT: usize = 48 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    picture: PictureKey,
    source: Source,
    width: usize,
    height: usize,
}

/// A scaled picture, ready to be laid on the screen.
#[derive(Debug)]
enum Ready {
    /// Nothing shines through: rows are copied.
    Opaque(Vec<[u8; 3]>),
    /// Mixed pixel by pixel.
    Mixed(Block),
}

impl Ready {
    fn of(block: Block) -> Self {
        if block.pixels().iter().any(|pixel| pixel[3] < 255) {
            return Self::Mixed(block);
        }
        let opaque = block.pixels().iter().map(|&[r, g, b, _]| [r, g, b]);
        Self::Opaque(opaque.collect())
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Opaque(pixels) => 3 * pixels.len(),
            Self::Mixed(block) => 4 * block.pixels().len(),
        }
    }

    /// Lays `below.len()` pixels from `start` on over a row; `seen` tells in which characters, `wide` pixels each, any
    /// is seen.
    fn lay(&self, start: usize, below: &mut [[u8; 3]], wide: usize, seen: &mut [bool]) {
        let range = start..start + below.len();
        match self {
            Self::Opaque(pixels) => {
                below.copy_from_slice(&pixels[range]);
                seen.fill(true);
            }
            Self::Mixed(block) => {
                let above = block.pixels()[range].chunks_exact(wide);
                for ((below, above), seen) in below.chunks_exact_mut(wide).zip(above).zip(seen) {
                    for (below, &above) in below.iter_mut().zip(above) {
                        *seen |= above[3] >= SEEN;
                        *below = over(above, *below);
                    }
                }
            }
        }
    }
}

/// A part of a scaled picture.
struct Part {
    of: Arc<Ready>,
    /// Pixels from one row to the next.
    stride: usize,
    /// Left and upper edge.
    from: (usize, usize),
}

#[derive(Debug)]
struct Kept {
    block: Arc<Ready>,
    last_used: u64,
}

/// The composed screen, as far as pictures reach.
#[derive(Debug)]
pub(super) struct Canvas {
    cell: (usize, usize),
    background: [u8; 3],
    columns: u16,
    rows: u16,
    rgb: Vec<[u8; 3]>,
    covered: Vec<bool>,
    /// By character, whether a picture reaches there, be it with nothing to see.
    reached: Vec<bool>,
    decoded: decode::Cache,
    scaled: HashMap<BlockKey, Kept>,
    scaled_bytes: usize,
    frame: u64,
}

impl Canvas {
    pub(super) fn new((width, height): (u16, u16), background: [u8; 3]) -> Self {
        Self {
            cell: (usize::from(width.max(1)), usize::from(height.max(1))),
            background,
            columns: 0,
            rows: 0,
            rgb: Vec::new(),
            covered: Vec::new(),
            reached: Vec::new(),
            decoded: decode::Cache::new(DECODED_LIMIT),
            scaled: HashMap::new(),
            scaled_bytes: 0,
            frame: 0,
        }
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        (self.columns, self.rows)
    }

    /// Pixels.
    pub(super) fn len(&self) -> usize {
        self.rgb.len()
    }

    /// By character, whether something of a picture is seen there.
    pub(super) fn covered(&self) -> &[bool] {
        &self.covered
    }

    /// True for a character that a picture reaches with nothing to see: a square without icon.
    pub(super) fn is_gap(&self, at: usize) -> bool {
        self.reached[at] && !self.covered[at]
    }

    /// Draws `placements`, lowest first. The canvas grows to hold them and never shrinks.
    pub(super) fn compose(&mut self, placements: &[Placement], pictures: &Pictures<'_>) {
        self.frame += 1;
        let right = placements
            .iter()
            .map(|p| p.target.column.saturating_add(p.target.columns));
        let bottom = placements
            .iter()
            .map(|p| p.target.row.saturating_add(p.target.rows));
        self.columns = self.columns.max(right.max().unwrap_or(0));
        self.rows = self.rows.max(bottom.max().unwrap_or(0));
        let characters = usize::from(self.columns) * usize::from(self.rows);
        for flags in [&mut self.covered, &mut self.reached] {
            flags.clear();
            flags.resize(characters, false);
        }
        self.rgb.clear();
        self.rgb
            .resize(characters * self.cell.0 * self.cell.1, self.background);
        let mut order: Vec<&Placement> = placements.iter().collect();
        order.sort_by_key(|p| p.z);
        for placement in order {
            self.draw(placement, pictures);
        }
        self.shrink();
    }

    fn draw(&mut self, placement: &Placement, pictures: &Pictures<'_>) {
        let target = placement.target;
        let (width, height) = (
            usize::from(target.columns) * self.cell.0,
            usize::from(target.rows) * self.cell.1,
        );
        let Some(part) = self.part(placement, (width, height), pictures) else {
            return;
        };
        let stride = usize::from(self.columns) * self.cell.0;
        let (x0, y0) = (
            usize::from(target.column) * self.cell.0,
            usize::from(target.row) * self.cell.1,
        );
        for y in 0..height {
            let start = (y0 + y) * stride + x0;
            let from = (part.from.1 + y) * part.stride + part.from.0;
            let row = usize::from(target.row) + y / self.cell.1;
            let first = row * usize::from(self.columns) + usize::from(target.column);
            let characters = first..first + usize::from(target.columns);
            let (below, seen) = (
                &mut self.rgb[start..start + width],
                &mut self.covered[characters.clone()],
            );
            part.of.lay(from, below, self.cell.0, seen);
            self.reached[characters].fill(true);
        }
    }

    /// The part of the picture in the target's size. While the map moves, pictures at its edges are cut at another
    /// place in every frame: the whole picture is scaled, once, where that gives the same pixels.
    fn part(
        &mut self,
        placement: &Placement,
        (width, height): (usize, usize),
        pictures: &Pictures<'_>,
    ) -> Option<Part> {
        if width == 0 || height == 0 {
            return None;
        }
        let pixels = self.decoded.get(placement.picture, pictures)?;
        let source = placement.source.clipped(pixels.width(), pixels.height())?;
        let across = whole_axis(source.x, source.width, pixels.width(), width);
        let down = whole_axis(source.y, source.height, pixels.height(), height);
        let (source, size, from) = match (across, down) {
            (Some((wide, x)), Some((high, y))) if worth(wide * high, width * height) => {
                let whole = Source {
                    x: 0,
                    y: 0,
                    width: pixels.width(),
                    height: pixels.height(),
                };
                (whole, (wide, high), (x, y))
            }
            _ => (source, (width, height), (0, 0)),
        };
        let key = BlockKey {
            picture: placement.picture,
            source,
            width: size.0,
            height: size.1,
        };
        let of = match self.kept(&key) {
            Some(block) => block,
            None => self.keep(key, Ready::of(scaled(&pixels, source, size.0, size.1))),
        };
        Some(Part {
            of,
            stride: size.0,
            from,
        })
    }

    fn kept(&mut self, key: &BlockKey) -> Option<Arc<Ready>> {
        let kept = self.scaled.get_mut(key)?;
        kept.last_used = self.frame;
        Some(kept.block.clone())
    }

    fn keep(&mut self, key: BlockKey, block: Ready) -> Arc<Ready> {
        let block = Arc::new(block);
        self.scaled_bytes += block.bytes();
        let kept = Kept {
            block: block.clone(),
            last_used: self.frame,
        };
        self.scaled.insert(key, kept);
        block
    }

    /// Gives up scaled pictures that this frame did not use when there are too many.
    fn shrink(&mut self) {
        if self.scaled_bytes > SCALED_LIMIT {
            let now = self.frame;
            self.scaled.retain(|_, kept| kept.last_used == now);
            self.scaled_bytes = (self.scaled.values()).map(|kept| kept.block.bytes()).sum();
        }
    }

    /// By character, whether its pixels differ from `sent` (as long as the canvas).
    pub(super) fn changed(&self, sent: &[[u8; 3]]) -> Vec<bool> {
        let mut changed = vec![false; self.covered.len()];
        let columns = usize::from(self.columns);
        let stride = columns * self.cell.0;
        if stride == 0 {
            return changed;
        }
        let rows = self.rgb.chunks_exact(stride).zip(sent.chunks_exact(stride));
        for (y, (now, before)) in rows.enumerate() {
            if now == before {
                continue;
            }
            let line = &mut changed[y / self.cell.1 * columns..][..columns];
            let cells = now
                .chunks_exact(self.cell.0)
                .zip(before.chunks_exact(self.cell.0));
            for (changed, (now, before)) in line.iter_mut().zip(cells) {
                *changed |= now != before;
            }
        }
        changed
    }

    /// The pixels of a rectangle.
    pub(super) fn pixels(&self, target: Target) -> Pixels<'_> {
        let stride = usize::from(self.columns) * self.cell.0;
        let start = usize::from(target.row) * self.cell.1 * stride
            + usize::from(target.column) * self.cell.0;
        Pixels {
            rgb: &self.rgb[start..],
            stride,
            width: usize::from(target.columns) * self.cell.0,
            height: usize::from(target.rows) * self.cell.1,
            columns: target.columns,
            rows: target.rows,
        }
    }

    /// Copies the pixels of a rectangle to their place in `sent`.
    pub(super) fn copy(&self, target: Target, sent: &mut [[u8; 3]]) {
        let stride = usize::from(self.columns) * self.cell.0;
        let x = usize::from(target.column) * self.cell.0;
        let width = usize::from(target.columns) * self.cell.0;
        let y0 = usize::from(target.row) * self.cell.1;
        for y in y0..y0 + usize::from(target.rows) * self.cell.1 {
            let range = y * stride + x..y * stride + x + width;
            sent[range.clone()].copy_from_slice(&self.rgb[range]);
        }
    }
}

/// Of an axis on which `part` pixels from `start` on of `whole` become `target` pixels: how many the whole becomes, and
/// where the part begins among them; `None` when edges fall between pixels.
fn whole_axis(start: u32, part: u32, whole: u32, target: usize) -> Option<(usize, usize)> {
    let (start, part, whole) = (start as usize, part as usize, whole as usize);
    let exact = (start * target).is_multiple_of(part) && (whole * target).is_multiple_of(part);
    exact.then_some((whole * target / part, start * target / part))
}

/// Is it worth to scale a whole picture of so many pixels when a part is wanted? What is small or mostly wanted is.
fn worth(whole: usize, part: usize) -> bool {
    whole <= SMALL || (whole <= LARGE && whole <= 8 * part)
}

/// Mixed as terminals mix: in the stored numbers.
fn over(top: [u8; 4], below: [u8; 3]) -> [u8; 3] {
    let [r, g, b, alpha] = top;
    match alpha {
        255 => [r, g, b],
        0 => below,
        alpha => {
            let alpha = u32::from(alpha);
            let mix = |t: u8, b: u8| {
                ((u32::from(t) * alpha + u32::from(b) * (255 - alpha) + 127) / 255) as u8
            };
            [mix(r, below[0]), mix(g, below[1]), mix(b, below[2])]
        }
    }
}
