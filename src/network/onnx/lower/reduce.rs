//! Reductions and softmax.

use super::super::fold::axis_of;
use super::super::import::{Import, Tap, Why};
use super::super::proto::Node;
use super::{Inputs, constant_input, tap};
use crate::network::Op;
use crate::network::ops::{Reduce, Reduction, Softmax, Unary};

pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Tap>> {
    let x = || tap(inputs, 0);
    Ok(Some(match node.op {
        "ReduceMean" => reduce(import, node, inputs, &x()?, Reduction::Mean)?,
        "ReduceSum" => reduce(import, node, inputs, &x()?, Reduction::Sum)?,
        "ReduceMax" => reduce(import, node, inputs, &x()?, Reduction::Max)?,
        "ReduceMin" => {
            let negative = import.led(Op::Unary(Unary::Neg), &x()?)?;
            let most = reduce(import, node, inputs, &negative, Reduction::Max)?;
            import.led(Op::Unary(Unary::Neg), &most)?
        }
        "ReduceL2" | "ReduceSumSquare" => {
            let square = import.led(Op::Unary(Unary::Pow(2.0)), &x()?)?;
            let sum = reduce(import, node, inputs, &square, Reduction::Sum)?;
            if node.op == "ReduceL2" {
                import.led(Op::Unary(Unary::Sqrt), &sum)?
            } else {
                sum
            }
        }
        "Softmax" | "LogSoftmax" => softmax(import, node, &x()?)?,
        _ => return Ok(None),
    }))
}

fn reduce(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
    x: &Tap,
    reduction: Reduction,
) -> Why<Tap> {
    let input = constant_input(inputs, 1)?;
    let axes = super::super::fold::axes_of(node, input.as_deref()).unwrap_or_default();
    let axes: Vec<i64> = match axes.as_slice() {
        [] if node.int("noop_with_empty_axes", 0) == 1 => return Ok(x.clone()),
        [] => (0..x.rank() as i64).collect(),
        _ => axes,
    };
    let mut ours = Vec::new();
    for &axis in &axes {
        ours.push(Import::axis(x, axis)?);
    }
    ours.sort_unstable();
    ours.dedup();
    let op = Reduce {
        reduction,
        axes: ours,
        keep: node.int("keepdims", 1) == 1,
    };
    let y = import.led(Op::Reduce(op), x)?;
    import.settle(y)
}

fn softmax(import: &mut Import<'_>, node: &Node<'_>, x: &Tap) -> Why<Tap> {
    let log = node.op == "LogSoftmax";
    if import.opset >= 13 {
        let axis = Import::axis(x, node.int("axis", -1))?;
        return import.led(Op::Softmax(Softmax { axis, log }), x);
    }
    // Older operator sets take all axes from the given one on as one.
    let at = axis_of(node.int("axis", 1), x.rank())?;
    let first = Import::axis(x, at as i64)?;
    if x.dims[at + 1..].iter().all(|&size| size == 1) {
        return import.led(Op::Softmax(Softmax { axis: first, log }), x);
    }
    let mut flat = x.dims[..at].to_vec();
    flat.push(x.dims[at..].iter().product());
    let y = import.reshape(x, &flat)?;
    let y = import.led(Op::Softmax(Softmax { axis: first, log }), &y)?;
    import.reshape(&y, &x.dims)
}
