//! ReLU, pools and normalisation inside candle's autograd with the network's own rules: what trains is what runs.

use super::conv::with_values;
use crate::network::{NetworkError, Op};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};

/// An operator of the graph that has no parameters and keeps the number of dimensions.
pub(super) struct Rule(pub(super) Op);

fn lift(error: NetworkError) -> candle_core::Error {
    match error {
        NetworkError::Candle(error) => error,
        other => candle_core::Error::Msg(other.to_string()),
    }
}

/// Contiguous single-precision values of a tensor's memory.
pub(super) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        return Err(candle_core::Error::Msg("a strided tensor".to_owned()));
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

impl CustomOp1 for Rule {
    fn name(&self) -> &'static str {
        "rule"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(storage, layout)?;
        if let Op::Relu = self.0 {
            let y = x.iter().map(|value| value.max(0.0)).collect();
            return Ok((CpuStorage::F32(y), layout.shape().clone()));
        }
        let x = Tensor::from_slice(x, layout.shape(), &Device::Cpu)?;
        let y = match &self.0 {
            Op::MaxPool(pool) => pool.forward(&x),
            Op::AvgPool(pool) => pool.forward(&x),
            Op::Lrn(lrn) => lrn.forward(&x),
            other => Err(NetworkError::BadGraph(format!("no rule for {other:?}"))),
        }
        .map_err(lift)?;
        let shape = y.shape().clone();
        Ok((CpuStorage::F32(y.flatten_all()?.to_vec1()?), shape))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (x, grad) = (x.detach(), grad.detach().contiguous()?);
        let gradient = match &self.0 {
            Op::Relu => return relu_gradient(y, &grad).map(Some),
            Op::MaxPool(pool) => pool.vjp(&x, &grad),
            Op::AvgPool(pool) => {
                let (_, _, h, w) = x.dims4()?;
                pool.vjp((h, w), &grad)
            }
            Op::Lrn(lrn) => lrn.vjp(&x, &grad),
            other => Err(NetworkError::BadGraph(format!("no rule for {other:?}"))),
        }
        .map_err(lift)?;
        Ok(Some(gradient))
    }
}

/// The cotangent where the output is positive, in one pass over memory.
fn relu_gradient(y: &Tensor, grad: &Tensor) -> Result<Tensor> {
    let pass = |(y, g): (&f32, &f32)| if *y > 0.0 { *g } else { 0.0 };
    let gradient: Vec<f32> = with_values(y, |y| {
        with_values(grad, |grad| y.iter().zip(grad).map(pass).collect())
    })??;
    Tensor::from_vec(gradient, y.shape(), &Device::Cpu)
}
