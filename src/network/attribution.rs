//! Attribution: how much each position of a layer speaks for each class.

use super::cone::Cone;
use super::reference::{self, Tangents};
use super::{Network, NetworkError, NodeId, Result};
use crate::atlas::Relaxation;
use candle_core::Tensor;
use ndarray::Array2;
use std::borrow::Cow;
use std::sync::{Arc, PoisonError};

/// Positions whose tangents run together in [`Network::attribution`].
const POSITIONS_AT_ONCE: usize = 32;

/// How the logits follow from a layer.
#[derive(Debug)]
pub(super) enum Way {
    /// From it alone.
    Alone,
    /// Other paths go past it: the values to linearise at come from the image, and whole maps of tangents are pushed
    /// forward, zero on what does not follow from the layer.
    Beside {
        /// The nodes that follow from the layer and lead to the logits.
        on_the_way: Vec<bool>,
        /// The nodes whose values their tangents need.
        linearised: Vec<NodeId>,
    },
}

/// Ways that were derived, by layer, logits and relaxation.
pub(super) type Ways = Vec<((NodeId, NodeId, Relaxation), Arc<Way>)>;

impl Network {
    /// How much each position of one image speaks for each class: h · ∂logit/∂h at that position, for all classes
    /// by one jvp whose tangent is the activation at the position and zero elsewhere. Positions × classes, in
    /// logits; `activation` is `[1, c, h, w]` at `tap`, positions are (row, column).
    ///
    /// # Errors
    /// A network without classes, a `tap` that other paths bypass, a position outside the map.
    pub fn attribution(
        &self,
        tap: NodeId,
        activation: &Tensor,
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        let logits = self.checked(activation, positions)?;
        if !matches!(*self.way(tap, logits, relaxation)?, Way::Alone) {
            // Says what goes past.
            self.graph.between(tap, &[logits])?;
        }
        self.attribution_alone((tap, logits), activation, positions, relaxation)
    }

    /// The same with the image `[1, 3, h, w]` that the activation comes from, which layers need that other paths go past
    /// (one branch of a block, the patches of a transformer beside its class token): what goes past is held as it is in
    /// this image.
    ///
    /// # Errors
    /// A network without classes, a `tap` that the logits do not follow from, a position outside the map.
    pub fn attribution_in(
        &self,
        image: &Tensor,
        (tap, activation): (NodeId, &Tensor),
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        let logits = self.checked(activation, positions)?;
        self.check_images(image)?;
        if let Some(model) = &self.model {
            return model.attribution(image, tap, positions, relaxation);
        }
        let ends = (tap, logits);
        match &*self.way(tap, logits, relaxation)? {
            Way::Alone => self.attribution_alone(ends, activation, positions, relaxation),
            Way::Beside {
                on_the_way,
                linearised,
            } => {
                let mut primals = vec![None; self.graph.nodes.len()];
                for (id, value) in linearised.iter().zip(self.forward(image, linearised)?) {
                    primals[id.0] = Some(value);
                }
                let (_, _, rows, cols) = image.dims4()?;
                let own = (rows, cols) == (self.input.size, self.input.size);
                let extents = if own {
                    Cow::from(&self.extents)
                } else {
                    Cow::from(self.graph.extents((rows, cols))?)
                };
                let pushed = Tangents {
                    on_the_way,
                    extents: &extents,
                };
                self.in_parts(positions, |positions| {
                    let tangents = positions.iter().map(|&at| only_at(activation, at));
                    let tangents = Tensor::cat(&tangents.collect::<Result<Vec<_>>>()?, 0)?;
                    pushed.jvp(&self.graph, ends, &primals, &tangents, relaxation)
                })
            }
        }
    }

    /// How the logits follow from a layer, derived when it is asked for the first time.
    fn way(&self, tap: NodeId, logits: NodeId, relaxation: Relaxation) -> Result<Arc<Way>> {
        let key = (tap, logits, relaxation);
        let known = |ways: &Ways| {
            let found = ways.iter().find(|(of, _)| *of == key);
            found.map(|(_, way)| way.clone())
        };
        let ways = || self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = known(&ways()) {
            return Ok(way);
        }
        let way = Arc::new(if self.graph.between(tap, &[logits]).is_ok() {
            Way::Alone
        } else {
            let on_the_way = self.graph.on_the_way(tap, logits)?;
            Way::Beside {
                linearised: reference::linearised(&self.graph, &on_the_way, relaxation),
                on_the_way,
            }
        });
        ways().push((key, way.clone()));
        Ok(way)
    }

    /// Attribution where the logits follow from `tap` alone.
    fn attribution_alone(
        &self,
        ends: (NodeId, NodeId),
        activation: &Tensor,
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        if let Some(engine) = self.engine() {
            return engine.attribution(ends, activation, positions, relaxation);
        }
        let (graph, (tap, logits)) = (&self.graph, ends);
        let primals = reference::primals(graph, tap, activation, logits, relaxation)?;
        let cone = Cone::new(graph, ends, activation, &primals, relaxation)?;
        self.in_parts(positions, |positions| cone.run(activation, positions))
    }

    /// Rows for positions, columns for classes; `run` gives the change of the logits for a few positions, `[p, classes]`.
    fn in_parts(
        &self,
        positions: &[(usize, usize)],
        run: impl Fn(&[(usize, usize)]) -> Result<Tensor>,
    ) -> Result<Array2<f32>> {
        let mut values = Vec::with_capacity(positions.len() * self.classes.len());
        for positions in positions.chunks(POSITIONS_AT_ONCE) {
            values.extend(run(positions)?.flatten_all()?.to_vec1::<f32>()?);
        }
        Array2::from_shape_vec((positions.len(), self.classes.len()), values)
            .map_err(|error| NetworkError::BadGraph(format!("attribution: {error}")))
    }

    /// The node of the logits, where one image's activation and positions in it were given.
    fn checked(&self, activation: &Tensor, positions: &[(usize, usize)]) -> Result<NodeId> {
        let logits = self.logits.ok_or_else(|| {
            NetworkError::BadGraph(format!("{} has no classes to attribute to", self.name))
        })?;
        let (b, _, rows, cols) = activation.dims4()?;
        if b != 1 {
            return Err(NetworkError::BadInput(format!(
                "attribution looks at one image at a time, not {b}"
            )));
        }
        if let Some((row, col)) = positions.iter().find(|&&(r, c)| r >= rows || c >= cols) {
            return Err(NetworkError::BadInput(format!(
                "position {row}, {col} lies outside the {rows} × {cols} map"
            )));
        }
        Ok(logits)
    }
}

/// `[1, c, h, w]`, zero but at one position.
fn only_at(activation: &Tensor, (row, col): (usize, usize)) -> Result<Tensor> {
    let (_, _, rows, cols) = activation.dims4()?;
    let here = activation.narrow(2, row, 1)?.narrow(3, col, 1)?;
    let tall = here.pad_with_zeros(2, row, rows - row - 1)?;
    Ok(tall.pad_with_zeros(3, col, cols - col - 1)?)
}
