//! Where the map lies on the screen.
//!
//! Spaces: *layout* is the unit square of the map, *grid* the rows and columns of a level, *screen* the
//! terminal's columns and rows. All three have y down.

use ratatui::layout::Rect;

/// Heights of an atlas cell in terminal rows that zooming goes through.
pub const CELL_ROWS: [u16; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// Icons of this height are large enough: the next zoom step goes to a finer grid, where there is one.
const LARGE: u16 = 8;

/// What is zoomed to: a level's grid with cells of a certain size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zoom {
    /// Index of the level.
    pub level: usize,
    /// Height of a cell in terminal rows, ≥ 1.
    pub cell_rows: u16,
}

impl Zoom {
    /// Height of the whole map in terminal rows.
    fn map_rows(self, grids: &[u32]) -> u64 {
        u64::from(grids[self.level]) * u64::from(self.cell_rows)
    }

    /// Larger icons; when they are large already, the next finer grid with a larger map.
    /// `grids` are the levels' grid sizes, coarse to fine.
    #[must_use]
    pub fn closer(self, grids: &[u32]) -> Zoom {
        let larger = CELL_ROWS.iter().copied().find(|&r| r > self.cell_rows);
        let finer = self.level + 1;
        let now = self.map_rows(grids);
        if finer < grids.len() && larger.is_none_or(|rows| rows >= LARGE) {
            let mut stops = CELL_ROWS.iter().map(|&cell_rows| Zoom {
                level: finer,
                cell_rows,
            });
            if let Some(stop) = stops.find(|stop| stop.map_rows(grids) > now) {
                return stop;
            }
        }
        Zoom {
            level: self.level,
            cell_rows: larger.unwrap_or(self.cell_rows),
        }
    }

    /// Smaller icons; when they are as small as [`Zoom::closer`] makes them at this grid, the next coarser grid
    /// with a smaller map.
    #[must_use]
    pub fn farther(self, grids: &[u32]) -> Zoom {
        let now = self.map_rows(grids);
        let smaller = CELL_ROWS
            .iter()
            .copied()
            .rev()
            .find(|&rows| rows < self.cell_rows);
        if let Some(coarser) = self.level.checked_sub(1) {
            let below = |rows: u16| {
                rows < LARGE && {
                    let zoom = Zoom {
                        level: coarser,
                        cell_rows: rows,
                    };
                    zoom.map_rows(grids) < now
                }
            };
            let best = CELL_ROWS.iter().copied().rev().find(|&rows| below(rows));
            // Stay on this grid while that is the gentler step.
            let here = smaller.map_or(0, |rows| u64::from(rows) * u64::from(grids[self.level]));
            let there = best.map_or(0, |rows| u64::from(rows) * u64::from(grids[coarser]));
            if there >= here
                && let Some(cell_rows) = best
            {
                return Zoom {
                    level: coarser,
                    cell_rows,
                };
            }
        }
        Zoom {
            level: self.level,
            cell_rows: smaller.unwrap_or(self.cell_rows),
        }
    }

    /// Another level with cells so large that the map keeps its size as nearly as possible.
    #[must_use]
    pub fn at_level(self, level: usize, grids: &[u32]) -> Zoom {
        let wanted = self.map_rows(grids) as f64 / f64::from(grids[level]).max(1.0);
        let nearest = CELL_ROWS.iter().copied().min_by(|&a, &b| {
            let distance = |rows: u16| (f64::from(rows).ln() - wanted.max(0.01).ln()).abs();
            distance(a).total_cmp(&distance(b))
        });
        Zoom {
            level,
            cell_rows: nearest.unwrap_or(1),
        }
    }

    /// The largest map that fits into `pane` as a whole, on the finest grid whose cells are two rows high or
    /// more; the coarsest grid with one-row cells when nothing fits.
    pub fn fit(pane: Rect, cell_pixels: (u16, u16), grids: &[u32]) -> Zoom {
        let fits = |zoom: &Zoom| {
            let columns = columns_for(zoom.cell_rows, cell_pixels);
            zoom.map_rows(grids) <= u64::from(pane.height)
                && u64::from(grids[zoom.level]) * u64::from(columns) <= u64::from(pane.width)
        };
        let all =
            (0..grids.len()).flat_map(|level| CELL_ROWS.map(|cell_rows| Zoom { level, cell_rows }));
        let readable = |zoom: &Zoom| zoom.cell_rows >= 2 || zoom.level == 0;
        all.filter(|zoom| readable(zoom) && fits(zoom))
            .max_by_key(|zoom| (zoom.map_rows(grids), zoom.level))
            .unwrap_or(Zoom {
                level: 0,
                cell_rows: 1,
            })
    }
}

/// Terminal columns of a cell that is square in pixels.
pub fn columns_for(cell_rows: u16, cell_pixels: (u16, u16)) -> u16 {
    let (width, height) = (cell_pixels.0.max(1), cell_pixels.1.max(1));
    let columns = f32::from(cell_rows) * f32::from(height) / f32::from(width);
    (columns.round() as u16).max(1)
}

/// The map's position: which screen column and row of the whole map lies in the pane's top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Camera {
    /// Columns left of the pane; negative when the map is narrower than the pane.
    pub left: i64,
    /// Rows above the pane; negative when the map is lower than the pane.
    pub top: i64,
}

/// Everything needed to go between grid and screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// The map's part of the screen.
    pub pane: Rect,
    /// Where the map lies behind it.
    pub camera: Camera,
    /// Columns of a cell.
    pub cell_columns: u16,
    /// Rows of a cell.
    pub cell_rows: u16,
    /// Rows and columns of the level.
    pub grid: u32,
}

impl Projection {
    /// The screen column and row of the top left corner of a cell; may lie outside the screen.
    pub fn screen_from_grid(&self, row: i64, col: i64) -> (i64, i64) {
        (
            i64::from(self.pane.x) + col * i64::from(self.cell_columns) - self.camera.left,
            i64::from(self.pane.y) + row * i64::from(self.cell_rows) - self.camera.top,
        )
    }

    /// The (row, column) of the cell under a screen column and row; may lie outside the grid.
    pub fn grid_from_screen(&self, column: i64, row: i64) -> (i64, i64) {
        let across = column - i64::from(self.pane.x) + self.camera.left;
        let down = row - i64::from(self.pane.y) + self.camera.top;
        (
            down.div_euclid(i64::from(self.cell_rows.max(1))),
            across.div_euclid(i64::from(self.cell_columns.max(1))),
        )
    }

    /// The rows and columns of the grid that are at least partly in the pane.
    pub fn visible(&self) -> (std::ops::Range<u32>, std::ops::Range<u32>) {
        if self.pane.is_empty() {
            return (0..0, 0..0);
        }
        let clip = |value: i64| value.clamp(0, i64::from(self.grid)) as u32;
        let first = self.grid_from_screen(i64::from(self.pane.x), i64::from(self.pane.y));
        let last = self.grid_from_screen(
            i64::from(self.pane.right()) - 1,
            i64::from(self.pane.bottom()) - 1,
        );
        (
            clip(first.0)..clip(last.0 + 1),
            clip(first.1)..clip(last.1 + 1),
        )
    }

    /// The rows and columns of the grid that are wholly in the pane; at least one of each where any is seen.
    pub fn wholly_visible(&self) -> (std::ops::Range<u32>, std::ops::Range<u32>) {
        let (rows, cols) = self.visible();
        let axis = |seen: std::ops::Range<u32>, cell: u16, at: i64, pane: u16| {
            let (cell, pane) = (i64::from(cell.max(1)), i64::from(pane));
            let whole = |idx: &u32| {
                let start = i64::from(*idx) * cell - at;
                start >= 0 && start + cell <= pane
            };
            let first = seen.clone().find(whole);
            match first {
                Some(first) => first..seen.clone().rev().find(whole).map_or(first, |last| last) + 1,
                None => seen.start..seen.start + 1,
            }
        };
        (
            axis(rows, self.cell_rows, self.camera.top, self.pane.height),
            axis(cols, self.cell_columns, self.camera.left, self.pane.width),
        )
    }

    /// The camera moved so that nothing but map is shown where there is enough of it.
    #[must_use]
    pub fn within_map(&self) -> Camera {
        let axis = |at: i64, cell: u16, pane: u16| {
            let (map, pane) = (i64::from(cell) * i64::from(self.grid), i64::from(pane));
            if map <= pane {
                -((pane - map) / 2)
            } else {
                at.clamp(0, map - pane)
            }
        };
        Camera {
            left: axis(self.camera.left, self.cell_columns, self.pane.width),
            top: axis(self.camera.top, self.cell_rows, self.pane.height),
        }
    }

    /// How many whole cells fit below each other and beside each other, at least 1.
    pub fn page(&self) -> (u32, u32) {
        let rows = u32::from(self.pane.height / self.cell_rows.max(1)).max(1);
        let columns = u32::from(self.pane.width / self.cell_columns.max(1)).max(1);
        (rows, columns)
    }

    /// The camera moved as little as possible so that the cell and a margin of one cell around it are seen, and
    /// so that nothing but map is shown where there is enough of it. A small map is centred.
    #[must_use]
    pub fn following(&self, row: u32, col: u32) -> Camera {
        let axis = |at: i64, idx: u32, cell: u16, pane: u16| {
            let (cell, pane) = (i64::from(cell), i64::from(pane));
            let map = cell * i64::from(self.grid);
            if map <= pane {
                return -((pane - map) / 2);
            }
            let margin = cell.min((pane - cell).max(0) / 2);
            let start = i64::from(idx) * cell;
            // A cell larger than the pane shows its top left corner.
            let at = at.max(start + cell + margin - pane).min(start - margin);
            at.clamp(0, map - pane)
        };
        Camera {
            left: axis(self.camera.left, col, self.cell_columns, self.pane.width),
            top: axis(self.camera.top, row, self.cell_rows, self.pane.height),
        }
    }

    /// The camera with the cell in the middle of the pane, as far as the map's edges allow.
    #[must_use]
    pub fn centred(&self, row: u32, col: u32) -> Camera {
        let middle = |idx: u32, cell: u16, pane: u16| {
            i64::from(idx) * i64::from(cell) + i64::from(cell) / 2 - i64::from(pane) / 2
        };
        let camera = Camera {
            left: middle(col, self.cell_columns, self.pane.width),
            top: middle(row, self.cell_rows, self.pane.height),
        };
        Projection { camera, ..*self }.following(row, col)
    }
}

/// The (row, column) of the cell that holds a place of the layout. `place` is (x, y) in `[0, 1]`.
pub fn grid_from_layout(place: (f32, f32), grid: u32) -> (u32, u32) {
    let idx = |v: f32| ((v * grid as f32).floor().max(0.0) as u32).min(grid.saturating_sub(1));
    (idx(place.1), idx(place.0))
}

/// The middle of a cell as a place (x, y) of the layout.
pub fn layout_from_grid(row: u32, col: u32, grid: u32) -> (f32, f32) {
    let side = grid.max(1) as f32;
    ((col as f32 + 0.5) / side, (row as f32 + 0.5) / side)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GRIDS: [u32; 3] = [10, 20, 40];

    fn projection(pane: Rect, cell_rows: u16, grid: u32) -> Projection {
        Projection {
            pane,
            camera: Camera::default(),
            cell_columns: columns_for(cell_rows, (8, 16)),
            cell_rows,
            grid,
        }
    }

    proptest! {
        #[test]
        fn screen_and_grid_are_inverse(
            row in 0i64..200, col in 0i64..200, cell_rows in 1u16..33, left in -50i64..900, top in -50i64..900,
            inner in (0.0f64..1.0, 0.0f64..1.0),
        ) {
            let mut p = projection(Rect::new(3, 2, 60, 20), cell_rows, 200);
            p.camera = Camera { left, top };
            let (x, y) = p.screen_from_grid(row, col);
            let dx = (inner.0 * f64::from(p.cell_columns)) as i64;
            let dy = (inner.1 * f64::from(p.cell_rows)) as i64;
            prop_assert_eq!(p.grid_from_screen(x + dx, y + dy), (row, col));
        }

        #[test]
        fn the_camera_keeps_the_cursor_in_sight(
            cell in (0u32..40, 0u32..40), cell_rows in 1u16..9, left in -50i64..900, top in -50i64..900,
        ) {
            let mut p = projection(Rect::new(1, 1, 70, 21), cell_rows, 40);
            p.camera = Camera { left, top };
            p.camera = p.following(cell.0, cell.1);
            let (rows, cols) = p.visible();
            prop_assert!(rows.contains(&cell.0) && cols.contains(&cell.1));
            let again = p.following(cell.0, cell.1);
            prop_assert_eq!(again, p.camera);
        }

        #[test]
        fn a_cell_lies_where_its_middle_is(row in 0u32..160, col in 0u32..160) {
            prop_assert_eq!(grid_from_layout(layout_from_grid(row, col, 160), 160), (row, col));
        }
    }

    #[test]
    fn the_edges_of_the_layout_belong_to_the_outer_cells() {
        assert_eq!(grid_from_layout((0.0, 1.0), 20), (19, 0));
        assert_eq!(grid_from_layout((1.0, 0.0), 20), (0, 19));
    }

    #[test]
    fn zooming_in_always_enlarges_the_map_and_ends_at_the_finest_grid() {
        let mut zoom = Zoom {
            level: 0,
            cell_rows: 1,
        };
        let mut seen = vec![zoom];
        loop {
            let next = zoom.closer(&GRIDS);
            if next == zoom {
                break;
            }
            assert!(
                next.map_rows(&GRIDS) > zoom.map_rows(&GRIDS),
                "{zoom:?} {next:?}"
            );
            zoom = next;
            seen.push(zoom);
        }
        assert_eq!((zoom.level, zoom.cell_rows), (2, 32));
        // … and out again through the same stops.
        for expected in seen.into_iter().rev() {
            assert_eq!(zoom, expected);
            zoom = zoom.farther(&GRIDS);
        }
    }

    #[test]
    fn another_level_keeps_the_scale() {
        let zoom = Zoom {
            level: 0,
            cell_rows: 8,
        };
        let finer = zoom.at_level(1, &GRIDS);
        assert_eq!(finer.cell_rows, 4);
        assert_eq!(finer.at_level(0, &GRIDS), zoom);
    }

    #[test]
    fn fit_shows_the_whole_map() {
        let pane = Rect::new(0, 0, 50, 21);
        let zoom = Zoom::fit(pane, (8, 16), &GRIDS);
        assert_eq!((zoom.level, zoom.cell_rows), (0, 2));
        let zoom = Zoom::fit(Rect::new(0, 0, 110, 41), (8, 16), &GRIDS);
        assert_eq!((zoom.level, zoom.cell_rows), (1, 2));
        let zoom = Zoom::fit(Rect::default(), (8, 16), &GRIDS);
        assert_eq!((zoom.level, zoom.cell_rows), (0, 1));
    }

    #[test]
    fn cells_are_square_in_pixels() {
        assert_eq!(columns_for(3, (8, 16)), 6);
        assert_eq!(columns_for(3, (9, 18)), 6);
        assert_eq!(columns_for(4, (10, 17)), 7);
        assert_eq!(columns_for(1, (0, 0)), 1);
    }
}
