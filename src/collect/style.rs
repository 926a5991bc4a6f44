//! How a whole picture looks: colours and stripes, in a few numbers.
//!
//! A colour cast or a faint texture over the picture leaves no position of its own in the last block, where one
//! position looks much like the next. In numbers of the whole picture it is a crowd of pictures that look alike.

use super::Prepared;
use crate::atlas::{COLOURS, InputSpec, OCTAVES, ORIENTATIONS, STYLE};
use crate::math::eigen::jacobi;
use crate::math::fourier::forward;
use half::f16;
use ndarray::Array2;
use rayon::prelude::*;
use std::f32::consts::PI;

/// Sides up to which stripes are measured pixel by pixel; larger pictures are reduced by a whole number.
const SIDE: usize = 112;
/// Weights of the channels in the brightness (Rec. 601).
const BRIGHTNESS: [f32; 3] = [0.299, 0.587, 0.114];

/// The numbers of some pictures, pictures × [`STYLE`].
pub fn styles(input: &InputSpec, pictures: &[Prepared]) -> Array2<f16> {
    let rows: Vec<Vec<f32>> = pictures
        .par_iter()
        .map(|picture| style(input, &picture.pixels))
        .collect();
    Array2::from_shape_fn((rows.len(), STYLE), |(row, col)| {
        f16::from_f32(rows[row][col])
    })
}

/// The numbers of one picture: `3 · size · size` preprocessed values.
fn style(input: &InputSpec, values: &[f32]) -> Vec<f32> {
    let n = input.size * input.size;
    let channel = |c: usize| {
        let plane = values[c * n..(c + 1) * n].iter();
        plane
            .map(|v| v * input.scale[c] + input.mean[c])
            .collect::<Vec<f32>>()
    };
    let planes = [channel(0), channel(1), channel(2)];
    let mut numbers = colours(&planes);
    let (side, grey) = reduced(input.size, &planes);
    numbers.extend(stripes(side, &grey));
    // Values that are no numbers are found where they are made.
    for number in &mut numbers {
        if !number.is_finite() {
            *number = 0.0;
        }
    }
    numbers
}

/// Logarithms of means (less their mean), deviations and eigenvalues.
fn colours(planes: &[Vec<f32>; 3]) -> Vec<f32> {
    let n = planes[0].len().max(1) as f64;
    let mean = [0, 1, 2].map(|c: usize| planes[c].iter().map(|&v| f64::from(v)).sum::<f64>() / n);
    let covariance = Array2::from_shape_fn((3, 3), |(a, b)| {
        let pairs = planes[a].iter().zip(&planes[b]);
        let product = |(x, y): (&f32, &f32)| (f64::from(*x) - mean[a]) * (f64::from(*y) - mean[b]);
        pairs.map(product).sum::<f64>() / n
    });
    let logs = mean.map(|m| (m.max(0.0) + 1.0).ln());
    let middle = logs.iter().sum::<f64>() / 3.0;
    let deviations = [0, 1, 2].map(|c: usize| (covariance[(c, c)].max(0.0).sqrt() + 1.0).ln());
    // What is grey has no second eigenvalue; a grey level squared stands for it.
    let values = jacobi(&(covariance + Array2::<f64>::eye(3))).values;
    let eigenvalues = values.iter().rev().map(|v| v.max(1e-6).ln());
    let logs = logs.iter().map(|log| log - middle);
    let all = logs.chain(deviations).chain(eigenvalues);
    let all: Vec<f32> = all.map(|v| v as f32).collect();
    debug_assert_eq!(all.len(), COLOURS);
    all
}

/// The brightness at most [`SIDE`] wide, by means of square blocks.
fn reduced(size: usize, planes: &[Vec<f32>; 3]) -> (usize, Vec<f32>) {
    let block = size.div_ceil(SIDE).max(1);
    let side = size / block;
    let mut grey = vec![0.0; side * side];
    for (at, grey) in grey.iter_mut().enumerate() {
        let (top, left) = (at / side * block, at % side * block);
        for inside in 0..block * block {
            let pixel = (top + inside / block) * size + left + inside % block;
            for (plane, weight) in planes.iter().zip(BRIGHTNESS) {
                *grey += weight * plane[pixel] / (block * block) as f32;
            }
        }
    }
    (side, grey)
}

/// Logarithms of the mean power by octave and orientation.
fn stripes(side: usize, grey: &[f32]) -> Vec<f32> {
    if side < 2 {
        return vec![0.0; ORIENTATIONS * OCTAVES];
    }
    let mean = grey.iter().sum::<f32>() / grey.len() as f32;
    // The root of Hann's window: what repeats across the border would be a cross in the spectrum.
    let window = |at: usize| (PI * (at + 1) as f32 / (side + 1) as f32).sin();
    let mut values: Vec<f32> = (grey.iter().enumerate())
        .map(|(at, v)| (v - mean) * window(at / side) * window(at % side))
        .collect();
    let spectrum = forward(&mut values, side);
    let cols = side / 2 + 1;
    let mut sums = vec![(0.0_f32, 0.0_f32); ORIENTATIONS * OCTAVES];
    for (at, v) in spectrum.iter().enumerate() {
        let (row, col) = (at / cols, at % cols);
        let Some(band) = band(side, row, col) else {
            continue;
        };
        // The other half of the spectrum is this one mirrored.
        let weight = if col == 0 || 2 * col == side {
            1.0
        } else {
            2.0
        };
        sums[band].0 += weight * v.norm_sqr();
        sums[band].1 += weight;
    }
    let log = |(sum, weight): (f32, f32)| {
        let mean = if weight > 0.0 { sum / weight } else { 0.0 };
        (mean + 1.0).ln()
    };
    sums.into_iter().map(log).collect()
}

/// The octave and orientation of a frequency; none below the octaves.
fn band(side: usize, row: usize, col: usize) -> Option<usize> {
    let signed = if 2 * row >= side {
        row as f32 - side as f32
    } else {
        row as f32
    };
    let (y, x) = (signed / side as f32, col as f32 / side as f32);
    let radius = x.hypot(y);
    if radius <= 0.0 {
        return None;
    }
    let octave = (0.5 / radius).log2().floor().max(0.0) as usize;
    let turn = y.atan2(x).rem_euclid(PI) / PI;
    let orientation = (turn * ORIENTATIONS as f32 + 0.5).floor() as usize % ORIENTATIONS;
    (octave < OCTAVES).then_some(octave * ORIENTATIONS + orientation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atlas::{Channels, Filter, Resize};

    fn input(size: usize) -> InputSpec {
        InputSpec {
            size,
            resize: Resize::Warp,
            filter: Filter::default(),
            channels: Channels::Rgb,
            mean: [120.0; 3],
            scale: [60.0; 3],
        }
    }

    fn picture(size: usize, of: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
        (0..3 * size * size)
            .map(|at| {
                let (c, row, col) = (at / (size * size), at / size % size, at % size);
                (of(c, row, col) - 120.0) / 60.0
            })
            .collect()
    }

    #[test]
    fn colours_by_hand() {
        // Half of the pixels stand 10 above, half 10 below 100, 50, 200: grey in its changes.
        let values = picture(8, |c, row, _| {
            [100.0, 50.0, 200.0][c] + if row < 4 { 10.0 } else { -10.0 }
        });
        let found = style(&input(8), &values);
        assert_eq!(found.len(), STYLE);
        let logs = [101.0_f32, 51.0, 201.0].map(f32::ln);
        let middle = logs.iter().sum::<f32>() / 3.0;
        for c in 0..3 {
            assert!((found[c] - (logs[c] - middle)).abs() < 1e-4, "{found:?}");
            assert!((found[3 + c] - 11.0_f32.ln()).abs() < 1e-4);
        }
        let eigenvalues = [0.0, 0.0, 301.0_f32.ln()];
        for (found, expected) in found[6..9].iter().zip(eigenvalues) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn stripes_stand_in_their_octave_and_orientation() {
        let wave = |phase: f32| 120.0 + 40.0 * (2.0 * PI * phase).sin();
        // A period of six pixels is in the octave of 4 to 8 pixels, the second.
        let across = |row: usize, col: usize, angle: f32| {
            (row as f32 * angle.sin() + col as f32 * angle.cos()) / 6.0
        };
        for (side, larger) in [(48, 1), (96, 1), (224, 2)] {
            for orientation in 0..ORIENTATIONS {
                let angle = PI * orientation as f32 / ORIENTATIONS as f32;
                let values = picture(side, |_, row, col| {
                    wave(across(row, col, angle) / larger as f32)
                });
                let found = style(&input(side), &values);
                let stripes = &found[COLOURS..];
                let most = (0..stripes.len())
                    .max_by(|&a, &b| stripes[a].total_cmp(&stripes[b]))
                    .unwrap();
                assert_eq!((most / ORIENTATIONS, most % ORIENTATIONS), (1, orientation));
            }
        }
    }

    #[test]
    fn every_picture_has_finite_numbers() {
        for size in [1, 2, 3, 113] {
            for level in [0.0, 255.0] {
                let found = style(&input(size), &picture(size, |_, _, _| level));
                assert_eq!(found.len(), STYLE);
                assert!(found.iter().all(|v| v.is_finite()), "{size}: {found:?}");
            }
        }
    }
}
