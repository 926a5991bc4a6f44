//! Tangents through a vision transformer: how the logits change when the token of one position grows.

use super::{Block, Dense, Norm, Tokens, Vit, join, normalise, softmax};
use crate::atlas::Relaxation;
use crate::network::{NetworkError, Result};
use candle_core::{D, Tensor};

impl Vit {
    /// Change of all logits when the token at each of `positions` grows by itself, `[positions, classes]`; `tokens` is
    /// the state of one image behind `depth` blocks.
    pub(super) fn push_forward(
        &self,
        tokens: &Tokens,
        depth: usize,
        positions: &[(usize, usize)],
        relaxation: Relaxation,
    ) -> Result<Tensor> {
        let mut x = tokens.x.clone();
        let (_, n, width) = x.dims3()?;
        let extra = self.extra.dim(1)?;
        let state = x.flatten_all()?.to_vec1::<f32>()?;
        let mut tangents = vec![0f32; positions.len() * n * width];
        for (tangent, (row, col)) in tangents.chunks_exact_mut(n * width).zip(positions) {
            let at = (extra + row * tokens.map.1 + col) * width;
            tangent[at..at + width].copy_from_slice(&state[at..at + width]);
        }
        let mut t = Tensor::from_vec(tangents, (positions.len(), n, width), x.device())?;
        for block in &self.blocks[depth..] {
            (x, t) = self.block_jvp(block, &x, &t, relaxation)?;
        }
        let head = self
            .head
            .as_ref()
            .ok_or_else(|| NetworkError::BadGraph("this transformer has no head".to_owned()))?;
        let (_, t) = self.norm.jvp(&x, &t, relaxation)?;
        head.linear(&self.pooled(&t, head)?)
    }

    /// Value and tangents behind a block.
    fn block_jvp(
        &self,
        block: &Block,
        x: &Tensor,
        t: &Tensor,
        relaxation: Relaxation,
    ) -> Result<(Tensor, Tensor)> {
        let (y, dy) = block.norm1.jvp(x, t, relaxation)?;
        let (y, dy) = self.attend_jvp(&block.qkv.forward(&y)?, &block.qkv.linear(&dy)?)?;
        let add = |x: &Tensor, y: Tensor, scale: &Tensor| x.add(&y.broadcast_mul(scale)?);
        let x = add(x, block.project.forward(&y)?, &block.scale1)?;
        let t = add(t, block.project.linear(&dy)?, &block.scale1)?;
        let (y, dy) = block.norm2.jvp(&x, &t, relaxation)?;
        let (y, dy) = (block.up.forward(&y)?, block.up.linear(&dy)?);
        let dy = dy.broadcast_mul(&gelu_slope(&y)?)?;
        let y = y.gelu_erf()?;
        let down: &Dense = &block.down;
        Ok((
            add(&x, down.forward(&y)?, &block.scale2)?,
            add(&t, down.linear(&dy)?, &block.scale2)?,
        ))
    }

    fn attend_jvp(&self, qkv: &Tensor, tangents: &Tensor) -> Result<(Tensor, Tensor)> {
        let [q, k, v] = self.split(qkv)?;
        let [dq, dk, dv] = self.split(tangents)?;
        let shares = softmax(&q.matmul(&k.t()?)?)?;
        let scores = dq
            .broadcast_matmul(&k.t()?)?
            .add(&q.broadcast_matmul(&dk.t()?)?)?;
        let weighted = scores.broadcast_mul(&shares)?;
        let mean = weighted.sum_keepdim(D::Minus1)?;
        let d_shares = weighted.sub(&shares.broadcast_mul(&mean)?)?;
        let out = d_shares
            .broadcast_matmul(&v)?
            .add(&shares.broadcast_matmul(&dv)?)?;
        Ok((join(&shares.matmul(&v)?)?, join(&out)?))
    }
}

impl Norm {
    /// Relaxed, the deviation is held constant.
    fn jvp(&self, x: &Tensor, t: &Tensor, relaxation: Relaxation) -> Result<(Tensor, Tensor)> {
        let (normed, deviation) = normalise(x)?;
        let mut change = t.broadcast_sub(&t.mean_keepdim(D::Minus1)?)?;
        if relaxation == Relaxation::Plain {
            let along = change.broadcast_mul(&normed)?.mean_keepdim(D::Minus1)?;
            change = change.sub(&normed.broadcast_mul(&along)?)?;
        }
        let change = change.broadcast_div(&deviation)?;
        let value = normed
            .broadcast_mul(&self.weight)?
            .broadcast_add(&self.bias)?;
        Ok((value, change.broadcast_mul(&self.weight)?))
    }
}

/// Φ(x) + x φ(x).
fn gelu_slope(x: &Tensor) -> Result<Tensor> {
    let cumulative = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? * 0.5)?.affine(1.0, 0.5)?;
    let density = ((x.sqr()? * -0.5)?.exp()?
        * (0.5 * std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2))?;
    Ok((cumulative + (x * density)?)?)
}
