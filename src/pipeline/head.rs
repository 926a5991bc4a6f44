//! The layer before the linear end: clusters of its positions, and the nearest one for every position.

use super::Job;
use super::PipelineError;
use super::gather::LastSamples;
use super::tensors::{Tensors, Unusable};
use super::workspace::StageFolder;
use crate::atlas::{Head, Quantized};
use crate::math::kmeans;
use crate::network::{Layer, NetworkError};
use candle_core::{D, Tensor};
use half::f16;
use ndarray::Array2;

/// Clusters at most.
const CLUSTERS: usize = 600;
/// Samples that a cluster should have on average, so that few images do not make a cluster each.
const SAMPLES_PER_CLUSTER: usize = 12;
/// Largest value of half precision.
const F16_MAX: f32 = 65504.0;

/// The clusters of the layer before the end.
pub(super) struct Clusters {
    pub(super) layer: Layer,
    /// Mean activations, clusters × depth.
    means: Array2<f32>,
    /// The same with unit length, on the network's device.
    units: Tensor,
}

/// Learns the clusters, or takes them from `folder`.
pub(super) fn clusters(
    job: &Job<'_>,
    last: &LastSamples,
    folder: &StageFolder,
) -> Result<Clusters, PipelineError> {
    let name = "clusters";
    let depth = last.end.layer.depth;
    let usable = |tensors: Tensors| {
        let means = tensors.matrix::<f32>("means").ok()?;
        let finite = means.iter().all(|v| v.is_finite());
        (means.ncols() == depth && means.nrows() > 0 && finite).then_some(means)
    };
    let means = if let Some(means) = folder.load(name).and_then(usable) {
        means
    } else {
        let samples = last.samples.view();
        let k = (samples.nrows() / SAMPLES_PER_CLUSTER).clamp(8, CLUSTERS);
        let mut means = kmeans::spherical(&samples, k, job.recipe.seed);
        if means.nrows() == 0 {
            // A layer that is silent everywhere still has one direction.
            means = Array2::zeros((1, depth));
        }
        let mut tensors = Tensors::default();
        let put = tensors.put_matrix("means", &means.view());
        put.map_err(|error| folder.bad(name, error.0))?;
        folder.save(name, &tensors)?;
        means
    };
    let mut units = means.clone();
    for mut row in units.rows_mut() {
        let norm = row.dot(&row).sqrt().max(1e-12);
        row /= norm;
    }
    let device = &job.network.device;
    let units = Tensor::from_vec(units.iter().copied().collect(), units.dim(), device);
    Ok(Clusters {
        layer: last.end.layer.clone(),
        means,
        units: units.map_err(NetworkError::from)?,
    })
}

/// Clusters, cosines and lengths of positions, image by image.
#[derive(Debug, Default)]
pub(super) struct Located {
    clusters: Vec<u16>,
    cosines: Vec<f32>,
    norms: Vec<f32>,
}

impl Located {
    pub(super) fn extend(&mut self, other: Self) {
        self.clusters.extend(other.clusters);
        self.cosines.extend(other.cosines);
        self.norms.extend(other.norms);
    }

    /// Adds the positions of a batch; `output` is `[batch, depth, rows, columns]`.
    pub(super) fn locate(
        &mut self,
        output: &Tensor,
        clusters: &Clusters,
    ) -> Result<(), NetworkError> {
        let (batch, depth, rows, cols) = output.dims4()?;
        let maps = output.reshape((batch, depth, rows * cols))?;
        for image in 0..batch {
            let map = maps.get(image)?.t()?.contiguous()?;
            let products = map.matmul(&clusters.units.t()?)?;
            let best = products.argmax(1)?.to_vec1::<u32>()?;
            let largest = products.max(1)?.to_vec1::<f32>()?;
            let norms = map.sqr()?.sum(D::Minus1)?.sqrt()?.to_vec1::<f32>()?;
            let cosine =
                |(product, norm): (&f32, &f32)| (product / norm.max(1e-12)).clamp(-1.0, 1.0);
            self.cosines.extend(largest.iter().zip(&norms).map(cosine));
            self.clusters
                .extend(best.into_iter().map(|cluster| cluster as u16));
            self.norms.extend(norms);
        }
        Ok(())
    }

    pub(super) fn to_tensors(&self, tensors: &mut Tensors) -> Result<(), Unusable> {
        let clusters = self.clusters.iter().map(|&cluster| u32::from(cluster));
        tensors.put("last.clusters", clusters.collect())?;
        tensors.put("last.cosines", self.cosines.clone())?;
        tensors.put("last.norms", self.norms.clone())
    }

    /// What was kept of `n_images` images, or `None` when it cannot be theirs.
    pub(super) fn from_tensors(
        tensors: &Tensors,
        clusters: &Clusters,
        n_images: usize,
    ) -> Option<Self> {
        let stored: Vec<u32> = tensors.numbers("last.clusters").ok()?;
        let located = Self {
            cosines: tensors.numbers("last.cosines").ok()?,
            norms: tensors.numbers("last.norms").ok()?,
            clusters: stored.iter().map(|&cluster| cluster as u16).collect(),
        };
        let expected = n_images * clusters.layer.map_size.0 * clusters.layer.map_size.1;
        let known = |&cluster: &u32| (cluster as usize) < clusters.means.nrows();
        let lengths = [stored.len(), located.cosines.len(), located.norms.len()];
        (lengths == [expected; 3] && stored.iter().all(known)).then_some(located)
    }
}

/// The head as the atlas keeps it, or `None` when there are not as many positions as there must be.
pub(super) fn assemble(last: &LastSamples, clusters: &Clusters, located: Located) -> Option<Head> {
    let layer = &last.end.layer;
    let shape = (last.pooled.nrows(), layer.map_size.0 * layer.map_size.1);
    let quantized = |values: Vec<f32>| {
        let table = Array2::from_shape_vec(shape, values).ok()?;
        Some(Quantized::from_f32(&table.view()))
    };
    let half = |v: f32| f16::from_f32(v.clamp(-F16_MAX, F16_MAX));
    Some(Head {
        layer: layer.name.clone(),
        map_size: (layer.map_size.0 as u32, layer.map_size.1 as u32),
        receptive_field: layer.receptive_field as u32,
        stride: layer.stride as u32,
        weights: last.end.weights.mapv(half),
        bias: last.end.bias.to_vec(),
        pooled: Quantized::from_f32(&last.pooled.view()),
        clusters: clusters.means.mapv(half),
        position_clusters: Array2::from_shape_vec(shape, located.clusters).ok()?,
        position_cosines: quantized(located.cosines)?,
        position_norms: quantized(located.norms)?,
    })
}
