//! Pasting: crops of a feature's exemplars, or any picture, on images that lack it.
//!
//! On each background one piece is pasted in one corner; a natural crop of another photograph and uniform noise of the
//! same size are pasted at the same place for comparison. The article pasted patches by hand and counted flips; flips
//! depend on how sure the network was, so the statistic here is the change of the centred target logit, and flips are
//! its headline.

use super::lab::{Lab, Logits, Spot, centred, predicted};
use super::pixels::{self, Corner};
use super::{CausalError, Result, statistics};
use crate::atlas::ClassId;
use crate::suspects::claim::{Controls, Estimate, Method};
use image::RgbImage;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Backgrounds of the first estimate.
const FIRST: usize = 8;
/// Backgrounds before the test may stop early.
const EARLIEST: usize = 16;
/// Pieces on each background at most; more than one only while the interval is not clear.
const ROUNDS: u32 = 3;

/// What is pasted, and on what.
#[derive(Debug, Clone)]
pub struct Paste {
    /// How it is told.
    pub method: Method,
    /// The class whose logit is watched.
    pub target: ClassId,
    /// Classes that backgrounds must not show; the target at least.
    pub avoid: Vec<ClassId>,
    /// Photographs that are no background: those that the pieces come from.
    pub without: HashSet<u32>,
    /// What is pasted, in turns, in the size of the paste.
    pub pieces: Vec<RgbImage>,
    /// Where.
    pub corner: Corner,
    /// Number of backgrounds.
    pub n: usize,
    /// Whether to stop as soon as the interval is clear.
    pub early: bool,
}

/// Logits of one background.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The photograph.
    pub background: u32,
    /// As it is.
    pub clean: Logits,
    /// With each piece that was pasted on it.
    pub pasted: Vec<Logits>,
    /// With natural control crops.
    pub controls: Vec<Logits>,
    /// With noise.
    pub noise: Option<Logits>,
}

impl Trial {
    /// Mean change of the centred logit under `others`.
    fn change(&self, others: &[Logits], class: ClassId) -> f32 {
        let clean = centred(&self.clean, class);
        let changes = others.iter().map(|logits| centred(logits, class) - clean);
        changes.sum::<f32>() / others.len().max(1) as f32
    }
}

/// Tells what the trials say.
pub fn estimate(method: Method, target: ClassId, trials: &[Trial], seed: u64) -> Estimate {
    let own: Vec<f32> = trials.iter().map(|t| t.change(&t.pasted, target)).collect();
    let with_control = trials.iter().filter(|t| !t.controls.is_empty());
    let controls: Vec<f32> = with_control
        .map(|t| t.change(&t.controls, target))
        .collect();
    let contrast = contrast(trials, target);
    let noise: Vec<f32> = trials
        .iter()
        .filter_map(|t| Some(t.change(std::slice::from_ref(t.noise.as_ref()?), target)))
        .collect();
    let first_is = |logits: &[Logits]| logits.first().is_some_and(|l| predicted(l) == target);
    let delta = statistics::bootstrap(&own, seed);
    let control = statistics::bootstrap(&controls, seed);
    Estimate {
        method,
        delta: delta.mean,
        ci: delta.ci,
        controls: Controls {
            delta: control.mean,
            ci: control.ci,
            noise: (!noise.is_empty()).then(|| statistics::mean(&noise) as f32),
        },
        contrast: statistics::bootstrap(&contrast, seed).ci,
        n: trials.len() as u32,
        flips: trials.iter().filter(|t| first_is(&t.pasted)).count() as u32,
        best_flips: None,
        done: false,
    }
}

/// Per background the change less that of its controls.
fn contrast(trials: &[Trial], target: ClassId) -> Vec<f32> {
    let of = |t: &Trial| t.change(&t.pasted, target) - t.change(&t.controls, target);
    let with_control = trials.iter().filter(|t| !t.controls.is_empty());
    with_control.map(of).collect()
}

/// What a paste gave.
#[derive(Debug, Clone)]
pub struct Pasted {
    /// The last estimate.
    pub estimate: Estimate,
    /// What it rests on.
    pub trials: Vec<Trial>,
}

/// Pastes and tells an estimate after each batch of backgrounds. When `tell` breaks off, the estimate so far is given,
/// not `done`.
///
/// # Errors
/// No piece, no background, and those of the network.
pub fn paste(
    lab: &mut Lab,
    paste: &Paste,
    tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
) -> Result<Pasted> {
    let Some(first) = paste.pieces.first() else {
        return Err(CausalError::TooFew {
            what: "to paste".to_owned(),
            found: 0,
            needed: 1,
        });
    };
    let seed = lab.seed();
    let spot = Spot {
        size: first.dimensions(),
        corner: paste.corner,
    };
    let mut trials: Vec<Trial> = Vec::new();
    let now = |trials: &[Trial]| estimate(paste.method, paste.target, trials, seed);
    let clear = |trials: &[Trial]| {
        paste.early
            && trials.len() >= EARLIEST.min(paste.n)
            && statistics::is_clear(&contrast(trials, paste.target))
    };
    let mut stopped = false;
    for n in [FIRST, EARLIEST, paste.n] {
        let n = n.min(paste.n);
        if n <= trials.len() || stopped || clear(&trials) {
            continue;
        }
        let backgrounds = lab.backgrounds(&paste.avoid, &paste.without, n)?;
        let fresh = &backgrounds[trials.len().min(backgrounds.len())..];
        if fresh.is_empty() {
            break;
        }
        trials.extend(begin(lab, paste, fresh, spot, trials.len())?);
        stopped = tell(&now(&trials)).is_break();
    }
    if trials.is_empty() {
        return Err(CausalError::TooFew {
            what: "without the class to paste on".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    for round in 1..ROUNDS.min(paste.pieces.len().max(2) as u32) {
        if stopped || clear(&trials) {
            break;
        }
        again(lab, paste, &mut trials, spot, round)?;
        stopped = tell(&now(&trials)).is_break();
    }
    let mut estimate = now(&trials);
    estimate.done = !stopped;
    if estimate.done {
        // The caller may break off here as well; everything is there.
        let _ = tell(&estimate);
    }
    Ok(Pasted { estimate, trials })
}

/// The first piece, control and noise on new backgrounds.
fn begin(
    lab: &mut Lab,
    paste: &Paste,
    backgrounds: &[u32],
    spot: Spot,
    offset: usize,
) -> Result<Vec<Trial>> {
    let clean = lab.clean(backgrounds)?;
    let squares = lab_squares(lab, backgrounds)?;
    let pasted = lab.run(&pasted_squares(squares, paste, offset))?;
    let controls = lab.control(backgrounds, &paste.avoid, spot, 0)?;
    let noise = lab.noise(backgrounds, spot)?;
    let rows = backgrounds
        .iter()
        .zip(clean)
        .zip(pasted.into_iter().zip(controls));
    Ok(rows
        .zip(noise)
        .filter_map(|(((&background, clean), (pasted, control)), noise)| {
            Some(Trial {
                background,
                clean: clean?,
                pasted: vec![pasted],
                controls: control.into_iter().collect(),
                noise: Some(noise),
            })
        })
        .collect())
}

/// One more piece and control on the same backgrounds.
fn again(lab: &mut Lab, paste: &Paste, trials: &mut [Trial], spot: Spot, round: u32) -> Result<()> {
    let backgrounds: Vec<u32> = trials.iter().map(|trial| trial.background).collect();
    if paste.pieces.len() > 1 {
        let offset = round as usize * (paste.pieces.len() / ROUNDS as usize).max(1);
        let squares = pasted_squares(lab_squares(lab, &backgrounds)?, paste, offset);
        for (trial, logits) in trials.iter_mut().zip(lab.run(&squares)?) {
            trial.pasted.push(logits);
        }
    }
    let controls = lab.control(&backgrounds, &paste.avoid, spot, round)?;
    for (trial, control) in trials.iter_mut().zip(controls) {
        trial.controls.extend(control);
    }
    Ok(())
}

/// Squares of backgrounds that are known to be readable.
fn lab_squares(lab: &mut Lab, backgrounds: &[u32]) -> Result<Vec<std::sync::Arc<RgbImage>>> {
    lab.squares(backgrounds);
    backgrounds.iter().map(|&idx| lab.square(idx)).collect()
}

fn pasted_squares(
    squares: Vec<std::sync::Arc<RgbImage>>,
    paste: &Paste,
    offset: usize,
) -> Vec<RgbImage> {
    let pieces = paste
        .pieces
        .iter()
        .cycle()
        .skip(offset % paste.pieces.len());
    let both = squares.into_iter().zip(pieces);
    both.map(|(square, piece)| pixels::paste(&square, piece, paste.corner))
        .collect()
}
