//! The same pictures, in few pieces: what [`super::placements`] lists icon by icon is gathered into pages for
//! terminals that keep pictures.
//!
//! A page is a block of squares of the map, whatever is shown in them. Blocks are so large that a screen takes about
//! a dozen, so a pan is a dozen placements. While a page in view is not there yet, a coarse one of a sixteenth of
//! the pixels, which covers sixteen blocks, lies below it: that is the first thing a slow line brings.

mod sheets;

use super::camera::{Camera, Projection};
use super::pictures;
use super::placement::{self, pixels_per_cell};
use super::state::State;
use crate::graphics::page::Page;
use crate::graphics::{PictureKey, Placement, Protocol, Source, Target};
use ratatui::layout::Rect;
use std::collections::HashMap;

/// Pages are at most so many pixels wide, as long as one icon is not more: some 70 kB on the line, so that a key never
/// waits long behind one.
const PAGE_PIXELS: u32 = 256;
/// A map of at most so many pixels is one page.
const ONE_PAGE: u32 = 400 * 400;
/// Most columns of a page that is placed by characters: rows and columns are counted by diacritics.
const MOST_CHARACTERS: u32 = 290;
/// Pixels of the screen for one of a coarse page, along an axis; squares for one, along an axis.
const COARSE: u32 = 4;

/// Names of placements, short because they stand in every command of a pan.
const PAGE_ID: u32 = 20_000;
const COARSE_ID: u32 = 30_000;
/// Blocks further apart than this along an axis are never on one screen.
const BLOCKS: u32 = 64;
/// Coarse pages lie below the others, and none below the text: some terminals draw nothing there, and others leave old
/// text standing.
const COARSE_Z: i32 = 0;
const PAGE_Z: i32 = 1;

/// What the screen shows, and what the pages on it are made of.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Most wanted first.
    pub placements: Vec<Placement>,
    /// The pages among their pictures.
    pub pages: HashMap<PictureKey, Page>,
}

/// Gathers what `state` shows. `holds` tells which pictures the terminal has already.
pub fn scene(state: &State, holds: &dyn Fn(PictureKey) -> bool) -> Scene {
    let mut scene = Scene::default();
    if !state.screen.has_pictures() {
        return scene;
    }
    let mut beside = Vec::new();
    let mut over = Vec::new();
    placement::around_map(state, &mut beside, &mut over);
    let characters = state.screen.protocol == Protocol::Placeholders;
    let sheets = sheets::gathered(state, beside, holds, &mut scene.pages);
    if let Some(map) = Map::of(state) {
        let pages = map.in_view(state, &mut scene.pages);
        let missing: Vec<Target> = pages
            .iter()
            .filter(|p| !holds(p.picture))
            .map(|p| p.target)
            .collect();
        if !missing.is_empty() {
            let coarse = map.coarse();
            let below = coarse.in_view(state, &mut scene.pages).into_iter();
            let touches = |p: &Placement| missing.iter().any(|&target| overlap(target, p.target));
            scene.placements.extend(below.filter(touches));
        }
        if !characters {
            scene.placements.extend(over);
        }
        scene.placements.extend(sheets);
        scene.placements.extend(pages);
    } else {
        scene.placements.extend(over);
        scene.placements.extend(sheets);
    }
    scene
}

/// The pages of the blocks around the view.
pub fn ahead(state: &State) -> Scene {
    let mut scene = Scene::default();
    if !state.screen.has_pictures() {
        return scene;
    }
    if let Some(map) = Map::of(state) {
        let mut all = HashMap::new();
        let seen = map.in_view(state, &mut all);
        scene.placements = map.around(state, &mut scene.pages);
        let seen: Vec<PictureKey> = seen.iter().map(|p| p.picture).collect();
        scene.placements.retain(|p| !seen.contains(&p.picture));
    }
    scene
}

fn overlap(a: Target, b: Target) -> bool {
    let meet =
        |a: u16, an: u16, b: u16, bn: u16| a < b.saturating_add(bn) && b < a.saturating_add(an);
    meet(a.column, a.columns, b.column, b.columns) && meet(a.row, a.rows, b.row, b.rows)
}

/// The map cut into blocks of squares.
struct Map {
    projection: Projection,
    /// Squares of a block, down and across.
    squares: (u32, u32),
    /// Width and height of a character in a page's pixels.
    cell_pixels: (u16, u16),
    first_id: u32,
    z: i32,
    /// Placed by characters.
    characters: bool,
}

impl Map {
    /// `None` when the map is not seen.
    fn of(state: &State) -> Option<Map> {
        if state.map_is_covered() {
            return None;
        }
        let projection = state.projection()?;
        let level = state.level()?;
        let (cell_width, cell_height) = pixels_per_cell(state);
        let icon = u32::from(projection.cell_columns) * cell_width;
        let size = level.icons.size;
        if size == 0 {
            return None;
        }
        // No more pixels than the icons have.
        let width = if icon > size {
            (cell_width * size).div_ceil(icon).max(1)
        } else {
            cell_width
        };
        let height = ((width * cell_height + cell_width / 2) / cell_width).max(1);
        let own = (width * u32::from(projection.cell_columns)).max(1);
        let side = (PAGE_PIXELS / own).max(1);
        let whole =
            u32::from(width as u16 * projection.cell_columns).saturating_mul(projection.grid);
        let squares = if state.screen.protocol == Protocol::Placeholders {
            let across = (MOST_CHARACTERS / u32::from(projection.cell_columns)).max(1);
            let rows = (MOST_CHARACTERS / u32::from(projection.cell_rows)).max(1);
            let across = across.min(projection.grid);
            // As many squares as other pages have, in long rows.
            ((side * side / across).clamp(1, rows), across)
        } else if whole.saturating_mul(whole) <= ONE_PAGE {
            (projection.grid, projection.grid)
        } else {
            (side, side)
        };
        Some(Map {
            squares,
            projection,
            cell_pixels: (width as u16, height as u16),
            first_id: PAGE_ID,
            z: PAGE_Z,
            characters: state.screen.protocol == Protocol::Placeholders,
        })
    }

    /// The same map with a sixteenth of the pixels in blocks of sixteen times the squares.
    fn coarse(&self) -> Map {
        let coarse = |pixels: u16| pixels.div_ceil(COARSE as u16);
        // Blocks that are placed by characters are as wide as they can be.
        let (across, most) = if self.characters {
            (1, MOST_CHARACTERS / u32::from(self.projection.cell_rows))
        } else {
            (COARSE, u32::MAX)
        };
        let down = (self.squares.0 * COARSE).min(most).max(1);
        Map {
            projection: self.projection,
            squares: (down, self.squares.1 * across),
            cell_pixels: (coarse(self.cell_pixels.0), coarse(self.cell_pixels.1)),
            first_id: COARSE_ID,
            z: COARSE_Z,
            characters: self.characters,
        }
    }

    /// Blocks from `first` to `last` (row, column) in which something is shown, those near the cursor first.
    fn blocks(&self, state: &State, margin: u32) -> Vec<(u32, u32)> {
        let (rows, cols) = self.projection.visible();
        let range = |squares: std::ops::Range<u32>, side: u32| {
            let first = (squares.start / side).saturating_sub(margin);
            let n = self.projection.grid.div_ceil(side);
            first..(squares.end.div_ceil(side) + margin).min(n)
        };
        let (rows, cols) = (range(rows, self.squares.0), range(cols, self.squares.1));
        let mut blocks: Vec<(u32, u32)> = rows
            .flat_map(|row| cols.clone().map(move |col| (row, col)))
            .collect();
        let (row, col) = state.cursor;
        blocks.sort_by_key(|&(r, c)| {
            let middle = |block: u32, side: u32| 2 * block * side + side;
            let down = middle(r, self.squares.0).abs_diff(2 * row);
            let across = middle(c, self.squares.1).abs_diff(2 * col);
            u64::from(down).pow(2) + u64::from(across).pow(2)
        });
        blocks
    }

    fn in_view(&self, state: &State, pages: &mut HashMap<PictureKey, Page>) -> Vec<Placement> {
        let blocks = self.blocks(state, 0).into_iter();
        blocks
            .filter_map(|block| self.place(state, block, pages))
            .collect()
    }

    /// The blocks in view and one more on each side; only the names of their pictures count.
    fn around(&self, state: &State, pages: &mut HashMap<PictureKey, Page>) -> Vec<Placement> {
        let blocks = self.blocks(state, 1).into_iter();
        let whole = |block| {
            let page = self.page(state, block)?;
            let (width, height) = page.pixels();
            let target = Target {
                column: 0,
                row: 0,
                columns: page.columns,
                rows: page.rows,
            };
            let placement = self.placement(block, name(&page), (width, height), target);
            pages.insert(placement.picture, page);
            Some(placement)
        };
        blocks.filter_map(whole).collect()
    }

    fn placement(
        &self,
        (row, col): (u32, u32),
        picture: PictureKey,
        (width, height): (u32, u32),
        target: Target,
    ) -> Placement {
        Placement {
            id: self.first_id + row % BLOCKS * BLOCKS + col % BLOCKS,
            picture,
            source: Source {
                x: 0,
                y: 0,
                width,
                height,
            },
            target,
            z: self.z,
        }
    }

    /// Where a block's upper left corner lies on the screen.
    fn corner(&self, (row, col): (u32, u32)) -> (i64, i64) {
        let first = |block: u32, side: u32| i64::from(block * side);
        let (down, across) = self.squares;
        (self.projection).screen_from_grid(first(row, down), first(col, across))
    }

    /// The visible part of a block, if anything is in it.
    fn place(
        &self,
        state: &State,
        block: (u32, u32),
        pages: &mut HashMap<PictureKey, Page>,
    ) -> Option<Placement> {
        let page = self.page(state, block)?;
        let (x, y) = self.corner(block);
        let pane = self.projection.pane;
        let (x0, y0) = (x.max(i64::from(pane.x)), y.max(i64::from(pane.y)));
        let x1 = (x + i64::from(page.columns)).min(i64::from(pane.right()));
        let y1 = (y + i64::from(page.rows)).min(i64::from(pane.bottom()));
        if x0 >= x1 || y0 >= y1 {
            return None;
        }
        let target = Target {
            column: x0 as u16,
            row: y0 as u16,
            columns: (x1 - x0) as u16,
            rows: (y1 - y0) as u16,
        };
        let (width, height) = (u32::from(page.cell_pixels.0), u32::from(page.cell_pixels.1));
        let placement = Placement {
            source: Source {
                x: (x0 - x) as u32 * width,
                y: (y0 - y) as u32 * height,
                width: u32::from(target.columns) * width,
                height: u32::from(target.rows) * height,
            },
            ..self.placement(block, name(&page), (0, 0), target)
        };
        pages.insert(placement.picture, page);
        Some(placement)
    }

    /// What lies in a block; `None` when nothing does.
    fn page(&self, state: &State, (row, col): (u32, u32)) -> Option<Page> {
        let p = &self.projection;
        let (down, across) = self.squares;
        let left = |block: u32, side: u32| p.grid.saturating_sub(block * side).min(side);
        let side = |squares: u32, unit: u16| u16::try_from(squares * u32::from(unit)).ok();
        let columns = side(left(col, across), p.cell_columns)?;
        let rows = side(left(row, down), p.cell_rows)?;
        let start = |block: u32, side: u32, unit: u16| i64::from(block * side) * i64::from(unit);
        let sheet = Projection {
            pane: Rect::new(0, 0, columns, rows),
            camera: Camera {
                left: start(col, across, p.cell_columns),
                top: start(row, down, p.cell_rows),
            },
            ..*p
        };
        let sprites = placement::on_sheet(state, &sheet);
        let veils = pictures::veils(state);
        (!sprites.is_empty()).then_some(Page {
            columns,
            rows,
            cell_pixels: self.cell_pixels,
            sprites,
            veils,
            true_colour: false,
        })
    }
}

fn name(page: &Page) -> PictureKey {
    pictures::page_key(page)
}
