//! Spectrum: the ratio of two groups' mean amplitudes by frequency, put on a picture that keeps its phase.

use super::Change;
use crate::causal::pixels::byte;
use image::RgbImage;
use rayon::prelude::*;
use realfft::RealFftPlanner;
use realfft::num_complex::Complex32;
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

/// The two-dimensional spectrum of `side × side` values, rows × (side / 2 + 1), not normalised.
fn forward(values: &mut [f32], side: usize) -> Vec<Complex32> {
    let cols = side / 2 + 1;
    let mut planner = RealFftPlanner::<f32>::new();
    let plan = planner.plan_fft_forward(side);
    let mut out = vec![Complex32::default(); side * cols];
    for (row, out) in values
        .chunks_exact_mut(side)
        .zip(out.chunks_exact_mut(cols))
    {
        // Lengths agree by construction, so neither transform can fail.
        let _ = plan.process(row, out);
    }
    columns(&mut out, side, false);
    out
}

/// Back to values, normalised.
fn inverse(spectrum: &mut [Complex32], side: usize) -> Vec<f32> {
    let cols = side / 2 + 1;
    columns(spectrum, side, true);
    let mut planner = RealFftPlanner::<f32>::new();
    let plan = planner.plan_fft_inverse(side);
    let mut out = vec![0f32; side * side];
    for (row, out) in spectrum
        .chunks_exact_mut(cols)
        .zip(out.chunks_exact_mut(side))
    {
        // What rounding leaves in the parts that must be real is not taken.
        row[0].im = 0.0;
        if side.is_multiple_of(2) {
            row[cols - 1].im = 0.0;
        }
        let _ = plan.process(row, out);
    }
    let scale = 1.0 / (side * side) as f32;
    for v in &mut out {
        *v *= scale;
    }
    out
}

/// Transforms every column of a half spectrum: two real transforms make a complex one.
fn columns(values: &mut [Complex32], side: usize, back: bool) {
    let cols = side / 2 + 1;
    let mut planner = RealFftPlanner::<f32>::new();
    let plan = planner.plan_fft_forward(side);
    let (mut re, mut im) = (vec![0f32; side], vec![0f32; side]);
    let half = vec![Complex32::default(); side / 2 + 1];
    let (mut of_re, mut of_im) = (half.clone(), half);
    for col in 0..cols {
        for row in 0..side {
            let v = values[row * cols + col];
            // The inverse is the conjugate of the transform of the conjugate.
            (re[row], im[row]) = (v.re, if back { -v.im } else { v.im });
        }
        let _ = plan.process(&mut re, &mut of_re);
        let _ = plan.process(&mut im, &mut of_im);
        for row in 0..side {
            let mirrored = (side - row) % side;
            let (a, b) = if row < of_re.len() {
                (of_re[row], of_im[row])
            } else {
                (of_re[mirrored].conj(), of_im[mirrored].conj())
            };
            let sum = Complex32::new(a.re - b.im, a.im + b.re);
            values[row * cols + col] = if back { sum.conj() } else { sum };
        }
    }
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

    #[test]
    fn the_transform_agrees_with_its_definition_and_comes_back() {
        for side in [6, 7] {
            let mut rng = Rng::new(3);
            let values: Vec<f32> = (0..side * side).map(|_| rng.normal()).collect();
            let spectrum = forward(&mut values.clone(), side);
            let cols = side / 2 + 1;
            for (row, col) in [(0, 0), (1, 2), (side - 1, 1), (3, cols - 1)] {
                let mut sum = Complex32::default();
                for (at, v) in values.iter().enumerate() {
                    let turns = (row * (at / side) + col * (at % side)) as f32 / side as f32;
                    let angle = -std::f32::consts::TAU * turns;
                    sum += Complex32::new(angle.cos(), angle.sin()) * v;
                }
                let error = (spectrum[row * cols + col] - sum).norm();
                assert!(error < 1e-4, "{side}: {row}, {col}: {error}");
            }
            let back = inverse(&mut spectrum.clone(), side);
            assert!(back.iter().zip(&values).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

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
