//! The seam for networks that are no graph of operators: they compute by themselves what a graph would.

use super::{NetworkError, NodeId, Result};
use crate::atlas::Relaxation;
use candle_core::Tensor;
use ndarray::Array2;

/// Called once with an activation; returns an objective's gradient to it.
pub type Objective<'a> = dyn FnMut(&Tensor) -> Result<Tensor> + 'a;

/// Chooses a position (row, column) of a map by its rows and columns.
pub type Position<'a> = dyn Fn((usize, usize)) -> (usize, usize) + 'a;

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
        relaxation: Relaxation,
    ) -> Result<Array2<f32>>;
}

/// The gradient to a whole activation `[b, c, h, w]` of an `objective` of one position (row, column), which is shown
/// `[b, c, 1, 1]`: zero elsewhere.
pub(super) fn of_position(
    activation: &Tensor,
    (row, col): (usize, usize),
    objective: &mut Objective<'_>,
) -> Result<Tensor> {
    let (_, _, rows, cols) = activation.dims4()?;
    if row >= rows || col >= cols {
        return Err(NetworkError::BadInput(format!(
            "position {row}, {col} lies outside the {rows} × {cols} map"
        )));
    }
    let here = activation.narrow(2, row, 1)?.narrow(3, col, 1)?;
    let cotangent = objective(&here.contiguous()?)?;
    let tall = cotangent.pad_with_zeros(2, row, rows - row - 1)?;
    Ok(tall.pad_with_zeros(3, col, cols - col - 1)?)
}
