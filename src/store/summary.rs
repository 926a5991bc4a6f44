//! What an atlas holds, in numbers, for people and for scripts.

use crate::atlas::{Atlas, Head, LayerAtlas, Level};
use serde_json::{Value, json};
use std::fmt::Write;

/// Everything countable about an atlas as JSON.
pub fn summary(atlas: &Atlas) -> Value {
    let images = &atlas.images;
    json!({
        "complete": atlas.complete,
        "network": atlas.recipe.network,
        "n_classes": atlas.classes.len(),
        "images": {
            "n": images.len(),
            "n_labelled": images.label.iter().flatten().count(),
            "n_labels": images.label_names.len(),
            "n_labels_with_class": images.label_class.iter().flatten().count(),
            "accuracy": accuracy(atlas),
        },
        "planted": atlas.truth.as_ref().map(|truth| truth.planted.len()),
        "layers": atlas.layers.iter().map(layer).collect::<Vec<_>>(),
        "head": atlas.head.as_ref().map(head),
        "recipe": atlas.recipe,
    })
}

fn head(head: &Head) -> Value {
    json!({
        "layer": head.layer,
        "depth": head.weights.ncols(),
        "map_size": head.map_size,
        "n_clusters": head.clusters.nrows(),
    })
}

/// Share of the images whose label has a class, that the network gets right.
fn accuracy(atlas: &Atlas) -> Option<f64> {
    let images = &atlas.images;
    let pairs = images
        .label
        .iter()
        .zip(&images.prediction)
        .filter_map(|(label, prediction)| {
            let class = images.label_class[usize::from((*label)?)]?;
            Some((*prediction)? == class)
        });
    let (n, right) = pairs.fold((0_u32, 0_u32), |(n, right), hit| {
        (n + 1, right + u32::from(hit))
    });
    (n > 0).then(|| f64::from(right) / f64::from(n))
}

fn layer(layer: &LayerAtlas) -> Value {
    json!({
        "name": layer.name,
        "depth": layer.depth,
        "map_size": layer.map_size,
        "receptive_field": layer.receptive_field,
        "n_samples": layer.samples.len(),
        "pca": { "n_components": layer.samples.pca.components.nrows(), "explained": layer.samples.pca.explained },
        "quality": layer.quality,
        "keeps_activations": layer.samples.activations.is_some(),
        "position_cells": !layer.position_cells.is_empty(),
        "levels": layer.levels.iter().map(level).collect::<Vec<_>>(),
    })
}

fn level(level: &Level) -> Value {
    let largest = level.cells.iter().map(|cell| cell.n_samples).max();
    let bytes: usize = level.icons.tiles.iter().map(|tile| tile.png.len()).sum();
    json!({
        "grid": level.grid,
        "n_cells": level.cells.len(),
        "occupancy": level.occupancy(),
        "n_samples": level.members.len(),
        "largest_cell": largest,
        "n_icons": level.icons.steps.iter().filter(|&&steps| steps > 0).count(),
        "icon_size": level.icons.size,
        "icon_bytes": bytes,
    })
}

/// The same for people; `file_size` in bytes when it comes from a file. Ends in a line break.
pub fn describe(atlas: &Atlas, file_size: Option<u64>) -> String {
    let recipe = &atlas.recipe;
    let mut text = String::new();
    let unfinished = if atlas.complete { "" } else { " (unfinished)" };
    let mut add = |line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        writeln!(text, "{line}").ok();
    };
    add(format_args!(
        "network    {}{unfinished}, {} classes",
        recipe.network,
        atlas.classes.len()
    ));
    let images = &atlas.images;
    let labelled = images.label.iter().flatten().count();
    add(format_args!(
        "images     {}, {labelled} with a label",
        images.len()
    ));
    for source in &recipe.sources {
        add(format_args!(
            "  from     {} ({} used, {} not readable)",
            source.name, source.n_images, source.n_skipped
        ));
    }
    if let Some(accuracy) = accuracy(atlas) {
        add(format_args!(
            "accuracy   {:.1} % of the labels that are classes",
            100.0 * accuracy
        ));
    }
    if let Some(truth) = &atlas.truth {
        let names: Vec<&str> = truth
            .planted
            .iter()
            .map(|planted| planted.name.as_str())
            .collect();
        add(format_args!("planted    {}", names.join(", ")));
    }
    for layer in &atlas.layers {
        describe_layer(layer, &mut add);
    }
    if let Some(head) = &atlas.head {
        add(format_args!(
            "head       {}: {} channels, {} × {}, logits are linear in its mean; {} clusters of positions",
            head.layer,
            head.weights.ncols(),
            head.map_size.0,
            head.map_size.1,
            head.clusters.nrows()
        ));
    }
    add(format_args!(
        "seed       {}, {}, made by {}",
        recipe.seed, recipe.device, recipe.program
    ));
    if let Some(size) = file_size {
        add(format_args!("file       {:.1} MB", size as f64 / 1e6));
    }
    text
}

fn describe_layer(layer: &LayerAtlas, add: &mut impl FnMut(std::fmt::Arguments<'_>)) {
    let (rows, cols) = layer.map_size;
    let n = layer.samples.len();
    add(format_args!(
        "layer      {}: {} channels, {rows} × {cols}, {n} activations",
        layer.name, layer.depth
    ));
    let quality = layer.quality;
    if quality.n_queries > 0 {
        add(format_args!(
            "  layout   trustworthiness {:.3}, {:.1} % of {} neighbours kept",
            quality.trustworthiness,
            100.0 * quality.neighbour_recall,
            quality.k
        ));
    }
    for level in &layer.levels {
        let icons = level.icons.steps.iter().filter(|&&steps| steps > 0).count();
        add(format_args!(
            "  level    {0} × {0}: {1} cells ({2:.0} % of the squares), {icons} icons of {3} pixels",
            level.grid,
            level.cells.len(),
            100.0 * level.occupancy(),
            level.icons.size
        ));
    }
}
