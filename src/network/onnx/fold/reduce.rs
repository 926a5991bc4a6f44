//! Constants summed along axes: whole, or up to each element.
//!
//! Where whole numbers leave their type, running sums wrap and other sums stay at its end, as onnxruntime lets them.

use super::super::array::{Array, Data};
use super::super::proto::Node;
use super::{Folded, axes_of, axis_of, count, need, offset};

type One = std::result::Result<Array, String>;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    Ok(Some(vec![match node.op {
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceMean" | "ReduceL1"
        | "ReduceL2" | "ReduceSumSquare" => reduce(node, inputs)?,
        "CumSum" => cumulated(node, need(inputs, 0)?, need(inputs, 1)?)?,
        _ => return Ok(None),
    }]))
}

/// Sums along an axis up to each element.
fn cumulated(node: &Node<'_>, x: &Array, axis: &Array) -> One {
    let axis = match (axis.to_ints().as_slice(), &axis.data) {
        (&[one], Data::Int(_)) if axis.dims.len() <= 1 => axis_of(one, x.dims.len())?,
        _ => {
            return Err(format!(
                "its axis has shape {:?}; it must be one whole number",
                axis.dims
            ));
        }
    };
    let flag = |name: &str| match node.int(name, 0) {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("{name} {other}; ONNX has 0 and 1")),
    };
    let order = (flag("reverse")?, flag("exclusive")?);
    let sizes = (x.dims[axis], x.dims[axis + 1..].iter().product::<usize>());
    let dims = x.dims.clone();
    match &x.data {
        Data::Float(values) => {
            let values: Vec<f64> = values.iter().map(|&value| value.into()).collect();
            let sums = summed(&values, sizes, order, |a, b| a + b);
            Ok(Array::floats(
                dims,
                sums.into_iter().map(|sum| sum as f32).collect(),
            ))
        }
        Data::Int(values) => {
            let sums = summed(values, sizes, order, i64::wrapping_add);
            Ok(Array::new(dims, Data::Int(sums)).narrowed(x.narrow))
        }
        Data::Bool(_) => Err("of truth values, which have no sum; cast them first".into()),
    }
}

/// Running sums along an axis of `n` elements that are `step` apart.
fn summed<T: Copy + Default>(
    values: &[T],
    (n, step): (usize, usize),
    (reverse, exclusive): (bool, bool),
    plus: impl Fn(T, T) -> T,
) -> Vec<T> {
    let mut out = vec![T::default(); values.len()];
    for start in (0..values.len()).filter(|flat| n > 0 && flat / step % n == 0) {
        let mut sum = T::default();
        for k in 0..n {
            let at = start + step * if reverse { n - 1 - k } else { k };
            let before = sum;
            sum = plus(sum, values[at]);
            out[at] = if exclusive { before } else { sum };
        }
    }
    out
}

fn reduce(node: &Node<'_>, inputs: &[Option<&Array>]) -> One {
    let x = need(inputs, 0)?;
    let rank = x.dims.len();
    let axes = match axes_of(node, inputs.get(1).copied().flatten()) {
        Some(axes) if !axes.is_empty() => axes
            .iter()
            .map(|&axis| axis_of(axis, rank))
            .collect::<std::result::Result<Vec<_>, _>>()?,
        _ if node.int("noop_with_empty_axes", 0) == 1 => return Ok(x.clone()),
        _ => (0..rank).collect(),
    };
    let keep = node.int("keepdims", 1) == 1;
    let mut kept = x.dims.clone();
    for &axis in &axes {
        kept[axis] = 1;
    }
    let n = count(&kept)?;
    let mut strides = vec![0; rank];
    let mut step = 1;
    for axis in (0..rank).rev() {
        strides[axis] = if kept[axis] == 1 { 0 } else { step };
        step *= kept[axis];
    }
    let place = |flat: usize| offset(flat, &x.dims, &strides);
    let data = match &x.data {
        Data::Int(values) if matches!(node.op, "ReduceMax" | "ReduceMin") => {
            let of = |group: &Vec<i64>| {
                let found = match node.op {
                    "ReduceMax" => group.iter().max(),
                    _ => group.iter().min(),
                };
                found.copied().unwrap_or(0)
            };
            Data::Int(grouped(values, n, place).iter().map(of).collect())
        }
        data => {
            // Whole numbers too are summed in double precision, as onnxruntime does it.
            let values: Vec<f64> = match data {
                Data::Int(values) => values.iter().map(|&value| value as f64).collect(),
                _ => x.to_floats().into_iter().map(f64::from).collect(),
            };
            let found = grouped(&values, n, place);
            let found = found.iter().map(|group| of_floats(node.op, group));
            match data {
                Data::Int(_) if x.narrow => {
                    Data::Int(found.map(|value| i64::from(value as i32)).collect())
                }
                Data::Int(_) => Data::Int(found.map(|value| value as i64).collect()),
                _ => Data::Float(found.map(|value| value as f32).collect()),
            }
        }
    };
    let gone = |at: &usize| keep || !axes.contains(at);
    let dims = (0..rank).filter(gone).map(|at| kept[at]).collect();
    Ok(Array::new(dims, data).narrowed(x.narrow))
}

/// The elements that go into each of `n` results.
fn grouped<T: Copy>(values: &[T], n: usize, place: impl Fn(usize) -> usize) -> Vec<Vec<T>> {
    let mut groups = vec![Vec::new(); n];
    for (flat, &value) in values.iter().enumerate() {
        groups[place(flat)].push(value);
    }
    groups
}

fn of_floats(op: &str, group: &[f64]) -> f64 {
    let values = group.iter().copied();
    match op {
        "ReduceProd" => values.product(),
        "ReduceMax" => values.fold(f64::NEG_INFINITY, f64::max),
        "ReduceMin" => values.fold(f64::INFINITY, f64::min),
        "ReduceMean" => values.sum::<f64>() / group.len() as f64,
        "ReduceL1" => values.map(f64::abs).sum(),
        "ReduceL2" => values.map(|value| value * value).sum::<f64>().sqrt(),
        "ReduceSumSquare" => values.map(|value| value * value).sum(),
        _ => values.sum(),
    }
}
