//! What is claimed about a candidate: what tests measured, what follows from it in words, and what a person thinks.
//!
//! A test says whether the model *uses* a feature. Whether it ought to is not in the numbers: causal is not spurious, so
//! the judgement (core, shortcut, unsure) is a person's and stands beside them. Everything here is kept by name, so
//! that a claim outlives the atlas that it came from.
mod estimate;
mod verdict;

pub use estimate::{BestFlips, Controls, Estimate, Method};
pub use verdict::{FEWEST, Outcome, least, outcome, verdict};

use super::{Candidate, Kind};
use crate::atlas::Atlas;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a person thinks of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// Part of what the class is.
    Core,
    /// Goes with the class in these images, but is not the thing.
    Shortcut,
    /// Not decided.
    #[default]
    Unsure,
}

/// A position of an image by name, with the square of the network's input that it was shown by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Path within its source.
    pub image: String,
    /// Row of the position in the layer.
    pub row: u16,
    /// Column of the position in the layer.
    pub col: u16,
    /// Left, top and side of the crop in pixels of the network's input.
    pub window: [u32; 3],
}

/// What a claim is about, by name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// What kind of candidate it is; none for a picture of the person's own.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// `LAYER,GRID,ROW,COLUMN`; none for a picture.
    #[serde(default)]
    pub cell: Option<String>,
    /// The picture's file.
    #[serde(default)]
    pub picture: Option<String>,
    /// Id of the class that it speaks for.
    pub class: String,
    /// Its name.
    pub class_name: String,
    /// Id of the other class of a multi-use feature or of a contrast.
    #[serde(default)]
    pub other: Option<String>,
    /// Number of the component within its class.
    #[serde(default)]
    pub component: Option<u16>,
    /// The score that it was listed by.
    #[serde(default)]
    pub score: Option<f32>,
    /// False discovery rate in the list.
    #[serde(default)]
    pub q: Option<f32>,
    /// Where it shows.
    #[serde(default)]
    pub exemplars: Vec<Shown>,
    /// Images of the class with it, that a transfer learned from.
    #[serde(default)]
    pub with: Vec<String>,
    /// Images of the class without it.
    #[serde(default)]
    pub without: Vec<String>,
}

/// A background before and after a paste.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Path of the background.
    pub image: String,
    /// Number of the exemplar that was pasted on it.
    pub piece: u32,
    /// Left and top of the place in pixels of the network's input.
    pub at: [u32; 2],
    /// Names of the predicted classes before and after.
    pub predicted: [String; 2],
    /// Probability of the class before and after, 0..=1.
    pub probability: [f32; 2],
}

/// What a claim was measured with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The network's name.
    pub network: String,
    /// SHA-256 of its weights, hexadecimal.
    pub weights_sha256: String,
    /// Rows and columns of its input.
    pub size: u32,
    /// How photographs get to that size, as `--resize` takes it: `warp`, `warp:256`, `crop:256`.
    pub resize: String,
    /// Seed of backgrounds, controls, noise and resamples.
    pub seed: u64,
    /// Number of backgrounds that were asked for.
    pub backgrounds: u32,
    /// Longer side of what was pasted as a share of the picture's; none for a crop's own size.
    #[serde(default)]
    pub ratio: Option<f32>,
    /// Where it was pasted: `own`, where each crop was cut from, or a corner: `top-left`, …
    pub at: String,
    /// The command that measures it again.
    pub command: String,
}

/// What is claimed about one candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// About what.
    pub subject: Subject,
    /// What the tests measured.
    #[serde(default)]
    pub estimates: Vec<Estimate>,
    /// The verdict in words.
    #[serde(default)]
    pub verdict: String,
    /// Tests that could not be made, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The effect by size, where it was swept.
    #[serde(default)]
    pub sweep: Vec<SweepPoint>,
    /// Backgrounds on which it moved the class most.
    #[serde(default)]
    pub pairs: Vec<Before>,
    /// What the person thinks.
    #[serde(default)]
    pub judgement: Judgement,
    /// What the person wrote.
    #[serde(default)]
    pub note: String,
    /// Measured with what.
    pub provenance: Provenance,
}

/// The effect at one size, over all corners.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// Longer side of what was pasted, as a share of the picture's side, 0..=0.8.
    pub ratio: f32,
    /// Mean change of the centred target logit.
    pub delta: f32,
    /// Its 95 % bootstrap interval.
    pub ci: [f32; 2],
    /// The same for natural control crops.
    pub controls: f32,
    /// Mean probability of the target, 0..=1.
    pub probability: f32,
    /// Backgrounds that some corner flips at this size.
    pub flips: u32,
    /// Backgrounds that a control crop flips at some corner.
    pub control_flips: u32,
    /// Backgrounds.
    pub n: u32,
}

/// Runs tests. Lives on a thread of its own.
pub trait Tester: Send {
    /// Takes an atlas, the first or a newer one.
    fn atlas(&mut self, atlas: Arc<Atlas>);

    /// Tests a candidate. Every estimate goes to `tell` when it changes, the last one of a method with `done`; `tell`
    /// can break off. What came before a break is in the claim.
    ///
    /// # Errors
    /// A sentence for people: weights that are missing, photographs that moved, no background.
    fn test(
        &mut self,
        candidate: &Candidate,
        tell: &mut dyn FnMut(&Estimate) -> ControlFlow<()>,
    ) -> Result<Claim, String>;
}
