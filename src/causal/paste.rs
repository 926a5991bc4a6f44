//! Pasting: crops of a feature's exemplars, or any picture, on images that lack it.
//!
//! On each background one piece is pasted in one corner; a natural crop of another photograph and uniform noise of the
//! same size are pasted at the same place for comparison. The article pasted patches by hand and counted flips; flips
//! depend on how sure the network was, so the statistic here is the change of the centred target logit, and flips are
//! its headline.

use super::lab::{Lab, Logits, Source, Spot, centred, predicted};
use super::pixels::{self, Corner, Shape};
use super::statistics::{self, Unit};
use super::transfer::{self, GAP_IMAGES};
use super::{CausalError, Result, picture};
use crate::atlas::ClassId;
use crate::math::rng::{Rng, mix};
use crate::suspects::claim::{Controls, Estimate, FEWEST, Method, least};
use image::RgbImage;
use std::collections::HashSet;
use std::ops::ControlFlow;

/// Backgrounds of the first estimate: as few as give an interval, so that a person soon sees something.
const FIRST: usize = FEWEST as usize;
/// Backgrounds before the test may stop early.
const EARLIEST: usize = 16;
/// Pieces on each background at most; more than one only while the interval is not clear.
const ROUNDS: u32 = 3;

/// The stream that orders a class's own images.
const OWN: u64 = 0xc1a5;
/// Tells the stream of scrambled pictures from that of noise.
const SCRAMBLED: u64 = 1 << 42;

/// Something to paste.
#[derive(Debug, Clone)]
pub struct Piece {
    /// In the size of the paste.
    pub picture: RgbImage,
    /// How much of each of its pixels is there.
    pub shape: Shape,
    /// Left and top of the place that it was cut from; none for a picture that comes from nowhere.
    pub from: Option<(u32, u32)>,
}

impl Piece {
    /// A square with it at a place.
    pub fn on(&self, square: &RgbImage, place: (u32, u32)) -> RgbImage {
        pixels::paste_shaped(square, (&self.picture, &self.shape), place)
    }

    /// The same with its longer side at `longer` pixels; it has no place of its own then.
    #[must_use]
    pub fn scaled(&self, longer: u32) -> Piece {
        let (picture, shape) = pixels::scaled_shaped(&self.picture, &self.shape, longer);
        Piece {
            picture,
            shape,
            from: None,
        }
    }
}

/// Where pieces are pasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Where each was cut from, or in the left upper corner. Networks whose borders are padded know places, and a mark
    /// that always stands in one corner may be looked for only there.
    Own,
    /// All in one corner.
    Corner(Corner),
}

impl At {
    /// Its name, as the command line takes it.
    pub fn name(self) -> &'static str {
        match self {
            At::Own => "own",
            At::Corner(corner) => corner.name(),
        }
    }

    /// The place of this name.
    pub fn named(name: &str) -> Option<At> {
        if name == "own" {
            return Some(At::Own);
        }
        Corner::named(name).map(At::Corner)
    }
}

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
    /// What is pasted, in turns.
    pub pieces: Vec<Piece>,
    /// Images of the class: they say what makes one of it, and their crops from the same places are compared with those
    /// of a candidate. None compares with none.
    pub class: Vec<u32>,
    /// Where.
    pub at: At,
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
    /// Which pieces were pasted on it.
    pub pieces: Vec<usize>,
    /// As it is.
    pub clean: Logits,
    /// With each piece that was pasted on it.
    pub pasted: Vec<Logits>,
    /// With natural control crops.
    pub controls: Vec<Logits>,
    /// With crops of the class's own images.
    pub class: Vec<Logits>,
    /// With noise.
    pub noise: Vec<Logits>,
    /// With the picture's scrambled self.
    pub scrambled: Vec<Logits>,
}

/// Changes of the centred logit under what was put on the backgrounds, and under the controls.
fn changes(trials: &[Trial], target: ClassId) -> (Vec<Unit>, Vec<Unit>) {
    let (mut own, mut controls) = (Vec::new(), Vec::new());
    for (background, trial) in trials.iter().enumerate() {
        let clean = centred(&trial.clean, target);
        let unit = |piece: usize, logits: &Logits| Unit {
            background,
            piece,
            value: centred(logits, target) - clean,
        };
        let pasted = trial.pieces.iter().zip(&trial.pasted);
        own.extend(pasted.map(|(&piece, logits)| unit(piece, logits)));
        controls.extend(trial.controls.iter().map(|logits| unit(0, logits)));
    }
    (own, controls)
}

/// Changes of the centred logit under one more kind of control.
fn changes_under(
    trials: &[Trial],
    target: ClassId,
    which: fn(&Trial) -> &Vec<Logits>,
) -> Vec<Unit> {
    let of = |(background, trial): (usize, &Trial)| {
        let clean = centred(&trial.clean, target);
        let unit = |logits: &Logits| Unit {
            background,
            piece: 0,
            value: centred(logits, target) - clean,
        };
        which(trial).iter().map(unit).collect::<Vec<Unit>>()
    };
    trials.iter().enumerate().flat_map(of).collect()
}

/// Tells what the trials say; `scale` is what makes an image one of the class.
pub fn estimate(
    seed: u64,
    method: Method,
    target: ClassId,
    (trials, scale): (&[Trial], Option<f32>),
) -> Estimate {
    let (own, controls) = changes(trials, target);
    let compared = statistics::compare(&own, &controls, seed);
    let noise = changes_under(trials, target, |trial| &trial.noise);
    let over_noise = statistics::compare(&own, &noise, seed);
    let class = changes_under(trials, target, |trial| &trial.class);
    let over_class = statistics::compare(&own, &class, seed);
    let scrambled = changes_under(trials, target, |trial| &trial.scrambled);
    let over_scrambled = statistics::compare(&own, &scrambled, seed);
    let known = |units: &[Unit], interval: [f32; 2]| (!units.is_empty()).then_some(interval);
    let first_is = |logits: &[Logits]| logits.first().is_some_and(|l| predicted(l) == target);
    let flips = |of: fn(&Trial) -> &Vec<Logits>| {
        let flipped = trials.iter().filter(|trial| first_is(of(trial)));
        flipped.count() as u32
    };
    Estimate {
        method,
        delta: compared.own.mean,
        ci: compared.own.ci,
        controls: Controls {
            delta: compared.controls.mean,
            ci: compared.controls.ci,
            noise: (!noise.is_empty()).then_some(over_noise.controls.mean),
            over_noise: known(&noise, over_noise.contrast.ci),
            noise_contrast: known(
                &noise,
                statistics::compare(&noise, &controls, seed).contrast.ci,
            ),
            class: (!class.is_empty()).then_some(over_class.controls.mean),
            over_class: known(&class, over_class.contrast.ci),
            scrambled: (!scrambled.is_empty()).then_some(over_scrambled.controls.mean),
            over_scrambled: known(&scrambled, over_scrambled.contrast.ci),
            flips: flips(|trial| &trial.controls),
        },
        contrast: compared.contrast.ci,
        n: trials.len() as u32,
        flips: flips(|trial| &trial.pasted),
        best_flips: None,
        scale,
        done: false,
    }
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
    if paste.pieces.is_empty() {
        return Err(CausalError::TooFew {
            what: "to paste".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    let seed = lab.seed();
    let mut trials: Vec<Trial> = Vec::new();
    let mut scale = None;
    let now = |trials: &[Trial], scale| estimate(seed, paste.method, paste.target, (trials, scale));
    let clear = |trials: &[Trial], scale: Option<f32>| {
        let (own, controls) = changes(trials, paste.target);
        let class = changes_under(trials, paste.target, |trial| &trial.class);
        let enough = paste.early && trials.len() >= EARLIEST.min(paste.n);
        let beside = if class.is_empty() { &controls } else { &class };
        let matters = |scale: f32| statistics::compare(&own, beside, seed).is_clear(least(scale));
        enough
            && statistics::compare(&own, &controls, seed).is_clear(0.0)
            && scale.is_none_or(matters)
    };
    let mut stopped = false;
    for n in [FIRST, EARLIEST, paste.n] {
        let n = n.min(paste.n);
        if n <= trials.len() || stopped || clear(&trials, scale) {
            continue;
        }
        let backgrounds = lab.backgrounds(&paste.avoid, &paste.without, n)?;
        let fresh = &backgrounds[trials.len().min(backgrounds.len())..];
        if fresh.is_empty() {
            break;
        }
        trials.extend(begin(lab, paste, fresh, trials.len())?);
        scale = scale_of(lab, paste, &trials)?;
        stopped = tell(&now(&trials, scale)).is_break();
    }
    if trials.is_empty() {
        return Err(CausalError::TooFew {
            what: "without the class to paste on".to_owned(),
            found: 0,
            needed: 1,
        });
    }
    for round in 1..ROUNDS.min(paste.pieces.len().max(2) as u32) {
        if stopped || clear(&trials, scale) {
            break;
        }
        again(lab, paste, &mut trials, round)?;
        stopped = tell(&now(&trials, scale)).is_break();
    }
    let mut estimate = now(&trials, scale);
    estimate.done = !stopped;
    if estimate.done {
        // The caller may break off here as well; everything is there.
        let _ = tell(&estimate);
    }
    Ok(Pasted { estimate, trials })
}

/// The images of a class in an order of their own, without some.
pub(super) fn own_images(lab: &Lab, class: ClassId, without: &HashSet<u32>) -> Vec<u32> {
    let mut own = lab.album().of_class(class);
    own.retain(|idx| !without.contains(idx));
    Rng::stream(lab.seed(), OWN).shuffle(&mut own);
    own
}

/// How far the class's images stand above the backgrounds; more images for more backgrounds. None of a few images.
fn scale_of(lab: &mut Lab, paste: &Paste, trials: &[Trial]) -> Result<Option<f32>> {
    let own = &paste.class[..paste.class.len().min(GAP_IMAGES).min(trials.len())];
    if own.len() < FEWEST as usize {
        return Ok(None);
    }
    let backgrounds: Vec<u32> = trials.iter().map(|trial| trial.background).collect();
    transfer::gap(lab, paste.target, own, &backgrounds).map(Some)
}

/// The first piece, controls and noise on new backgrounds.
fn begin(lab: &mut Lab, paste: &Paste, backgrounds: &[u32], offset: usize) -> Result<Vec<Trial>> {
    let spots = paste.spots(lab.side(), backgrounds, offset);
    let clean = lab.clean(backgrounds)?;
    let pasted = paste.run(lab, backgrounds, offset)?;
    let controls = lab.control(&spots, Source::Others(&paste.avoid), 0)?;
    let class = lab.control(&spots, Source::Of(paste.crops()), 0)?;
    let noise = lab.noise(&spots, 0)?;
    let scrambled = paste.scrambled(lab, backgrounds, (offset, 0))?;
    let mut trials = Vec::with_capacity(backgrounds.len());
    for (at, &background) in backgrounds.iter().enumerate() {
        if let Some(clean) = clean[at].clone() {
            trials.push(Trial {
                background,
                pieces: vec![paste.piece(at + offset)],
                clean,
                pasted: vec![pasted[at].clone()],
                controls: controls[at].iter().cloned().collect(),
                class: class[at].iter().cloned().collect(),
                noise: noise.get(at).cloned().into_iter().collect(),
                scrambled: scrambled.get(at).cloned().into_iter().collect(),
            });
        }
    }
    Ok(trials)
}

/// One more piece, control and noise on the same backgrounds.
fn again(lab: &mut Lab, paste: &Paste, trials: &mut [Trial], round: u32) -> Result<()> {
    let backgrounds: Vec<u32> = trials.iter().map(|trial| trial.background).collect();
    let offset = round as usize * (paste.pieces.len() / ROUNDS as usize).max(1);
    if paste.pieces.len() > 1 {
        let rows = paste.run(lab, &backgrounds, offset)?;
        for (at, (trial, logits)) in trials.iter_mut().zip(rows).enumerate() {
            trial.pasted.push(logits);
            trial.pieces.push(paste.piece(at + offset));
        }
    }
    let spots = paste.spots(lab.side(), &backgrounds, offset);
    let controls = lab.control(&spots, Source::Others(&paste.avoid), round)?;
    let class = lab.control(&spots, Source::Of(paste.crops()), round)?;
    let noise = lab.noise(&spots, round)?;
    let scrambled = paste.scrambled(lab, &backgrounds, (offset, round))?;
    for (at, trial) in trials.iter_mut().enumerate() {
        trial.controls.extend(controls[at].clone());
        trial.class.extend(class[at].clone());
        trial.noise.extend(noise.get(at).cloned());
        trial.scrambled.extend(scrambled.get(at).cloned());
    }
    Ok(())
}

impl Paste {
    /// Which piece the background at this place of the list gets.
    fn piece(&self, at: usize) -> usize {
        at % self.pieces.len()
    }

    /// Where a piece is pasted in a square of `side`.
    pub fn place(&self, piece: &Piece, side: u32) -> (u32, u32) {
        let corner = match self.at {
            At::Own => Corner::TopLeft,
            At::Corner(corner) => corner,
        };
        let own = piece.from.filter(|_| self.at == At::Own);
        own.unwrap_or_else(|| corner.place(side, piece.picture.dimensions()))
    }

    /// Each background with the spot of its piece.
    fn spots(&self, side: u32, backgrounds: &[u32], offset: usize) -> Vec<(u32, Spot)> {
        let spot = |(at, &background): (usize, &u32)| {
            let piece = &self.pieces[self.piece(at + offset)];
            let spot = Spot {
                size: piece.picture.dimensions(),
                at: self.place(piece, side),
                shape: piece.shape.clone(),
            };
            (background, spot)
        };
        backgrounds.iter().enumerate().map(spot).collect()
    }

    /// Images of the class whose crops are compared: a picture of the person's own comes from none of them.
    fn crops(&self) -> &[u32] {
        match self.method {
            Method::Picture => &[],
            _ => &self.class,
        }
    }

    /// Logits of each background with its piece.
    fn run(&self, lab: &mut Lab, backgrounds: &[u32], offset: usize) -> Result<Vec<Logits>> {
        self.run_as(lab, (backgrounds, offset), &mut |_, piece| piece.clone())
    }

    /// Logits of each background with a scrambled picture, another one each; none where crops are pasted.
    fn scrambled(
        &self,
        lab: &mut Lab,
        backgrounds: &[u32],
        (offset, round): (usize, u32),
    ) -> Result<Vec<Logits>> {
        if self.method != Method::Picture {
            return Ok(Vec::new());
        }
        let seed = lab.seed();
        self.run_as(lab, (backgrounds, offset), &mut |background, piece| {
            let stream = mix(u64::from(background) | SCRAMBLED | u64::from(round) << 41);
            picture::scrambled_piece(piece, &mut Rng::stream(seed, stream))
        })
    }

    /// Logits of each background with its piece after a change.
    fn run_as(
        &self,
        lab: &mut Lab,
        (backgrounds, offset): (&[u32], usize),
        change: &mut dyn FnMut(u32, &Piece) -> Piece,
    ) -> Result<Vec<Logits>> {
        // All at once first, so that they are read in parallel.
        lab.squares(backgrounds);
        let mut squares = Vec::with_capacity(backgrounds.len());
        for (at, &background) in backgrounds.iter().enumerate() {
            let piece = &self.pieces[self.piece(at + offset)];
            let place = self.place(piece, lab.side());
            let square = lab.square(background)?;
            squares.push(change(background, piece).on(&square, place));
        }
        lab.run(&squares)
    }
}
