//! Tables for spreadsheets and data frames.

use super::{file_name, folder};
use crate::atlas::{Atlas, LayerAtlas, Level};
use crate::store::Error;
use std::path::Path;

/// Classes per row of the cells' table.
const N_TOP: usize = 5;

/// Writes `images.csv`, and for every layer `N-NAME-cells.csv` (all levels) and `N-NAME-samples.csv` into a folder.
///
/// Text that a spreadsheet would take for a formula gets a leading apostrophe.
///
/// # Errors
/// [`Error::Occupied`] when the folder holds files that are not of an earlier export, else [`Error::Write`].
pub fn csv(atlas: &Atlas, dir: &Path) -> Result<(), Error> {
    let failed = |source: csv::Error| Error::Write {
        path: dir.to_owned(),
        source: source.into(),
    };
    let mut files = vec![("images.csv".to_owned(), images(atlas).map_err(failed)?)];
    for (idx, layer) in atlas.layers.iter().enumerate() {
        let stem = format!("{idx}-{}", file_name(&layer.name));
        files.push((
            format!("{stem}-cells.csv"),
            cells(atlas, layer).map_err(failed)?,
        ));
        files.push((
            format!("{stem}-samples.csv"),
            samples(atlas, layer).map_err(failed)?,
        ));
    }
    folder::write(dir, &files)
}

/// Text that no spreadsheet evaluates.
fn harmless(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

fn finished(writer: csv::Writer<Vec<u8>>) -> csv::Result<Vec<u8>> {
    writer
        .into_inner()
        .map_err(|error| csv::Error::from(error.into_error()))
}

fn images(atlas: &Atlas) -> csv::Result<Vec<u8>> {
    let images = &atlas.images;
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["image", "path", "source", "label", "prediction"])?;
    for idx in 0..images.len() {
        let source = atlas.recipe.sources.get(usize::from(images.source[idx]));
        let label = images.label[idx].map(|label| images.label_names[usize::from(label)].as_str());
        writer.write_record([
            idx.to_string(),
            harmless(&images.path[idx]),
            harmless(source.map_or("", |source| &source.name)),
            harmless(label.unwrap_or("")),
            images.prediction[idx]
                .map_or_else(String::new, |class| harmless(&atlas.class_name(class))),
        ])?;
    }
    finished(writer)
}

fn cells(atlas: &Atlas, layer: &LayerAtlas) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = [
        "grid",
        "cell",
        "row",
        "col",
        "n_samples",
        "icon_steps",
        "icon_score",
    ]
    .map(str::to_owned)
    .to_vec();
    header.extend(
        (1..=N_TOP).flat_map(|rank| [format!("class_{rank}"), format!("attribution_{rank}")]),
    );
    writer.write_record(&header)?;
    for level in &layer.levels {
        for idx in 0..level.cells.len() {
            writer.write_record(cell_row(atlas, level, idx))?;
        }
    }
    finished(writer)
}

fn cell_row(atlas: &Atlas, level: &Level, idx: usize) -> Vec<String> {
    let cell = level.cells[idx];
    let score = level.icons.score[idx];
    let mut row: Vec<String> = [
        level.grid,
        idx as u32,
        cell.row,
        cell.col,
        cell.n_samples,
        level.icons.steps[idx],
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    row.push(if score.is_finite() {
        score.to_string()
    } else {
        String::new()
    });
    let mut ranked = level.ranked_classes(idx).into_iter();
    for _ in 0..N_TOP {
        let (class, value) = ranked.next().unzip();
        row.push(class.map_or_else(String::new, |class| harmless(&atlas.class_name(class))));
        row.push(value.map_or_else(String::new, |value: f32| value.to_string()));
    }
    row
}

fn samples(atlas: &Atlas, layer: &LayerAtlas) -> csv::Result<Vec<u8>> {
    let samples = &layer.samples;
    let mut cell_of = vec![vec![None; samples.len()]; layer.levels.len()];
    for (column, level) in cell_of.iter_mut().zip(&layer.levels) {
        for cell in 0..level.cells.len() {
            level
                .members_of(cell)
                .iter()
                .for_each(|&member| column[member as usize] = Some(cell));
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = [
        "sample",
        "image",
        "row",
        "col",
        "x",
        "y",
        "class_1",
        "attribution_1",
    ]
    .map(str::to_owned)
    .to_vec();
    header.extend(
        layer
            .levels
            .iter()
            .map(|level| format!("cell_{}", level.grid)),
    );
    writer.write_record(&header)?;
    for idx in 0..samples.len() {
        // The class that the sample speaks for most, not the one that it speaks against.
        let best = samples.top(idx).max_by(|a, b| a.1.total_cmp(&b.1));
        let mut row = vec![
            idx.to_string(),
            samples.image[idx].to_string(),
            samples.row[idx].to_string(),
            samples.col[idx].to_string(),
            samples.position[(idx, 0)].to_string(),
            samples.position[(idx, 1)].to_string(),
            best.map_or_else(String::new, |(class, _)| harmless(&atlas.class_name(class))),
            best.map_or_else(String::new, |(_, value)| value.to_string()),
        ];
        row.extend(
            cell_of
                .iter()
                .map(|column| column[idx].map_or_else(String::new, |cell: usize| cell.to_string())),
        );
        writer.write_record(&row)?;
    }
    finished(writer)
}
