//! One icon on its way up: its description, its picture and its gradients.

use super::super::Icon;
use super::super::objective::{Objective, boundary_penalty};
use super::super::param::{Adam, Param, Scratch};
use super::super::rng::stream;
use super::super::transform::Resampling;
use crate::network::kernels::{Work, vectorised};

/// Sum of squares in double precision, in eight parts.
struct Squares<'a>(&'a [f32]);

impl Work for Squares<'_> {
    type Output = f64;
    #[inline(always)]
    fn run(self) -> f64 {
        let (eights, rest) = self.0.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for values in eights {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += f64::from(*value) * f64::from(*value);
            }
        }
        let rest = rest.iter().map(|value| f64::from(*value).powi(2));
        sums.into_iter().chain(rest).sum()
    }
}

/// One icon on its way up.
pub(super) struct Climber<'a> {
    pub objective: &'a Objective,
    pub spectrum: Vec<f32>,
    pub adam: Adam,
    /// Unit RGB, `[3, size, size]`.
    pub image: Vec<f32>,
    /// Gradient at the image.
    pub image_gradient: Vec<f32>,
    /// Gradient at the spectrum.
    pub gradient: Vec<f32>,
    pub scratch: Scratch,
    /// Makes the first gradient's root mean square 1.
    pub unit: Option<f32>,
    /// Something became infinite or NaN; the icon is left alone until it is started again.
    pub lost: bool,
    pub score: f32,
}

impl<'a> Climber<'a> {
    pub(super) fn new(param: &Param, objective: &'a Objective, purpose: &[u64]) -> Self {
        let n_values = 3 * param.size() * param.size();
        Self {
            objective,
            spectrum: param.noise(&mut stream(purpose)),
            adam: Adam::new(param.len()),
            image: vec![0.0; n_values],
            image_gradient: vec![0.0; n_values],
            gradient: vec![0.0; param.len()],
            scratch: param.scratch(),
            unit: None,
            lost: false,
            score: f32::NAN,
        }
    }

    /// Spectrum → image.
    pub(super) fn draw(&mut self, param: &Param) {
        if self.lost {
            self.image.fill(0.5);
        } else {
            param.image(&self.spectrum, &mut self.scratch, &mut self.image);
        }
    }

    /// Gradient at the network's input → gradient at the image.
    pub(super) fn pull_through(
        &mut self,
        resampling: &Resampling,
        affine: [(usize, f32, f32); 3],
        gradient: &[f32],
    ) {
        self.image_gradient.fill(0.0);
        resampling.add_transpose(gradient, affine, &mut self.image_gradient);
    }

    /// One step of Adam along the gradient at the image.
    pub(super) fn ascend(&mut self, param: &Param, penalty: f32, rate: f32) {
        if self.lost {
            return;
        }
        if penalty > 0.0 {
            boundary_penalty(&self.image, param.size(), penalty, &mut self.image_gradient);
        }
        param.pull_back(
            &self.image,
            &mut self.image_gradient,
            &mut self.scratch,
            &mut self.gradient,
        );
        let squares = vectorised(Squares(&self.gradient));
        if !squares.is_finite() {
            self.lost = true;
            return;
        }
        if squares == 0.0 && self.unit.is_none() {
            return;
        }
        // Adam forgets a constant factor only as far as its ε is small beside the gradient; scores differ by
        // many orders of magnitude between layers, so the factor is taken out here.
        let unit = *self
            .unit
            .get_or_insert((param.len() as f64 / squares).sqrt() as f32);
        self.gradient.iter_mut().for_each(|g| *g *= unit);
        self.adam.ascend(&mut self.spectrum, &self.gradient, rate);
    }

    /// The icon, when it and its score are finite.
    pub(super) fn icon(&self, steps: u32) -> Option<Icon> {
        let finite =
            !self.lost && self.score.is_finite() && self.image.iter().all(|v| v.is_finite());
        finite.then(|| Icon {
            rgb: interleaved(&self.image),
            score: self.score,
            steps,
        })
    }
}

/// Planes `[3, size, size]` in 0..1 → pixels `[size, size, 3]` in 0..=255.
fn interleaved(planes: &[f32]) -> Vec<u8> {
    let n_pixels = planes.len() / 3;
    (0..n_pixels)
        .flat_map(|k| [planes[k], planes[n_pixels + k], planes[2 * n_pixels + k]])
        .map(|value| (value * 255.0).round() as u8)
        .collect()
}
