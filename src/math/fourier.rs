//! Spectra of square pictures.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex32;

/// The two-dimensional spectrum of `side × side` values, rows × (side / 2 + 1), not normalised.
pub fn forward(values: &mut [f32], side: usize) -> Vec<Complex32> {
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
pub fn inverse(spectrum: &mut [Complex32], side: usize) -> Vec<f32> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::rng::Rng;

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
}
