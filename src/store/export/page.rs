//! A page that shows the atlas in any browser, offline: `index.html`, `atlas.js` with the numbers, the icon tiles.

use super::folder;
use crate::atlas::{Atlas, LayerAtlas, Level, TILE_SIZE};
use crate::store::Error;
use serde_json::{Value, json};
use std::path::Path;

/// Stored attributions are integers up to this; each cell has its own scale.
const STEPS: f32 = 999.0;

/// Writes the page into a folder.
///
/// # Errors
/// [`Error::Occupied`] when the folder holds files that are not of an earlier export, else [`Error::Write`].
pub fn html(atlas: &Atlas, dir: &Path) -> Result<(), Error> {
    let title = format!(
        "{} · {}",
        atlas.recipe.network,
        atlas.recipe.layers.join(", ")
    );
    let page = include_str!("page.html").replace("{{title}}", &escape(&title));
    let data = json!({
        "title": title,
        "network": atlas.recipe.network,
        "n_images": atlas.images.len(),
        "classes": atlas.classes.iter().map(|class| &class.names).collect::<Vec<_>>(),
        "tile": TILE_SIZE,
        "layers": atlas.layers.iter().enumerate().map(|(idx, layer)| layer_data(idx, layer)).collect::<Vec<_>>(),
    });
    let mut files = vec![
        (
            "atlas.js".to_owned(),
            format!("const ATLAS = {data};\n").into_bytes(),
        ),
        ("page.js".to_owned(), include_bytes!("page.js").to_vec()),
        ("page.css".to_owned(), include_bytes!("page.css").to_vec()),
    ];
    for (l, layer) in atlas.layers.iter().enumerate() {
        for (v, level) in layer.levels.iter().enumerate() {
            for tile in &level.icons.tiles {
                files.push((tile_path(l, v, tile.row, tile.col), tile.png.to_vec()));
            }
        }
    }
    files.push(("index.html".to_owned(), page.into_bytes()));
    folder::write(dir, &files)
}

fn tile_path(layer: usize, level: usize, row: u32, col: u32) -> String {
    format!("tiles/{layer}-{level}-{row}-{col}.png")
}

fn layer_data(idx: usize, layer: &LayerAtlas) -> Value {
    let levels: Vec<Value> = layer
        .levels
        .iter()
        .enumerate()
        .map(|(v, level)| level_data(idx, v, level))
        .collect();
    json!({ "name": layer.name, "n_samples": layer.samples.len(), "levels": levels })
}

fn level_data(layer: usize, level_idx: usize, level: &Level) -> Value {
    let cells: Vec<Value> = (0..level.cells.len())
        .map(|idx| cell_data(level, idx))
        .collect();
    let tiles: Vec<Value> = (level.icons.tiles.iter())
        .map(|tile| {
            json!([
                tile.row,
                tile.col,
                tile_path(layer, level_idx, tile.row, tile.col)
            ])
        })
        .collect();
    json!({ "grid": level.grid, "size": level.icons.size, "tiles": tiles, "cells": cells })
}

/// `[row, column, samples, has an icon, scale, attributions / scale]`.
fn cell_data(level: &Level, idx: usize) -> Value {
    let cell = level.cells[idx];
    let row = level.attributions.row(idx);
    let largest = row
        .iter()
        .map(|v| v.to_f32().abs())
        .filter(|v| v.is_finite())
        .fold(0.0_f32, f32::max);
    let scale = if largest > 0.0 { largest / STEPS } else { 1.0 };
    let steps: Vec<i32> = row
        .iter()
        .map(|v| (v.to_f32() / scale).round() as i32)
        .collect();
    json!([
        cell.row,
        cell.col,
        cell.n_samples,
        u8::from(level.icons.steps[idx] > 0),
        scale,
        steps
    ])
}

/// Text for HTML, in elements and in attributes.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escape("<b a='1'>&\""), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
    }
}
