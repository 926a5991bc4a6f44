//! The image as the optimiser sees it: a spectrum in decorrelated colours.
//!
//! Ascent on pixels finds high-frequency noise. Ascent on Fourier coefficients that are scaled like those of
//! photographs (amplitude falls as 1 / frequency), in colour axes that are uncorrelated over photographs, finds
//! images. The map spectrum → unit RGB is
//!
//! ```text
//! rgb = sigmoid( M/‖M‖ · irfft2( spectrum · √(hw) / max(f, 1/max(h, w)) ) / 4 )
//! ```
//!
//! (for a decay d other than 1, `max(…)` to the power of d, in units in which the lowest frequency keeps its scale)
//!
//! with f the frequency in cycles per pixel, M the square root of the colour covariance of photographs and ‖M‖ its
//! largest column norm (Olah, Mordvintsev, Schubert: "Feature Visualization", Distill 2017). Both directions are written out by hand: the value, and the pull-back
//! of a gradient (the adjoint of the inverse real FFT is the forward one with weight 2 on the columns that stand for two).
//!
//! The spectrum is stored as `[part (real, imaginary), colour axis, column frequency, row frequency]`: row
//! frequencies lie side by side, so that a complex column transform is two real ones of contiguous data.

use crate::math::rng::Rng;
use crate::network::kernels::{Work, sigmoid, vectorised};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::sync::Arc;

/// Square root of the covariance of colour over photographs, rows R, G, B, divided by its largest column norm.
const COLOUR: [[f32; 3]; 3] = [
    [0.562_829, 0.194_825, 0.043_295],
    [0.584_476, 0.0, -0.108_236],
    [0.584_476, -0.194_825, 0.064_942],
];

/// Standard deviation of a fresh spectrum.
const NOISE: f32 = 0.01;

/// Factor between the inverse transform and the colour matrix.
const CONTRAST: f32 = 0.25;

/// Plans and constants of one icon size; shared by all icons and threads.
pub struct Param {
    size: usize,
    /// Column frequencies: `size / 2 + 1`.
    n_cols: usize,
    /// Frequency scaling with the transform's 1/(hw) and the contrast folded in, `[column frequency, row frequency]`.
    scale: Vec<f32>,
    /// One real transform serves rows and columns, since icons are square.
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

/// Buffers of one icon's transforms.
pub struct Scratch {
    /// One real line.
    line: Vec<f32>,
    /// Half spectra of the real and of the imaginary part of a column.
    half: [Vec<Complex32>; 2],
    /// The plane between the two passes, `[row, column frequency]`.
    plane: Vec<Complex32>,
    /// Work space of the FFT.
    work: Vec<Complex32>,
}

impl std::fmt::Debug for Param {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Param")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Param {
    /// For icons of `size` × `size` pixels, even or odd; a size of 0 is taken as 1. Amplitudes fall as frequency to
    /// the power of `-decay`; the lowest frequency has the same amplitude whatever the decay.
    pub fn new(size: usize, decay: f32) -> Self {
        let size = size.max(1);
        let n_cols = size / 2 + 1;
        let lowest = 1.0 / size as f32;
        let frequency = |k: usize| k.min(size - k) as f32 / size as f32;
        let mut scale = Vec::with_capacity(n_cols * size);
        for col in 0..n_cols {
            for row in 0..size {
                let f = frequency(col).hypot(frequency(row)).max(lowest);
                // √(hw) · 1/(hw) = 1/size for a square; f · size is 1 for the lowest frequency
                scale.push(CONTRAST / (f * size as f32).powf(decay));
            }
        }
        let mut planner = RealFftPlanner::new();
        Self {
            size,
            n_cols,
            scale,
            forward: planner.plan_fft_forward(size),
            inverse: planner.plan_fft_inverse(size),
        }
    }

    /// Rows and columns of the image.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Number of coefficients: 2 parts × 3 colour axes × column frequencies × row frequencies.
    pub fn len(&self) -> usize {
        6 * self.scale.len()
    }

    /// Never: even a one-pixel image has a mean.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// A fresh spectrum of small normal noise.
    pub fn noise(&self, rng: &mut Rng) -> Vec<f32> {
        (0..self.len()).map(|_| NOISE * rng.normal()).collect()
    }

    /// Buffers for [`Param::image`] and [`Param::pull_back`].
    pub fn scratch(&self) -> Scratch {
        let zero = Complex32::default();
        let half = vec![zero; self.n_cols];
        let work = self
            .forward
            .get_scratch_len()
            .max(self.inverse.get_scratch_len());
        Scratch {
            line: vec![0.0; self.size],
            half: [half.clone(), half],
            plane: vec![zero; self.size * self.n_cols],
            work: vec![zero; work],
        }
    }

    /// Spectrum → unit RGB, planes `[3, size, size]` with values in 0..1.
    pub fn image(&self, spectrum: &[f32], scratch: &mut Scratch, rgb: &mut [f32]) {
        let n_pixels = self.size * self.size;
        let (re, im) = spectrum.split_at(3 * self.scale.len());
        for (axis, out) in rgb.chunks_exact_mut(n_pixels).enumerate() {
            let from = axis * self.scale.len();
            let part = from..from + self.scale.len();
            self.inverse(&re[part.clone()], &im[part], scratch, out);
        }
        vectorised(Colours { planes: rgb });
    }

    /// Gradient of unit RGB → gradient of the spectrum, written to `out`. `rgb` is the image at that spectrum;
    /// `gradient` is used up.
    pub fn pull_back(
        &self,
        rgb: &[f32],
        gradient: &mut [f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let n_pixels = self.size * self.size;
        vectorised(ColoursBack {
            rgb,
            planes: &mut *gradient,
        });
        let (re, im) = out.split_at_mut(3 * self.scale.len());
        for (axis, plane) in gradient.chunks_exact(n_pixels).enumerate() {
            let from = axis * self.scale.len();
            let part = from..from + self.scale.len();
            self.inverse_adjoint(plane, scratch, &mut re[part.clone()], &mut im[part]);
        }
    }

    /// The scaled inverse transform of one colour axis.
    fn inverse(&self, re: &[f32], im: &[f32], scratch: &mut Scratch, out: &mut [f32]) {
        let n = self.size;
        let Scratch {
            line,
            half,
            plane,
            work,
        } = scratch;
        for col in 0..self.n_cols {
            let at = col * n..(col + 1) * n;
            self.half_spectra(
                [&re[at.clone()], &im[at.clone()]],
                Some(at.start),
                line,
                half,
                work,
            );
            // The inverse of p + iq is conj(P) + i·conj(Q), where P and Q are the forward transforms of the real
            // lines p and q; for the mirrored row P and Q are their own conjugates.
            for row in 0..self.n_cols {
                let (p, q) = (half[0][row], half[1][row]);
                plane[row * self.n_cols + col] = Complex32::new(p.re + q.im, q.re - p.im);
                if row > 0 && n - row > row {
                    plane[(n - row) * self.n_cols + col] = Complex32::new(p.re - q.im, p.im + q.re);
                }
            }
        }
        for (row, out) in plane
            .chunks_exact_mut(self.n_cols)
            .zip(out.chunks_exact_mut(n))
        {
            // The real transform has no use for these two imaginary parts and refuses them otherwise.
            row[0].im = 0.0;
            if n.is_multiple_of(2) {
                row[self.n_cols - 1].im = 0.0;
            }
            self.inverse
                .process_with_scratch(row, out, work)
                .expect("buffers have the plan's lengths");
        }
    }

    /// The adjoint of [`Param::inverse`].
    fn inverse_adjoint(
        &self,
        gradient: &[f32],
        scratch: &mut Scratch,
        re: &mut [f32],
        im: &mut [f32],
    ) {
        let n = self.size;
        let Scratch {
            line,
            half,
            plane,
            work,
        } = scratch;
        for (row, out) in gradient
            .chunks_exact(n)
            .zip(plane.chunks_exact_mut(self.n_cols))
        {
            line.copy_from_slice(row);
            self.forward
                .process_with_scratch(line, out, work)
                .expect("buffers have the plan's lengths");
        }
        // A column's real and imaginary lines, gathered from the plane.
        let mut lines = [vec![0.0; n], vec![0.0; n]];
        for col in 0..self.n_cols {
            for row in 0..n {
                let z = plane[row * self.n_cols + col];
                (lines[0][row], lines[1][row]) = (z.re, z.im);
            }
            self.half_spectra([&lines[0], &lines[1]], None, line, half, work);
            let stands_for_two = col > 0 && !(n.is_multiple_of(2) && col == self.n_cols - 1);
            let weight = if stands_for_two { 2.0 } else { 1.0 };
            let from = col * n;
            for row in 0..self.n_cols {
                let (a, b) = (half[0][row], half[1][row]);
                let scale = weight * self.scale[from + row];
                re[from + row] = scale * (a.re - b.im);
                im[from + row] = scale * (a.im + b.re);
                if row > 0 && n - row > row {
                    let scale = weight * self.scale[from + n - row];
                    re[from + n - row] = scale * (a.re + b.im);
                    im[from + n - row] = scale * (b.re - a.im);
                }
            }
        }
    }

    /// Forward real transforms of two lines of one column, each scaled by the column's factors (which start at
    /// `scaled`) when it is given.
    fn half_spectra(
        &self,
        lines: [&[f32]; 2],
        scaled: Option<usize>,
        line: &mut [f32],
        half: &mut [Vec<Complex32>; 2],
        work: &mut [Complex32],
    ) {
        for (from, to) in lines.into_iter().zip(half) {
            match scaled {
                Some(start) => {
                    for ((x, y), s) in line.iter_mut().zip(from).zip(&self.scale[start..]) {
                        *x = y * s;
                    }
                }
                None => line.copy_from_slice(from),
            }
            self.forward
                .process_with_scratch(line, to, work)
                .expect("buffers have the plan's lengths");
        }
    }
}

/// Decorrelated colours → unit RGB, in place.
struct Colours<'a> {
    planes: &'a mut [f32],
}

/// Three planes side by side.
#[inline(always)]
fn thirds(planes: &mut [f32]) -> [&mut [f32]; 3] {
    let n = planes.len() / 3;
    let (red, rest) = planes.split_at_mut(n);
    let (green, blue) = rest.split_at_mut(n);
    [red, green, &mut blue[..n]]
}

impl Work for Colours<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [red, green, blue] = thirds(self.planes);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let t = [*r, *g, *b];
            let mix = |row: [f32; 3]| sigmoid(row[0] * t[0] + row[1] * t[1] + row[2] * t[2]);
            (*r, *g, *b) = (mix(COLOUR[0]), mix(COLOUR[1]), mix(COLOUR[2]));
        }
    }
}

/// Gradient of unit RGB → gradient of decorrelated colours, in place; `rgb` is the image.
struct ColoursBack<'a> {
    rgb: &'a [f32],
    planes: &'a mut [f32],
}

impl Work for ColoursBack<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        for (g, y) in self.planes.iter_mut().zip(self.rgb) {
            *g *= y * (1.0 - y);
        }
        let [red, green, blue] = thirds(self.planes);
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let t = [*r, *g, *b];
            let mix = |c: usize| COLOUR[0][c] * t[0] + COLOUR[1][c] * t[1] + COLOUR[2][c] * t[2];
            (*r, *g, *b) = (mix(0), mix(1), mix(2));
        }
    }
}

/// Adam's moments of one icon (Kingma and Ba, 2015: β 0.9 and 0.999, ε 1e-8), ascending.
#[derive(Debug, Clone)]
pub struct Adam {
    first: Vec<f32>,
    second: Vec<f32>,
    step: i32,
}

impl Adam {
    /// For `n` parameters.
    pub fn new(n: usize) -> Self {
        Self {
            first: vec![0.0; n],
            second: vec![0.0; n],
            step: 0,
        }
    }

    /// One step up along `gradient`.
    pub fn ascend(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        self.step += 1;
        vectorised(AdamStep {
            moments: [&mut self.first, &mut self.second],
            parameters,
            gradient,
            rate: learning_rate / (1.0 - BETA.0.powi(self.step)),
            correction: (1.0 - BETA.1.powi(self.step)).sqrt().recip(),
        });
    }
}

/// How much of Adam's moments is kept from step to step.
const BETA: (f32, f32) = (0.9, 0.999);

struct AdamStep<'a> {
    moments: [&'a mut [f32]; 2],
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    rate: f32,
    correction: f32,
}

impl Work for AdamStep<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [first, second] = self.moments;
        let moments = first.iter_mut().zip(second);
        let values = self.parameters.iter_mut().zip(self.gradient);
        for ((x, g), (m, v)) in values.zip(moments) {
            *m = BETA.0 * *m + (1.0 - BETA.0) * g;
            *v = BETA.1 * *v + (1.0 - BETA.1) * g * g;
            *x += self.rate * *m / (v.sqrt() * self.correction + 1e-8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::stream;
    use super::*;

    /// The definition, term by term: the half spectrum stands for a full one with conjugate symmetry.
    fn by_definition(param: &Param, re: &[f32], im: &[f32]) -> Vec<f64> {
        let n = param.size;
        let turn = std::f64::consts::TAU / n as f64;
        let mut out = vec![0.0; n * n];
        for y in 0..n {
            for x in 0..n {
                for col in 0..param.n_cols {
                    let twice = col > 0 && 2 * col != n;
                    for row in 0..n {
                        let angle = turn * (row * y + col * x) as f64;
                        let at = col * n + row;
                        let term =
                            f64::from(re[at]) * angle.cos() - f64::from(im[at]) * angle.sin();
                        let frequency = (row.min(n - row) as f64).hypot(col as f64) / n as f64;
                        // √(hw) / max(f, 1/n) · 1/(hw) · 1/4
                        let scale = 0.25 / (frequency.max(1.0 / n as f64) * n as f64);
                        out[y * n + x] += scale * term * if twice { 2.0 } else { 1.0 };
                    }
                }
            }
        }
        out
    }

    #[test]
    fn inverse_is_the_definition_for_even_and_odd_sizes() {
        for size in [1, 2, 3, 5, 6, 8] {
            let param = Param::new(size, 1.0);
            let spectrum = param.noise(&mut stream(&[7]));
            let len = param.scale.len();
            let (re, im) = (&spectrum[..len], &spectrum[3 * len..4 * len]);
            let mut out = vec![0.0; size * size];
            param.inverse(re, im, &mut param.scratch(), &mut out);
            for (a, b) in out.iter().zip(by_definition(&param, re, im)) {
                assert!((f64::from(*a) - b).abs() < 1e-6, "size {size}: {a} {b}");
            }
        }
    }

    #[test]
    fn pull_back_agrees_with_finite_differences() {
        for size in [4, 7, 80] {
            let param = Param::new(size, 1.0);
            let mut rng = stream(&[3]);
            let mut scratch = param.scratch();
            let n = 3 * size * size;
            let spectrum: Vec<f32> = param.noise(&mut rng).iter().map(|x| 30.0 * x).collect();
            let tangent = param.noise(&mut rng);
            let weights: Vec<f32> = (0..n).map(|_| rng.normal()).collect();
            let mut image = |spectrum: &[f32]| {
                let mut rgb = vec![0.0; n];
                param.image(spectrum, &mut scratch, &mut rgb);
                rgb
            };
            let moved = |sign: f32| -> Vec<f32> {
                spectrum
                    .iter()
                    .zip(&tangent)
                    .map(|(x, t)| x + sign * t)
                    .collect()
            };
            let (up, down, here) = (image(&moved(1.0)), image(&moved(-1.0)), image(&spectrum));
            let difference: f64 = (0..n)
                .map(|k| f64::from(weights[k]) * f64::from(up[k] - down[k]) / 2.0)
                .sum();
            let mut gradient = vec![0.0; param.len()];
            param.pull_back(&here, &mut weights.clone(), &mut scratch, &mut gradient);
            let slope: f64 = gradient
                .iter()
                .zip(&tangent)
                .map(|(g, t)| f64::from(*g) * f64::from(*t))
                .sum();
            let tolerance = 2e-3 * slope.abs().max(1e-2);
            assert!(
                (difference - slope).abs() < tolerance,
                "size {size}: {difference} {slope}"
            );
        }
    }

    #[test]
    fn fresh_images_are_grey_with_a_little_structure() {
        let param = Param::new(80, 1.0);
        let mut rgb = vec![0.0; 3 * 80 * 80];
        let spectrum = param.noise(&mut stream(&[1]));
        param.image(&spectrum, &mut param.scratch(), &mut rgb);
        let mean = rgb.iter().sum::<f32>() / rgb.len() as f32;
        let spread =
            (rgb.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / rgb.len() as f32).sqrt();
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
        assert!((0.002..0.05).contains(&spread), "{spread}");
    }

    #[test]
    fn decay_damps_high_frequencies_and_keeps_the_lowest() {
        let (usual, steep) = (Param::new(8, 1.0), Param::new(8, 2.0));
        // column 0, row 1 is the lowest frequency, row 4 the fourth
        assert!((steep.scale[1] - usual.scale[1]).abs() < 1e-6);
        assert!((steep.scale[4] - usual.scale[4] / 4.0).abs() < 1e-6);
    }

    #[test]
    fn adam_climbs_at_its_rate_whatever_the_gradient_s_size() {
        let (mut x, mut adam) = (vec![0.0; 2], Adam::new(2));
        for _ in 0..10 {
            adam.ascend(&mut x, &[1e-3, -50.0], 0.05);
        }
        // a constant gradient moves each parameter by the rate per step
        assert!(
            (x[0] - 0.5).abs() < 1e-4 && (x[1] + 0.5).abs() < 1e-4,
            "{x:?}"
        );
    }
}
