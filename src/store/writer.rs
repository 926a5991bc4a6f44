//! Atlas → entries → bytes.

use super::manifest::{self, Manifest};
use super::npy;
use crate::atlas::{Atlas, Head, Inconsistent, LayerAtlas, Level};
use rayon::prelude::*;
use std::io::Write as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime};

/// Stored for `None` in a column of labels or predictions.
pub(super) const NONE: u16 = u16::MAX;

/// Bytes tried before an entry is deflated.
const TRIAL: usize = 64 << 10;

struct Entry {
    name: String,
    bytes: std::borrow::Cow<'static, [u8]>,
    /// Whether compressing is of use.
    plain: bool,
}

/// The whole file. The same atlas gives the same bytes.
///
/// # Errors
/// An [`Inconsistent`] when the atlas is, or when it holds something that a file cannot.
pub(super) fn bytes(atlas: &Atlas) -> Result<Vec<u8>, Inconsistent> {
    atlas.check()?;
    let manifest = Manifest::of(atlas);
    let mut entries = vec![json("manifest.json", &manifest)?];
    // JSON has no NaN and no infinity; what does not read back the same must not be written.
    if serde_json::from_slice::<Manifest>(&entries[0].bytes)
        .ok()
        .as_ref()
        != Some(&manifest)
    {
        return Err(unstorable("manifest", "a number in it is not finite"));
    }
    image_entries(atlas, &mut entries)?;
    if let Some(truth) = &atlas.truth {
        let entry = json("truth.json", truth)?;
        if serde_json::from_slice(&entry.bytes).ok().as_ref() != Some(truth) {
            return Err(unstorable("truth", "a number in it is not finite"));
        }
        entries.push(entry);
    }
    let layers: Vec<Vec<Entry>> = atlas
        .layers
        .par_iter()
        .enumerate()
        .map(|(idx, layer)| layer_entries(&format!("layers/{idx}"), layer, atlas))
        .collect();
    entries.extend(layers.into_iter().flatten());
    entries.extend(atlas.head.iter().flat_map(head_entries));
    pack(&entries).map_err(|error| unstorable("file", &error.to_string()))
}

fn unstorable(part: &str, what: &str) -> Inconsistent {
    Inconsistent {
        part: part.to_owned(),
        what: what.to_owned(),
    }
}

fn json<T: serde::Serialize>(name: &str, value: &T) -> Result<Entry, Inconsistent> {
    let bytes = serde_json::to_vec(value).map_err(|error| unstorable(name, &error.to_string()))?;
    Ok(Entry {
        name: name.to_owned(),
        bytes: bytes.into(),
        plain: true,
    })
}

fn image_entries(atlas: &Atlas, entries: &mut Vec<Entry>) -> Result<(), Inconsistent> {
    let images = &atlas.images;
    let optional = |part: &str, values: &[Option<u16>]| {
        if values.contains(&Some(NONE)) {
            return Err(unstorable(part, "number 65535 stands for none"));
        }
        Ok(npy::column(
            values.iter().map(|value| value.unwrap_or(NONE)),
        ))
    };
    entries.push(json("images/path.json", &images.path)?);
    let mut add = |name: &str, bytes: Vec<u8>| {
        entries.push(Entry {
            name: format!("images/{name}.npy"),
            bytes: bytes.into(),
            plain: true,
        });
    };
    add("source", npy::column(images.source.iter().copied()));
    add("label", optional("images.label", &images.label)?);
    add(
        "prediction",
        optional("images.prediction", &images.prediction)?,
    );
    if !images.style.is_empty() {
        add("style", npy::columns(&images.style));
    }
    Ok(())
}

fn head_entries(head: &Head) -> Vec<Entry> {
    let entry = |(name, bytes): (&str, Vec<u8>)| Entry {
        name: format!("head/{name}.npy"),
        bytes: bytes.into(),
        plain: true,
    };
    let tables = [
        ("weights", npy::rows(&head.weights)),
        ("bias", npy::column(head.bias.iter().copied())),
        ("pooled", npy::columns(&head.pooled.data)),
        ("clusters", npy::rows(&head.clusters)),
        ("position_clusters", npy::rows(&head.position_clusters)),
        ("position_cosines", npy::rows(&head.position_cosines.data)),
        ("position_norms", npy::rows(&head.position_norms.data)),
    ];
    tables.into_iter().map(entry).collect()
}

fn layer_entries(folder: &str, layer: &LayerAtlas, atlas: &Atlas) -> Vec<Entry> {
    let samples = &layer.samples;
    let mut entries = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| {
        entries.push(Entry {
            name: format!("{folder}/{name}.npy"),
            bytes: bytes.into(),
            plain: true,
        });
    };
    add(
        "image",
        npy::unsigned(&samples.image, atlas.images.len() as u32),
    );
    add("row", npy::column(samples.row.iter().copied()));
    add("col", npy::column(samples.col.iter().copied()));
    add(
        "position",
        npy::columns(&samples.position.mapv(|p| (p * 65535.0).round() as u16)),
    );
    add("top_classes", npy::columns(&samples.top_classes));
    add("top_values", npy::columns(&samples.top_values));
    add("top_scale", npy::column(samples.top_scale.iter().copied()));
    add("pca_mean", npy::column(samples.pca.mean.iter().copied()));
    add("pca_components", npy::rows(&samples.pca.components));
    add(
        "pca_coordinates",
        npy::columns(&samples.pca.coordinates.data),
    );
    add("pooled", npy::columns(&layer.pooled.data));
    if !layer.position_cells.is_empty() {
        add("position_cells", npy::rows(&layer.position_cells));
    }
    if let Some(activations) = &samples.activations {
        add("activations", npy::rows(activations));
    }
    for (idx, level) in layer.levels.iter().enumerate() {
        level_entries(
            &format!("{folder}/levels/{idx}"),
            level,
            samples.len(),
            &mut entries,
        );
    }
    entries
}

fn level_entries(folder: &str, level: &Level, n_samples: usize, entries: &mut Vec<Entry>) {
    let mut add = |name: &str, bytes: Vec<u8>| {
        entries.push(Entry {
            name: format!("{folder}/{name}.npy"),
            bytes: bytes.into(),
            plain: true,
        });
    };
    let n_cells = level.cells.len() as u32;
    let mut sample_cell = vec![n_cells; n_samples];
    for cell in 0..level.cells.len() {
        level
            .members_of(cell)
            .iter()
            .for_each(|&sample| sample_cell[sample as usize] = cell as u32);
    }
    let of_cells =
        |value: fn(&crate::atlas::Cell) -> u32| level.cells.iter().map(value).collect::<Vec<u32>>();
    add("row", npy::unsigned(&of_cells(|cell| cell.row), level.grid));
    add("col", npy::unsigned(&of_cells(|cell| cell.col), level.grid));
    add(
        "n_samples",
        npy::unsigned(&of_cells(|cell| cell.n_samples), n_samples as u32),
    );
    add("sample_cell", npy::unsigned(&sample_cell, n_cells));
    add("directions", npy::columns(&level.directions));
    add("attributions", npy::columns(&level.attributions));
    let most_steps = level.icons.steps.iter().copied().max().unwrap_or(0);
    add("icon_steps", npy::unsigned(&level.icons.steps, most_steps));
    // One bit pattern for every NaN, so that equal atlases are equal bytes.
    add(
        "icon_score",
        npy::column(
            level
                .icons
                .score
                .iter()
                .map(|&v| if v.is_nan() { f32::NAN } else { v }),
        ),
    );
    for tile in &level.icons.tiles {
        let name = manifest::tile_name(folder, tile.row, tile.col);
        entries.push(Entry {
            name,
            bytes: tile.png.to_vec().into(),
            plain: false,
        });
    }
}

/// Whether deflating saves an eighth or more, judged by a piece from the middle. Attributions of a thousand classes
/// in half precision save a twentieth, which is not worth the time that it takes to inflate them on opening.
fn shrinks(bytes: &[u8], deflated: SimpleFileOptions) -> zip::result::ZipResult<bool> {
    let from = (bytes.len() / 2).saturating_sub(TRIAL / 2);
    let piece = &bytes[from..bytes.len().min(from + TRIAL)];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("x", deflated)?;
    archive.write_all(piece)?;
    let packed = archive.finish()?.into_inner().len();
    Ok(packed * 8 < piece.len() * 7)
}

fn pack(entries: &[Entry]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let deflated = options
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    let stored = options.compression_method(CompressionMethod::Stored);
    let packed: Vec<_> = entries
        .par_iter()
        .map(|entry| {
            let options = if entry.plain && shrinks(&entry.bytes, deflated)? {
                deflated
            } else {
                stored
            };
            zip::write::PreparedZipFile::from_data(&entry.name, options, &entry.bytes)
        })
        .collect();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for entry in packed {
        archive.add_prepared_file(entry?)?;
    }
    Ok(archive.finish()?.into_inner())
}
