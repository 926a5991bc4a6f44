//! Spectrum: the ratio of two groups' mean amplitudes by frequency, put on a picture that keeps its phase.

use super::Change;
use crate::causal::pixels::byte;
use crate::math::fourier::{forward, inverse};
use image::RgbImage;
use rayon::prelude::*;
use std::sync::Arc;

/// A frequency is made at most so much stronger.
const MOST: f32 = 8.0;
/// And at most so much weaker.
const LEAST: f32 = 0.5;

/// A factor per frequency of the brightness.
pub(super) struct Gain {
    side: usize,
    /// Rows × (side / 2 + 1).
    factors: Vec<f32>,
}

/// Brightness (Rec. 601) of every pixel.
fn brightness(square: &RgbImage) -> Vec<f32> {
    let of = |p: &image::Rgb<u8>| {
        let [r, g, b] = p.0.map(f32::from);
        0.299 * r + 0.587 * g + 0.114 * b
    };
    square.pixels().map(of).collect()
}

fn amplitudes(group: &[Arc<RgbImage>], side: usize) -> Vec<f32> {
    let each: Vec<Vec<f32>> = group
        .par_iter()
        .map(|square| {
            let spectrum = forward(&mut brightness(square), side);
            spectrum.iter().map(|v| v.norm()).collect()
        })
        .collect();
    let mut mean = vec![0f32; side * (side / 2 + 1)];
    for amplitudes in &each {
        for (sum, v) in mean.iter_mut().zip(amplitudes) {
            *sum += v / each.len() as f32;
        }
    }
    mean
}

impl Gain {
    /// What turns the amplitudes of the first group into those of the second.
    pub(super) fn between(from: &[Arc<RgbImage>], to: &[Arc<RgbImage>]) -> Self {
        let side = from
            .first()
            .or(to.first())
            .map_or(0, |square| square.width() as usize);
        let both = amplitudes(to, side).into_iter().zip(amplitudes(from, side));
        let mut factors: Vec<f32> = both
            .map(|(to, from)| (to / from.max(1e-3)).clamp(LEAST, MOST))
            .collect();
        if let Some(mean) = factors.first_mut() {
            // The mean brightness is the colours' business.
            *mean = 1.0;
        }
        Self { side, factors }
    }
}

impl Change for Gain {
    fn apply(&self, square: &RgbImage) -> RgbImage {
        let before = brightness(square);
        let mut spectrum = forward(&mut before.clone(), self.side);
        for (v, factor) in spectrum.iter_mut().zip(&self.factors) {
            *v *= factor;
        }
        let after = inverse(&mut spectrum, self.side);
        let mut out = square.clone();
        for (pixel, (before, after)) in out.pixels_mut().zip(before.iter().zip(after)) {
            for v in &mut pixel.0 {
                *v = byte(f32::from(*v) + after - before);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Rng;
    use image::Rgb;

    /// Stripes on half of the pictures come out as stripes of the same frequency on another picture.
    #[test]
    fn stripes_are_transferred() {
        let mut rng = Rng::new(4);
        let mut plain = |stripes: f32| {
            let phase = rng.uniform() * 6.0;
            let noise: Vec<f32> = (0..32 * 32).map(|_| 8.0 * rng.normal()).collect();
            Arc::new(RgbImage::from_fn(32, 32, |x, y| {
                let wave = (std::f32::consts::TAU * x as f32 / 4.0 + phase).sin();
                Rgb([byte(128.0 + stripes * wave + noise[(y * 32 + x) as usize]); 3])
            }))
        };
        let without: Vec<_> = (0..8).map(|_| plain(0.0)).collect();
        let with: Vec<_> = (0..8).map(|_| plain(20.0)).collect();
        let gain = Gain::between(&without, &with);
        let target = plain(0.0);
        let out = gain.apply(&target);
        let at = 8;
        let strength = |square: &RgbImage| forward(&mut brightness(square), 32)[at].norm();
        assert!(strength(&out) > 3.0 * strength(&target));
    }
}
