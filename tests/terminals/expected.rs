//! What the map should look like, from the atlas's tiles alone: the mean colours of the quarters of every icon.

use atlascope::atlas::{Atlas, Level, TILE_SIZE};
use atlascope::explorer::{Message, Screen, State, Update, keymap, update};
use atlascope::graphics::Protocol;
use image::RgbaImage;
use std::collections::HashMap;
use std::sync::Arc;

/// A state that the same keys were pressed in.
pub(super) fn state(atlas: &Atlas, screen: Screen, keys: &str) -> State {
    let mut state = State::new("sample.atlas", screen);
    update(
        &mut state,
        Message::Update(Update::Atlas(Arc::new(atlas.clone()))),
    );
    for key in keymap::script(keys) {
        let message = keymap::message(&state, key);
        update(&mut state, message);
    }
    state
}

/// A terminal that asks for true pixels.
pub(super) fn screen(
    (columns, rows): (u16, u16),
    cell_pixels: (u16, u16),
    protocol: Protocol,
) -> Screen {
    Screen {
        columns,
        rows,
        cell_pixels,
        protocol,
        colour: true,
        background: [0, 0, 0],
    }
}

/// What came of a comparison.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Icons compared.
    pub(super) icons: usize,
    /// Mean difference of a channel of a quarter.
    pub(super) mean: f64,
    /// The largest difference of an icon's mean.
    pub(super) worst: f64,
}

/// Compares the icons that are wholly in view with `shown`, whose upper left corner lies at the terminal's. The cell
/// under the cursor is left out: its frame lies over it.
pub(super) fn compare(state: &State, shown: &RgbaImage) -> Comparison {
    let (level, projection) = (state.level().unwrap(), state.projection().unwrap());
    let tiles = decoded(level);
    let (w, h) = state.screen.cell_pixels;
    let (rows, cols) = projection.wholly_visible();
    let mut found = Comparison::default();
    let mut sum = 0.0;
    for cell in &level.cells {
        let here = (cell.row, cell.col);
        if !rows.contains(&cell.row) || !cols.contains(&cell.col) || here == state.cursor {
            continue;
        }
        let Some(tile) = tiles.get(&(cell.row / TILE_SIZE, cell.col / TILE_SIZE)) else {
            continue;
        };
        let size = level.icons.size;
        let (x, y) = (cell.col % TILE_SIZE * size, cell.row % TILE_SIZE * size);
        let (column, row) = projection.screen_from_grid(i64::from(cell.row), i64::from(cell.col));
        let (left, top) = (column as u32 * u32::from(w), row as u32 * u32::from(h));
        let (width, height) = (
            u32::from(projection.cell_columns * w),
            u32::from(projection.cell_rows * h),
        );
        let mut worst: f64 = 0.0;
        for (across, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let half = size / 2;
            let wanted = mean(half, half, |i, j| {
                let pixel = tile.get_pixel(x + across * half + i, y + down * half + j);
                [pixel.0[0], pixel.0[1], pixel.0[2]]
            });
            let seen = mean(width / 2, height / 2, |i, j| {
                let (i, j) = (i + across * width / 2, j + down * height / 2);
                let [r, g, b, _] = shown.get_pixel(left + i, top + j).0;
                [r, g, b]
            });
            let off: f64 = wanted.iter().zip(seen).map(|(a, b)| (a - b).abs()).sum();
            sum += off / 3.0;
            worst = worst.max(off / 3.0);
        }
        found.icons += 1;
        found.worst = found.worst.max(worst);
    }
    found.mean = sum / (4 * found.icons.max(1)) as f64;
    found
}

fn decoded(level: &Level) -> HashMap<(u32, u32), RgbaImage> {
    let tiles = level.icons.tiles.iter().map(|tile| {
        let pixels = image::load_from_memory(&tile.png).unwrap().into_rgba8();
        ((tile.row, tile.col), pixels)
    });
    tiles.collect()
}

fn mean(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> [f64; 3] {
    let mut sums = [0f64; 3];
    for y in 0..height {
        for x in 0..width {
            for (sum, value) in sums.iter_mut().zip(pixel(x, y)) {
                *sum += f64::from(value);
            }
        }
    }
    sums.map(|sum| sum / f64::from(width * height))
}
