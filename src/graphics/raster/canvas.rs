//! Placements → pixels of the whole screen.

use super::Pixels;
use crate::graphics::halfblock::{Block, scaled};
use crate::graphics::{PictureKey, Pictures, Placement, Source, Target, decode};
use std::collections::HashMap;
use std::sync::Arc;

/// Bytes of decoded pictures kept.
const DECODED_LIMIT: usize = 64 << 20;
/// Bytes of scaled pictures kept.
const SCALED_LIMIT: usize = 48 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    picture: PictureKey,
    source: Source,
    width: usize,
    height: usize,
}

#[derive(Debug)]
struct Kept {
    block: Arc<Block>,
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

    /// By character, whether a picture lies there.
    pub(super) fn covered(&self) -> &[bool] {
        &self.covered
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
        self.covered.clear();
        self.covered.resize(characters, false);
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
        let Some(block) = self.block(placement, (width, height), pictures) else {
            return;
        };
        let stride = usize::from(self.columns) * self.cell.0;
        let (x0, y0) = (
            usize::from(target.column) * self.cell.0,
            usize::from(target.row) * self.cell.1,
        );
        let mut seen = false;
        for (y, from) in block.pixels().chunks_exact(width).enumerate() {
            let start = (y0 + y) * stride + x0;
            let to = &mut self.rgb[start..start + width];
            for (below, &above) in to.iter_mut().zip(from) {
                seen |= above[3] > 0;
                *below = over(above, *below);
            }
        }
        if seen {
            self.cover(target);
        }
    }

    fn cover(&mut self, target: Target) {
        for row in target.row..target.row + target.rows {
            let start = usize::from(row) * usize::from(self.columns) + usize::from(target.column);
            self.covered[start..start + usize::from(target.columns)].fill(true);
        }
    }

    /// The part of the picture in the target's size.
    fn block(
        &mut self,
        placement: &Placement,
        (width, height): (usize, usize),
        pictures: &Pictures<'_>,
    ) -> Option<Arc<Block>> {
        if width == 0 || height == 0 {
            return None;
        }
        let key = BlockKey {
            picture: placement.picture,
            source: placement.source,
            width,
            height,
        };
        if let Some(block) = self.kept(&key) {
            return Some(block);
        }
        let pixels = self.decoded.get(placement.picture, pictures)?;
        let source = placement.source.clipped(pixels.width(), pixels.height())?;
        Some(self.keep(key, scaled(&pixels, source, width, height)))
    }

    fn kept(&mut self, key: &BlockKey) -> Option<Arc<Block>> {
        let kept = self.scaled.get_mut(key)?;
        kept.last_used = self.frame;
        Some(kept.block.clone())
    }

    fn keep(&mut self, key: BlockKey, block: Block) -> Arc<Block> {
        let block = Arc::new(block);
        self.scaled_bytes += 4 * block.pixels().len();
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
            self.scaled_bytes = (self.scaled.values())
                .map(|kept| 4 * kept.block.pixels().len())
                .sum();
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
