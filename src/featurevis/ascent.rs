//! Gradient ascent for many icons at a time.

mod climber;

use super::Icon;
use super::objective::{Objective, centre, whiten};
use super::param::Param;
use super::rng::stream;
use super::transform::{Draw, Resampling};
use crate::atlas::{IconRecipe, Precision};
use crate::network::{Network, NetworkError, NodeId};
use crate::progress::{self, Interrupted, Progress};
use candle_core::{Device, Tensor};
use climber::Climber;
use ndarray::Array2;
use rayon::prelude::*;

/// Icons per run through the network: enough to fill its kernels, few enough that the first icons come soon.
pub const BATCH: usize = 16;

/// Fewer icons than this are not worth a run of their own: large weights are read for each run.
const LEAST_SHARE: usize = 4;

/// How often an icon that ran into NaN is started again before it is given up.
const RESTARTS: u64 = 3;

/// What the learning rate is multiplied with in a run of so many steps.
///
/// Adam moves each coefficient by about the rate per step, so a short run ends before the image has its contrast, and a
/// long one goes on past it: at 0.05 mixed4d's icons spread by .18 (their middle) after 64 steps, by .21 after 128 and
/// by .28 after 512, published ones by .20. Runs shorter than about a hundred steps take steps that are longer in
/// proportion, up to twice as long. Longer ones wander: they take shorter steps by the square root, which ends at .21
/// after 512 steps, with the same scores.
fn stretch(steps: u32) -> f32 {
    let steps = steps.max(1) as f32;
    let (short, long): (f32, f32) = (102.4 / steps, 128.0 / steps);
    short.clamp(1.0, 2.0) * long.sqrt().min(1.0)
}

/// What can go wrong while drawing icons.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A direction is not as long as the layer is deep.
    #[error("direction {index} has {found} channels, the layer has {expected}")]
    WrongDepth {
        /// Its place among the jobs.
        index: usize,
        /// Channels of the layer.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// The whitening matrix does not fit the layer.
    #[error("whitening matrix is {found:?}, the direction has {expected} channels")]
    WrongWhitening {
        /// Channels of the direction.
        expected: usize,
        /// Rows and columns of the matrix.
        found: (usize, usize),
    },
    /// The layer has no positions.
    #[error("icons need a layer with positions, this one gives a tensor of shape {found:?}")]
    NoPositions {
        /// Shape of the activation.
        found: Vec<usize>,
    },
    /// Icons so small that some window on the way to the layer does not fit what is seen of them.
    #[error(
        "of {size} × {size} pixels are too small for layer {layer}: with these transforms the network needs at least {least} × {least}"
    )]
    TooSmall {
        /// The layer.
        layer: String,
        /// The icons' size.
        size: usize,
        /// The least size that does.
        least: usize,
    },
    /// The network takes images of its own size alone, and these icons are larger.
    #[error(
        "of {size} × {size} pixels do not reach layer {layer}: the network takes {own} × {own} alone, so icons must be of {own} × {own}"
    )]
    OwnSize {
        /// The layer.
        layer: String,
        /// The icons' size.
        size: usize,
        /// The network's.
        own: usize,
    },
    /// Neither these icons nor larger ones get through the network.
    #[error("of {size} × {size} pixels do not reach layer {layer}, nor do larger ones: {why}")]
    NoSize {
        /// The layer.
        layer: String,
        /// The icons' size.
        size: usize,
        /// What does not fit.
        why: NetworkError,
    },
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The work was asked to stop; icons delivered so far are good.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.into())
    }
}

/// A network as far as icons need it: its images up to one layer, and back. Threads share it.
pub trait Tap: Sync {
    /// Where its tensors live.
    fn device(&self) -> &Device;

    /// Per input channel c of the network: which of red, green, blue it reads, and the multiplier and addend that
    /// turn the unit value into the network's.
    fn unit_affine(&self) -> [(usize, f32, f32); 3];

    /// Images `[batch, 3, rows, columns]`, preprocessed → activation `[batch, depth, rows, columns]` of the layer.
    fn activation(&self, images: &Tensor) -> Result<Tensor, NetworkError>;

    /// The gradient at the images of ⟨cotangent(activation), activation⟩, where the activation need hold no more than
    /// the position in the [`centre`] of the layer: `[batch, depth, 1, 1]`. Products may be of the given precision.
    fn vjp(
        &self,
        images: &Tensor,
        precision: Precision,
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor, NetworkError>,
    ) -> Result<Tensor, NetworkError>;
}

/// One icon to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Names the icon among all icons that share the seed: its randomness depends on this, not on its place
    /// in the list. Give the same key and the same icon comes out.
    pub key: u64,
    /// The cell's mean activation, raw units of the layer, depth values.
    pub direction: Vec<f32>,
}

/// Steps that [`Renderer::render`] reports for `n` icons when nothing goes wrong.
pub fn total_steps(n: usize, recipe: &IconRecipe) -> u64 {
    n as u64 * u64::from(recipe.steps) * u64::from(recipe.attempts.max(1))
}

/// Draws icons for one layer.
pub struct Renderer<'a> {
    tap: &'a dyn Tap,
    whitening: Option<&'a Array2<f32>>,
    recipe: IconRecipe,
    seed: u64,
    param: Param,
}

impl<'a> Renderer<'a> {
    /// For the layer behind `tap`. `whitening` is the layer's inverse second moment, used when the recipe says so.
    pub fn new(
        tap: &'a dyn Tap,
        whitening: Option<&'a Array2<f32>>,
        recipe: &IconRecipe,
        seed: u64,
    ) -> Self {
        Self {
            tap,
            whitening: whitening.filter(|_| recipe.whiten),
            recipe: *recipe,
            seed,
            param: Param::new(recipe.size as usize, recipe.decay),
        }
    }

    /// Draws every job's icon and delivers each, with its place in `jobs`, as soon as its batch is done.
    ///
    /// Reports [`total_steps`] icon-steps to `progress` (the caller begins the stage) and asks it before each step
    /// whether to stop. An icon whose network values stay infinite or NaN after three fresh starts is
    /// not delivered but noted.
    ///
    /// # Errors
    /// Shapes that do not fit, a failing network, or [`Interrupted`].
    pub fn render(
        &self,
        jobs: &[Job],
        progress: &dyn Progress,
        deliver: &mut dyn FnMut(usize, Icon),
    ) -> Result<(), Error> {
        let objectives = self.objectives(jobs)?;
        for first in (0..jobs.len()).step_by(BATCH) {
            let batch: Vec<usize> = (first..jobs.len().min(first + BATCH)).collect();
            let icons = self.render_batch(&batch, jobs, &objectives, progress)?;
            for (index, icon) in batch.into_iter().zip(icons) {
                match icon {
                    Some(icon) => deliver(index, icon),
                    None => progress.note(&format!(
                        "icon {} left out: the network's answer is not finite",
                        jobs[index].key
                    )),
                }
            }
        }
        Ok(())
    }

    /// Scores of finished images without transforms: `[3, size, size]` unit RGB each, one per job.
    ///
    /// # Errors
    /// As [`Renderer::render`].
    pub fn scores(&self, jobs: &[Job], images: &[&[f32]]) -> Result<Vec<f32>, Error> {
        let objectives = self.objectives(jobs)?;
        let mut scores = Vec::with_capacity(images.len());
        let pairs: Vec<_> = images.iter().zip(&objectives).collect();
        for batch in pairs.chunks(BATCH) {
            let images: Vec<&[f32]> = batch.iter().map(|(image, _)| **image).collect();
            let identity = Resampling::new(&Draw::identity(), self.param.size());
            let activation = self.tap.activation(&self.input(&identity, &images)?)?;
            let centres = Centres::of(&activation)?;
            for (idx, (_, objective)) in batch.iter().enumerate() {
                centres.check_depth(objective.depth(), idx)?;
                scores.push(objective.score(&centres.at(idx)));
            }
        }
        Ok(scores)
    }

    fn objectives(&self, jobs: &[Job]) -> Result<Vec<Objective>, Error> {
        let recipe = &self.recipe;
        jobs.iter()
            .map(|job| {
                let depth = job.direction.len();
                let direction = match self.whitening {
                    Some(inverse) if inverse.dim() == (depth, depth) => {
                        whiten(&job.direction, inverse)
                    }
                    Some(inverse) => {
                        return Err(Error::WrongWhitening {
                            expected: depth,
                            found: inverse.dim(),
                        });
                    }
                    None => job.direction.clone(),
                };
                Ok(Objective::new(
                    recipe.objective,
                    recipe.cosine_power,
                    &direction,
                ))
            })
            .collect()
    }

    /// The best of all attempts for each job in `batch` (places in `jobs`); `None` where none stayed finite.
    fn render_batch(
        &self,
        batch: &[usize],
        jobs: &[Job],
        objectives: &[Objective],
        progress: &dyn Progress,
    ) -> Result<Vec<Option<Icon>>, Error> {
        let mut best: Vec<Option<Icon>> = vec![None; batch.len()];
        for attempt in 0..u64::from(self.recipe.attempts.max(1)) {
            // Places in `batch` that still need this attempt.
            let mut open: Vec<usize> = (0..batch.len()).collect();
            for restart in 0..=RESTARTS {
                let mut climbers: Vec<Climber> = open
                    .iter()
                    .map(|place| {
                        let job = batch[*place];
                        let purpose = [self.seed, jobs[job].key, attempt, restart];
                        Climber::new(&self.param, &objectives[job], &purpose)
                    })
                    .collect();
                self.climb(&mut climbers, attempt, restart == 0, progress)?;
                self.judge(&mut climbers)?;
                let mut failed = Vec::new();
                for (climber, place) in climbers.iter().zip(&open) {
                    match climber.icon(self.recipe.steps) {
                        None => failed.push(*place),
                        Some(icon) => {
                            let kept = &mut best[*place];
                            if kept.as_ref().is_none_or(|kept| icon.score > kept.score) {
                                *kept = Some(icon);
                            }
                        }
                    }
                }
                open = failed;
                if open.is_empty() {
                    break;
                }
            }
        }
        Ok(best)
    }

    /// All steps of one attempt. Icons do not know of each other, so each thread takes its share of them all the way,
    /// without waiting for the others at each step.
    fn climb(
        &self,
        climbers: &mut [Climber],
        attempt: u64,
        counts: bool,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let share = climbers.len().div_ceil(rayon::current_num_threads());
        climbers
            .par_chunks_mut(share.max(LEAST_SHARE))
            .try_for_each(|climbers| self.climb_together(climbers, attempt, counts, progress))
    }

    /// The same for icons that go through the network together.
    fn climb_together(
        &self,
        climbers: &mut [Climber],
        attempt: u64,
        counts: bool,
        progress: &dyn Progress,
    ) -> Result<(), Error> {
        let size = self.param.size();
        for step in 0..self.recipe.steps {
            progress::check(progress)?;
            let mut rng = stream(&[self.seed, u64::from(step), attempt]);
            let draw = Draw::new(self.recipe.transforms, size, &mut rng);
            let resampling = Resampling::new(&draw, size);
            let param = &self.param;
            climbers
                .par_iter_mut()
                .for_each(|climber| climber.draw(param));
            let images: Vec<&[f32]> = climbers.iter().map(|c| c.image.as_slice()).collect();
            let input = self.input(&resampling, &images)?;
            let gradient = self.gradient(&input, climbers)?;
            let rate = self.recipe.learning_rate * stretch(self.recipe.steps);
            let (affine, penalty) = (self.tap.unit_affine(), self.recipe.boundary_penalty);
            let plane = 3 * resampling.out_size * resampling.out_size;
            climbers
                .par_iter_mut()
                .zip(gradient.par_chunks_exact(plane))
                .for_each(|(climber, gradient)| {
                    climber.pull_through(&resampling, affine, gradient);
                    climber.ascend(param, penalty, rate);
                });
            if counts {
                progress.advance(climbers.len() as u64);
            }
        }
        Ok(())
    }

    /// The network's input for unit RGB images: resampled, in its channel order and units.
    fn input(&self, resampling: &Resampling, images: &[&[f32]]) -> Result<Tensor, Error> {
        let side = resampling.out_size;
        let mut input = vec![0.0; images.len() * 3 * side * side];
        let affine = self.tap.unit_affine();
        input
            .par_chunks_exact_mut(3 * side * side)
            .zip(images.par_iter())
            .for_each(|(input, image)| resampling.apply(image, affine, input));
        let shape = (images.len(), 3, side, side);
        Ok(Tensor::from_vec(input, shape, self.tap.device())?)
    }

    /// Gradient of each climber's score at the network's input, `[batch, 3, side, side]` flattened.
    fn gradient(&self, input: &Tensor, climbers: &[Climber]) -> Result<Vec<f32>, Error> {
        let mut failure = None;
        let gradient = self
            .tap
            .vjp(input, self.recipe.precision, &mut |activation| {
                cotangent(activation, climbers).map_err(|error| match error {
                    Error::Network(error) => error,
                    other => {
                        let text = other.to_string();
                        failure = Some(other);
                        NetworkError::BadGraph(text)
                    }
                })
            });
        match (gradient, failure) {
            (_, Some(failure)) => Err(failure),
            (gradient, None) => Ok(gradient?
                .to_device(&Device::Cpu)?
                .flatten_all()?
                .to_vec1::<f32>()?),
        }
    }

    /// Scores the final images without transforms.
    fn judge(&self, climbers: &mut [Climber]) -> Result<(), Error> {
        let param = &self.param;
        climbers
            .par_iter_mut()
            .for_each(|climber| climber.draw(param));
        let images: Vec<&[f32]> = climbers.iter().map(|c| c.image.as_slice()).collect();
        let identity = Resampling::new(&Draw::identity(), param.size());
        let activation = self.tap.activation(&self.input(&identity, &images)?)?;
        let centres = Centres::of(&activation)?;
        for (idx, climber) in climbers.iter_mut().enumerate() {
            centres.check_depth(climber.objective.depth(), idx)?;
            climber.score = climber.objective.score(&centres.at(idx));
        }
        Ok(())
    }
}

/// Gradient of the scores with respect to `activation`: zero but for the centre position.
fn cotangent(activation: &Tensor, climbers: &[Climber]) -> Result<Tensor, Error> {
    let centres = Centres::of(activation)?;
    let [batch, depth, height, width] = centres.dims;
    let positions = height * width;
    let (row, col) = centre(height, width);
    let mut cotangent = vec![0.0; batch * depth * positions];
    let mut gradient = vec![0.0; depth];
    for (idx, climber) in climbers.iter().enumerate() {
        centres.check_depth(climber.objective.depth(), idx)?;
        climber
            .objective
            .score_and_gradient(&centres.at(idx), &mut gradient);
        for (channel, g) in gradient.iter().enumerate() {
            cotangent[(idx * depth + channel) * positions + row * width + col] = *g;
        }
    }
    let shape = (batch, depth, height, width);
    Ok(Tensor::from_vec(cotangent, shape, activation.device())?)
}

/// The activations at the centre position of a batch.
struct Centres {
    /// Batch, depth, rows, columns.
    dims: [usize; 4],
    /// Batch × depth.
    values: Vec<f32>,
}

impl Centres {
    fn of(activation: &Tensor) -> Result<Self, Error> {
        let Ok((batch, depth, height, width)) = activation.dims4() else {
            return Err(Error::NoPositions {
                found: activation.dims().to_vec(),
            });
        };
        let (row, col) = centre(height, width);
        let values = activation
            .narrow(2, row, 1)?
            .narrow(3, col, 1)?
            .flatten_all()?
            .to_device(&Device::Cpu)?
            .to_vec1()?;
        Ok(Self {
            dims: [batch, depth, height, width],
            values,
        })
    }

    fn at(&self, idx: usize) -> Vec<f32> {
        let depth = self.dims[1];
        self.values[idx * depth..(idx + 1) * depth].to_vec()
    }

    fn check_depth(&self, found: usize, index: usize) -> Result<(), Error> {
        let expected = self.dims[1];
        if expected == found {
            return Ok(());
        }
        Err(Error::WrongDepth {
            index,
            expected,
            found,
        })
    }
}

/// A [`Network`] tapped at one node.
#[derive(Debug, Clone, Copy)]
pub struct NetworkTap<'a> {
    /// The network.
    pub network: &'a Network,
    /// The layer.
    pub node: NodeId,
}

impl Tap for NetworkTap<'_> {
    fn device(&self) -> &Device {
        &self.network.device
    }

    fn unit_affine(&self) -> [(usize, f32, f32); 3] {
        self.network.input.unit_affine()
    }

    fn activation(&self, images: &Tensor) -> Result<Tensor, NetworkError> {
        let mut activations = self.network.forward(images, &[self.node])?;
        activations
            .pop()
            .ok_or_else(|| NetworkError::BadGraph("forward gave no activation".to_owned()))
    }

    fn vjp(
        &self,
        images: &Tensor,
        precision: Precision,
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor, NetworkError>,
    ) -> Result<Tensor, NetworkError> {
        let at = |(rows, cols)| centre(rows, cols);
        self.network
            .vjp_at(images, (self.node, &at, precision), cotangent)
    }
}
