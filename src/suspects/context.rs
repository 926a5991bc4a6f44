//! What every kind of candidate is scored with.

use super::chance::Chance;
use super::features::Features;
use super::members::{self, Evidence, Members};
use crate::atlas::{Atlas, Head};
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, Axis};
use rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};
use std::collections::BTreeMap;

/// Everything that is asked of an atlas once.
pub(super) struct Context<'a> {
    pub(super) atlas: &'a Atlas,
    pub(super) members: Members,
    /// Classes × classes, cosines.
    pub(super) alike: Array2<f32>,
    pub(super) chance: Chance,
    /// Mean activation before the linear end, images × depth.
    pub(super) pooled: Option<Array2<f32>>,
    /// Per image the log-odds of its class.
    pub(super) log_odds: Option<Vec<f32>>,
}

impl<'a> Context<'a> {
    pub(super) fn new(atlas: &'a Atlas) -> Self {
        let members = Members::of(atlas);
        let pooled = atlas.head.as_ref().map(|head| {
            let (zero, step) = (head.pooled.zero, head.pooled.step);
            head.pooled.data.mapv(|q| zero + step * f32::from(q))
        });
        let log_odds = (atlas.head.as_ref().zip(pooled.as_ref()))
            .map(|(head, pooled)| log_odds(head, pooled, &members));
        Self {
            atlas,
            alike: members::alike(atlas),
            chance: Chance::new(members.class_of.len()),
            members,
            pooled,
            log_odds,
        }
    }

    /// Whether an image is predicted as its class; none where the classes are the predictions.
    pub(super) fn is_right(&self, image: u32) -> Option<bool> {
        if self.members.evidence != Evidence::Labels {
            return None;
        }
        let class = self.members.class_of[image as usize]?;
        Some(self.atlas.images.prediction[image as usize]? == class)
    }

    /// Mean log-odds of a class over some of its images, minus the mean over all of them.
    pub(super) fn ease(&self, class: usize, some: &[u32]) -> Option<f32> {
        let log_odds = self.log_odds.as_ref()?;
        let mean = |images: &[u32]| {
            let sum: f32 = images.iter().map(|&image| log_odds[image as usize]).sum();
            sum / images.len().max(1) as f32
        };
        Some(mean(some) - mean(&self.members.images[class]))
    }

    /// Share of the labels that are predicted; none where the classes are the predictions.
    pub(super) fn agreement(&self) -> Option<f32> {
        let images = 0..self.members.class_of.len() as u32;
        let right: Vec<bool> = images.filter_map(|image| self.is_right(image)).collect();
        let hits = right.iter().filter(|&&right| right).count();
        (!right.is_empty()).then(|| hits as f32 / right.len() as f32)
    }

    /// The cell at which most of some places of the shown layer lie: an index into its finest level.
    pub(super) fn cell_of_most(
        &self,
        features: &Features<'_>,
        places: &[(u32, usize)],
    ) -> Option<usize> {
        let shown = &self.atlas.layers[features.layer];
        let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
        for &(image, position) in places {
            let (row, col) = features.place_in(shown, position);
            let at = usize::from(row) * shown.map_size.1 as usize + usize::from(col);
            let cell = shown.position_cells.get((image as usize, at))?;
            *counts.entry(*cell).or_default() += 1;
        }
        let most = counts
            .into_iter()
            .max_by_key(|&(cell, n)| (n, std::cmp::Reverse(cell)));
        most.map(|(cell, _)| usize::from(cell))
    }
}

/// Per image the logit of its class minus the logarithm of the other classes' summed exponentials; 0 without a class.
fn log_odds(head: &Head, pooled: &Array2<f32>, members: &Members) -> Vec<f32> {
    let weights = head.weights.mapv(f32::from);
    let bias = Array1::from_vec(head.bias.clone());
    let mut out = vec![0.0; pooled.nrows()];
    let blocks = pooled.axis_chunks_iter(Axis(0), 256).into_par_iter();
    out.par_chunks_mut(256)
        .zip(blocks)
        .zip(members.class_of.par_chunks(256))
        .for_each(|((out, rows), classes)| {
            let logits = rows.dot(&weights.t()) + &bias;
            for ((out, row), class) in out.iter_mut().zip(logits.rows()).zip(classes) {
                let Some(class) = class.map(usize::from) else {
                    continue;
                };
                let others = || row.iter().enumerate().filter(|&(idx, _)| idx != class);
                let largest = others().fold(f32::NEG_INFINITY, |most, (_, &v)| most.max(v));
                let sum: f32 = others().map(|(_, &v)| (v - largest).exp()).sum();
                if sum > 0.0 {
                    *out = row[class] - largest - sum.ln();
                }
            }
        });
    out
}
