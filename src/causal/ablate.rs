//! Ablation: the cell's direction is taken out of the activations of the class's own images.
//!
//! With the cell's mean activation `A` and the class's mean activation `μ` at the layer, the direction is
//! `d = (A − μ) / |A − μ|` and every position becomes `a − max(0, (a − μ)·d) d`; the rest of the network runs on from
//! there (removal of a concept's direction as in Anders et al. 2022, "Finding and removing Clever Hans", with the
//! positive part only, so that positions without the feature stay as they are). How far the class's logit drops in
//! images with the cell is compared with images of the class without it. Nothing is pasted, so this sees textures and
//! casts too; a direction that is shared with the class itself lowers both groups.

use super::lab::{Lab, Logits, centred, predicted};
use super::{CausalError, Result, statistics};
use crate::atlas::ClassId;
use crate::network::{Layer, NetworkError};
use crate::suspects::claim::{Controls, Estimate, FEWEST, Method};
use candle_core::Tensor;
use image::RgbImage;
use ndarray::{Array1, Array2, Axis};
use rayon::prelude::*;
use std::collections::HashMap;

/// Images run together.
const BATCH: usize = 16;
/// Values of activations that are kept, 4 bytes each.
const KEPT: usize = 32 << 20;

/// What is removed from which images.
#[derive(Debug, Clone)]
pub struct Ablation {
    /// The layer of the cell.
    pub layer: Layer,
    /// The class whose logit is watched.
    pub target: ClassId,
    /// Mean activation of the cell, depth.
    pub cell: Vec<f32>,
    /// The class's images with the cell.
    pub with: Vec<u32>,
    /// The class's images without it.
    pub without: Vec<u32>,
}

/// Activations at one layer, depth × positions, with the logits.
type Kept = (Array2<f32>, Logits);

/// Activations of images at a layer, so that the next cell of the same class costs only what lies behind the layer.
#[derive(Debug, Default)]
pub struct Ablator {
    layer: String,
    kept: HashMap<u32, Kept>,
    /// Values in `kept`.
    n_values: usize,
}

impl Ablator {
    /// Removes the direction and runs on.
    ///
    /// # Errors
    /// Too few images with the cell, a layer that other paths bypass, and those of the network.
    pub fn ablate(&mut self, lab: &mut Lab, ablation: &Ablation) -> Result<Estimate> {
        let Ablation {
            layer,
            target,
            cell,
            ..
        } = ablation;
        if ablation.with.len() < FEWEST as usize {
            return Err(CausalError::TooFew {
                what: "of the class with the cell".to_owned(),
                found: ablation.with.len(),
                needed: FEWEST as usize,
            });
        }
        self.look(lab, layer, &ablation.with)?;
        self.look(lab, layer, &ablation.without)?;
        let known = |images: &[u32]| -> Vec<u32> {
            let known = images.iter().filter(|idx| self.kept.contains_key(idx));
            known.copied().collect()
        };
        let (with, without) = (known(&ablation.with), known(&ablation.without));
        let all: Vec<u32> = with.iter().chain(&without).copied().collect();
        let mut mean = Array1::<f32>::zeros(layer.depth);
        for idx in &all {
            mean += &self.kept[idx].0.mean_axis(Axis(1)).unwrap_or_default();
        }
        mean /= all.len().max(1) as f32;
        let mut direction = Array1::from(cell.clone()) - &mean;
        let length = direction.dot(&direction).sqrt();
        if length <= 1e-6 || with.is_empty() {
            return Err(CausalError::NotInAtlas(
                "the cell is the class's mean: there is no direction to remove".to_owned(),
            ));
        }
        direction /= length;
        let threshold = mean.dot(&direction);
        let ablated: Vec<Array2<f32>> = all
            .par_iter()
            .map(|idx| without_direction(&self.kept[idx].0, &direction, threshold))
            .collect();
        let after = run_on(lab, layer, &ablated)?;
        let drops: Vec<f32> = all
            .iter()
            .zip(&after)
            .map(|(idx, after)| centred(&self.kept[idx].1, *target) - centred(after, *target))
            .collect();
        let lost = all
            .iter()
            .zip(&after)
            .take(with.len())
            .filter(|(idx, after)| {
                predicted(&self.kept[idx].1) == *target && predicted(after) != *target
            });
        Ok(tell(
            &drops[..with.len()],
            &drops[with.len()..],
            lost.count() as u32,
            lab.seed(),
        ))
    }

    /// Runs images up to the layer and to the logits, unless they are kept.
    fn look(&mut self, lab: &mut Lab, layer: &Layer, images: &[u32]) -> Result<()> {
        if self.layer != layer.name || self.n_values > KEPT {
            self.kept.clear();
            self.n_values = 0;
            self.layer.clone_from(&layer.name);
        }
        let missing = images
            .iter()
            .copied()
            .filter(|idx| !self.kept.contains_key(idx));
        let missing: Vec<u32> = missing.collect();
        let squares = lab.squares(&missing);
        let read: (Vec<u32>, Vec<RgbImage>) = missing
            .iter()
            .zip(&squares)
            .filter_map(|(&idx, square)| Some((idx, square.as_deref()?.clone())))
            .unzip();
        for (images, squares) in read.0.chunks(BATCH).zip(read.1.chunks(BATCH)) {
            let batch = lab.batch(squares)?;
            let taps = [layer.id, lab.logits_node()];
            let mut out = lab.network().forward(&batch, &taps)?;
            let logits = lab.rows(&out.swap_remove(1))?;
            let maps = out[0]
                .flatten_from(2)
                .and_then(|maps| maps.to_vec3::<f32>());
            for ((&idx, map), logits) in images
                .iter()
                .zip(maps.map_err(NetworkError::from)?)
                .zip(logits)
            {
                let n_positions = map.first().map_or(0, Vec::len);
                let shape = (map.len(), n_positions);
                let map = Array2::from_shape_vec(shape, map.concat())
                    .map_err(|error| NetworkError::BadGraph(error.to_string()))?;
                self.n_values += map.len();
                self.kept.insert(idx, (map, logits));
            }
        }
        Ok(())
    }
}

/// Every column `a` of `map` becomes `a − max(0, a·d − threshold) d`.
fn without_direction(map: &Array2<f32>, direction: &Array1<f32>, threshold: f32) -> Array2<f32> {
    let excess = direction.dot(map).mapv(|v| (v - threshold).max(0.0));
    let mut out = map.clone();
    for (mut row, &share) in out.rows_mut().into_iter().zip(direction) {
        row.scaled_add(-share, &excess);
    }
    out
}

/// From activations at the layer to the logits.
fn run_on(lab: &Lab, layer: &Layer, maps: &[Array2<f32>]) -> Result<Vec<Logits>> {
    let (rows, cols) = layer.map_size;
    let mut logits = Vec::with_capacity(maps.len());
    for maps in maps.chunks(BATCH) {
        let values: Vec<f32> = maps.iter().flat_map(|map| map.iter().copied()).collect();
        let shape = (maps.len(), layer.depth, rows, cols);
        let network = lab.network();
        let batch = Tensor::from_vec(values, shape, &network.device).map_err(NetworkError::from)?;
        let out = network.forward_from(layer.id, &batch, &[lab.logits_node()])?;
        logits.extend(lab.rows(&out[0])?);
    }
    Ok(logits)
}

/// Drops with and without the cell as an estimate.
fn tell(with: &[f32], without: &[f32], lost: u32, seed: u64) -> Estimate {
    let own = statistics::bootstrap(with, seed);
    let (controls, contrast) = if without.len() < 2 {
        // Nothing to compare with: the class is never without the cell.
        let nothing = statistics::Mean {
            mean: 0.0,
            ci: [0.0; 2],
        };
        (nothing, own)
    } else {
        (
            statistics::bootstrap(without, seed),
            statistics::bootstrap_difference(with, without, seed),
        )
    };
    Estimate {
        method: Method::Ablate,
        delta: own.mean,
        ci: own.ci,
        controls: Controls {
            delta: controls.mean,
            ci: controls.ci,
            ..Controls::default()
        },
        contrast: contrast.ci,
        n: with.len() as u32,
        flips: lost,
        best_flips: None,
        scale: None,
        done: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    /// d = (0.6, 0.8). Columns (3, 4) and (0, 0): a·d = 5 and 0, threshold 2: 3 d = (1.8, 2.4) goes.
    #[test]
    fn only_what_exceeds_the_mean_is_removed() {
        let map = array![[3.0, 0.0], [4.0, 0.0]];
        let out = without_direction(&map, &array![0.6, 0.8], 2.0);
        let expected = array![[1.2, 0.0], [1.6, 0.0]];
        assert!(
            (&out - &expected).iter().all(|v: &f32| v.abs() < 1e-6),
            "{out}"
        );
    }
}
