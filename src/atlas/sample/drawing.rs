//! Icons without a network: a shape per neighbourhood, a hue per place.

use super::noise::Noise;
use crate::atlas::{Cell, Palette, TILE_SIZE, Tile};
use rayon::prelude::*;
use std::collections::BTreeMap;

const N_HUES: usize = 17;
const N_SHADES: usize = 15;

/// 17 hues in 15 shades, after the transparent index.
pub(super) fn palette() -> Palette {
    let mut colours = vec![[0, 0, 0]];
    for hue in 0..N_HUES {
        colours.extend((0..N_SHADES).map(|shade| {
            colour(
                hue as f32 / N_HUES as f32,
                shade as f32 / (N_SHADES - 1) as f32,
            )
        }));
    }
    Palette { colours }
}

/// From dark over saturated to pale.
fn colour(hue: f32, shade: f32) -> [u8; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|offset| {
        let wave = 0.5 + 0.5 * (std::f32::consts::TAU * (hue - offset)).cos();
        let value =
            0.08 + 0.92 * (shade * (0.35 + 0.65 * wave) + 0.35 * shade * shade * (1.0 - wave));
        (value.clamp(0.0, 1.0) * 255.0) as u8
    })
}

/// Draws the cells' icons and packs them into tiles.
pub(super) fn tiles(
    grid: u32,
    cells: &[Cell],
    palette: &Palette,
    size: u32,
    grain: f32,
) -> Vec<Tile> {
    let mut blocks = BTreeMap::<(u32, u32), Vec<Cell>>::new();
    for cell in cells {
        blocks
            .entry((cell.row / TILE_SIZE, cell.col / TILE_SIZE))
            .or_default()
            .push(*cell);
    }
    let blocks: Vec<_> = blocks.into_iter().collect();
    blocks
        .par_iter()
        .map(|((row, col), cells)| tile((*row, *col), cells, grid, palette, size, grain))
        .collect()
}

fn tile(
    (row, col): (u32, u32),
    cells: &[Cell],
    grid: u32,
    palette: &Palette,
    size: u32,
    grain: f32,
) -> Tile {
    let side = (TILE_SIZE * size) as usize;
    let mut pixels = vec![0; side * side];
    for cell in cells {
        let left = ((cell.col % TILE_SIZE) * size) as usize;
        let top = ((cell.row % TILE_SIZE) * size) as usize;
        let icon = icon(cell, grid, size, grain);
        for (y, line) in icon.chunks_exact(size.max(1) as usize).enumerate() {
            let start = (top + y) * side + left;
            pixels[start..start + line.len()].copy_from_slice(line);
        }
    }
    Tile {
        row,
        col,
        png: encode(side as u32, palette, &pixels)
            .unwrap_or_default()
            .into(),
    }
}

fn icon(cell: &Cell, grid: u32, size: u32, grain: f32) -> Vec<u8> {
    let middle = |at: u32| (at as f32 + 0.5) / grid as f32 - 0.5;
    let (dx, dy) = (middle(cell.col), middle(cell.row));
    let turn = dy.atan2(dx) / std::f32::consts::TAU + 0.5;
    let distance = dx.hypot(dy);
    let shape = ((cell.row * 3 / grid) * 3 + cell.col * 3 / grid) % 5;
    let mut noise = Noise::new(u64::from(cell.row * grid + cell.col));
    let mut pixels = Vec::with_capacity((size * size) as usize);
    for y in 0..size {
        for x in 0..size {
            let u = (x as f32 + 0.5) / size as f32 - 0.5;
            let v = (y as f32 + 0.5) / size as f32 - 0.5;
            let shade =
                pattern(shape, u, v, 6.0 + 20.0 * distance) + grain * (noise.uniform() - 0.5);
            let hue = turn + 0.12 * (u + v) + 0.15 * grain * (noise.uniform() - 0.5);
            pixels.push(index(hue, shade));
        }
    }
    pixels
}

fn index(hue: f32, shade: f32) -> u8 {
    let hue = ((hue.rem_euclid(1.0) * N_HUES as f32) as usize).min(N_HUES - 1);
    let shade = (shade.clamp(0.0, 1.0) * (N_SHADES - 1) as f32).round() as usize;
    (1 + hue * N_SHADES + shade) as u8
}

/// Brightness 0..=1 of one of five shapes at `u`, `v` in ±0.5.
fn pattern(shape: u32, u: f32, v: f32, frequency: f32) -> f32 {
    let radius = u.hypot(v);
    let wave = match shape {
        0 => (radius * 2.0 * frequency).cos(),
        1 => ((u + v) * frequency).sin(),
        2 => (u * frequency).sin() * (v * frequency).sin(),
        3 => (v.atan2(u) * 5.0 + radius * frequency).cos(),
        _ => 2.0 * f32::from(u8::from(radius < 0.33)) - 1.0,
    };
    0.55 + 0.35 * wave - 0.25 * radius
}

fn encode(side: u32, palette: &Palette, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.colours.as_flattened().to_vec());
    encoder.set_trns(vec![0]);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
