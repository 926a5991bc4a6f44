//! From the stages' results to an [`Atlas`], finished or as far as it is.

use super::Job;
use super::gather::{Gathered, LayerSamples};
use super::workspace::Fingerprint;
use crate::atlas::{
    Atlas, Head, Images, LayerAtlas, LayoutQuality, Level, Palette, Pca, Quantized, Samples,
    TOP_ATTRIBUTIONS, Truth,
};
use crate::featurevis::{Icon, sheet};
use crate::math::first;
use half::f16;
use ndarray::{Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use std::sync::Arc;

/// A layer that has its layout.
#[derive(Debug, Clone)]
pub(super) struct Arranged {
    pub(super) position: Array2<f32>,
    pub(super) quality: LayoutQuality,
    pub(super) pca: Pca,
    pub(super) levels: Vec<Level>,
    pub(super) fingerprint: Fingerprint,
    pub(super) position_cells: Array2<u16>,
}

/// A build in progress.
pub(super) struct Draft<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) gathered: Gathered,
    pub(super) grids: Vec<u32>,
    /// The layers that are arranged so far, in the job's order.
    pub(super) layers: Vec<Arranged>,
    /// Icons per layer, level and cell.
    pub(super) icons: Vec<Vec<Vec<Option<Icon>>>>,
    /// The linear end with its positions, once they are located.
    pub(super) head: Option<Head>,
    /// Samples of each layer as the atlas holds them; they never change once made.
    samples: Vec<Samples>,
    truth: Option<Truth>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(job: &'a Job<'a>, gathered: Gathered) -> Self {
        let truth = job.truth.as_ref().map(|truth| Truth {
            planted: truth.planted.clone(),
            present: gathered
                .global
                .iter()
                .map(|&idx| truth.present[idx as usize])
                .collect(),
            boxes: gathered
                .global
                .iter()
                .map(|&idx| truth.boxes[idx as usize].clone())
                .collect(),
        });
        let grids = job.recipe.grids.clone();
        Self {
            job,
            gathered,
            grids,
            layers: Vec::new(),
            icons: Vec::new(),
            head: None,
            samples: Vec::new(),
            truth,
        }
    }

    /// The atlas as far as it is done.
    pub(super) fn snapshot(&mut self, complete: bool) -> Result<Arc<Atlas>, sheet::Error> {
        for idx in self.samples.len()..self.layers.len() {
            self.samples.push(samples(
                self.job,
                &self.gathered.layers[idx],
                &self.layers[idx],
            ));
        }
        let mut recipe = self.job.recipe.clone();
        recipe.grids.clone_from(&self.grids);
        recipe.input = Some(self.job.network.input);
        for (idx, source) in recipe.sources.iter_mut().enumerate() {
            let n_images = self
                .gathered
                .images
                .source
                .iter()
                .filter(|&&s| usize::from(s) == idx)
                .count();
            source.n_images = n_images as u64;
            source.n_skipped = self.gathered.n_skipped[idx];
        }
        let images: Images = self.gathered.images.clone();
        let layers = (0..self.layers.len())
            .map(|idx| self.layer(idx))
            .collect::<Result<_, _>>()?;
        let classes = self.job.network.classes.clone();
        Ok(Arc::new(Atlas {
            recipe,
            classes,
            images,
            layers,
            truth: self.truth.clone(),
            head: self.head.clone(),
            complete,
        }))
    }

    fn layer(&self, idx: usize) -> Result<LayerAtlas, sheet::Error> {
        let arranged = &self.layers[idx];
        let layer = &self.job.layers[idx];
        let size = self.job.recipe.icons.size;
        let none: Vec<Vec<Option<Icon>>> = Vec::new();
        let icons = self.icons.get(idx).unwrap_or(&none);
        let drawn: Vec<&Icon> = icons.iter().flatten().flatten().collect();
        let mut levels = arranged.levels.clone();
        let mut palette = Palette::default();
        if !drawn.is_empty() {
            palette = sheet::palette(&drawn);
            let mapper = sheet::Mapper::new(&palette)?;
            for (level, icons) in levels.iter_mut().zip(icons) {
                level.icons = sheet::icons(&level.cells, icons, &palette, &mapper, size)?;
            }
        }
        Ok(LayerAtlas {
            name: layer.name.clone(),
            depth: layer.depth,
            map_size: (layer.map_size.0 as u32, layer.map_size.1 as u32),
            receptive_field: layer.receptive_field as u32,
            stride: layer.stride as u32,
            samples: self.samples[idx].clone(),
            levels,
            palette,
            quality: arranged.quality,
            pooled: Quantized::from_f32(&self.gathered.layers[idx].pooled.view()),
            position_cells: arranged.position_cells.clone(),
        })
    }
}

fn samples(job: &Job<'_>, chunk: &LayerSamples, arranged: &Arranged) -> Samples {
    let mut samples = Samples {
        image: chunk.image.clone(),
        row: chunk.row.clone(),
        col: chunk.col.clone(),
        position: arranged.position.clone(),
        pca: arranged.pca.clone(),
        activations: job
            .keep_activations
            .then(|| chunk.activations.view().mapv(f16::from_f32)),
        ..Samples::default()
    };
    let (classes, values) = top_attributions(&chunk.attributions.view());
    samples.set_top(classes, &values.view());
    samples
}

/// The strongest attributions of each sample by absolute value: classes and logits, n × k.
fn top_attributions(attributions: &ArrayView2<'_, f16>) -> (Array2<u16>, Array2<f32>) {
    let (n, n_classes) = attributions.dim();
    let k = TOP_ATTRIBUTIONS.min(n_classes);
    let rows: Vec<Vec<(u16, f16)>> = (0..n)
        .into_par_iter()
        .map(|idx| strongest(&attributions.row(idx), k))
        .collect();
    let classes = Array2::from_shape_fn((n, k), |(row, rank)| rows[row][rank].0);
    let values = Array2::from_shape_fn((n, k), |(row, rank)| rows[row][rank].1.to_f32());
    (classes, values)
}

fn strongest(row: &ArrayView1<'_, f16>, k: usize) -> Vec<(u16, f16)> {
    let ranked: Vec<(u16, f16)> = row
        .iter()
        .enumerate()
        .map(|(class, &value)| (class as u16, value))
        .collect();
    let by_strength = |a: &(u16, f16), b: &(u16, f16)| {
        b.1.to_f32()
            .abs()
            .total_cmp(&a.1.to_f32().abs())
            .then(a.0.cmp(&b.0))
    };
    first(ranked, k, by_strength)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_come_first_whatever_their_sign() {
        let row = [0.1, -3.0, 2.0, 0.0, 2.5].map(f16::from_f32);
        let top = strongest(&ArrayView1::from(&row), 3);
        assert_eq!(top.iter().map(|t| t.0).collect::<Vec<_>>(), [1, 4, 2]);
    }
}
