//! The linear end of a network: is what lies behind its last layer with positions a mean and one linear map?
//!
//! Asked by numbers and not by operators, so that every way to write it counts (a pool, a reduction, a convolution
//! of 1 × 1, an average behind the classifier as in `SqueezeNet`).

use super::{Layer, Network, NodeId, Result, reference};
use candle_core::{Device, Tensor};
use ndarray::{Array1, Array2, Axis};

/// Largest error of a logit, as a share of the logits' largest magnitude.
const TOLERANCE: f32 = 1e-4;
/// Numbers in one batch of probes at most.
const PROBE: usize = 1 << 22;
/// Layers that are tried at most once the deepest one fits.
const TRIES: usize = 4;

/// What lies behind a layer: the logit of class `c` is `bias[c] + weights[c] · mean over positions`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearEnd {
    /// The layer.
    pub layer: Layer,
    /// Classes × depth, logits per unit of mean activation.
    pub weights: Array2<f32>,
    /// One per class, in logits.
    pub bias: Array1<f32>,
}

/// Why a network has no linear end.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoEnd {
    /// There are no logits.
    #[error("the network has no classifier")]
    NoClassifier,
    /// Everything behind the last map needs something else too, or there is no map.
    #[error("its logits do not follow from one layer with positions alone")]
    NoLayer,
    /// The numbers say that it is not.
    #[error(
        "what follows {layer} is not a mean over positions and one linear map: logits differ by {share:.1e} of their size"
    )]
    NotLinear {
        /// The deepest layer with positions.
        layer: String,
        /// Largest difference as a share of the largest logit.
        share: f32,
    },
    /// The network could not be run from there.
    #[error("its end could not be tried: {0}")]
    Failed(String),
}

impl Network {
    /// The linear end, verified on `images` `[b, 3, h, w]` (real ones, preprocessed): of the layers that fit, the
    /// shallowest in an unbroken row from the deepest.
    ///
    /// # Errors
    /// [`NoEnd`] with the reason.
    pub fn linear_end(&self, images: &Tensor) -> std::result::Result<LinearEnd, NoEnd> {
        let logits = self.logits.ok_or(NoEnd::NoClassifier)?;
        if self.model.is_some() {
            return Err(NoEnd::NoLayer);
        }
        let failed = |error: super::NetworkError| NoEnd::Failed(error.to_string());
        let candidates = (0..logits.0).rev().map(NodeId);
        let layers = candidates
            .filter(|&id| self.graph.between(id, &[logits]).is_ok())
            .filter_map(|id| self.layer_of(id))
            .filter(|layer| layer.map_size.0 * layer.map_size.1 > 1);
        let mut found = None;
        for layer in layers.take(TRIES) {
            let probe = Probe::new(self, &layer, logits, images).map_err(failed)?;
            let share = probe.error_of_means().map_err(failed)?;
            let mut error = share;
            if share <= TOLERANCE {
                let (weights, bias) = probe.weights().map_err(failed)?;
                error = probe.error_of(&weights, &bias);
                if error <= TOLERANCE {
                    found = Some(LinearEnd {
                        layer,
                        weights,
                        bias,
                    });
                    continue;
                }
            }
            return found.ok_or(NoEnd::NotLinear {
                layer: layer.name,
                share: error,
            });
        }
        found.ok_or(NoEnd::NoLayer)
    }
}

/// One layer under trial.
struct Probe<'a> {
    network: &'a Network,
    layer: &'a Layer,
    logits: NodeId,
    /// images × depth.
    means: Array2<f32>,
    /// images × classes.
    truth: Array2<f32>,
}

impl<'a> Probe<'a> {
    fn new(
        network: &'a Network,
        layer: &'a Layer,
        logits: NodeId,
        images: &Tensor,
    ) -> Result<Self> {
        let values = network.forward(images, &[layer.id, logits])?;
        Ok(Self {
            means: matrix(&values[0].flatten_from(2)?.mean(2)?)?,
            truth: matrix(&values[1])?,
            network,
            layer,
            logits,
        })
    }

    /// Logits of maps that have the same `rows` (n × depth) at every position.
    fn logits_of(&self, rows: &Array2<f32>) -> Result<Array2<f32>> {
        let (height, width) = self.layer.map_size;
        let (n, depth) = rows.dim();
        let device = &self.network.device;
        let flat = Tensor::from_vec(
            rows.iter().copied().collect(),
            (n, depth, 1, 1),
            &Device::Cpu,
        )?;
        let maps = flat.broadcast_as((n, depth, height, width))?.contiguous()?;
        let maps = maps.to_device(device)?;
        let graph = &self.network.graph;
        matrix(&reference::forward(graph, self.layer.id, &maps, &[self.logits])?[0])
    }

    /// How far the logits are from those of maps with the same means, and of half of them from half way.
    fn error_of_means(&self) -> Result<f32> {
        let of_means = self.logits_of(&self.means)?;
        let of_half = self.logits_of(&(&self.means * 0.5))?;
        let nothing = self.logits_of(&Array2::zeros((1, self.means.ncols())))?;
        let half_way = (&self.truth + &nothing) * 0.5;
        Ok(self
            .share(&of_means, &self.truth)
            .max(self.share(&of_half, &half_way)))
    }

    /// Classes × depth, and the logits of nothing.
    fn weights(&self) -> Result<(Array2<f32>, Array1<f32>)> {
        let depth = self.layer.depth;
        let bias = self
            .logits_of(&Array2::zeros((1, depth)))?
            .row(0)
            .to_owned();
        let size = self
            .means
            .fold(0.0_f32, |most, v| most.max(v.abs()))
            .max(1.0);
        let positions = self.layer.map_size.0 * self.layer.map_size.1;
        let at_once = (PROBE / (depth * positions)).clamp(1, depth.max(1));
        let mut weights = Array2::zeros((bias.len(), depth));
        for start in (0..depth).step_by(at_once) {
            let n = at_once.min(depth - start);
            let rows =
                Array2::from_shape_fn(
                    (n, depth),
                    |(row, channel)| {
                        if channel == start + row { size } else { 0.0 }
                    },
                );
            for (row, logits) in self.logits_of(&rows)?.rows().into_iter().enumerate() {
                let column = (&logits - &bias) / size;
                weights.column_mut(start + row).assign(&column);
            }
        }
        Ok((weights, bias))
    }

    fn error_of(&self, weights: &Array2<f32>, bias: &Array1<f32>) -> f32 {
        self.share(&(self.means.dot(&weights.t()) + bias), &self.truth)
    }

    /// Largest difference as a share of the largest logit; infinite where something is not a number.
    fn share(&self, found: &Array2<f32>, expected: &Array2<f32>) -> f32 {
        let size = self
            .truth
            .fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()));
        let difference = (found - expected).fold(0.0_f32, |most, v| {
            if v.is_finite() {
                most.max(v.abs())
            } else {
                f32::INFINITY
            }
        });
        difference / size
    }
}

fn matrix(tensor: &Tensor) -> Result<Array2<f32>> {
    let (rows, cols) = tensor.dims2()?;
    let values = tensor.flatten_all()?.to_vec1::<f32>()?;
    let table = Array1::from_vec(values);
    // The tensor has this many numbers.
    let shaped = table.into_shape_with_order((rows, cols));
    Ok(shaped.unwrap_or_else(|_| Array2::zeros((rows, cols))))
}

/// Weights whose mean over classes is zero for every channel: what an activation says for a class against the others.
pub fn centred(weights: &Array2<f32>) -> Array2<f32> {
    match weights.mean_axis(Axis(0)) {
        Some(mean) => weights - &mean,
        None => weights.clone(),
    }
}
