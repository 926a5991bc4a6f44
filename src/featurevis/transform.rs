//! Random transforms between the icon and the network.
//!
//! An image that excites the network only at one exact alignment is an adversarial pattern; one that does so under
//! random shifts, scales and rotations is something a person recognises. Each step draws one chain for the whole
//! batch: pad, five jitters, scale, rotate, a last jitter and, in one form, crop or pad to the icon's size.
//!
//! The chain is linear plus a constant. It is composed into one bilinear [`Resampling`] (each network pixel = four
//! weighted icon pixels + a constant), so that the image is interpolated once and not twice, and so that the
//! pull-back is exactly its transpose.

use crate::atlas::TransformForm;
use crate::math::rng::Rng;
use crate::network::kernels::{Work, vectorised};

/// Icon size for which the article's amounts in pixels are meant; smaller icons get proportionally less.
const NOMINAL_SIZE: usize = 80;

/// Largest shift of each jitter before scaling, pixels.
const JITTERS: [usize; 5] = [4, 4, 8, 8, 8];

/// Largest shift of the jitter after the rotation, pixels.
const LAST_JITTER: usize = 2;

/// The random quantities of one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Pixels added on each side.
    pub pad: usize,
    /// Their value, unit range.
    pub pad_value: f32,
    /// Shift of the window, rows and columns, `0..=window_loss`.
    pub shift: (usize, usize),
    /// Rows (and columns) that the jitters remove.
    pub window_loss: usize,
    /// Scale of the window.
    pub scale: f32,
    /// Rotation in degrees, clockwise on the screen.
    pub angle: f32,
    /// Shift after the rotation, `0..=last_loss`.
    pub last_shift: (usize, usize),
    /// Rows that the last jitter removes.
    pub last_loss: usize,
    /// Crop or pad to the icon's size at the end.
    pub to_size: bool,
}

impl Draw {
    /// Draws a chain for icons of `size` pixels.
    pub fn new(form: TransformForm, size: usize, rng: &mut Rng) -> Self {
        let amount = |nominal: usize| {
            if size >= NOMINAL_SIZE {
                nominal
            } else {
                (nominal * size + NOMINAL_SIZE / 2) / NOMINAL_SIZE
            }
        };
        let (pad, pad_value, to_size) = match form {
            TransformForm::Recipe => (amount(16), 0.5, true),
            TransformForm::Notebook => (amount(2), 1.0, false),
        };
        let mut shift = (0, 0);
        let mut window_loss = 0;
        for jitter in JITTERS.map(amount) {
            shift.0 += rng.below(jitter + 1);
            shift.1 += rng.below(jitter + 1);
            window_loss += jitter;
        }
        let last_loss = amount(LAST_JITTER);
        Self {
            pad,
            pad_value,
            shift,
            window_loss,
            scale: scale(form, rng),
            angle: angle(rng),
            last_shift: (rng.below(last_loss + 1), rng.below(last_loss + 1)),
            last_loss,
            to_size,
        }
    }

    /// Sizes that the network may see of an icon of `size` pixels, each once, ascending; the icon's own is one.
    pub fn sizes(form: TransformForm, size: usize) -> Vec<usize> {
        let mut draw = Self::new(form, size, &mut Rng::new(0));
        let scales = match form {
            TransformForm::Recipe => 1,
            TransformForm::Notebook => SCALES,
        };
        let mut sizes = vec![size];
        for n in 0..scales {
            draw.scale = nth_scale(form, n);
            sizes.push(draw.out_size(size).0);
        }
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Sides, for icons of `size` pixels: what the network sees, what is left of the icon there, the window scaled,
    /// and the window.
    fn out_size(&self, size: usize) -> (usize, usize, usize, usize) {
        let window = (size + 2 * self.pad)
            .saturating_sub(self.window_loss)
            .max(1);
        let scaled = ((self.scale * window as f32) as usize).max(1);
        let seen = scaled.saturating_sub(self.last_loss).max(1);
        let out = if self.to_size { size } else { seen };
        (out, seen, scaled, window)
    }

    /// No change at all: the image as it is.
    pub fn identity() -> Self {
        Self {
            pad: 0,
            pad_value: 0.0,
            shift: (0, 0),
            window_loss: 0,
            scale: 1.0,
            angle: 0.0,
            last_shift: (0, 0),
            last_loss: 0,
            to_size: true,
        }
    }
}

/// Entries of the notebook's list of scales: 85, and twice the recipe's.
const SCALES: usize = 85 + 40;

/// lucid's list for the form, drawn uniformly: for the recipe 0.998^n, n in 20..40; the notebook has 0.995^n,
/// n in -5..80, and twice the recipe's.
fn scale(form: TransformForm, rng: &mut Rng) -> f32 {
    let n = match form {
        TransformForm::Recipe => 20,
        TransformForm::Notebook => SCALES,
    };
    nth_scale(form, rng.below(n))
}

fn nth_scale(form: TransformForm, n: usize) -> f32 {
    let narrow = |n: usize| 0.998_f32.powi(20 + n as i32);
    match form {
        TransformForm::Recipe => narrow(n),
        TransformForm::Notebook if n < 85 => 0.995_f32.powi(n as i32 - 5),
        TransformForm::Notebook => narrow((n - 85) % 20),
    }
}

/// lucid's list in whole degrees, drawn uniformly: -20..20, -10..10, -5..5 and five zeros.
fn angle(rng: &mut Rng) -> f32 {
    match rng.below(40 + 20 + 10 + 5) {
        n if n < 40 => n as f32 - 20.0,
        n if n < 60 => (n - 40) as f32 - 10.0,
        n if n < 70 => (n - 60) as f32 - 5.0,
        _ => 0.0,
    }
}

/// One network pixel: four icon pixels with their weights, and what padding adds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Tap {
    at: [u32; 4],
    weight: [f32; 4],
    constant: f32,
}

/// A drawn chain as one bilinear resampling of `size` × `size` planes.
#[derive(Debug, Clone, PartialEq)]
pub struct Resampling {
    /// Rows and columns of the result.
    pub out_size: usize,
    taps: Vec<Tap>,
}

impl Resampling {
    /// Composes `draw` for icons of `size` pixels.
    pub fn new(draw: &Draw, size: usize) -> Self {
        let (out_size, seen, scaled, window) = draw.out_size(size);
        // Centred: rows of the result before the first row that is seen (negative when it is cropped).
        let margin = if out_size >= seen {
            ((out_size - seen) / 2) as i64
        } else {
            -(((seen - out_size) / 2) as i64)
        };
        let (sin, cos) = draw.angle.to_radians().sin_cos();
        let centre = (scaled as f32 - 1.0) / 2.0;
        let zoom = window as f32 / scaled as f32;
        let mut taps = Vec::with_capacity(out_size * out_size);
        for row in 0..out_size as i64 {
            for col in 0..out_size as i64 {
                let (y, x) = (row - margin, col - margin);
                if y < 0 || x < 0 || y >= seen as i64 || x >= seen as i64 {
                    taps.push(Tap::default());
                    continue;
                }
                let dy = y as f32 + draw.last_shift.0 as f32 - centre;
                let dx = x as f32 + draw.last_shift.1 as f32 - centre;
                let y = cos * dy - sin * dx + centre;
                let x = sin * dy + cos * dx + centre;
                let inside = -0.5..=scaled as f32 - 0.5;
                if !inside.contains(&y) || !inside.contains(&x) {
                    taps.push(Tap::default());
                    continue;
                }
                let last = window as f32 - 1.0;
                let y = ((y + 0.5) * zoom - 0.5).clamp(0.0, last);
                let x = ((x + 0.5) * zoom - 0.5).clamp(0.0, last);
                taps.push(bilinear(draw, size, y, x));
            }
        }
        Self { out_size, taps }
    }

    /// Unit RGB planes `[3, size, size]` → the network's `[3, out_size, out_size]`: each of its channels is
    /// `multiply · (resampled plane) + add` of the plane that `affine` names. Outside the image the resampled plane is
    /// 0 (black).
    pub fn apply(&self, planes: &[f32], affine: [(usize, f32, f32); 3], out: &mut [f32]) {
        vectorised(Apply {
            taps: &self.taps,
            planes,
            affine,
            out,
        });
    }

    /// The transpose of [`Resampling::apply`]'s linear part: `planes += Aᵀ · cotangent`.
    pub fn add_transpose(
        &self,
        cotangent: &[f32],
        affine: [(usize, f32, f32); 3],
        planes: &mut [f32],
    ) {
        vectorised(AddTranspose {
            taps: &self.taps,
            cotangent,
            affine,
            planes,
        });
    }
}

/// Colours of a pixel side by side (and one lane more), so that one load serves all of them.
type Pixel = [f32; 4];

/// Three planes of equal size.
#[inline(always)]
fn thirds(planes: &[f32]) -> [&[f32]; 3] {
    let n = planes.len() / 3;
    [0, 1, 2].map(|c| &planes[c * n..(c + 1) * n])
}

struct Apply<'a> {
    taps: &'a [Tap],
    planes: &'a [f32],
    affine: [(usize, f32, f32); 3],
    out: &'a mut [f32],
}

impl Work for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let [red, green, blue] = thirds(self.planes);
        let colours = red.iter().zip(green).zip(blue);
        let image: Vec<Pixel> = colours.map(|((r, g), b)| [*r, *g, *b, 0.0]).collect();
        let mut seen: Vec<Pixel> = Vec::with_capacity(self.taps.len());
        for tap in self.taps {
            let mut sum = [tap.constant; 4];
            for (&at, weight) in tap.at.iter().zip(tap.weight) {
                let pixel = &image[at as usize];
                for lane in 0..4 {
                    sum[lane] += weight * pixel[lane];
                }
            }
            seen.push(sum);
        }
        let outs = self.out.chunks_exact_mut(self.taps.len());
        for (out, (source, multiply, add)) in outs.zip(self.affine) {
            for (out, pixel) in out.iter_mut().zip(&seen) {
                *out = multiply * pixel[source] + add;
            }
        }
    }
}

struct AddTranspose<'a> {
    taps: &'a [Tap],
    cotangent: &'a [f32],
    affine: [(usize, f32, f32); 3],
    planes: &'a mut [f32],
}

impl Work for AddTranspose<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let channels = thirds(self.cotangent);
        let factors = self.affine.map(|(_, multiply, _)| multiply);
        let n = self.planes.len() / 3;
        let mut image: Vec<Pixel> = vec![[0.0; 4]; n];
        for (k, tap) in self.taps.iter().enumerate() {
            let g: [f32; 3] = std::array::from_fn(|c| factors[c] * channels[c][k]);
            let g = [g[0], g[1], g[2], 0.0];
            for (&at, weight) in tap.at.iter().zip(tap.weight) {
                let pixel = &mut image[at as usize];
                for lane in 0..4 {
                    pixel[lane] += weight * g[lane];
                }
            }
        }
        for (channel, (source, ..)) in self.affine.into_iter().enumerate() {
            let plane = &mut self.planes[source * n..(source + 1) * n];
            for (value, pixel) in plane.iter_mut().zip(&image) {
                *value += pixel[channel];
            }
        }
    }
}

/// The tap at row `y`, column `x` of the jittered window (both inside it).
fn bilinear(draw: &Draw, size: usize, y: f32, x: f32) -> Tap {
    let (top, left) = (y.floor(), x.floor());
    let (fy, fx) = (y - top, x - left);
    let origin = |shift: usize| shift as i64 - draw.pad as i64;
    let row = top as i64 + origin(draw.shift.0);
    let col = left as i64 + origin(draw.shift.1);
    let corners = [
        (row, col, (1.0 - fy) * (1.0 - fx)),
        (row, col + 1, (1.0 - fy) * fx),
        (row + 1, col, fy * (1.0 - fx)),
        (row + 1, col + 1, fy * fx),
    ];
    let mut tap = Tap::default();
    let icon = 0..size as i64;
    for (k, (row, col, weight)) in corners.into_iter().enumerate() {
        if icon.contains(&row) && icon.contains(&col) {
            tap.at[k] = (row * size as i64 + col) as u32;
            tap.weight[k] = weight;
        } else {
            tap.constant += weight * draw.pad_value;
        }
    }
    tap
}

#[cfg(test)]
mod tests {
    use super::super::rng::stream;
    use super::*;

    const FORMS: [TransformForm; 2] = [TransformForm::Recipe, TransformForm::Notebook];

    /// Channels as a network may read them: in another order, each with a factor and a summand of its own.
    const AFFINE: [(usize, f32, f32); 3] = [(2, 2.5, 0.3), (0, -1.5, 0.1), (1, 0.5, -0.7)];
    const PLAIN: [(usize, f32, f32); 3] = [(0, 1.0, 0.0), (1, 1.0, 0.0), (2, 1.0, 0.0)];

    #[test]
    fn transpose_is_the_transpose() {
        for form in FORMS {
            for (seed, size) in [(1, 80), (2, 33), (3, 9), (4, 96)] {
                let mut rng = stream(&[seed]);
                let map = Resampling::new(&Draw::new(form, size, &mut rng), size);
                let (n, n_out) = (3 * size * size, 3 * map.out_size * map.out_size);
                let x: Vec<f32> = (0..n).map(|_| rng.normal()).collect();
                let y: Vec<f32> = (0..n_out).map(|_| rng.normal()).collect();
                let (mut at_x, mut at_zero) = (vec![0.0; n_out], vec![0.0; n_out]);
                map.apply(&x, AFFINE, &mut at_x);
                map.apply(&vec![0.0; n], AFFINE, &mut at_zero);
                let mut pulled = vec![0.0; n];
                map.add_transpose(&y, AFFINE, &mut pulled);
                let inner = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter()
                        .zip(b)
                        .map(|(a, b)| f64::from(*a) * f64::from(*b))
                        .sum()
                };
                let forward = inner(&at_x, &y) - inner(&at_zero, &y);
                let backward = inner(&x, &pulled);
                assert!(
                    (forward - backward).abs() < 1e-2,
                    "{form:?} {size}: {forward} {backward}"
                );
            }
        }
    }

    #[test]
    fn a_constant_image_stays_constant_where_the_image_is() {
        for form in FORMS {
            for seed in 0..20 {
                let draw = Draw::new(form, 80, &mut stream(&[seed]));
                let map = Resampling::new(&draw, 80);
                let (middle, n) = (map.out_size / 2, map.out_size);
                let mut out = vec![0.0; 3 * n * n];
                map.apply(&vec![0.7; 3 * 80 * 80], AFFINE, &mut out);
                for (out, (_, multiply, add)) in out.chunks_exact(n * n).zip(AFFINE) {
                    let expected = multiply * 0.7 + add;
                    for row in middle - 10..middle + 10 {
                        for value in &out[row * n + middle - 10..row * n + middle + 10] {
                            assert!((value - expected).abs() < 1e-5, "{form:?}: {value}");
                        }
                    }
                }
                // weights and padding share out one unit, or there is nothing
                for tap in &map.taps {
                    let padded = tap.constant / draw.pad_value;
                    let sum = tap.weight.iter().sum::<f32>() + padded;
                    assert!(sum.abs() < 1e-5 || (sum - 1.0).abs() < 1e-5, "{sum}");
                }
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_published_chains() {
        let sizes = |form| {
            (0..300).map(move |seed| {
                Resampling::new(&Draw::new(form, 80, &mut stream(&[seed])), 80).out_size
            })
        };
        assert!(sizes(TransformForm::Recipe).all(|n| n == 80));
        assert!(sizes(TransformForm::Notebook).all(|n| (32..=51).contains(&n)));
        assert!(sizes(TransformForm::Notebook).any(|n| n < 38));
        assert!(sizes(TransformForm::Notebook).any(|n| n > 48));
        for form in FORMS {
            let told = Draw::sizes(form, 80);
            assert!(sizes(form).all(|n| told.contains(&n)), "{told:?}");
            assert!(told.contains(&80));
        }
    }

    #[test]
    fn identity_is_the_image() {
        let image: Vec<f32> = (0..3 * 49).map(|v| v as f32).collect();
        let mut out = vec![0.0; 3 * 49];
        Resampling::new(&Draw::identity(), 7).apply(&image, PLAIN, &mut out);
        assert_eq!(out, image);
    }

    #[test]
    fn a_quarter_turn_moves_the_top_to_the_right() {
        let draw = Draw {
            angle: 90.0,
            ..Draw::identity()
        };
        let mut image = vec![0.0; 3 * 25];
        image[2] = 1.0;
        let mut out = vec![0.0; 3 * 25];
        Resampling::new(&draw, 5).apply(&image, PLAIN, &mut out);
        assert!((out[2 * 5 + 4] - 1.0).abs() < 1e-5, "{out:?}");
    }

    #[test]
    fn tiny_icons_have_transforms_too() {
        for form in FORMS {
            for size in 1..20 {
                let map = Resampling::new(&Draw::new(form, size, &mut stream(&[5])), size);
                assert!(map.out_size >= 1 && map.out_size <= size + 4);
            }
        }
    }
}
