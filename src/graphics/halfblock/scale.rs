//! Area averaging in linear light.

use crate::graphics::Source;
use image::RgbaImage;
use std::sync::LazyLock;

/// A scaled part of a picture: sRGB with straight alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    width: usize,
    pixels: Vec<[u8; 4]>,
}

impl Block {
    /// The pixel at `x`, `y` (inside the block).
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        self.pixels[y * self.width + x]
    }

    /// All pixels, by row.
    pub fn pixels(&self) -> &[[u8; 4]] {
        &self.pixels
    }
}

/// sRGB byte → linear light in 0..=1 (IEC 61966-2-1).
static LINEAR: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let v = byte as f32 / 255.0;
        if v <= 0.040_45 {
            v / 12.92
        } else {
            ((v + 0.055) / 1.055).powf(2.4)
        }
    })
});

/// Linear light, in steps of 1/4095, → sRGB byte. Fine enough that every byte survives the way there and back.
static SRGB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..4096)
        .map(|step| {
            let v = step as f32 / 4095.0;
            let srgb = if v <= 0.003_130_8 {
                12.92 * v
            } else {
                1.055 * v.powf(1.0 / 2.4) - 0.055
            };
            (srgb * 255.0).round() as u8
        })
        .collect()
});

fn srgb(linear: f32) -> u8 {
    SRGB[((linear * 4095.0).round() as usize).min(4095)]
}

/// `top` (straight alpha) laid over the opaque `below`, mixed in linear light.
pub(super) fn over(top: [u8; 4], below: [u8; 3]) -> [u8; 3] {
    match top[3] {
        0 => below,
        255 => [top[0], top[1], top[2]],
        alpha => {
            let a = f32::from(alpha) / 255.0;
            std::array::from_fn(|c| {
                let (t, b) = (LINEAR[usize::from(top[c])], LINEAR[usize::from(below[c])]);
                srgb(t * a + b * (1.0 - a))
            })
        }
    }
}

/// `source` of `picture` averaged into `width` × `height` pixels. `source` lies inside the picture.
///
/// Each target pixel is the mean of the source area under it; source pixels on an edge count by the share that
/// lies inside, transparent ones not at all (colours are weighted by alpha).
pub fn scaled(picture: &RgbaImage, source: Source, width: usize, height: usize) -> Block {
    if width == 0 || height == 0 {
        return Block {
            width,
            pixels: Vec::new(),
        };
    }
    let across = shares(source.width as usize, width);
    let down = shares(source.height as usize, height);
    let mut sums = vec![[0f32; 4]; width * height];
    let mut line = vec![[0f32; 4]; width];
    let stride = 4 * picture.width() as usize;
    for (y, rows) in down.iter().enumerate() {
        let start = (source.y as usize + y) * stride + 4 * source.x as usize;
        let bytes = &picture.as_raw()[start..start + 4 * source.width as usize];
        line.fill([0.0; 4]);
        for (pixel, columns) in bytes.chunks_exact(4).zip(&across) {
            let alpha = f32::from(pixel[3]) / 255.0;
            let rgb: [f32; 3] = std::array::from_fn(|c| LINEAR[usize::from(pixel[c])] * alpha);
            for share in columns.targets() {
                let sum = &mut line[share.0];
                sum[0] += rgb[0] * share.1;
                sum[1] += rgb[1] * share.1;
                sum[2] += rgb[2] * share.1;
                sum[3] += alpha * share.1;
            }
        }
        for (row, weight) in rows.targets() {
            for (sum, part) in sums[row * width..(row + 1) * width].iter_mut().zip(&line) {
                for c in 0..4 {
                    sum[c] += part[c] * weight;
                }
            }
        }
    }
    Block {
        width,
        pixels: sums.into_iter().map(unweighted).collect(),
    }
}

fn unweighted([r, g, b, alpha]: [f32; 4]) -> [u8; 4] {
    let opacity = (alpha * 255.0).round() as u8;
    if opacity == 0 {
        return [0; 4];
    }
    [srgb(r / alpha), srgb(g / alpha), srgb(b / alpha), opacity]
}

/// The target pixels that one source pixel falls into: `first` gets `head` of the mean, the following ones
/// `whole` each, the last one `tail`.
#[derive(Debug, Clone, Copy)]
struct Shares {
    first: usize,
    last: usize,
    head: f32,
    whole: f32,
    tail: f32,
}

impl Shares {
    fn targets(self) -> impl Iterator<Item = (usize, f32)> {
        (self.first..=self.last).map(move |idx| {
            let share = if idx == self.first {
                self.head
            } else if idx == self.last {
                self.tail
            } else {
                self.whole
            };
            (idx, share)
        })
    }
}

/// For each of `n` source pixels, its shares in `targets` target pixels. The shares that a target pixel gets add
/// up to 1.
fn shares(n: usize, targets: usize) -> Vec<Shares> {
    // In units of 1/(n · targets) of the whole length both kinds of pixel have integer edges: source pixel i covers
    // i·targets .. (i+1)·targets, target pixel j covers j·n .. (j+1)·n.
    (0..n)
        .map(|i| {
            let (from, to) = (i * targets, (i + 1) * targets);
            let (first, last) = (from / n, (to - 1) / n);
            let part = |j: usize| (to.min((j + 1) * n) - from.max(j * n)) as f32 / n as f32;
            Shares {
                first,
                last,
                head: part(first),
                whole: 1.0,
                tail: part(last),
            }
        })
        .collect()
}
