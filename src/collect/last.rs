//! The layer before a linear end: its mean for every image, and a few positions from which its clusters are learnt.
//!
//! One position is drawn at random and two are those that speak most for the predicted class, so that what decides
//! is among the samples even where it covers one position of many (a watermark).

use super::{Chunk, CollectError, Plan, stream_of};
use crate::atlas::ClassId;
use crate::math::rng::Rng;
use crate::network::{Layer, NetworkError};
use candle_core::Tensor;
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

/// Positions that speak most for the predicted class.
const STRONGEST: usize = 2;

/// What to collect of the layer before a linear end.
#[derive(Debug, Clone)]
pub struct LastPlan {
    /// The layer.
    pub layer: Layer,
    /// Classes × depth: logits per unit of mean activation, minus the mean over classes.
    pub weights: Array2<f32>,
    /// Every how many images positions are kept; 1 = all.
    pub every: u32,
}

/// What it gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LastChunk {
    /// images × depth: mean over all positions.
    pub pooled: Array2<f32>,
    /// Kept positions, image by image, n × depth.
    pub samples: Array2<f32>,
}

/// `output` is `[batch, depth, rows, columns]`; `chunk` holds the batch's images and predictions.
pub(super) fn collect(
    plan: &Plan<'_>,
    last: &LastPlan,
    output: &Tensor,
    chunk: &Chunk,
) -> Result<LastChunk, CollectError> {
    let (batch, depth, rows, cols) = output.dims4().map_err(NetworkError::from)?;
    let n_positions = rows * cols;
    let flat = output.flatten_all().map_err(NetworkError::from)?;
    let values = flat.to_vec1::<f32>().map_err(NetworkError::from)?;
    let one = |(idx, map): (usize, &[f32])| {
        let image = chunk.image[idx];
        if map.iter().any(|v| !v.is_finite()) {
            let layer = last.layer.name.clone();
            return Err(CollectError::NotFinite { layer, image });
        }
        // The slice has exactly this many numbers.
        let map = ArrayView2::from_shape((depth, n_positions), map)
            .unwrap_or_else(|_| unreachable!("a map of another size"));
        let pooled = map
            .mean_axis(Axis(1))
            .map_or_else(Vec::new, |mean| mean.to_vec());
        let mut rng = Rng::stream(!plan.seed, stream_of(image, last.layer.id));
        let mut kept = Vec::new();
        if image.is_multiple_of(last.every.max(1)) {
            for position in positions(&map, last, chunk.prediction[idx], &mut rng) {
                kept.extend(map.column(position).iter().copied());
            }
        }
        Ok((pooled, kept))
    };
    let size = (depth * n_positions).max(1);
    let parts: Result<Vec<_>, CollectError> =
        values.par_chunks(size).enumerate().map(one).collect();
    let (pooled, kept): (Vec<_>, Vec<_>) = parts?.into_iter().unzip();
    let table = |values: Vec<f32>, n: usize| {
        Array2::from_shape_vec((n, depth), values)
            .unwrap_or_else(|_| unreachable!("rows of another depth"))
    };
    let kept = kept.concat();
    let n_kept = kept.len() / depth.max(1);
    Ok(LastChunk {
        pooled: table(pooled.concat(), batch),
        samples: table(kept, n_kept),
    })
}

/// The strongest positions for the predicted class and one of the others, in ascending order. `map` is
/// depth × positions.
fn positions(
    map: &ArrayView2<'_, f32>,
    last: &LastPlan,
    class: Option<ClassId>,
    rng: &mut Rng,
) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.ncols()).collect();
    if let Some(class) = class {
        let support = last.weights.row(usize::from(class)).dot(map);
        order.sort_by(|&a, &b| support[b].total_cmp(&support[a]).then(a.cmp(&b)));
    }
    let (first, rest) = order.split_at(STRONGEST.min(order.len()));
    let mut chosen = first.to_vec();
    chosen.extend(rest.get(rng.below(rest.len())));
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_positions_and_one_more() {
        let layer = crate::network::demo::load(&candle_core::Device::Cpu)
            .unwrap()
            .layers()
            .remove(0);
        let last = LastPlan {
            layer,
            weights: ndarray::array![[1.0, 0.0], [0.0, -1.0]],
            every: 1,
        };
        let map = ndarray::array![[0.0, 5.0, 1.0, 2.0], [4.0, 3.0, 2.0, 1.0]];
        for seed in 0..8 {
            let mut rng = Rng::new(seed);
            let of = |class, rng: &mut Rng| positions(&map.view(), &last, class, rng);
            let chosen = of(Some(0), &mut rng);
            assert_eq!(chosen.len(), 3);
            assert!(chosen.contains(&1) && chosen.contains(&3), "{chosen:?}");
            let chosen = of(Some(1), &mut rng);
            assert!(chosen.contains(&3) && chosen.contains(&2), "{chosen:?}");
            assert_eq!(of(None, &mut rng).len(), 3);
        }
        let narrow = ndarray::array![[1.0], [2.0]];
        assert_eq!(
            positions(&narrow.view(), &last, Some(0), &mut Rng::new(1)),
            [0]
        );
    }
}
