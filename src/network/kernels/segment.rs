//! The fast path as one candle operator, for code that differentiates with candle.

use super::Engine;
use crate::network::NodeId;
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use std::sync::Arc;

/// The network from the images to one node: `images.apply_op1(segment)` is its activation, and candle's `backward`
/// reaches the images through it. Weights are constants.
#[derive(Debug, Clone)]
pub struct Segment {
    /// The packed network.
    pub engine: Arc<Engine>,
    /// Where it ends.
    pub tap: NodeId,
}

impl CustomOp1 for Segment {
    fn name(&self) -> &'static str {
        "network-segment"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            return Err(Error::Msg("images must be contiguous".into()));
        };
        let values = &storage.as_slice::<f32>()?[start..end];
        let images = Tensor::from_slice(values, layout.shape(), &candle_core::Device::Cpu)?;
        let activations = self.engine.forward(&images, &[self.tap]);
        let activation = activations.map_err(Error::wrap)?.remove(0);
        let values = activation.flatten_all()?.to_vec1::<f32>()?;
        Ok((CpuStorage::F32(values), activation.shape().clone()))
    }

    fn bwd(&self, images: &Tensor, _: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        let pulled = self
            .engine
            .vjp(images, self.tap, &mut |_| Ok(cotangent.clone()));
        Ok(Some(pulled.map_err(Error::wrap)?.1))
    }
}
