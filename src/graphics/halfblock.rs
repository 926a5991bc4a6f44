//! Two pixels per character: the upper one is the background colour, the lower one the foreground of `▄`
//! (or the other way round with `▀`).
//!
//! A picture part is scaled down by area averaging in linear light, which is what an eye sees of a fine texture
//! from far away; averaging the stored sRGB numbers would darken it. Every source pixel counts exactly once,
//! so small icons do not shimmer while they move.

mod palette;
mod scale;

pub use palette::{nearest_indexed, rgb_of_indexed};
pub use scale::{Block, scaled};

use super::{BackEnd, Frame, PictureKey, Pictures, Placement, Source, decode};
use std::collections::HashMap;
use std::sync::Arc;

/// One character of the screen: two pixels, one above the other, sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalfCell {
    /// Column, 0-based.
    pub column: u16,
    /// Row, 0-based.
    pub row: u16,
    /// The upper pixel.
    pub upper: [u8; 3],
    /// The lower pixel.
    pub lower: [u8; 3],
}

/// Bytes of decoded pictures kept.
const DECODED_LIMIT: usize = 96 << 20;
/// Scaled blocks kept beyond those of the current frame; 4 bytes a pixel, a screen has about 14,000 pixels.
const SCALED_LIMIT: usize = 4096;

/// What is kept between frames: decoded pictures and scaled blocks.
#[derive(Debug)]
pub struct Cache {
    decoded: decode::Cache,
    scaled: HashMap<BlockKey, Kept>,
    frame: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BlockKey {
    picture: PictureKey,
    source: Source,
    columns: u16,
    rows: u16,
}

#[derive(Debug)]
struct Kept {
    block: Arc<Block>,
    frame: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            decoded: decode::Cache::new(DECODED_LIMIT),
            scaled: HashMap::new(),
            frame: 0,
        }
    }
}

impl Cache {
    fn block(&mut self, placement: &Placement, pictures: &Pictures<'_>) -> Option<Arc<Block>> {
        let key = BlockKey {
            picture: placement.picture,
            source: placement.source,
            columns: placement.target.columns,
            rows: placement.target.rows,
        };
        if let Some(kept) = self.scaled.get_mut(&key) {
            kept.frame = self.frame;
            return Some(kept.block.clone());
        }
        let pixels = self.decoded.get(placement.picture, pictures)?;
        let source = placement.source.clipped(pixels.width(), pixels.height())?;
        let block = Arc::new(scaled(
            &pixels,
            source,
            usize::from(key.columns),
            2 * usize::from(key.rows),
        ));
        let kept = Kept {
            block: block.clone(),
            frame: self.frame,
        };
        self.scaled.insert(key, kept);
        Some(block)
    }

    fn end_frame(&mut self) {
        if self.scaled.len() > SCALED_LIMIT {
            let now = self.frame;
            self.scaled.retain(|_, kept| kept.frame == now);
        }
        self.frame += 1;
    }
}

/// The characters that show `placements` over `background`, by row then column. A character that no placement
/// covers, or only with transparent pixels, is not listed.
pub fn compose(
    placements: &[Placement],
    pictures: &Pictures<'_>,
    background: [u8; 3],
    cache: &mut Cache,
) -> Vec<HalfCell> {
    let mut order: Vec<&Placement> = placements.iter().collect();
    order.sort_by_key(|p| p.z);
    let mut screen: HashMap<(u16, u16), HalfCell> = HashMap::new();
    for placement in order {
        let Some(block) = cache.block(placement, pictures) else {
            continue;
        };
        let target = placement.target;
        for row in 0..target.rows {
            for column in 0..target.columns {
                let [upper, lower] = [0, 1]
                    .map(|half| block.pixel(usize::from(column), 2 * usize::from(row) + half));
                if upper[3] == 0 && lower[3] == 0 {
                    continue;
                }
                let (Some(row), Some(column)) = (
                    target.row.checked_add(row),
                    target.column.checked_add(column),
                ) else {
                    continue;
                };
                let cell = screen.entry((row, column)).or_insert(HalfCell {
                    column,
                    row,
                    upper: background,
                    lower: background,
                });
                cell.upper = scale::over(upper, cell.upper);
                cell.lower = scale::over(lower, cell.lower);
            }
        }
    }
    cache.end_frame();
    let mut cells: Vec<HalfCell> = screen.into_values().collect();
    cells.sort_unstable_by_key(|cell| (cell.row, cell.column));
    cells
}

/// The half-block back end: all of it is text, so it writes no bytes of its own.
#[derive(Debug)]
pub struct Painter {
    background: [u8; 3],
    cache: Cache,
}

impl Painter {
    /// A painter over a terminal background of this sRGB colour.
    pub fn new(background: [u8; 3]) -> Self {
        Self {
            background,
            cache: Cache::default(),
        }
    }
}

impl BackEnd for Painter {
    fn frame(
        &mut self,
        _out: &mut Vec<u8>,
        placements: &[Placement],
        pictures: &Pictures<'_>,
        _upload_budget: usize,
    ) -> Frame {
        Frame {
            cells: compose(placements, pictures, self.background, &mut self.cache),
            ..Frame::default()
        }
    }

    fn reset(&mut self) {}

    fn forget(&mut self) {}

    fn farewell(&self) -> Vec<u8> {
        Vec::new()
    }
}
