//! Transfers: what fills a picture and no crop can carry.
//!
//! A texture without a place, a colour cast, a faint mark at one spot of every picture. Two groups of images of the
//! class are compared, with the feature and without it, and what tells them apart is given to images of other classes:
//!
//! - *colours*: the linear map of colours that turns the mean and covariance of the one group into those of the other
//!   (the Monge–Kantorovich map between normals; Pitié and Kokaram 2007, "The linear Monge-Kantorovitch linear colour
//!   mapping for example-based colour transfer");
//! - *difference*: the mean image with the feature less the mean image without it (Adebayo et al. 2022 plant whole-image
//!   artefacts that only this shows);
//! - *spectrum*: the ratio of the mean amplitude spectra, with the background's own phase (Yang and Soatto 2020, "FDA:
//!   Fourier domain adaptation").
//!
//! The controls are the same transfer learned from random halves of the images *without* the feature.

use super::lab::{Lab, Logits, centred};
use super::paste::{Trial, estimate};
use super::{CausalError, Result};
use crate::atlas::ClassId;
use crate::math::rng::Rng;
use crate::suspects::claim::{Estimate, FEWEST, Method};
use image::RgbImage;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

mod colour;
mod difference;
mod spectrum;

/// Control transfers.
const SPLITS: usize = 5;
/// The 97.5 % quantile of Student's t with one degree of freedom less than there are splits.
const SPLITS_T: f32 = 2.776;

/// Images of the class that say how far it stands above others.
pub const GAP_IMAGES: usize = 16;

/// What is tried, in this order.
pub const METHODS: [Method; 3] = [Method::Colour, Method::Difference, Method::Spectrum];

/// Two groups of images of a class.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The class whose logit is watched.
    pub target: ClassId,
    /// Classes that backgrounds must not show.
    pub avoid: Vec<ClassId>,
    /// Images of the class with the feature.
    pub with: Vec<u32>,
    /// Images of the class without it.
    pub without: Vec<u32>,
    /// Number of backgrounds.
    pub n: usize,
    /// Whether to stop as soon as the interval is clear.
    pub early: bool,
}

/// A change of pictures that was learned from two groups.
trait Change: Sync {
    fn apply(&self, square: &RgbImage) -> RgbImage;
}

/// Learns from the groups and applies it to backgrounds.
///
/// # Errors
/// Too few images in a group, and those of the network.
pub fn transfer(
    lab: &mut Lab,
    transfer: &Transfer,
    method: Method,
    tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
) -> Result<Estimate> {
    let with = read(
        lab,
        &transfer.with,
        "of the class with the feature",
        FEWEST as usize,
    )?;
    let needed = 2 * FEWEST as usize;
    let without = read(
        lab,
        &transfer.without,
        "of the class without the feature",
        needed,
    )?;
    let learned = learn(method, &with, &without);
    let controls = splits(lab.seed(), method, &without, with.len());
    let mut seen: HashSet<u32> = transfer.with.iter().copied().collect();
    seen.extend(&transfer.without);
    let backgrounds = lab.backgrounds(&transfer.avoid, &seen, transfer.n)?;
    let mut trials: Vec<Trial> = Vec::new();
    let (mut stopped, mut scale) = (false, None);
    let own = &transfer.without[..transfer.without.len().min(GAP_IMAGES)];
    for some in backgrounds.chunks(16) {
        if stopped {
            break;
        }
        let clean = lab.clean(some)?;
        let squares: Vec<Arc<RgbImage>> = lab.squares(some).into_iter().flatten().collect();
        let changed = applied(lab, learned.as_ref(), &squares)?;
        let mut others = Vec::with_capacity(controls.len());
        for control in &controls {
            others.push(applied(lab, control.as_ref(), &squares)?);
        }
        for (at, &background) in some.iter().enumerate() {
            if let (Some(clean), Some(changed)) = (clean[at].clone(), changed.get(at)) {
                trials.push(Trial {
                    background,
                    pieces: vec![0],
                    clean,
                    pasted: vec![changed.clone()],
                    controls: others.iter().map(|other| other[at].clone()).collect(),
                    class: Vec::new(),
                    noise: Vec::new(),
                    scrambled: Vec::new(),
                });
            }
        }
        scale = Some(gap(
            lab,
            transfer.target,
            own,
            &backgrounds[..trials.len()],
        )?);
        stopped = tell(&widened(
            lab.seed(),
            method,
            transfer.target,
            (&trials, scale),
        ))
        .is_break();
    }
    let mut estimate = widened(lab.seed(), method, transfer.target, (&trials, scale));
    estimate.done = !stopped;
    if estimate.done {
        let _ = tell(&estimate);
    }
    Ok(estimate)
}

/// What tells random halves of the images without the feature apart, each from groups as large as they can be without
/// sharing an image.
fn splits(seed: u64, method: Method, without: &[Arc<RgbImage>], n: usize) -> Vec<Box<dyn Change>> {
    let mut rng = Rng::stream(seed, 0x5911);
    let half = (without.len() / 2).min(n);
    let split = |_| {
        let mut order = without.to_vec();
        rng.shuffle(&mut order);
        learn(method, &order[..half], &order[half..])
    };
    (0..SPLITS).map(split).collect()
}

/// An estimate whose contrast also holds what varies from one learned change to another, as the splits show it: the
/// backgrounds all share one change, so resampling them does not.
fn widened(
    seed: u64,
    method: Method,
    target: ClassId,
    (trials, scale): (&[Trial], Option<f32>),
) -> Estimate {
    let mut estimate = estimate(seed, method, target, (trials, scale));
    let of_split = |split: usize| {
        let changes = trials.iter().filter_map(|trial| {
            Some(centred(trial.controls.get(split)?, target) - centred(&trial.clean, target))
        });
        changes.sum::<f32>() / trials.len().max(1) as f32
    };
    let means: Vec<f32> = (0..SPLITS).map(of_split).collect();
    let middle = means.iter().sum::<f32>() / SPLITS as f32;
    let squares: f32 = means.iter().map(|mean| (mean - middle).powi(2)).sum();
    let spread = (squares / (SPLITS - 1) as f32).sqrt();
    let between = SPLITS_T * spread * (1.0 + 1.0 / SPLITS as f32).sqrt();
    let centre = estimate.delta - estimate.controls.delta;
    let [low, high] = estimate.contrast;
    estimate.contrast = [
        (centre - (centre - low).hypot(between)).max(f32::MIN),
        (centre + (high - centre).hypot(between)).min(f32::MAX),
    ];
    estimate
}

fn read(lab: &mut Lab, images: &[u32], what: &str, needed: usize) -> Result<Vec<Arc<RgbImage>>> {
    let squares: Vec<_> = lab.squares(images).into_iter().flatten().collect();
    if squares.len() < needed {
        return Err(CausalError::TooFew {
            what: what.to_owned(),
            found: squares.len(),
            needed,
        });
    }
    Ok(squares)
}

fn applied(lab: &Lab, change: &dyn Change, squares: &[Arc<RgbImage>]) -> Result<Vec<Logits>> {
    use rayon::prelude::*;
    let changed: Vec<RgbImage> = squares
        .par_iter()
        .map(|square| change.apply(square))
        .collect();
    lab.run(&changed)
}

fn learn(method: Method, with: &[Arc<RgbImage>], without: &[Arc<RgbImage>]) -> Box<dyn Change> {
    match method {
        Method::Colour => Box::new(colour::Map::between(without, with)),
        Method::Spectrum => Box::new(spectrum::Gain::between(without, with)),
        _ => Box::new(difference::Difference::between(without, with)),
    }
}

/// How far the class's own images stand above the backgrounds, in centred logits: the scale of an effect.
///
/// # Errors
/// Those of the network.
pub fn gap(lab: &mut Lab, class: ClassId, own: &[u32], backgrounds: &[u32]) -> Result<f32> {
    let mut mean = |images: &[u32]| -> Result<f32> {
        let rows: Vec<Logits> = lab.clean(images)?.into_iter().flatten().collect();
        let values: Vec<f32> = rows.iter().map(|row| centred(row, class)).collect();
        Ok(super::statistics::mean(&values) as f32)
    };
    Ok(mean(own)? - mean(backgrounds)?)
}
