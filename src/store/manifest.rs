//! `manifest.json`, and the list of entries that it promises.

use super::npy::Dtype;
use crate::atlas::{
    Atlas, Class, ClassId, Head, LayerAtlas, LayoutQuality, Level, Quantized, Recipe, STYLE,
};
use serde::{Deserialize, Serialize};

/// What the file says about itself.
pub(super) const FORMAT: &str = "atlascope atlas";

/// Just enough to tell whether the rest can be read.
#[derive(Debug, Deserialize)]
pub(super) struct Preamble {
    pub(super) format: String,
    pub(super) version: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) complete: bool,
    pub(super) truth: bool,
    pub(super) recipe: Recipe,
    pub(super) n_images: u32,
    pub(super) label_names: Vec<String>,
    pub(super) label_class: Vec<Option<ClassId>>,
    pub(super) classes: Vec<Class>,
    pub(super) layers: Vec<LayerManifest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) head: Option<HeadManifest>,
    /// Whether the images have their styles.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) style: bool,
}

/// The linear end of the network; files from before it was kept have none.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HeadManifest {
    pub(super) layer: String,
    pub(super) depth: u32,
    pub(super) map_size: (u32, u32),
    pub(super) receptive_field: u32,
    pub(super) stride: u32,
    pub(super) n_clusters: u32,
    pub(super) pooled: Scale,
    pub(super) position_cosines: Scale,
    pub(super) position_norms: Scale,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LayerManifest {
    pub(super) name: String,
    pub(super) depth: u32,
    pub(super) map_size: (u32, u32),
    pub(super) receptive_field: u32,
    pub(super) stride: u32,
    pub(super) n_samples: u32,
    /// Strongest attributions kept per sample.
    pub(super) n_top: u32,
    pub(super) quality: LayoutQuality,
    pub(super) pca: PcaManifest,
    pub(super) pooled: Scale,
    /// Whether `position_cells.npy` and `activations.npy` are there.
    pub(super) position_cells: bool,
    pub(super) activations: bool,
    pub(super) palette: Vec<[u8; 3]>,
    pub(super) levels: Vec<LevelManifest>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PcaManifest {
    pub(super) n_components: u32,
    /// Length of the mean: the depth, or 0 when there is no projection.
    pub(super) depth: u32,
    pub(super) explained: f32,
    #[serde(flatten)]
    pub(super) scale: Scale,
}

/// `value = zero + step · stored`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Scale {
    pub(super) rows: u32,
    pub(super) zero: f32,
    pub(super) step: f32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LevelManifest {
    pub(super) grid: u32,
    pub(super) n_cells: u32,
    pub(super) icon_size: u32,
    /// `[row, column]` of every stored tile.
    pub(super) tiles: Vec<(u32, u32)>,
}

/// What an entry has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// JSON, at most this many bytes.
    Json(u64),
    /// A picture, at most this many bytes.
    Png(u64),
    /// An array of this type and shape.
    Array(Dtype, Vec<usize>),
    /// One axis of any unsigned type.
    Unsigned(usize),
}

impl Form {
    /// Bytes of its data at most, without the header.
    pub(super) fn max_bytes(&self) -> u64 {
        let product = |size: usize, shape: &[usize]| {
            shape.iter().fold(size as u64, |product, &side| {
                product.saturating_mul(side as u64)
            })
        };
        match self {
            Self::Json(bytes) | Self::Png(bytes) => *bytes,
            Self::Array(dtype, shape) => product(dtype.size(), shape),
            Self::Unsigned(n) => product(4, &[*n]),
        }
    }
}

impl Manifest {
    pub(super) fn of(atlas: &Atlas) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: super::VERSION,
            complete: atlas.complete,
            truth: atlas.truth.is_some(),
            recipe: atlas.recipe.clone(),
            n_images: atlas.images.len() as u32,
            label_names: atlas.images.label_names.clone(),
            label_class: atlas.images.label_class.clone(),
            classes: atlas.classes.clone(),
            layers: atlas.layers.iter().map(LayerManifest::of).collect(),
            head: atlas.head.as_ref().map(HeadManifest::of),
            style: !atlas.images.style.is_empty(),
        }
    }

    /// Every entry besides the manifest, with what it has to be.
    pub(super) fn entries(&self) -> Vec<(String, Form)> {
        let n = self.n_images as usize;
        let mut entries = vec![
            (
                "images/path.json".to_owned(),
                Form::Json(4096 * (n as u64 + 1)),
            ),
            (
                "images/source.npy".to_owned(),
                Form::Array(Dtype::U16, vec![n]),
            ),
            (
                "images/label.npy".to_owned(),
                Form::Array(Dtype::U16, vec![n]),
            ),
            (
                "images/prediction.npy".to_owned(),
                Form::Array(Dtype::U16, vec![n]),
            ),
        ];
        if self.style {
            let form = Form::Array(Dtype::F16, vec![n, STYLE]);
            entries.push(("images/style.npy".to_owned(), form));
        }
        if self.truth {
            // A box is four numbers of up to 16 characters.
            entries.push((
                "truth.json".to_owned(),
                Form::Json((1 << 20) + 32 * 80 * n as u64),
            ));
        }
        for (idx, layer) in self.layers.iter().enumerate() {
            layer.entries(&format!("layers/{idx}"), self, &mut entries);
        }
        if let Some(head) = &self.head {
            head.entries((n, self.classes.len()), &mut entries);
        }
        entries
    }
}

impl HeadManifest {
    fn of(head: &Head) -> Self {
        Self {
            layer: head.layer.clone(),
            depth: head.weights.ncols() as u32,
            map_size: head.map_size,
            receptive_field: head.receptive_field,
            stride: head.stride,
            n_clusters: head.clusters.nrows() as u32,
            pooled: Scale::of(&head.pooled),
            position_cosines: Scale::of(&head.position_cosines),
            position_norms: Scale::of(&head.position_norms),
        }
    }

    fn entries(&self, (n, n_classes): (usize, usize), entries: &mut Vec<(String, Form)>) {
        let (depth, n_clusters) = (self.depth as usize, self.n_clusters as usize);
        let n_positions = (self.map_size.0 as usize).saturating_mul(self.map_size.1 as usize);
        let tables = [
            ("weights", Dtype::F16, vec![n_classes, depth]),
            ("bias", Dtype::F32, vec![n_classes]),
            ("pooled", Dtype::U8, vec![n, depth]),
            ("clusters", Dtype::F16, vec![n_clusters, depth]),
            ("position_clusters", Dtype::U16, vec![n, n_positions]),
            ("position_cosines", Dtype::U8, vec![n, n_positions]),
            ("position_norms", Dtype::U8, vec![n, n_positions]),
        ];
        for (name, dtype, shape) in tables {
            entries.push((format!("head/{name}.npy"), Form::Array(dtype, shape)));
        }
    }
}

impl LayerManifest {
    fn of(layer: &LayerAtlas) -> Self {
        let samples = &layer.samples;
        Self {
            name: layer.name.clone(),
            depth: layer.depth as u32,
            map_size: layer.map_size,
            receptive_field: layer.receptive_field,
            stride: layer.stride,
            n_samples: samples.len() as u32,
            n_top: samples.top_classes.ncols() as u32,
            quality: layer.quality,
            pca: PcaManifest {
                n_components: samples.pca.components.nrows() as u32,
                depth: samples.pca.mean.len() as u32,
                explained: samples.pca.explained,
                scale: Scale::of(&samples.pca.coordinates),
            },
            pooled: Scale::of(&layer.pooled),
            position_cells: !layer.position_cells.is_empty(),
            activations: samples.activations.is_some(),
            palette: layer.palette.colours.clone(),
            levels: layer.levels.iter().map(LevelManifest::of).collect(),
        }
    }

    fn entries(&self, folder: &str, manifest: &Manifest, entries: &mut Vec<(String, Form)>) {
        let (n, depth, top) = (
            self.n_samples as usize,
            self.depth as usize,
            self.n_top as usize,
        );
        let (k, pca_depth) = (self.pca.n_components as usize, self.pca.depth as usize);
        let pooled = vec![
            self.pooled.rows as usize,
            if self.pooled.rows == 0 { 0 } else { depth },
        ];
        let mut add = |name: &str, form: Form| entries.push((format!("{folder}/{name}.npy"), form));
        add("image", Form::Unsigned(n));
        add("row", Form::Array(Dtype::U8, vec![n]));
        add("col", Form::Array(Dtype::U8, vec![n]));
        add("position", Form::Array(Dtype::U16, vec![n, 2]));
        add("top_classes", Form::Array(Dtype::U16, vec![n, top]));
        add("top_values", Form::Array(Dtype::I8, vec![n, top]));
        add("top_scale", Form::Array(Dtype::F16, vec![n]));
        add("pca_mean", Form::Array(Dtype::F32, vec![pca_depth]));
        add(
            "pca_components",
            Form::Array(Dtype::F32, vec![k, pca_depth]),
        );
        add(
            "pca_coordinates",
            Form::Array(Dtype::U8, vec![self.pca.scale.rows as usize, k]),
        );
        add("pooled", Form::Array(Dtype::U8, pooled));
        if self.position_cells {
            let n_positions = self.map_size.0 as usize * self.map_size.1 as usize;
            add(
                "position_cells",
                Form::Array(Dtype::U16, vec![manifest.n_images as usize, n_positions]),
            );
        }
        if self.activations {
            add("activations", Form::Array(Dtype::F16, vec![n, depth]));
        }
        for (idx, level) in self.levels.iter().enumerate() {
            level.entries(
                &format!("{folder}/levels/{idx}"),
                (n, depth, manifest.classes.len()),
                entries,
            );
        }
    }
}

impl LevelManifest {
    fn of(level: &Level) -> Self {
        Self {
            grid: level.grid,
            n_cells: level.cells.len() as u32,
            icon_size: level.icons.size,
            tiles: level
                .icons
                .tiles
                .iter()
                .map(|tile| (tile.row, tile.col))
                .collect(),
        }
    }

    fn entries(
        &self,
        folder: &str,
        (n_samples, depth, n_classes): (usize, usize, usize),
        entries: &mut Vec<(String, Form)>,
    ) {
        let n = self.n_cells as usize;
        let mut add = |name: &str, form: Form| entries.push((format!("{folder}/{name}.npy"), form));
        add("row", Form::Unsigned(n));
        add("col", Form::Unsigned(n));
        add("n_samples", Form::Unsigned(n));
        add("sample_cell", Form::Unsigned(n_samples));
        add("directions", Form::Array(Dtype::F16, vec![n, depth]));
        add("attributions", Form::Array(Dtype::F16, vec![n, n_classes]));
        add("icon_steps", Form::Unsigned(n));
        add("icon_score", Form::Array(Dtype::F32, vec![n]));
        let side = u64::from(crate::atlas::TILE_SIZE * self.icon_size.min(super::MAX_ICON_SIZE));
        for (row, col) in &self.tiles {
            // An indexed picture that does not compress, its palette and its headers.
            entries.push((
                tile_name(folder, *row, *col),
                Form::Png(2 * side * side + 4096),
            ));
        }
    }
}

impl Scale {
    fn of(matrix: &Quantized) -> Self {
        Self {
            rows: matrix.n_rows() as u32,
            zero: matrix.zero,
            step: matrix.step,
        }
    }
}

/// Name of a tile's entry in a level's folder.
pub(super) fn tile_name(folder: &str, row: u32, col: u32) -> String {
    format!("{folder}/tiles/{row}_{col}.png")
}
