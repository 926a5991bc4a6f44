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
    let mut value = 0.0;
    let in_frame = |k: usize| k < FRAME || k + FRAME >= size;
    let mut residual = vec![0.0; size * size];
    let planes = rgb.chunks_exact(size * size);
    for (plane, gradient) in planes.zip(gradient.chunks_exact_mut(size * size)) {
        residual.fill(0.0);
        for row in 0..size {
            for col in 0..size {
                if !in_frame(row) && !in_frame(col) {
                    continue;
                }
                let at = row * size + col;
                let (mut sum, mut total) = (0.0, 0.0);
                for_each_neighbour(size, row, col, |other, k| {
                    sum += k * plane[other];
                    total += k;
                });
                let difference = sum / total - plane[at];
                let grey = plane[at] - 0.5;
                value -= weight * (difference * difference + 0.8 * grey * grey);
                gradient[at] += weight * (2.0 * difference - 1.6 * grey);
                residual[at] = -2.0 * weight * difference / total;
            }
        }
        // the blur's transpose carries each difference back to the pixels that it averaged
        for row in 0..size {
            for col in 0..size {
                let from = residual[row * size + col];
                if from != 0.0 {
                    for_each_neighbour(size, row, col, |other, k| gradient[other] += k * from);
                }
            }
        }
    }
    value
}

/// Calls `visit(index, weight)` for the 5 × 5 neighbours inside the image: weight 1, on the rim of the window ½.
fn for_each_neighbour(size: usize, row: usize, col: usize, mut visit: impl FnMut(usize, f32)) {
    for y in row.saturating_sub(2)..(row + 3).min(size) {
        for x in col.saturating_sub(2)..(col + 3).min(size) {
            let rim = y.abs_diff(row) == 2 || x.abs_diff(col) == 2;
            visit(y * size + x, if rim { 0.5 } else { 1.0 });
        }
    }
}
