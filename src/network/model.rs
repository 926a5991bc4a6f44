//! The seam for networks that are no graph of operators: they compute by themselves what a graph would.

use super::{NodeId, Result};
use candle_core::Tensor;
use ndarray::Array2;

/// Called once with an activation; returns an objective's gradient to it.
pub type Objective<'a> = dyn FnMut(&Tensor) -> Result<Tensor> + 'a;

/// A network that is no graph. Its nodes stand in a [`super::Graph`] as [`super::Op::Opaque`], which has their names and
/// shapes; values, gradients and attributions come from here.
pub trait Model: std::fmt::Debug + Send + Sync {
    /// As [`super::Network::forward`].
    ///
    /// # Errors
    /// Images that it cannot take.
    fn forward(&self, images: &Tensor, taps: &[NodeId]) -> Result<Vec<Tensor>>;

    /// As [`super::Network::vjp`].
    ///
    /// # Errors
    /// As [`Self::forward`], and whatever `objective` returns.
    fn vjp(
        &self,
        images: &Tensor,
        tap: NodeId,
        objective: &mut Objective<'_>,
    ) -> Result<(Tensor, Tensor)>;

    /// As [`super::Network::attribution_in`].
    ///
    /// # Errors
    /// As [`Self::forward`], and a position outside the map.
    fn attribution(
        &self,
        image: &Tensor,
        tap: NodeId,
        positions: &[(usize, usize)],
    ) -> Result<Array2<f32>>;
}
