//! Bytes → entries → atlas. Nothing in the file is believed before it is checked.

use super::manifest::{
    FORMAT, Form, HeadManifest, LayerManifest, LevelManifest, Manifest, Preamble, Scale, tile_name,
};
use super::writer::NONE;
use super::{Error, MAX_ICON_SIZE, VERSION, npy};
use crate::atlas::{
    Atlas, Cell, Head, Icons, Images, LayerAtlas, Level, Palette, Pca, Quantized, Samples,
    TILE_SIZE, Tile, Truth,
};
use ndarray::{Array1, Array2};
use rayon::prelude::*;
use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;
use zip::ZipArchive;

/// Largest manifest, and the room that every file gets when its entries are inflated.
const ROOM: u64 = 64 << 20;

/// How much larger than the file its entries may be together, besides [`ROOM`]. Real ones are about twice as large.
const MAX_RATIO: u64 = 100;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// Reads a whole file.
pub(super) fn atlas(bytes: &[u8], path: &Path) -> Result<Atlas, Error> {
    let mut archive = open(bytes, path)?;
    let manifest = manifest(&mut archive, path)?;
    let mut forms = manifest.entries();
    // The largest first, so that no thread is left alone with one at the end.
    forms.sort_by_key(|(_, form)| std::cmp::Reverse(form.max_bytes()));
    let declared = archive.decompressed_size().unwrap_or(u128::MAX);
    let most = u128::from(bytes.len() as u64 * MAX_RATIO + ROOM);
    if declared > most {
        let why = format!(
            "it would inflate to {declared} bytes, more than an atlas of its size can hold"
        );
        return Err(damaged(path, "the file", &why));
    }
    let loaded: Result<HashMap<String, Loaded>, Error> = forms
        .into_par_iter()
        .with_max_len(1)
        .map_init(
            || archive.clone(),
            |archive, (name, form)| {
                let loaded =
                    load(archive, &name, &form).map_err(|why| damaged(path, &name, &why))?;
                Ok((name, loaded))
            },
        )
        .collect();
    let atlas = assemble(
        manifest,
        Entries {
            loaded: loaded?,
            path,
        },
    )?;
    let checked = atlas.check();
    checked.map_err(|source| Error::Inconsistent {
        path: path.to_owned(),
        source,
    })?;
    Ok(atlas)
}

fn damaged(path: &Path, entry: &str, why: &str) -> Error {
    Error::Damaged {
        path: path.to_owned(),
        entry: entry.to_owned(),
        why: why.to_owned(),
    }
}

fn open<'a>(bytes: &'a [u8], path: &Path) -> Result<Archive<'a>, Error> {
    let not = |why| Error::NotAnAtlas {
        path: path.to_owned(),
        why,
    };
    if bytes.is_empty() {
        return Err(not("it is empty"));
    }
    if !b"PK\x03\x04".starts_with(&bytes[..bytes.len().min(4)]) {
        return Err(not("it is no ZIP file"));
    }
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| Error::Truncated {
        path: path.to_owned(),
    })?;
    if archive.has_duplicate_names() {
        return Err(damaged(path, "the file", "two entries have the same name"));
    }
    Ok(archive)
}

fn manifest(archive: &mut Archive<'_>, path: &Path) -> Result<Manifest, Error> {
    let name = "manifest.json";
    let not = |why| Error::NotAnAtlas {
        path: path.to_owned(),
        why,
    };
    if archive.index_for_name(name).is_none() {
        return Err(not("it is a ZIP file without a manifest"));
    }
    let text = inflate(archive, name, ROOM).map_err(|why| damaged(path, name, &why))?;
    let preamble: Preamble = serde_json::from_slice(&text)
        .map_err(|_| not("its manifest does not name a format and a version"))?;
    if preamble.format != FORMAT {
        return Err(not("its manifest names another format"));
    }
    if preamble.version > VERSION {
        return Err(Error::Newer {
            path: path.to_owned(),
            found: preamble.version,
            supported: VERSION,
        });
    }
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| damaged(path, name, &error.to_string()))?;
    let levels = || manifest.layers.iter().flat_map(|layer| &layer.levels);
    let n_tiles: usize = levels().map(|level| level.tiles.len()).sum();
    if n_tiles + manifest.layers.len() > archive.len() {
        let why = format!(
            "it promises more entries than the {} there are",
            archive.len()
        );
        return Err(damaged(path, name, &why));
    }
    if let Some(level) = levels().find(|level| level.icon_size > MAX_ICON_SIZE) {
        let why = format!(
            "icons of {} pixels, at most {MAX_ICON_SIZE}",
            level.icon_size
        );
        return Err(damaged(path, name, &why));
    }
    Ok(manifest)
}

/// The bytes of an entry, at most `limit` of them.
fn inflate(archive: &mut Archive<'_>, name: &str, limit: u64) -> Result<Vec<u8>, String> {
    let file = archive.by_name(name).map_err(|error| error.to_string())?;
    if file.size() > limit {
        return Err(format!(
            "it has {} bytes, at most {limit} were expected",
            file.size()
        ));
    }
    // The declared size may lie; DEFLATE makes at most 1032 bytes of one.
    let honest = file.compressed_size().saturating_mul(1032);
    let mut bytes = Vec::with_capacity(file.size().min(honest).min(ROOM) as usize);
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("it has more than the expected {limit} bytes"));
    }
    Ok(bytes)
}

enum Loaded {
    Bytes(Vec<u8>),
    Array(npy::Array),
}

fn load(archive: &mut Archive<'_>, name: &str, form: &Form) -> Result<Loaded, String> {
    let room = if matches!(form, Form::Array(..) | Form::Unsigned(_)) {
        npy::MAX_HEADER as u64 + 10
    } else {
        0
    };
    let bytes = inflate(archive, name, form.max_bytes().saturating_add(room))?;
    let (fits, array) = match form {
        Form::Json(_) | Form::Png(_) => return Ok(Loaded::Bytes(bytes)),
        Form::Array(dtype, shape) => {
            let array = npy::parse(bytes)?;
            (array.dtype == *dtype && array.shape == *shape, array)
        }
        Form::Unsigned(n) => {
            let array = npy::parse(bytes)?;
            let unsigned = matches!(
                array.dtype,
                npy::Dtype::U8 | npy::Dtype::U16 | npy::Dtype::U32
            );
            (unsigned && array.shape == [*n], array)
        }
    };
    if fits {
        return Ok(Loaded::Array(array));
    }
    Err(format!(
        "{} {:?} found, {form:?} expected",
        array.dtype.descr(),
        array.shape
    ))
}

/// Everything but the manifest, read and of the expected form.
struct Entries<'a> {
    loaded: HashMap<String, Loaded>,
    path: &'a Path,
}

impl Entries<'_> {
    fn damaged(&self, entry: &str, why: &str) -> Error {
        damaged(self.path, entry, why)
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        match self.loaded.remove(name) {
            Some(Loaded::Bytes(bytes)) => Ok(bytes),
            _ => Err(self.damaged(name, "it is missing")),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        let bytes = self.bytes(name)?;
        serde_json::from_slice(&bytes).map_err(|error| self.damaged(name, &error.to_string()))
    }

    fn array(&mut self, name: &str) -> Result<npy::Array, Error> {
        match self.loaded.remove(name) {
            Some(Loaded::Array(array)) => Ok(array),
            _ => Err(self.damaged(name, "it is missing")),
        }
    }

    fn column<T: npy::Element>(&mut self, folder: &str, name: &str) -> Result<Vec<T>, Error> {
        Ok(self.array(&format!("{folder}/{name}.npy"))?.elements())
    }

    fn unsigned(&mut self, folder: &str, name: &str) -> Result<Vec<u32>, Error> {
        Ok(self.array(&format!("{folder}/{name}.npy"))?.unsigned())
    }

    fn table<T: npy::Element>(&mut self, folder: &str, name: &str) -> Result<Array2<T>, Error> {
        let name = format!("{folder}/{name}.npy");
        let array = self.array(&name)?;
        let shape = (array.shape[0], array.shape.get(1).copied().unwrap_or(1));
        Array2::from_shape_vec(shape, array.elements())
            .map_err(|error| self.damaged(&name, &error.to_string()))
    }

    fn quantized(&mut self, folder: &str, name: &str, scale: &Scale) -> Result<Quantized, Error> {
        Ok(Quantized {
            data: self.table(folder, name)?,
            zero: scale.zero,
            step: scale.step,
        })
    }
}

fn assemble(manifest: Manifest, mut entries: Entries<'_>) -> Result<Atlas, Error> {
    let optional = |values: Vec<u16>| -> Vec<Option<u16>> {
        values
            .into_iter()
            .map(|value| (value != NONE).then_some(value))
            .collect()
    };
    let images = Images {
        path: entries.json("images/path.json")?,
        source: entries.column("images", "source")?,
        label: optional(entries.column("images", "label")?),
        prediction: optional(entries.column("images", "prediction")?),
        label_names: manifest.label_names,
        label_class: manifest.label_class,
        style: if manifest.style {
            entries.table("images", "style")?
        } else {
            Array2::from_elem((0, 0), half::f16::ZERO)
        },
    };
    let truth: Option<Truth> = if manifest.truth {
        Some(entries.json("truth.json")?)
    } else {
        None
    };
    let layers: Result<Vec<LayerAtlas>, Error> = (manifest.layers.into_iter().enumerate())
        .map(|(idx, layer)| assemble_layer(&format!("layers/{idx}"), layer, &mut entries))
        .collect();
    let head = manifest.head.map(|head| assemble_head(head, &mut entries));
    Ok(Atlas {
        recipe: manifest.recipe,
        classes: manifest.classes,
        images,
        layers: layers?,
        truth,
        head: head.transpose()?,
        complete: manifest.complete,
    })
}

fn assemble_head(head: HeadManifest, entries: &mut Entries<'_>) -> Result<Head, Error> {
    let folder = "head";
    Ok(Head {
        weights: entries.table(folder, "weights")?,
        bias: entries.column(folder, "bias")?,
        pooled: entries.quantized(folder, "pooled", &head.pooled)?,
        clusters: entries.table(folder, "clusters")?,
        position_clusters: entries.table(folder, "position_clusters")?,
        position_cosines: entries.quantized(folder, "position_cosines", &head.position_cosines)?,
        position_norms: entries.quantized(folder, "position_norms", &head.position_norms)?,
        layer: head.layer,
        map_size: head.map_size,
        receptive_field: head.receptive_field,
        stride: head.stride,
    })
}

fn assemble_layer(
    folder: &str,
    layer: LayerManifest,
    entries: &mut Entries<'_>,
) -> Result<LayerAtlas, Error> {
    let n = layer.n_samples as usize;
    let samples = Samples {
        image: entries.unsigned(folder, "image")?,
        row: entries.column(folder, "row")?,
        col: entries.column(folder, "col")?,
        position: entries
            .table::<u16>(folder, "position")?
            .mapv(|p| f32::from(p) / 65535.0),
        top_classes: entries.table(folder, "top_classes")?,
        top_values: entries.table(folder, "top_values")?,
        top_scale: entries.column(folder, "top_scale")?,
        pca: Pca {
            mean: Array1::from_vec(entries.column(folder, "pca_mean")?),
            components: entries.table(folder, "pca_components")?,
            coordinates: entries.quantized(folder, "pca_coordinates", &layer.pca.scale)?,
            explained: layer.pca.explained,
        },
        activations: if layer.activations {
            Some(entries.table(folder, "activations")?)
        } else {
            None
        },
    };
    let levels: Result<Vec<Level>, Error> = (layer.levels.iter().enumerate())
        .map(|(idx, level)| assemble_level(&format!("{folder}/levels/{idx}"), level, n, entries))
        .collect();
    Ok(LayerAtlas {
        samples,
        levels: levels?,
        palette: Palette {
            colours: layer.palette,
        },
        quality: layer.quality,
        pooled: entries.quantized(folder, "pooled", &layer.pooled)?,
        position_cells: if layer.position_cells {
            entries.table(folder, "position_cells")?
        } else {
            Array2::zeros((0, 0))
        },
        name: layer.name,
        depth: layer.depth as usize,
        map_size: layer.map_size,
        receptive_field: layer.receptive_field,
        stride: layer.stride,
    })
}

fn assemble_level(
    folder: &str,
    level: &LevelManifest,
    n_samples: usize,
    entries: &mut Entries<'_>,
) -> Result<Level, Error> {
    let (rows, cols) = (
        entries.unsigned(folder, "row")?,
        entries.unsigned(folder, "col")?,
    );
    let counts = entries.unsigned(folder, "n_samples")?;
    let cells: Vec<Cell> = (rows.into_iter().zip(cols).zip(counts))
        .map(|((row, col), n_samples)| Cell {
            row,
            col,
            n_samples,
        })
        .collect();
    let sample_cell = entries.unsigned(folder, "sample_cell")?;
    let (members, starts) = group(&sample_cell, cells.len()).ok_or_else(|| {
        entries.damaged(
            &format!("{folder}/sample_cell.npy"),
            "it names a cell that does not exist",
        )
    })?;
    debug_assert_eq!(sample_cell.len(), n_samples);
    let tiles: Result<Vec<Tile>, Error> = level
        .tiles
        .iter()
        .map(|&(row, col)| tile(folder, (row, col), level, entries))
        .collect();
    Ok(Level {
        grid: level.grid,
        cells,
        directions: entries.table(folder, "directions")?,
        attributions: entries.table(folder, "attributions")?,
        members,
        starts,
        icons: Icons {
            size: level.icon_size,
            tiles: tiles?,
            steps: entries.unsigned(folder, "icon_steps")?,
            score: entries.column(folder, "icon_score")?,
        },
    })
}

/// From the cell of every sample (`n_cells` = none) to the samples of every cell, by counting.
fn group(sample_cell: &[u32], n_cells: usize) -> Option<(Vec<u32>, Vec<u32>)> {
    let mut starts = vec![0_u32; n_cells + 2];
    for &cell in sample_cell {
        *starts.get_mut(cell as usize + 1)? += 1;
    }
    for idx in 1..starts.len() {
        starts[idx] += starts[idx - 1];
    }
    let mut next = starts.clone();
    let mut members = vec![0; starts[n_cells] as usize];
    for (sample, &cell) in sample_cell.iter().enumerate() {
        if (cell as usize) < n_cells {
            members[next[cell as usize] as usize] = sample as u32;
            next[cell as usize] += 1;
        }
    }
    starts.truncate(n_cells + 1);
    Some((members, starts))
}

/// A tile goes to the terminal as it is, so its header must say what the manifest says.
fn tile(
    folder: &str,
    (row, col): (u32, u32),
    level: &LevelManifest,
    entries: &mut Entries<'_>,
) -> Result<Tile, Error> {
    let name = tile_name(folder, row, col);
    let png = entries.bytes(&name)?;
    let side = (TILE_SIZE * level.icon_size).to_be_bytes();
    // Signature, length and name of the first chunk, width, height, 8 bits per pixel, indexed, not interlaced.
    let header = [
        &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
        &side,
        &side,
        &[8, 3, 0, 0, 0],
    ]
    .concat();
    if !png.starts_with(&header) {
        let why = format!(
            "it is no indexed PNG of {0} × {0} pixels",
            TILE_SIZE * level.icon_size
        );
        return Err(entries.damaged(&name, &why));
    }
    Ok(Tile {
        row,
        col,
        png: png.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_grouped_in_ascending_order() {
        let (members, starts) = group(&[1, 0, 3, 1, 2, 0], 3).unwrap();
        assert_eq!(members, [1, 5, 0, 3, 4]);
        assert_eq!(starts, [0, 2, 4, 5]);
        assert_eq!(group(&[], 0).unwrap(), (vec![], vec![0]));
        assert!(group(&[4], 3).is_none());
    }
}
