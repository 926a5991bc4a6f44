//! Features: the units that an atlas assigns to every position of every image, with what they say for the classes.
//!
//! There are two vocabularies: the cells of a layer's finest level, and the clusters of the layer before the linear
//! end. Both are read in the same way; clusters are shown at the cells of the deepest layer.

use super::members::centred;
use crate::atlas::{Atlas, Head, LayerAtlas, Quantized};
use ndarray::{Array1, Array2, Axis};

/// One vocabulary.
pub(super) struct Features<'a> {
    /// The layer of the atlas at whose cells they are shown.
    pub(super) layer: usize,
    /// Images × positions: the number of the feature.
    pub(super) of_position: &'a Array2<u16>,
    /// Rows and columns of the positions.
    pub(super) map: (usize, usize),
    /// Features × depth, unit length.
    pub(super) units: Array2<f32>,
    /// Features × classes, in logits, minus the mean over the classes.
    pub(super) attributions: Array2<f32>,
    /// The clusters' tables; none for cells.
    pub(super) head: Option<&'a Head>,
}

impl<'a> Features<'a> {
    /// Every vocabulary of an atlas. The cells of the layer that has clusters are left out: clusters are of the same
    /// positions, finer where there is more, and know how strongly each position shows them.
    pub(super) fn all(atlas: &'a Atlas) -> Vec<Self> {
        let clustered = atlas.head.as_ref().map(|head| head.layer.as_str());
        let layers = atlas.layers.iter().enumerate();
        let layers = layers.filter(|(_, layer)| Some(layer.name.as_str()) != clustered);
        let cells = layers.filter_map(|(idx, layer)| Self::cells(idx, layer));
        let shown_at = atlas
            .layers
            .iter()
            .rposition(|layer| !layer.position_cells.is_empty());
        let clusters = atlas.head.as_ref().zip(shown_at);
        cells
            .chain(clusters.map(|(head, layer)| Self::clusters(layer, head)))
            .collect()
    }

    /// The cells of every layer.
    pub(super) fn all_cells(atlas: &'a Atlas) -> Vec<Self> {
        let layers = atlas.layers.iter().enumerate();
        layers
            .filter_map(|(idx, layer)| Self::cells(idx, layer))
            .collect()
    }

    fn cells(idx: usize, layer: &'a LayerAtlas) -> Option<Self> {
        if layer.position_cells.is_empty() {
            return None;
        }
        let level = layer.levels.last()?;
        let attributions = level.attributions.mapv(f32::from);
        Some(Self {
            layer: idx,
            of_position: &layer.position_cells,
            map: (layer.map_size.0 as usize, layer.map_size.1 as usize),
            units: unit_rows(level.directions.mapv(f32::from)),
            attributions: minus_row_means(attributions),
            head: None,
        })
    }

    fn clusters(layer: usize, head: &'a Head) -> Self {
        let means = head.clusters.mapv(f32::from);
        let weights = centred(head.weights.mapv(f32::from));
        let n_positions = (head.map_size.0 * head.map_size.1).max(1);
        Self {
            layer,
            of_position: &head.position_clusters,
            map: (head.map_size.0 as usize, head.map_size.1 as usize),
            attributions: means.dot(&weights.t()) / n_positions as f32,
            units: unit_rows(means),
            head: Some(head),
        }
    }

    /// Number of features.
    pub(super) fn len(&self) -> usize {
        self.units.nrows()
    }

    /// How strongly a position shows its feature: cosine and length of its activation, where they are known.
    pub(super) fn strength(&self, image: usize, position: usize) -> Option<(f32, f32)> {
        let head = self.head?;
        let value =
            |table: &Quantized| table.zero + table.step * f32::from(table.data[(image, position)]);
        Some((value(&head.position_cosines), value(&head.position_norms)))
    }

    /// Mean cosine between the activations at two of some places. The atlas keeps of each its feature and its cosine to
    /// it; what stands off the feature's direction counts as unlike. None where cosines are not known.
    pub(super) fn sameness(&self, places: &[(u32, usize)]) -> Option<f32> {
        let mut sum = Array1::<f32>::zeros(self.units.ncols());
        let mut squares = 0.0;
        for &(image, position) in places {
            let (cosine, _) = self.strength(image as usize, position)?;
            let feature = usize::from(self.of_position[(image as usize, position)]);
            sum.scaled_add(cosine, &self.units.row(feature));
            squares += cosine * cosine;
        }
        let n = places.len() as f32;
        (n > 1.0).then(|| (sum.dot(&sum) - squares) / (n * (n - 1.0)))
    }

    /// Whether a position lies on the rim of the map.
    pub(super) fn on_border(&self, position: usize) -> bool {
        let (row, col) = (position / self.map.1, position % self.map.1);
        row == 0 || col == 0 || row + 1 == self.map.0 || col + 1 == self.map.1
    }

    /// The row and column of layer `shown` that cover the middle of a position.
    pub(super) fn place_in(&self, shown: &LayerAtlas, position: usize) -> (u16, u16) {
        let scale = |at: usize, from: usize, to: u32| {
            let middle = (at as f32 + 0.5) / from as f32 * to as f32;
            (middle as u32).min(to.saturating_sub(1)) as u16
        };
        (
            scale(position / self.map.1, self.map.0, shown.map_size.0),
            scale(position % self.map.1, self.map.1, shown.map_size.1),
        )
    }

    /// 1 − cosine to the nearest other feature, for each.
    pub(super) fn isolation(&self) -> Vec<f32> {
        let cosines = self.units.dot(&self.units.t());
        let nearest = |(idx, row): (usize, ndarray::ArrayView1<'_, f32>)| {
            let others = row.iter().enumerate().filter(|&(other, _)| other != idx);
            1.0 - others.map(|(_, &v)| v).fold(-1.0, f32::max)
        };
        cosines
            .rows()
            .into_iter()
            .enumerate()
            .map(nearest)
            .collect()
    }
}

fn unit_rows(mut rows: Array2<f32>) -> Array2<f32> {
    for mut row in rows.rows_mut() {
        let norm = row.dot(&row).sqrt();
        if norm > 0.0 {
            row /= norm;
        }
    }
    rows
}

fn minus_row_means(rows: Array2<f32>) -> Array2<f32> {
    let means = rows.mean_axis(Axis(1));
    let means = means.unwrap_or_else(|| Array1::zeros(rows.nrows()));
    rows - means.insert_axis(Axis(1))
}
