//! Causal tests: does the model use a feature, and how much?
//!
//! A candidate of [`crate::suspects`] goes with a class in some images; that alone says nothing about the model. Here
//! the feature is put into images that lack it, or taken out of images that have it, and the change of the class's
//! logit is compared with that of matched controls on the same images:
//!
//! - [`paste`]: crops of the exemplars, or any picture, on images of other classes (Carter et al. 2019, "Activation
//!   Atlas", section "Using atlases to find adversarial examples"; Casper et al. 2022 automate it);
//! - [`transfer`]: what fills a picture and no crop can carry: colours, textures, whole-image marks;
//! - [`ablate`]: the cell's direction is removed from the activations of the class's own images.
//!
//! The change is that of the *centred* logit, `z_c − mean of all z`, which a change of all logits alike leaves as it is.
//! Intervals are bootstrapped over backgrounds; everything random comes from one seed. Stopping early is decided by
//! counts, never by the clock, so that a seed gives the same numbers on every machine.

pub mod ablate;
pub mod album;
pub mod lab;
pub mod paste;
pub mod picture;
pub mod pixels;
pub mod report;
pub mod retest;
pub mod sheet;
pub mod statistics;
pub mod sweep;
pub mod tester;
pub mod told;
pub mod transfer;

pub use album::Album;
pub use lab::Lab;

use crate::network::NetworkError;

/// Why a test cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CausalError {
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No logits, so nothing can change.
    #[error("{0} has no classifier, so there is no logit to change")]
    NoClassifier(String),
    /// A class that the network does not have.
    #[error("the network has no class {0}")]
    NoClass(String),
    /// A photograph cannot be read.
    #[error("{0}")]
    Photograph(String),
    /// None of the photographs can be read.
    #[error("none of the {tried} photographs that were tried can be read; the first: {first}")]
    NoPhotographs {
        /// How many were tried.
        tried: usize,
        /// What was wrong with the first.
        first: String,
    },
    /// Too few images of the kind that a test needs.
    #[error("{found} images {what}, at least {needed} are needed")]
    TooFew {
        /// Which images.
        what: String,
        /// How many there are.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The network gives something that is not a number.
    #[error("{0} gives NaN or infinity; the weights or the preprocessing are wrong")]
    NotFinite(String),
    /// A cell, layer or exemplar that the atlas does not have.
    #[error("{0}")]
    NotInAtlas(String),
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, CausalError>;
