//! The rules of each operator, looked up: forward, vjp and jvp of one node from its inputs.

use super::ops::{Reduction, concat, global_avg_pool, matmul, relu};
use super::{NetworkError, Op, Result};
use crate::atlas::Relaxation;
use candle_core::Tensor;

/// The value of one node from its inputs'.
pub(super) fn apply(op: &Op, inputs: &[&Tensor]) -> Result<Tensor> {
    match (op, inputs) {
        (Op::Concat, parts) => concat::forward(parts),
        (Op::Conv(conv), [x]) => conv.forward(x),
        (Op::Relu, [x]) => relu::forward(x),
        (Op::Unary(unary), [x]) => unary.forward(x),
        (Op::PRelu(prelu), [x]) => prelu.forward(x),
        (Op::Affine(affine), [x]) => affine.forward(x),
        (Op::Binary(binary), [a, b]) => binary.forward(a, b),
        (Op::WithConstant(constant), [x]) => constant.forward(x),
        (Op::MaxPool(pool), [x]) => pool.forward(x),
        (Op::AvgPool(pool), [x]) => pool.forward(x),
        (Op::GlobalAvgPool, [x]) => global_avg_pool::forward(x),
        (Op::Reduce(reduce), [x]) => reduce.forward(x),
        (Op::Lrn(lrn), [x]) => lrn.forward(x),
        (Op::LayerNorm(norm), [x]) => norm.forward(x),
        (Op::Softmax(softmax), [x]) => softmax.forward(x),
        (Op::Linear(linear), [x]) => linear.forward(x),
        (Op::MatMul, [a, b]) => matmul::forward(a, b),
        (Op::Pad(pad), [x]) => pad.forward(x),
        (op, [x]) => moved(op, x),
        (op, inputs) => Err(NetworkError::BadGraph(format!(
            "{op:?} of {} inputs",
            inputs.len()
        ))),
    }
}

/// The operators that only move values, and tangents alike: what padding adds has none.
fn moved(op: &Op, t: &Tensor) -> Result<Tensor> {
    match op {
        Op::Reshape(reshape) => reshape.forward(t),
        Op::Transpose(order) => Ok(t.permute(order.as_slice())?.contiguous()?),
        Op::Slice(slice) => slice.forward(t),
        Op::Pad(pad) => pad.jvp(t),
        Op::Expand(expand) => expand.forward(t),
        Op::Resize(resize) => resize.forward(t),
        op => Err(NetworkError::BadGraph(format!("{op:?} cannot be computed"))),
    }
}

/// What an operator's vjp needs to know from the way forward.
pub(super) enum Saved {
    /// Its output's value.
    Output(Tensor),
    /// Its inputs' values.
    Inputs(Vec<Tensor>),
    /// Its inputs' shapes.
    Shapes(Vec<Vec<usize>>),
}

impl Saved {
    /// No more than what [`pull`] reads.
    pub(super) fn of(op: &Op, inputs: &[&Tensor], output: &Tensor) -> Self {
        match op {
            Op::Relu | Op::Softmax(_) => Saved::Output(output.clone()),
            op if is_linear(op) => {
                Saved::Shapes(inputs.iter().map(|input| input.dims().to_vec()).collect())
            }
            _ => Saved::Inputs(inputs.iter().map(|&input| input.clone()).collect()),
        }
    }
}

/// True for operators whose derivative is the same everywhere.
fn is_linear(op: &Op) -> bool {
    match op {
        Op::Relu
        | Op::Unary(_)
        | Op::PRelu(_)
        | Op::WithConstant(_)
        | Op::MaxPool(_)
        | Op::Lrn(_)
        | Op::LayerNorm(_)
        | Op::Softmax(_)
        | Op::MatMul
        | Op::Opaque(_) => false,
        Op::Binary(binary) => binary.is_linear(),
        Op::Reduce(reduce) => reduce.reduction != Reduction::Max,
        Op::Input
        | Op::Conv(_)
        | Op::Affine(_)
        | Op::AvgPool(_)
        | Op::GlobalAvgPool
        | Op::Concat
        | Op::Linear(_)
        | Op::Reshape(_)
        | Op::Transpose(_)
        | Op::Slice(_)
        | Op::Pad(_)
        | Op::Expand(_)
        | Op::Resize(_) => true,
    }
}

/// Gradients to the inputs of one node.
pub(super) fn pull(op: &Op, saved: &Saved, cotangent: &Tensor) -> Result<Vec<Tensor>> {
    let one = match (op, saved) {
        (Op::Relu, Saved::Output(y)) => relu::vjp(y, cotangent),
        (Op::Softmax(softmax), Saved::Output(y)) => softmax.vjp(y, cotangent),
        (op, Saved::Shapes(shapes)) => match (op, shapes.as_slice()) {
            (Op::Concat, shapes) => {
                let depths: Vec<usize> = shapes.iter().map(|shape| shape[1]).collect();
                return concat::vjp(&depths, cotangent);
            }
            (Op::Binary(binary), [a, b]) => {
                return Ok(binary.vjp_linear([a, b], cotangent)?.into());
            }
            (op, [shape]) => pull_linear(op, shape, cotangent),
            (op, _) => Err(NetworkError::BadGraph(format!("{op:?} has no vjp"))),
        },
        (op, Saved::Inputs(inputs)) => match (op, inputs.as_slice()) {
            (Op::Binary(binary), [a, b]) => return Ok(binary.vjp(a, b, cotangent)?.into()),
            (Op::MatMul, [a, b]) => return Ok(matmul::vjp(a, b, cotangent)?.into()),
            (Op::Unary(unary), [x]) => unary.vjp(x, cotangent),
            (Op::PRelu(prelu), [x]) => prelu.vjp(x, cotangent),
            (Op::WithConstant(constant), [x]) => constant.vjp(x, cotangent),
            (Op::MaxPool(pool), [x]) => pool.vjp(x, cotangent),
            (Op::Reduce(reduce), [x]) => reduce.vjp(x, cotangent),
            (Op::Lrn(lrn), [x]) => lrn.vjp(x, cotangent),
            (Op::LayerNorm(norm), [x]) => norm.vjp(x, cotangent),
            (op, _) => Err(NetworkError::BadGraph(format!("{op:?} has no vjp"))),
        },
        (op, _) => Err(NetworkError::BadGraph(format!("{op:?} has no vjp"))),
    };
    Ok(vec![one?])
}

/// Gradient to the one input, whose shape is given.
fn pull_linear(op: &Op, shape: &[usize], cotangent: &Tensor) -> Result<Tensor> {
    let map = || (shape[2], shape[3]);
    match op {
        Op::Conv(conv) => conv.vjp(map(), cotangent),
        Op::Affine(affine) => affine.jvp(cotangent),
        Op::AvgPool(pool) => pool.vjp(map(), cotangent),
        Op::GlobalAvgPool => global_avg_pool::vjp(map(), cotangent),
        Op::Reduce(reduce) => reduce.vjp_linear(shape, cotangent),
        Op::Linear(linear) => linear.vjp(cotangent),
        Op::Reshape(_) => Ok(cotangent.reshape(shape)?),
        Op::Transpose(order) => {
            let mut back = vec![0; order.len()];
            for (to, &from) in order.iter().enumerate() {
                back[from] = to;
            }
            Ok(cotangent.permute(back)?.contiguous()?)
        }
        Op::Slice(slice) => slice.vjp(shape, cotangent),
        Op::Pad(pad) => pad.vjp(cotangent),
        Op::Expand(_) => super::ops::tensor::sum_to(cotangent, shape),
        Op::Resize(resize) => resize.vjp(map(), cotangent),
        op => Err(NetworkError::BadGraph(format!("{op:?} has no vjp"))),
    }
}

/// True for operators whose jvp depends on where they are linearised.
pub(super) fn needs_primal(op: &Op, relaxation: Relaxation) -> bool {
    match op {
        Op::MaxPool(_) => relaxation == Relaxation::Plain,
        op => !is_linear(op),
    }
}

/// Tangent of one node's output; `primals` are its inputs' values, at hand where [`needs_primal`].
pub(super) fn push(
    op: &Op,
    primals: &[Option<&Tensor>],
    tangents: &[&Tensor],
    relaxation: Relaxation,
) -> Result<Tensor> {
    match (op, tangents, primals) {
        (Op::Concat, parts, _) => concat::forward(parts),
        (Op::Conv(conv), [t], _) => conv.jvp(t),
        (Op::Affine(affine), [t], _) => affine.jvp(t),
        (Op::AvgPool(pool), [t], _) => pool.forward(t),
        (Op::GlobalAvgPool, [t], _) => global_avg_pool::forward(t),
        (Op::Linear(linear), [t], _) => linear.jvp(t),
        (Op::Reduce(reduce), [t], [primal]) => reduce.jvp(*primal, t),
        // The relaxed pool looks at the tangent alone.
        (Op::MaxPool(pool), [t], [primal]) => pool.jvp(primal.unwrap_or(t), t, relaxation),
        (Op::Binary(binary), [s, t], _) if binary.is_linear() => binary.jvp_linear([s, t]),
        (Op::Binary(binary), [s, t], [Some(a), Some(b)]) => binary.jvp((a, b), [s, t]),
        (Op::MatMul, [s, t], [Some(a), Some(b)]) => matmul::jvp((a, b), [s, t]),
        (Op::Relu, [t], [Some(x)]) => relu::jvp(x, t),
        (Op::Unary(unary), [t], [Some(x)]) => unary.jvp(x, t),
        (Op::PRelu(prelu), [t], [Some(x)]) => prelu.jvp(x, t),
        (Op::WithConstant(constant), [t], [Some(x)]) => constant.jvp(x, t),
        (Op::Lrn(lrn), [t], [Some(x)]) => lrn.jvp(x, t),
        (Op::LayerNorm(norm), [t], [Some(x)]) => norm.jvp(x, t, relaxation),
        (Op::Softmax(softmax), [t], [Some(x)]) => softmax.jvp(x, t),
        (op, [t], _) => moved(op, t),
        (op, ..) => Err(NetworkError::BadGraph(format!("{op:?} has no jvp here"))),
    }
}
