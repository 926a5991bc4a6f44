//! `atlascope show`: the map or one cell between lines of text, in a terminal; words alone in a pipe.

use super::args::ShowArgs;
use super::{Failure, explore, export, open, output};
use crate::atlas::{Atlas, Cell, LayerAtlas, Level, TILE_SIZE};
use crate::graphics::oneshot;
use crate::store::export::{self as pictures, PictureOptions};
use image::RgbaImage;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// Classes listed for a cell, on each side.
const N_CLASSES: usize = 8;
/// Widest bar in characters.
const BAR: f32 = 24.0;
/// An icon's width in columns unless told.
const ICON_COLUMNS: u16 = 32;

pub(super) fn run(args: &ShowArgs) -> Result<(), Failure> {
    let atlas = open::read(&args.atlas)?;
    let layer = open::layer(&atlas, args.layer.as_deref())?;
    let level = open::level(layer, args.level, |layer| {
        let holds = |level: &&Level| args.cell.is_none_or(|(row, col)| row.max(col) < level.grid);
        layer.levels.iter().find(holds).or(layer.levels.last())
    })?;
    match args.cell {
        Some((row, col)) => cell(args, &atlas, layer, level, (row, col)),
        None => map(args, &atlas, layer, level),
    }
}

fn map(args: &ShowArgs, atlas: &Atlas, layer: &LayerAtlas, level: &Level) -> Result<(), Failure> {
    let (layer_idx, level_idx) = export::indices(atlas, layer, level.grid);
    let options = PictureOptions {
        background: None,
        ..PictureOptions::default()
    };
    let picture = pictures::picture(atlas, layer_idx, level_idx, &options)?;
    print_picture(args, &picture, None)?;
    let n = layer.samples.len();
    output::print(&format!(
        "{} {}, {}×{} cells, {} occupied, {n} activations\n",
        atlas.recipe.network,
        layer.name,
        level.grid,
        level.grid,
        level.cells.len()
    ))?;
    Ok(())
}

fn cell(
    args: &ShowArgs,
    atlas: &Atlas,
    layer: &LayerAtlas,
    level: &Level,
    (row, col): (u32, u32),
) -> Result<(), Failure> {
    let Some(idx) = level.cell_at(row, col) else {
        let place = format!(
            "cell {row},{col} of the {}×{} level holds no activations",
            level.grid, level.grid
        );
        return Err(Failure::failed(place).hint(nearest_hint(level, row, col)));
    };
    if let Some(icon) = icon(atlas, layer, level, level.cells[idx])? {
        print_picture(args, &icon, Some(ICON_COLUMNS))?;
    }
    output::print(&describe(atlas, layer, level, idx))?;
    Ok(())
}

fn nearest_hint(level: &Level, row: u32, col: u32) -> String {
    let distance = |cell: &&Cell| cell.row.abs_diff(row).pow(2) + cell.col.abs_diff(col).pow(2);
    let nearest = level.cells.iter().min_by_key(distance);
    nearest.map_or("the level is empty".to_owned(), |cell| {
        format!("the nearest that does is --cell {},{}", cell.row, cell.col)
    })
}

/// The cell's icon, if it is drawn, cut from its tile.
fn icon(
    atlas: &Atlas,
    layer: &LayerAtlas,
    level: &Level,
    cell: Cell,
) -> Result<Option<RgbaImage>, Failure> {
    let Some(tile) = level.icons.tile(cell.row / TILE_SIZE, cell.col / TILE_SIZE) else {
        return Ok(None);
    };
    let tile = image::load_from_memory_with_format(&tile.png, image::ImageFormat::Png)
        .map_err(|error| {
            Failure::failed(format!(
                "icon tile of {} in {}: {error}",
                layer.name, atlas.recipe.network
            ))
        })?
        .to_rgba8();
    let size = level.icons.size;
    let (x, y) = (cell.col % TILE_SIZE * size, cell.row % TILE_SIZE * size);
    Ok(Some(
        image::imageops::crop_imm(&tile, x, y, size, size).to_image(),
    ))
}

/// Prints a picture where there is a terminal for it.
fn print_picture(
    args: &ShowArgs,
    picture: &RgbaImage,
    columns: Option<u16>,
) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        if args.protocol.is_some() {
            output::error_line(
                "note",
                "no picture: the output is not a terminal; `export --png` writes files",
            );
        }
        return Ok(());
    }
    let capabilities = match explore::probe(args.protocol, None, false) {
        Ok(capabilities) => capabilities,
        Err(error) => {
            output::error_line("note", &format!("no picture: {error}"));
            return Ok(());
        }
    };
    let (window, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    // A map fits the window in both directions, with a line left for the caption.
    let (width, height) = capabilities.cell_pixels;
    let fitting = u32::from(rows.saturating_sub(2)) * u32::from(height) / u32::from(width.max(1));
    let columns = args
        .width
        .or(columns)
        .unwrap_or(fitting as u16)
        .clamp(1, window.max(1));
    if !oneshot::print(picture, columns, &capabilities)? {
        output::error_line("note", &format!("no picture: {}", capabilities.reason));
    }
    Ok(())
}

fn describe(atlas: &Atlas, layer: &LayerAtlas, level: &Level, idx: usize) -> String {
    let cell = level.cells[idx];
    let mut text = format!(
        "{} cell {},{} of {}×{}: average of {} activations\n",
        layer.name, cell.row, cell.col, level.grid, level.grid, cell.n_samples
    );
    let ranked = level.ranked_classes(idx);
    let supporting = ranked
        .iter()
        .take(N_CLASSES)
        .filter(|(_, value)| *value > 0.0);
    let opposing = ranked
        .iter()
        .rev()
        .take(N_CLASSES)
        .filter(|(_, value)| *value < 0.0);
    let largest = ranked
        .iter()
        .map(|(_, value)| value.abs())
        .fold(f32::MIN_POSITIVE, f32::max);
    for (name, classes) in [
        ("supports", supporting.collect::<Vec<_>>()),
        ("opposes", opposing.collect()),
    ] {
        if !classes.is_empty() {
            let _ = writeln!(text, "{name}");
        }
        for (class, value) in classes {
            let bar = "█".repeat((value.abs() / largest * BAR).round() as usize);
            let _ = writeln!(
                text,
                "  {value:>+8.3}  {:<28} {bar}",
                atlas.class_name(*class)
            );
        }
    }
    text
}
