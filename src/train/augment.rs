//! Images as the network sees them in training: shifted, recoloured, noisy, now and then blurred. A network that
//! has seen those is smoother, and icons drawn from it are cleaner.

use super::Dataset;
use crate::network::{Channels, InputSpec};
use rayon::prelude::*;

/// A seeded stream of random numbers (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Stream(u64);

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Evenly in 0..1.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 * (1.0 / 16_777_216.0)
    }

    pub(crate) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// Nearly normal with variance 1: the sum of four even numbers.
    pub(crate) fn bell(&mut self) -> f32 {
        let bits = self.next();
        let part = |shift: u32| ((bits >> shift) & 0xffff) as f32 * (1.0 / 65_536.0) - 0.5;
        (part(0) + part(16) + part(32) + part(48)) * 1.732
    }

    pub(crate) fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Pixels to network input, with or without distortion.
#[derive(Debug, Clone, Copy)]
pub(super) struct Augment {
    input: InputSpec,
    shift: usize,
    noise: f32,
}

/// One image's distortion.
struct Distortion {
    dx: isize,
    dy: isize,
    gain: [f32; 3],
    offset: [f32; 3],
    noise: f32,
    blur: bool,
}

impl Augment {
    pub(super) fn new(input: &InputSpec, shift: usize, noise: f32) -> Self {
        Self {
            input: *input,
            shift,
            noise,
        }
    }

    /// `[n, 3, side, side]` of these images.
    pub(super) fn batch(
        &self,
        data: &dyn Dataset,
        indices: &[usize],
        seed: Option<u64>,
    ) -> Vec<f32> {
        let size = 3 * data.side() * data.side();
        let mut values = vec![0.0; indices.len() * size];
        values
            .par_chunks_mut(size)
            .zip(indices)
            .enumerate()
            .for_each(|(row, (out, &index))| {
                let stream = seed.map(|seed| Stream::new(seed.wrapping_add(row as u64)));
                self.image(data.pixels(index), data.side(), stream, out);
            });
        values
    }

    fn distortion(&self, stream: &mut Stream) -> Distortion {
        let reach = 2 * self.shift + 1;
        let light = stream.range(0.8, 1.2);
        let lift = stream.range(-14.0, 14.0);
        Distortion {
            dx: stream.below(reach) as isize - self.shift as isize,
            dy: stream.below(reach) as isize - self.shift as isize,
            gain: [0; 3].map(|_| light * stream.range(0.92, 1.08)),
            offset: [0; 3].map(|_| lift + stream.range(-5.0, 5.0)),
            noise: self.noise * stream.unit(),
            blur: stream.unit() < 0.2,
        }
    }

    fn image(&self, pixels: &[u8], side: usize, stream: Option<Stream>, out: &mut [f32]) {
        let mut stream = stream;
        let how = stream.as_mut().map(|stream| self.distortion(stream));
        let plane = side * side;
        for (channel, out) in out.chunks_exact_mut(plane).enumerate() {
            let source = match self.input.channels {
                Channels::Rgb => channel,
                Channels::Bgr => 2 - channel,
            };
            let (mean, scale) = (self.input.mean[channel], self.input.scale[channel]);
            let Some((how, stream)) = how.as_ref().zip(stream.as_mut()) else {
                for (pixel, value) in out.iter_mut().enumerate() {
                    *value = (f32::from(pixels[3 * pixel + source]) - mean) / scale;
                }
                continue;
            };
            for row in 0..side {
                let y = reflect(row as isize + how.dy, side);
                for column in 0..side {
                    let x = reflect(column as isize + how.dx, side);
                    let value = f32::from(pixels[3 * (y * side + x) + source]);
                    let value = (value - 128.0) * how.gain[source] + 128.0 + how.offset[source];
                    let value = value + how.noise * stream.bell();
                    out[row * side + column] = (value.clamp(0.0, 255.0) - mean) / scale;
                }
            }
            if how.blur {
                blur(out, side);
            }
        }
    }
}

/// Mirrors an index back into 0..n.
fn reflect(index: isize, n: usize) -> usize {
    let n = n as isize;
    let index = if index < 0 { -index } else { index };
    let index = if index >= n { 2 * n - 2 - index } else { index };
    index.clamp(0, n - 1) as usize
}

/// (1 2 1)/4 along both axes, in place.
fn blur(plane: &mut [f32], side: usize) {
    let mut line = vec![0.0; side];
    for axis in 0..2 {
        for index in 0..side {
            let at = |k: usize| {
                if axis == 0 {
                    index * side + k
                } else {
                    k * side + index
                }
            };
            for (k, value) in line.iter_mut().enumerate() {
                let before = plane[at(k.saturating_sub(1))];
                let after = plane[at((k + 1).min(side - 1))];
                *value = 0.25 * (before + after) + 0.5 * plane[at(k)];
            }
            for (k, value) in line.iter().enumerate() {
                plane[at(k)] = *value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_mirror_at_the_edges() {
        let mirrored: Vec<usize> = (-2..6).map(|index| reflect(index, 4)).collect();
        assert_eq!(mirrored, [2, 1, 0, 1, 2, 3, 2, 1]);
    }

    #[test]
    fn blur_keeps_the_sum_of_a_flat_plane() {
        let mut plane = vec![3.0; 25];
        blur(&mut plane, 5);
        assert!(plane.iter().all(|value| (value - 3.0).abs() < 1e-6));
    }

    #[test]
    fn the_bell_has_variance_one() {
        let mut stream = Stream::new(3);
        let values: Vec<f32> = (0..20_000).map(|_| stream.bell()).collect();
        let mean = values.iter().sum::<f32>() / 20_000.0;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05);
    }
}
