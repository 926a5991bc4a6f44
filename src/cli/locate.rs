//! `atlascope locate`: where a photograph lies in an atlas, without the explorer.

#[cfg(not(feature = "build"))]
use super::Failure;
use super::args::LocateArgs;

#[cfg(not(feature = "build"))]
pub(super) fn run(_: &LocateArgs) -> Result<(), Failure> {
    Err(
        Failure::failed("this program was built without networks, so it cannot locate photographs")
            .hint("build it with the feature `build`"),
    )
}

#[cfg(feature = "build")]
pub(super) use with_network::run;

#[cfg(feature = "build")]
mod with_network {
    use super::LocateArgs;
    use crate::atlas::{Atlas, LayerAtlas};
    use crate::cli::{Failure, locator, open, output, patch};
    use crate::explorer::worker::Located;
    use crate::images;
    use anyhow::Context as _;
    use serde_json::json;
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    pub(in crate::cli) fn run(args: &LocateArgs) -> Result<(), Failure> {
        let atlas = open::read(&args.atlas)?;
        let layer = open::layer(&atlas, args.layer.as_deref())?;
        let path = &args.photograph;
        let image = images::decode::load(path).with_context(|| path.display().to_string())?;
        let network = patch::load(&args.network, Some(&atlas))?;
        let located = locator::locate(&network, &atlas, &image)?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let text = if args.json {
            as_json(&atlas, &name, &located)?
        } else {
            as_text(&atlas, layer, &name, &located)
        };
        output::print(&text)?;
        Ok(())
    }

    /// Cells by falling number of positions: (cell, positions).
    fn counts(cells: &[u16]) -> Vec<(u16, u32)> {
        let mut counts: BTreeMap<u16, u32> = BTreeMap::new();
        for &cell in cells {
            *counts.entry(cell).or_default() += 1;
        }
        let mut counts: Vec<(u16, u32)> = counts.into_iter().collect();
        counts.sort_by_key(|&(cell, n)| (std::cmp::Reverse(n), cell));
        counts
    }

    fn as_text(atlas: &Atlas, layer: &LayerAtlas, name: &str, located: &Located) -> String {
        let mut text = format!("{name}\n");
        for &(class, p) in &located.predictions {
            let _ = writeln!(text, "  {:5.1} %  {}", 100.0 * p, atlas.class_name(class));
        }
        let at = atlas.layer_idx(&layer.name).unwrap_or(0);
        let (Some(cells), Some(level)) = (located.cells.get(at), layer.levels.last()) else {
            return text;
        };
        let counts = counts(cells);
        let (rows, cols) = layer.map_size;
        let _ = writeln!(
            text,
            "\n{}: {rows} × {cols} positions in {} cells of the grid of {}",
            layer.name,
            counts.len(),
            level.grid
        );
        text.push_str("  row,col  positions  speaks for\n");
        for (cell, n) in counts {
            let Some(place) = level.cells.get(usize::from(cell)) else {
                continue;
            };
            let classes: Vec<String> = level
                .ranked_classes(usize::from(cell))
                .into_iter()
                .take(3)
                .filter(|(_, v)| *v > 0.0)
                .map(|(class, _)| atlas.class_name(class))
                .collect();
            let at = format!("{},{}", place.row, place.col);
            let _ = writeln!(text, "  {at:>7}  {n:9}  {}", classes.join(", "));
        }
        text.push_str("\nposition by position, ROW,COL of the cell:\n");
        for row in cells.chunks(cols.max(1) as usize) {
            for cell in row {
                let place = level.cells.get(usize::from(*cell));
                let at = place.map_or(String::new(), |c| format!("{},{}", c.row, c.col));
                let _ = write!(text, " {at:>5}");
            }
            text.push('\n');
        }
        text
    }

    fn as_json(atlas: &Atlas, name: &str, located: &Located) -> Result<String, Failure> {
        let predictions: Vec<_> = located
            .predictions
            .iter()
            .map(|&(class, p)| {
                json!({ "class": class, "name": atlas.class_name(class), "probability": p })
            })
            .collect();
        let layers: Vec<_> = atlas
            .layers
            .iter()
            .zip(&located.cells)
            .filter_map(|(layer, cells)| {
                let level = layer.levels.last()?;
                let place = |cell: &u16| {
                    let cell = level.cells.get(usize::from(*cell));
                    cell.map(|cell| [cell.row, cell.col])
                };
                let rows: Vec<Vec<_>> = cells
                    .chunks(layer.map_size.1.max(1) as usize)
                    .map(|row| row.iter().map(place).collect())
                    .collect();
                Some(json!({ "layer": layer.name, "grid": level.grid, "cells": rows }))
            })
            .collect();
        let all = json!({ "photograph": name, "predictions": predictions, "layers": layers });
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}
