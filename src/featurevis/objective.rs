//! What an icon is asked to excite: a cell's direction at the centre of the layer.
//!
//! With h the activation at the centre position and w the direction (whitened or not), the score is
//!
//! ```text
//! score = dot · max(0.1, cosine)^p
//! ```
//!
//! The dot alone may be large for an h that points elsewhere but is long; the cosine asks for this direction and
//! little else. The floor keeps two negatives from making a positive, and a gradient where the cosine is nothing.
//! Two ways of taking dot and cosine are offered:
//!
//! - [`ObjectiveForm::Article`]: both norms, `dot = h·w/|w|`, `cosine = dot/|h|`. The score does not depend on the
//!   length of the direction and has the unit of an activation.
//! - [`ObjectiveForm::Lucid`]: `dot = mean(h·w)`, `cosine = dot/(1e-4 + |h|)`, as in the code that made the published
//!   icons. That is not a cosine: it is small by the number of channels and large by |w|. For whitened directions of
//!   real layers it mostly lies below the floor, and then the score is the dot alone.

use crate::atlas::ObjectiveForm;
use crate::network::kernels::{Work, vectorised};
use ndarray::{Array2, ArrayView1};

/// Least value of the cosine.
const FLOOR: f32 = 0.1;

/// Added to |h|, so that the zero activation has a cosine.
const EPSILON: f32 = 1e-4;

/// Width of the frame that the boundary penalty sees, pixels.
const FRAME: usize = 5;

/// The centre position of a layer of `height` × `width`: lower right of the middle four when even.
pub fn centre(height: usize, width: usize) -> (usize, usize) {
    (height / 2, width / 2)
}

/// `w = v · S` with `S` the inverse second moment of the layer, channels × channels.
pub fn whiten(direction: &[f32], inverse: &Array2<f32>) -> Vec<f32> {
    ArrayView1::from(direction).dot(inverse).to_vec()
}

/// The objective of one icon.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// w, divided by its norm (article) or the number of channels (lucid).
    target: Vec<f32>,
    power: f32,
}

impl Objective {
    /// For direction `w`, as long as the layer is deep, with `power` p of the cosine.
    pub fn new(form: ObjectiveForm, power: f32, w: &[f32]) -> Self {
        let divisor = match form {
            ObjectiveForm::Article => norm(w),
            ObjectiveForm::Lucid => w.len() as f32,
        };
        let factor = if divisor > 0.0 { 1.0 / divisor } else { 0.0 };
        Self {
            target: w.iter().map(|w| w * factor).collect(),
            power,
        }
    }

    /// Number of channels.
    pub fn depth(&self) -> usize {
        self.target.len()
    }

    /// The score of activation `h`.
    pub fn score(&self, h: &[f32]) -> f32 {
        let (dot, length) = (dot(h, &self.target), norm(h) + EPSILON);
        dot * (dot / length).max(FLOOR).powf(self.power)
    }

    /// The score of activation `h`; its gradient with respect to `h` goes to `gradient`.
    pub fn score_and_gradient(&self, h: &[f32], gradient: &mut [f32]) -> f32 {
        let (dot, exact) = (dot(h, &self.target), norm(h));
        let length = exact + EPSILON;
        let cosine = dot / length;
        let factor = cosine.max(FLOOR).powf(self.power);
        // d(dot · c^p) = c^p·u + p·dot·c^(p-1)·dc, where dc = u/length - dot·h/(length²·|h|) above the floor.
        let (mut along, mut inward) = (factor, 0.0);
        if cosine > FLOOR {
            let slope = self.power * factor * cosine.recip() * dot;
            along += slope / length;
            inward = slope * dot / (length * length * exact.max(EPSILON));
        }
        for ((g, u), h) in gradient.iter_mut().zip(&self.target).zip(h) {
            *g = along * u - inward * h;
        }
        dot * factor
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f32]) -> f32 {
    dot(a, a).sqrt()
}

/// lucid's boundary penalty of one unit RGB image `[3, size, size]`: minus the sum over a frame of 5 pixels of
/// (blurred - pixel)² + 0.8·(pixel - 0.5)², times `weight`. It keeps the rim smooth and grey, so that icons look
/// like objects rather than cut-outs of a texture. Adds the gradient to `gradient` and returns the value.
pub fn boundary_penalty(rgb: &[f32], size: usize, weight: f32, gradient: &mut [f32]) -> f32 {
    vectorised(Penalty {
        rgb,
        size,
        weight,
        gradient,
    })
}

struct Penalty<'a> {
    rgb: &'a [f32],
    size: usize,
    weight: f32,
    gradient: &'a mut [f32],
}

impl Work for Penalty<'_> {
    type Output = f32;
    #[inline(always)]
    fn run(self) -> f32 {
        let (size, weight) = (self.size, self.weight);
        let mut value = 0.0;
        let mut blur = Blur::new(size);
        let (mut blurred, mut residual) = (vec![0.0; size * size], vec![0.0; size * size]);
        let planes = self.rgb.chunks_exact(size * size);
        for (plane, gradient) in planes.zip(self.gradient.chunks_exact_mut(size * size)) {
            blur.run(plane, &mut blurred);
            for row in 0..size {
                let inner = row >= FRAME && row + FRAME < size;
                // The frame's columns: all of a row above or below, else the first and the last few.
                let (left, right) = if inner {
                    (FRAME, size - FRAME)
                } else {
                    (size, size)
                };
                for col in (0..left).chain(right..size) {
                    let (at, total) = (row * size + col, Blur::total(size, row, col));
                    let difference = blurred[at] / total - plane[at];
                    let grey = plane[at] - 0.5;
                    value -= weight * (difference * difference + 0.8 * grey * grey);
                    gradient[at] += weight * (2.0 * difference - 1.6 * grey);
                    residual[at] = -2.0 * weight * difference / total;
                }
            }
            // The blur's transpose carries each difference back to the pixels that it averaged.
            blur.run(&residual, &mut blurred);
            for (gradient, part) in gradient.iter_mut().zip(&blurred) {
                *gradient += part;
            }
        }
        value
    }
}

/// Sums over 5 × 5 neighbours inside the image with weight 1, on the rim of the window ½: half a window of 5 and
/// half a window of 3, each of them rows first and columns after that.
struct Blur {
    size: usize,
    /// A row with two zeros at either end.
    line: Vec<f32>,
    /// Sums of 3 and of 5 along each row; two rows of zeros in front and behind.
    sums: [Vec<f32>; 2],
}

impl Blur {
    #[inline(always)]
    fn new(size: usize) -> Self {
        Self {
            size,
            line: vec![0.0; size + 4],
            sums: [(); 2].map(|()| vec![0.0; (size + 4) * size]),
        }
    }

    /// The weights that lie inside the image.
    #[inline(always)]
    fn total(size: usize, row: usize, col: usize) -> f32 {
        let count = |at: usize, reach: usize| (at + reach + 1).min(size) - at.saturating_sub(reach);
        let window = |reach: usize| (count(row, reach) * count(col, reach)) as f32;
        0.5 * (window(1) + window(2))
    }

    #[inline(always)]
    fn run(&mut self, plane: &[f32], out: &mut [f32]) {
        let n = self.size;
        let [threes, fives] = &mut self.sums;
        let line = &mut self.line[..n + 4];
        for (row, plane) in plane.chunks_exact(n).enumerate() {
            line[2..n + 2].copy_from_slice(plane);
            let at = (row + 2) * n..(row + 3) * n;
            let (threes, fives) = (&mut threes[at.clone()], &mut fives[at]);
            for col in 0..n {
                let three = line[col + 1] + line[col + 2] + line[col + 3];
                threes[col] = three;
                fives[col] = line[col] + three + line[col + 4];
            }
        }
        for (row, out) in out.chunks_exact_mut(n).enumerate() {
            let threes = &threes[(row + 1) * n..(row + 4) * n];
            let fives = &fives[row * n..(row + 5) * n];
            for col in 0..n {
                let three: f32 = (0..3).map(|k| threes[k * n + col]).sum();
                let five: f32 = (0..5).map(|k| fives[k * n + col]).sum();
                out[col] = 0.5 * (three + five);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::super::rng::stream;
    use super::*;

    const FORMS: [ObjectiveForm; 2] = [ObjectiveForm::Article, ObjectiveForm::Lucid];

    #[test]
    fn two_channels_by_hand() {
        // h·w = 3·1 + 4·0 = 3, |h| = 5, |w| = 1: article 3 · (3/5)², lucid 3/2 · (3/2 / 5)²
        let (h, w) = ([3.0, 4.0], [1.0, 0.0]);
        let article = Objective::new(ObjectiveForm::Article, 2.0, &w).score(&h);
        assert!((article - 1.08).abs() < 1e-3, "{article}");
        let lucid = Objective::new(ObjectiveForm::Lucid, 2.0, &w).score(&h);
        assert!((lucid - 0.135).abs() < 1e-3, "{lucid}");
        // below the floor only the dot counts: -3 · 0.1²
        let against = Objective::new(ObjectiveForm::Article, 2.0, &[-1.0, 0.0]).score(&h);
        assert!((against + 0.03).abs() < 1e-4, "{against}");
    }

    #[test]
    fn article_ignores_the_length_of_the_direction() {
        let h = [1.0, 2.0, 3.0];
        let of = |w: &[f32]| Objective::new(ObjectiveForm::Article, 4.0, w).score(&h);
        assert!((of(&[1.0, 1.0, 0.0]) - of(&[20.0, 20.0, 0.0])).abs() < 1e-5);
    }

    #[test]
    fn zeros_give_zero_and_no_nan() {
        for form in FORMS {
            let mut gradient = [9.0; 3];
            let nowhere = Objective::new(form, 4.0, &[0.0; 3]);
            assert_eq!(
                nowhere.score_and_gradient(&[1.0, 2.0, 3.0], &mut gradient),
                0.0
            );
            assert_eq!(gradient, [0.0; 3]);
            let objective = Objective::new(form, 4.0, &[1.0, 2.0, 3.0]);
            assert_eq!(objective.score_and_gradient(&[0.0; 3], &mut gradient), 0.0);
            assert!(
                gradient.iter().all(|g| *g > 0.0),
                "it must be able to start: {gradient:?}"
            );
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for form in FORMS {
            // a long direction lifts lucid's cosine above its floor, a short one leaves it below
            for length in [0.01, 20.0] {
                let mut rng = stream(&[2]);
                let h: Vec<f32> = (0..12).map(|_| 1.0 + rng.normal().abs()).collect();
                let w: Vec<f32> = (0..12).map(|_| length * (0.5 + rng.normal())).collect();
                let objective = Objective::new(form, 3.0, &w);
                let mut gradient = vec![0.0; 12];
                let score = objective.score_and_gradient(&h, &mut gradient);
                assert!((score - objective.score(&h)).abs() <= 1e-6 * score.abs());
                let largest = gradient.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
                for k in 0..12 {
                    let moved = |by: f32| {
                        let mut h = h.clone();
                        h[k] += by;
                        objective.score(&h)
                    };
                    let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                    assert!(
                        (slope - gradient[k]).abs() < 0.01 * largest,
                        "{form:?} {length}: {slope} {}",
                        gradient[k]
                    );
                }
            }
        }
    }

    #[test]
    fn boundary_penalty_s_gradient_agrees_with_finite_differences() {
        let size = 14;
        let mut rng = stream(&[4]);
        let image: Vec<f32> = (0..3 * size * size).map(|_| rng.uniform()).collect();
        let mut gradient = vec![0.0; image.len()];
        let value = boundary_penalty(&image, size, 0.7, &mut gradient);
        assert!(value < 0.0);
        let mut ignored = gradient.clone();
        for k in [
            0,
            5,
            6 * size + 6,
            7 * size + 3,
            size * size + 40,
            image.len() - 1,
        ] {
            let mut moved = |by: f32| {
                let mut image = image.clone();
                image[k] += by;
                boundary_penalty(&image, size, 0.7, &mut ignored)
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!(
                (slope - gradient[k]).abs() < 0.02,
                "{k}: {slope} {}",
                gradient[k]
            );
        }
        // far from the frame nothing is asked
        let mut gradient = vec![0.0; 3 * 40 * 40];
        boundary_penalty(&vec![0.9; 3 * 40 * 40], 40, 1.0, &mut gradient);
        assert_eq!(gradient[20 * 40 + 20], 0.0);
        assert!(gradient[0] < 0.0, "the rim is drawn to grey");
    }

    #[test]
    fn whitening_multiplies_from_the_right() {
        let inverse = ndarray::array![[2.0, 0.0], [1.0, 3.0]];
        assert_eq!(whiten(&[1.0, 10.0], &inverse), vec![12.0, 30.0]);
    }
}
