//! Icons, stored as spatial tiles of indexed pixels with one palette for the whole atlas layer, so that
//! terminals get them without re-encoding.

use super::{Cell, Inconsistent};

/// Side of a tile in cells: a tile shows the `TILE_SIZE` × `TILE_SIZE` block of cells at its place in the grid.
pub const TILE_SIZE: u32 = 4;

/// The palette shared by all icons of a layer. Index 0 is transparent (no icon there); colours start at 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Palette {
    /// sRGB colours; `colours[0]` is a placeholder for the transparent index. At most 256.
    pub colours: Vec<[u8; 3]>,
}

/// A block of icons as one picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Row of the block: it covers cell rows `row · TILE_SIZE ..`.
    pub row: u32,
    /// Column of the block.
    pub col: u32,
    /// An indexed PNG of `TILE_SIZE · size` pixels square, 8 bits, with the layer's palette in `PLTE` and index 0
    /// transparent in `tRNS`.
    pub png: std::sync::Arc<[u8]>,
}

/// All icons of one level.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Icons {
    /// Side of one icon in pixels.
    pub size: u32,
    /// The tiles that hold at least one icon, by row then column.
    pub tiles: Vec<Tile>,
    /// Per cell of the level: steps of ascent done so far (0 = no icon yet).
    pub steps: Vec<u32>,
    /// Per cell: the objective of the kept attempt, evaluated without transforms; NaN where there is no icon.
    pub score: Vec<f32>,
}

impl Icons {
    /// The tile at block `row`, `col`.
    pub fn tile(&self, row: u32, col: u32) -> Option<&Tile> {
        let idx = self
            .tiles
            .binary_search_by_key(&(row, col), |tile| (tile.row, tile.col))
            .ok()?;
        self.tiles.get(idx)
    }

    /// Tiles lie in the grid, in order, and every cell with an icon has its tile.
    pub(super) fn check(&self, part: &str, grid: u32, cells: &[Cell]) -> Result<(), Inconsistent> {
        let fail = |what: String| {
            Err(Inconsistent {
                part: format!("{part}.icons"),
                what,
            })
        };
        if self.size == 0 && !self.tiles.is_empty() {
            return fail("tiles of icons without pixels".to_owned());
        }
        let side = grid.div_ceil(TILE_SIZE);
        let place = |tile: &Tile| (tile.row, tile.col);
        if let Some(tile) = self.tiles.iter().find(|t| t.row >= side || t.col >= side) {
            return fail(format!(
                "tile {},{} outside a grid of {grid}",
                tile.row, tile.col
            ));
        }
        if !self.tiles.is_sorted_by(|a, b| place(a) < place(b)) {
            return fail("tiles are not in row, column order".to_owned());
        }
        let drawn = cells
            .iter()
            .zip(&self.steps)
            .filter(|&(_, &steps)| steps > 0);
        for (cell, _) in drawn {
            if self
                .tile(cell.row / TILE_SIZE, cell.col / TILE_SIZE)
                .is_none()
            {
                return fail(format!(
                    "the icon of cell {},{} has no tile",
                    cell.row, cell.col
                ));
            }
        }
        Ok(())
    }
}
