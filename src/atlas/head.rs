//! The linear end of a network: what lies between its last layer with positions and its logits.

use super::{Inconsistent, Quantized, same_len};
use half::f16;
use ndarray::Array2;

/// A classifier that takes the mean over positions and multiplies by one matrix, with what every image gives to it.
///
/// For such a network the logit of class `c` is `bias[c] + mean over positions of activation · weights[c]`, so the
/// share of one position is exact. Networks with another end (several fully connected layers) have no head.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The last layer with positions; it need not be a layer of the atlas.
    pub layer: String,
    /// Its rows and columns at the network's input size.
    pub map_size: (u32, u32),
    /// Input pixels that one of its positions sees, per axis.
    pub receptive_field: u32,
    /// Input pixels between its neighbouring positions.
    pub stride: u32,
    /// Classes × depth: logits per unit of mean activation.
    pub weights: Array2<f16>,
    /// One per class, in logits.
    pub bias: Vec<f32>,
    /// Mean activation over all positions, images × depth.
    pub pooled: Quantized,
    /// Mean activations of the clusters of positions (spherical k-means), clusters × depth.
    pub clusters: Array2<f16>,
    /// For every image and position the nearest cluster by cosine: images × (rows · columns), row-major.
    pub position_clusters: Array2<u16>,
    /// Cosine of every position's activation to its cluster, images × (rows · columns).
    pub position_cosines: Quantized,
    /// Length of every position's activation, images × (rows · columns).
    pub position_norms: Quantized,
}

impl Head {
    pub(super) fn check(&self, n_images: usize, n_classes: usize) -> Result<(), Inconsistent> {
        let depth = self.weights.ncols();
        let n_positions = self.map_size.0 as usize * self.map_size.1 as usize;
        let (n_clusters, cluster_depth) = self.clusters.dim();
        let (image_rows, positions) = self.position_clusters.dim();
        same_len("head.weights", "rows", n_classes, self.weights.nrows())?;
        same_len("head.bias", "values", n_classes, self.bias.len())?;
        same_len("head.pooled", "rows", n_images, self.pooled.n_rows())?;
        same_len("head.pooled", "columns", depth, self.pooled.data.ncols())?;
        same_len("head.clusters", "columns", depth, cluster_depth)?;
        same_len("head.position_clusters", "rows", n_images, image_rows)?;
        same_len("head.position_clusters", "columns", n_positions, positions)?;
        for (part, table) in [
            ("head.position_cosines", &self.position_cosines),
            ("head.position_norms", &self.position_norms),
        ] {
            same_len(part, "rows", n_images, table.n_rows())?;
            same_len(part, "columns", n_positions, table.data.ncols())?;
        }
        let finite = |table: &Quantized| table.zero.is_finite() && table.step.is_finite();
        let numbers = self.weights.iter().chain(&self.clusters);
        if !numbers.into_iter().all(|v| v.is_finite()) || !self.bias.iter().all(|v| v.is_finite()) {
            return Err(Inconsistent {
                part: "head".to_owned(),
                what: "a weight, bias or cluster that is not finite".to_owned(),
            });
        }
        let tables = [&self.pooled, &self.position_cosines, &self.position_norms];
        if !tables.into_iter().all(finite) {
            return Err(Inconsistent {
                part: "head".to_owned(),
                what: "a scale that is not finite".to_owned(),
            });
        }
        let mut clusters = self.position_clusters.iter();
        if let Some(cluster) = clusters.find(|&&cluster| usize::from(cluster) >= n_clusters) {
            return Err(Inconsistent {
                part: "head.position_clusters".to_owned(),
                what: format!("cluster {cluster} of {n_clusters}"),
            });
        }
        Ok(())
    }
}
