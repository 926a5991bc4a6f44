//! Moments, whitening, percentiles, seeded random numbers: numbers in, numbers out.
//!
//! Nothing here knows what an activation is for. Sums over samples are taken in double precision and in an
//! order that does not depend on the number of threads, so every result is reproducible.

pub mod eigen;
mod first;
#[cfg(feature = "build")]
pub mod fourier;
pub mod kmeans;
pub mod moments;
pub mod pca;
mod percentile;
pub mod rng;
pub mod whiten;
pub mod whitening;

pub use first::first;
pub use percentile::{percentile, percentiles};
pub use rng::Rng;
