//! The sweep: the same paste at several sizes in every corner, behind a verdict.
//!
//! The article counts a background as flipped when its best size and corner flips it. That is a maximum over many
//! trials, so natural controls go through the same trials.

use super::lab::{Lab, Source, Spot, centred, predicted, probability};
use super::paste::{Paste, Piece};
use super::pixels::Corner;
use super::{Result, statistics};
use crate::suspects::claim::{BestFlips, SweepPoint};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Longer sides as shares of the picture's, as in lucid's notebook of the article.
pub const RATIOS: [f32; 9] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];

/// Sizes with their effects, and flips at the best size and corner.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// One per ratio that was reached.
    pub points: Vec<SweepPoint>,
    /// Flips of each background by any of them.
    pub best: BestFlips,
}

/// Pastes at every ratio and corner; `tell` gets each point and can break off.
///
/// # Errors
/// Those of the network, and no background.
pub fn sweep(
    lab: &mut Lab,
    paste: &Paste,
    ratios: &[f32],
    tell: &mut dyn FnMut(&SweepPoint) -> ControlFlow<()>,
) -> Result<Sweep> {
    let backgrounds = lab.backgrounds(&paste.avoid, &paste.without, paste.n)?;
    let (mut points, mut trials) = (Vec::new(), 0);
    let (mut flipped, mut control_flipped) = (HashSet::new(), HashSet::new());
    for &ratio in ratios {
        let at = at_ratio(lab, paste, &backgrounds, ratio)?;
        trials += if ratio > 0.0 {
            Corner::ALL.len() as u32
        } else {
            0
        };
        flipped.extend(at.flipped);
        control_flipped.extend(at.control_flipped);
        points.push(at.point);
        if tell(&at.point).is_break() {
            break;
        }
    }
    let best = BestFlips {
        flips: flipped.len() as u32,
        controls: control_flipped.len() as u32,
        trials,
    };
    Ok(Sweep { points, best })
}

struct At {
    point: SweepPoint,
    flipped: HashSet<u32>,
    control_flipped: HashSet<u32>,
}

fn at_ratio(lab: &mut Lab, paste: &Paste, backgrounds: &[u32], ratio: f32) -> Result<At> {
    let target = paste.target;
    let clean: Vec<_> = lab.clean(backgrounds)?.into_iter().flatten().collect();
    let longer = (ratio * lab.side() as f32).round() as u32;
    let mut changes = vec![0f32; backgrounds.len()];
    let mut controls = Vec::new();
    let (mut flipped, mut control_flipped) = (HashSet::new(), HashSet::new());
    let mut sum = 0.0;
    let mut runs = 0;
    if longer == 0 {
        sum = clean.iter().map(|logits| probability(logits, target)).sum();
        runs = clean.len();
    } else {
        let pieces = paste.pieces.iter();
        let pieces: Vec<_> = pieces.map(|piece| piece.scaled(longer)).collect();
        let squares: Vec<_> = lab.squares(backgrounds).into_iter().flatten().collect();
        for corner in Corner::ALL {
            let pasted: Vec<_> = squares
                .iter()
                .zip(pieces.iter().cycle())
                .map(|(square, piece)| {
                    let place = corner.place(square.width(), piece.picture.dimensions());
                    piece.on(square, place)
                })
                .collect();
            for (at, logits) in lab.run(&pasted)?.iter().enumerate() {
                changes[at] += (centred(logits, target) - centred(&clean[at], target)) / 4.0;
                sum += probability(logits, target);
                runs += 1;
                if predicted(logits) == target {
                    flipped.insert(backgrounds[at]);
                }
            }
            let spot = |(&background, piece): (&u32, &Piece)| {
                let size = piece.picture.dimensions();
                let at = corner.place(lab.side(), size);
                let shape = piece.shape.clone();
                (background, Spot { size, at, shape })
            };
            let spots = backgrounds.iter().zip(pieces.iter().cycle()).map(spot);
            let spots: Vec<(u32, Spot)> = spots.collect();
            let others = lab.control(&spots, Source::Others(&paste.avoid), 0)?;
            for (at, logits) in others.iter().enumerate() {
                let Some(logits) = logits else { continue };
                controls.push(centred(logits, target) - centred(&clean[at], target));
                if predicted(logits) == target {
                    control_flipped.insert(backgrounds[at]);
                }
            }
        }
    }
    let mean = statistics::bootstrap(&changes, lab.seed());
    Ok(At {
        point: SweepPoint {
            ratio,
            delta: mean.mean,
            ci: mean.ci,
            controls: statistics::mean(&controls) as f32,
            probability: sum / runs.max(1) as f32,
            flips: flipped.len() as u32,
            control_flips: control_flipped.len() as u32,
            n: backgrounds.len() as u32,
        },
        flipped,
        control_flipped,
    })
}
