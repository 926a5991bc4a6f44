//! A picture of the person's own as a patch: the article's baseball.

use super::paste::{self, Paste, Pasted, Piece};
use super::tester::Options;
use super::{CausalError, Lab, Result, pixels, sheet, told};
use crate::atlas::ClassId;
use crate::images;
use crate::math::fourier::{forward, inverse};
use crate::math::rng::Rng;
use crate::suspects::claim::{Claim, Estimate, Judgement, Method, Subject, verdict};
use image::RgbImage;
use image::imageops::{self, FilterType};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Longer side as a share of the input's side unless told, as in lucid's notebook.
pub const RATIO: f32 = 0.4;
/// Backgrounds that are shown before and after.
const PAIRS: usize = 4;

/// A picture with its file.
#[derive(Debug, Clone, Copy)]
pub struct Patch<'a> {
    /// As the claim names it.
    pub path: &'a Path,
    /// What is in it.
    pub picture: &'a Piece,
}

/// Reads a picture to paste; what is transparent in it is not pasted.
///
/// # Errors
/// What cannot be read, and a picture of which nothing is there.
pub fn load(path: &Path) -> Result<Piece> {
    let bad = |why: String| CausalError::Photograph(format!("the patch {}: {why}", path.display()));
    let (picture, shape) = images::decode::load_shaped(path).map_err(|e| bad(e.to_string()))?;
    if shape
        .as_ref()
        .is_some_and(|shape| shape.pixels().all(|pixel| pixel.0 == [0]))
    {
        return Err(bad(
            "all of it is transparent; give one in which something is to be seen".into(),
        ));
    }
    Ok(Piece {
        picture,
        shape: shape.map(Arc::new),
        from: None,
    })
}

/// Pastes a picture for a class. The claim does not say the command yet.
///
/// # Errors
/// No background, and those of the network.
pub fn test(
    lab: &mut Lab,
    patch: Patch<'_>,
    target: ClassId,
    options: &Options,
    tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
) -> Result<(Claim, (Paste, Pasted))> {
    let ratio = options.ratio.unwrap_or(RATIO);
    let longer = (ratio * lab.side() as f32).round().max(1.0) as u32;
    let piece = patch.picture.scaled(longer);
    let paste = Paste {
        method: Method::Picture,
        target,
        avoid: vec![target],
        without: HashSet::new(),
        pieces: vec![piece],
        class: paste::own_images(lab, target, &HashSet::new()),
        at: options.at,
        n: options.n,
        early: options.early,
    };
    let pasted = paste::paste(lab, &paste, tell)?;
    let mut provenance = told::provenance(lab, options);
    provenance.ratio = Some(ratio);
    let pairs = sheet::pairs(lab, &paste, &pasted.trials, PAIRS)?;
    let claim = Claim {
        subject: subject(lab, target, patch.path),
        pairs: pairs.iter().map(|pair| pair.told(lab)).collect(),
        verdict: verdict(&[pasted.estimate]),
        estimates: vec![pasted.estimate],
        left_out: Vec::new(),
        sweep: Vec::new(),
        judgement: Judgement::default(),
        note: String::new(),
        provenance,
    };
    Ok((claim, (paste, pasted)))
}

fn subject(lab: &Lab, target: ClassId, path: &Path) -> Subject {
    let class = lab.network().classes.get(usize::from(target));
    Subject {
        kind: None,
        cell: None,
        picture: Some(path.display().to_string()),
        class: class.map_or(target.to_string(), |class| class.id.clone()),
        class_name: class.map_or(String::new(), |class| class.name().to_owned()),
        other: None,
        component: None,
        score: None,
        q: None,
        exemplars: Vec::new(),
        with: Vec::new(),
        without: Vec::new(),
    }
}

/// A piece scrambled inside its own shape. Where little of it is there, its mean colour stands in: what nobody sees must
/// not be seen after it was scrambled.
pub fn scrambled_piece(piece: &Piece, rng: &mut Rng) -> Piece {
    let Some(shape) = &piece.shape else {
        let picture = scrambled(&piece.picture, rng);
        return Piece {
            picture,
            ..piece.clone()
        };
    };
    let alphas = || shape.pixels().map(|pixel| f32::from(pixel.0[0]) / 255.0);
    let whole: f32 = alphas().sum::<f32>().max(f32::EPSILON);
    let mut mean = [0.0; 3];
    for (pixel, alpha) in piece.picture.pixels().zip(alphas()) {
        for (mean, value) in mean.iter_mut().zip(pixel.0) {
            *mean += alpha * f32::from(value) / whole;
        }
    }
    let mut filled = piece.picture.clone();
    for (pixel, alpha) in filled.pixels_mut().zip(alphas()) {
        let own = pixel.0.map(f32::from);
        pixel.0 = std::array::from_fn(|c| pixels::byte(alpha * own[c] + (1.0 - alpha) * mean[c]));
    }
    Piece {
        picture: scrambled(&filled, rng),
        ..piece.clone()
    }
}

/// The picture with its phases scrambled: the same mean colour, and the same amplitude at every frequency of every
/// channel, but nothing to be seen in it. All channels are shifted alike, which keeps how colours go together. What it
/// does to a class the picture's colours and texture do.
pub fn scrambled(picture: &RgbImage, rng: &mut Rng) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    if longer < 2 {
        return picture.clone();
    }
    let side = longer as usize;
    let square = imageops::resize(picture, longer, longer, FilterType::Triangle);
    // Phases of a real picture are those of another one: of noise.
    let mut noise: Vec<f32> = (0..side * side).map(|_| rng.normal()).collect();
    let mut phases = forward(&mut noise, side);
    for phase in &mut phases {
        let norm = phase.norm();
        *phase = if norm > 0.0 {
            *phase / norm
        } else {
            1.0.into()
        };
    }
    phases[0] = 1.0.into();
    let channels: [Vec<f32>; 3] = std::array::from_fn(|channel| {
        let mut values: Vec<f32> = square.pixels().map(|p| f32::from(p.0[channel])).collect();
        let mut spectrum = forward(&mut values, side);
        for (v, phase) in spectrum.iter_mut().zip(&phases) {
            *v *= phase;
        }
        inverse(&mut spectrum, side)
    });
    let mut out = square;
    for (at, pixel) in out.pixels_mut().enumerate() {
        pixel.0 = std::array::from_fn(|channel| pixels::byte(channels[channel][at]));
    }
    imageops::resize(&out, width, height, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma, Rgb};

    /// A red disc on grey.
    fn disc(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let (dx, dy) = (x as f32 - 16.0, y as f32 - 12.0);
            if dx.hypot(dy) < 8.0 {
                Rgb([190, 90, 80])
            } else {
                Rgb([120, 120, 120])
            }
        })
    }

    fn mean(picture: &RgbImage, channel: usize) -> f32 {
        let values = picture.pixels().map(|p| f32::from(p.0[channel]));
        values.sum::<f32>() / (picture.width() * picture.height()) as f32
    }

    #[test]
    fn scrambling_keeps_amplitudes_and_colours_and_nothing_else() {
        let picture = disc(32, 32);
        let other = scrambled(&picture, &mut Rng::new(3));
        for channel in 0..3 {
            assert!((mean(&picture, channel) - mean(&other, channel)).abs() < 1.0);
        }
        let spectrum = |picture: &RgbImage| -> Vec<f32> {
            let mut red: Vec<f32> = picture.pixels().map(|p| f32::from(p.0[0])).collect();
            let spectrum = forward(&mut red, 32);
            spectrum.iter().map(|v| v.norm()).collect()
        };
        let (before, after) = (spectrum(&picture), spectrum(&other));
        // The strong ones, which rounding to bytes hardly touches.
        for (a, b) in before.iter().zip(&after).filter(|(a, _)| **a > 500.0) {
            assert!((a - b).abs() < 0.05 * a + 20.0, "{a} {b}");
        }
        // What is red is still what is less green: channels moved together.
        let spread = |p: &RgbImage| p.pixels().map(|p| f32::from(p.0[1])).fold(255.0, f32::min);
        assert!(spread(&other) < 115.0);
        let apart = picture.pixels().zip(other.pixels());
        let apart = apart.filter(|(a, b)| a.0[0].abs_diff(b.0[0]) > 8).count();
        assert!(apart > 300, "{apart} pixels changed");
    }

    #[test]
    fn a_cutout_is_scrambled_inside_its_shape() {
        // Red where something is; green, which nobody sees, elsewhere.
        let inside = |x: u32, y: u32| (x as f32 - 16.0).hypot(y as f32 - 16.0) < 10.0;
        let picture = RgbImage::from_fn(32, 32, |x, y| {
            if inside(x, y) {
                Rgb([if (x + y) % 4 < 2 { 220 } else { 160 }, 20, 20])
            } else {
                Rgb([0, 255, 0])
            }
        });
        let shape = GrayImage::from_fn(32, 32, |x, y| Luma([if inside(x, y) { 255 } else { 0 }]));
        let piece = Piece {
            picture,
            shape: Some(Arc::new(shape)),
            from: None,
        };
        let other = scrambled_piece(&piece, &mut Rng::new(5));
        assert_eq!(other.shape, piece.shape);
        let seen = |piece: &Piece| piece.on(&RgbImage::from_pixel(32, 32, Rgb([7; 3])), (0, 0));
        let (before, after) = (seen(&piece), seen(&other));
        for (x, y, pixel) in after.enumerate_pixels() {
            if inside(x, y) {
                assert!(pixel.0[0] > 120 && pixel.0[1] < 60, "{x},{y}: {pixel:?}");
            } else {
                assert_eq!(pixel.0, [7; 3]);
            }
        }
        let apart = before.pixels().zip(after.pixels());
        assert!(apart.filter(|(a, b)| a.0[0].abs_diff(b.0[0]) > 8).count() > 100);
    }

    #[test]
    fn any_shape_is_scrambled() {
        for (width, height) in [(1, 1), (1, 7), (9, 2), (31, 20)] {
            let out = scrambled(&disc(width, height), &mut Rng::new(1));
            assert_eq!(out.dimensions(), (width, height));
        }
        let flat = RgbImage::from_pixel(12, 8, Rgb([200, 30, 30]));
        let same = scrambled(&flat, &mut Rng::new(2));
        assert!(
            same.pixels()
                .all(|p| p.0[0].abs_diff(200) < 2 && p.0[1].abs_diff(30) < 2)
        );
    }
}
