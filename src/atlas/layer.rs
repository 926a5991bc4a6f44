//! One layer's map: its samples, its levels and how good the layout is.

use super::{ClassId, Inconsistent, Level, Palette, Quantized, same_len};
use half::f16;
use ndarray::{Array1, Array2, ArrayView2};

/// How many of a sample's strongest attributions (by absolute value) are kept.
pub const TOP_ATTRIBUTIONS: usize = 32;

/// The atlas of one network layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAtlas {
    /// The layer's name in the network (`mixed4d`).
    pub name: String,
    /// Number of channels.
    pub depth: usize,
    /// Rows and columns of the layer at the network's input size.
    pub map_size: (u32, u32),
    /// Input pixels that one position sees, per axis (the theoretical receptive field).
    pub receptive_field: u32,
    /// Input pixels between neighbouring positions.
    pub stride: u32,
    /// The activations that were laid out, one row each.
    pub samples: Samples,
    /// Grid levels, coarse to fine.
    pub levels: Vec<Level>,
    /// The palette of all icons of this layer.
    pub palette: Palette,
    /// How faithful the layout is.
    pub quality: LayoutQuality,
    /// Mean activation over all positions, images × depth (for the last block: what the classifier sees).
    pub pooled: Quantized,
    /// For every image and position the cell of the finest level whose direction is nearest by cosine:
    /// images × (rows · columns), row-major; an index into `levels.last().cells`. Empty when not computed.
    pub position_cells: Array2<u16>,
}

/// Samples of a layer: where each activation came from, where it lies and what it speaks for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// Index into [`super::Images`].
    pub image: Vec<u32>,
    /// Row of the position in the layer.
    pub row: Vec<u8>,
    /// Column of the position in the layer.
    pub col: Vec<u8>,
    /// Position in the map: n × 2, (x, y) in `[0, 1]`, y down; multiples of 1/65535 (see [`snap_position`]), which
    /// is what a file keeps.
    pub position: Array2<f32>,
    /// The classes of the [`TOP_ATTRIBUTIONS`] strongest attributions, n × k, by falling absolute value.
    pub top_classes: Array2<ClassId>,
    /// Their values, n × k, as multiples of [`Self::top_scale`]; read them with [`Self::top`].
    pub top_values: Array2<i8>,
    /// Logits per unit of `top_values`, n: a 127th of the sample's strongest attribution.
    pub top_scale: Vec<f16>,
    /// The activation's leading principal components.
    pub pca: Pca,
    /// Full activations n × depth, only when asked to keep them.
    pub activations: Option<Array2<f16>>,
}

/// A projection to at most 64 principal components, in 8 bits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pca {
    /// Mean activation, depth.
    pub mean: Array1<f32>,
    /// Orthonormal components, k × depth.
    pub components: Array2<f32>,
    /// Coordinates, n × k.
    pub coordinates: Quantized,
    /// Share of the variance that the components hold, 0..=1.
    pub explained: f32,
}

/// How much of the neighbourhood structure the 2-D layout keeps (measured on a sample of the points).
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct LayoutQuality {
    /// Trustworthiness at `k` neighbours, 0..=1 (Venna & Kaski 2001): are map neighbours true neighbours?
    pub trustworthiness: f32,
    /// Share of the `k` true nearest neighbours that are among the `k` nearest on the map, 0..=1.
    pub neighbour_recall: f32,
    /// Neighbourhood size.
    pub k: u32,
    /// Number of query points.
    pub n_queries: u32,
}

/// What the rows and columns of a layer's tables are checked against.
struct Shape {
    depth: usize,
    map_size: (u32, u32),
    n_images: usize,
    n_classes: usize,
}

impl Pca {
    fn check(&self, part: &str, depth: usize) -> Result<(), Inconsistent> {
        let (k, cols) = self.components.dim();
        same_len(
            part,
            "pca coordinates' columns",
            k,
            self.coordinates.data.ncols(),
        )?;
        same_len(part, "pca mean", cols, self.mean.len())?;
        if k > 0 {
            same_len(part, "pca components' columns", depth, cols)?;
        }
        Ok(())
    }
}

/// The nearest coordinate that a file can hold: a multiple of 1/65535 in `[0, 1]`.
pub fn snap_position(coordinate: f32) -> f32 {
    (coordinate.clamp(0.0, 1.0) * 65535.0).round() / 65535.0
}

impl Samples {
    /// Sets `top_classes`, `top_values` and `top_scale` from every sample's strongest attributions in logits, both
    /// n × k, by falling absolute value. A value keeps 1/127 of the sample's strongest one.
    pub fn set_top(&mut self, classes: Array2<ClassId>, values: &ArrayView2<'_, f32>) {
        let mut levels = Array2::zeros(values.raw_dim());
        self.top_scale = (values.rows().into_iter())
            .zip(levels.rows_mut())
            .map(|(row, mut level_row)| {
                let largest = row.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                let scale = f16::from_f32(largest.min(8e6) / 127.0);
                if scale > f16::ZERO {
                    let quantise =
                        |v: &f32| (v / scale.to_f32()).round().clamp(-127.0, 127.0) as i8;
                    level_row.assign(&row.map(quantise));
                }
                scale
            })
            .collect();
        self.top_classes = classes;
        self.top_values = levels;
    }

    /// The strongest attributions of sample `idx` in logits, by falling absolute value.
    pub fn top(&self, idx: usize) -> impl Iterator<Item = (ClassId, f32)> + '_ {
        let scale = self.top_scale[idx].to_f32();
        let classes = self.top_classes.row(idx).into_iter();
        let values = self.top_values.row(idx).into_iter();
        classes
            .zip(values)
            .map(move |(&class, &v)| (class, scale * f32::from(v)))
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.image.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.image.is_empty()
    }

    fn check(&self, part: &str, shape: &Shape) -> Result<(), Inconsistent> {
        let n = self.len();
        same_len(part, "row", n, self.row.len())?;
        same_len(part, "col", n, self.col.len())?;
        same_len(part, "position rows", n, self.position.nrows())?;
        same_len(part, "position columns", 2, self.position.ncols())?;
        same_len(part, "top_classes", n, self.top_classes.nrows())?;
        same_len(part, "top_values", n, self.top_values.nrows())?;
        same_len(part, "top_scale", n, self.top_scale.len())?;
        same_len(
            part,
            "top_values columns",
            self.top_classes.ncols(),
            self.top_values.ncols(),
        )?;
        same_len(part, "pca coordinates", n, self.pca.coordinates.n_rows())?;
        self.pca.check(part, shape.depth)?;
        if let Some(activations) = &self.activations {
            same_len(part, "activations", n, activations.nrows())?;
            let cols = activations.ncols();
            same_len(part, "columns of activations", shape.depth, cols)?;
        }
        let fail = |what: String| {
            Err(Inconsistent {
                part: part.to_owned(),
                what,
            })
        };
        let Shape {
            n_images,
            n_classes,
            map_size,
            ..
        } = *shape;
        if let Some(image) = self.image.iter().find(|&&image| image as usize >= n_images) {
            return fail(format!("image {image} of {n_images}"));
        }
        let mut classes = self.top_classes.iter();
        if let Some(class) = classes.find(|&&class| usize::from(class) >= n_classes) {
            return fail(format!("class {class} of {n_classes}"));
        }
        let outside =
            |(&r, &c): (&u8, &u8)| u32::from(r) >= map_size.0 || u32::from(c) >= map_size.1;
        if let Some(idx) = self.row.iter().zip(&self.col).position(outside) {
            return fail(format!(
                "sample {idx} lies outside the {} × {} layer",
                map_size.0, map_size.1
            ));
        }
        if let Some(p) = self.position.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return fail(format!("position {p} outside [0, 1]"));
        }
        Ok(())
    }
}

impl LayerAtlas {
    pub(super) fn check(
        &self,
        part: &str,
        n_images: usize,
        n_classes: usize,
    ) -> Result<(), Inconsistent> {
        let shape = Shape {
            depth: self.depth,
            map_size: self.map_size,
            n_images,
            n_classes,
        };
        self.samples.check(&format!("{part}.samples"), &shape)?;
        if self.pooled.n_rows() > 0 {
            let (rows, cols) = self.pooled.data.dim();
            same_len(part, "rows of pooled", n_images, rows)?;
            same_len(part, "columns of pooled", self.depth, cols)?;
        }
        for (idx, level) in self.levels.iter().enumerate() {
            level.check(
                &format!("{part}.levels[{idx}]"),
                self.depth,
                self.samples.len(),
                n_classes,
            )?;
        }
        if self.levels.is_empty() || !self.levels.is_sorted_by_key(|level| level.grid) {
            let what = "levels must exist and go from coarse to fine".to_owned();
            return Err(Inconsistent {
                part: format!("{part}.levels"),
                what,
            });
        }
        if self.palette.colours.len() > 256 {
            let what = format!("{} colours, at most 256", self.palette.colours.len());
            return Err(Inconsistent {
                part: format!("{part}.palette"),
                what,
            });
        }
        if !self.position_cells.is_empty() {
            let n_positions = self.map_size.0 as usize * self.map_size.1 as usize;
            same_len(
                part,
                "rows of position_cells",
                n_images,
                self.position_cells.nrows(),
            )?;
            same_len(
                part,
                "columns of position_cells",
                n_positions,
                self.position_cells.ncols(),
            )?;
            let n_cells = self.levels.last().map_or(0, |level| level.cells.len());
            if let Some(cell) = self
                .position_cells
                .iter()
                .find(|&&cell| usize::from(cell) >= n_cells)
            {
                let what = format!("cell {cell} of {n_cells}");
                return Err(Inconsistent {
                    part: format!("{part}.position_cells"),
                    what,
                });
            }
        }
        Ok(())
    }
}
