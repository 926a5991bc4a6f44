//! Attribution: how much each position of a layer speaks for each class.

use super::cone::Cone;
use super::reference::{self, Tangents};
use super::{Network, NetworkError, NodeId, Result};
use crate::atlas::Relaxation;
use candle_core::Tensor;
use ndarray::Array2;

/// Positions whose tangents run together in [`Network::attribution`].
const POSITIONS_AT_ONCE: usize = 32;

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
        self.graph.between(tap, &[logits])?;
        if let Some(engine) = self.engine() {
            return engine.attribution((tap, logits), activation, positions, relaxation);
        }
        let graph = &self.graph;
        let primals = reference::primals(graph, tap, activation, logits, relaxation)?;
        let cone = Cone::new(graph, (tap, logits), activation, &primals, relaxation)?;
        self.in_parts(positions, |positions| cone.run(activation, positions))
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
        let Some(logits) = self.logits else {
            return self.attribution(tap, activation, positions, relaxation);
        };
        self.check_images(image)?;
        if let Some(model) = &self.model {
            return model.attribution(image, tap, positions, relaxation);
        }
        if self.graph.between(tap, &[logits]).is_ok() {
            return self.attribution(tap, activation, positions, relaxation);
        }
        self.attribution_past(image, (tap, activation), positions, relaxation)
    }

    /// Attribution where paths go past `tap`: the values to linearise at come from the image, and whole maps of tangents
    /// are pushed forward, zero on what does not follow from `tap`.
    fn attribution_past(
        &self,
        image: &Tensor,
        (tap, activation): (NodeId, &Tensor),
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Array2<f32>> {
        let logits = self.checked(activation, positions)?;
        let (graph, n_nodes) = (&self.graph, self.graph.nodes.len());
        let on_the_way = graph.on_the_way(tap, logits)?;
        let wanted = reference::linearised(graph, &on_the_way, relaxation);
        let mut primals = vec![None; n_nodes];
        for (id, value) in wanted.iter().zip(self.forward(image, &wanted)?) {
            primals[id.0] = Some(value);
        }
        let (_, _, rows, cols) = image.dims4()?;
        let extents = graph.extents((rows, cols))?;
        let pushed = Tangents {
            on_the_way: &on_the_way,
            extents: &extents,
        };
        self.in_parts(positions, |positions| {
            let tangents = positions.iter().map(|&at| only_at(activation, at));
            let tangents = Tensor::cat(&tangents.collect::<Result<Vec<_>>>()?, 0)?;
            pushed.jvp(graph, (tap, logits), &primals, &tangents, relaxation)
        })
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
