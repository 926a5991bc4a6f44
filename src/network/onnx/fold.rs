//! Constant arithmetic: what exporters leave behind to compute shapes, evaluated while the file is read.
//!
//! Only operators of constants come here. `None` means that this operator is not folded, an `Err` that it cannot
//! be right.

mod elementwise;
mod moments;
mod product;
mod reduce;
mod scatter;
mod shapes;

pub(super) use moments::training;
pub(super) use scatter::tuples;
pub(super) use shapes::{axes_of, flatten_axis, order_of, shape_of, slices, split_sizes, squeezed};

use super::array::{Array, Data, MOST_COMPUTED};
use super::proto::Node;

/// What an operator gave: its outputs, or why it cannot.
pub(super) type Folded = std::result::Result<Option<Vec<Array>>, String>;

/// Evaluates a node whose inputs (`None` = left out) are all constants.
pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>], opset: i64) -> Folded {
    if let Some(found) = elementwise::fold(node, inputs)? {
        return Ok(Some(vec![found]));
    }
    if let Some(found) = product::fold(node, inputs)? {
        return Ok(Some(found));
    }
    if let Some(found) = moments::fold(node, inputs)? {
        return Ok(Some(found));
    }
    if let Some(found) = reduce::fold(node, inputs)? {
        return Ok(Some(found));
    }
    if let Some(found) = scatter::fold(node, inputs)? {
        return Ok(Some(found));
    }
    shapes::fold(node, inputs, opset)
}

/// The number of elements, unless it is absurd.
fn count(dims: &[usize]) -> std::result::Result<usize, String> {
    dims.iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MOST_COMPUTED)
        .ok_or_else(|| format!("a computed constant of the absurd shape {dims:?}"))
}

/// Input `idx`, which must be there.
fn need<'a>(inputs: &[Option<&'a Array>], idx: usize) -> std::result::Result<&'a Array, String> {
    inputs
        .get(idx)
        .copied()
        .flatten()
        .ok_or_else(|| format!("input {idx} is missing"))
}

/// An axis counted from the front.
pub(super) fn axis_of(axis: i64, rank: usize) -> std::result::Result<usize, String> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(at)
        .ok()
        .filter(|&at| at < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor with {rank} axes"))
}

/// The shape that two shapes are repeated to.
fn broadcast_dims(a: &[usize], b: &[usize]) -> std::result::Result<Vec<usize>, String> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], i: usize| {
        let missing = rank - dims.len();
        if i < missing { 1 } else { dims[i - missing] }
    };
    let one = |i: usize| match (at(a, i), at(b, i)) {
        (a, 1) => Ok(a),
        (1, b) => Ok(b),
        (x, y) if x == y => Ok(x),
        _ => Err(format!("{a:?} and {b:?} do not fit")),
    };
    (0..rank).map(one).collect()
}

/// `array` repeated to `dims`, which it must fit.
fn broadcast_to(array: &Array, dims: &[usize]) -> std::result::Result<Array, String> {
    if array.dims == dims {
        return Ok(array.clone());
    }
    if broadcast_dims(&array.dims, dims)? != dims {
        return Err(format!("{:?} cannot be repeated to {dims:?}", array.dims));
    }
    let n = count(dims)?;
    let missing = dims.len() - array.dims.len();
    let mut strides = vec![0; dims.len()];
    let mut step = 1;
    for (idx, &size) in array.dims.iter().enumerate().rev() {
        strides[missing + idx] = if size == 1 { 0 } else { step };
        step *= size;
    }
    let at: Vec<usize> = (0..n).map(|flat| offset(flat, dims, &strides)).collect();
    Ok(array.pick(dims.to_vec(), &at))
}

/// Where the element of flat index `flat` in `dims` lies with these strides.
fn offset(mut flat: usize, dims: &[usize], strides: &[usize]) -> usize {
    let mut at = 0;
    for (&size, &stride) in dims.iter().zip(strides).rev() {
        at += flat % size * stride;
        flat /= size;
    }
    at
}

/// Target sizes of a Reshape for an array of `from`.
pub(super) fn reshape_dims(
    from: &[usize],
    target: &[i64],
    allow_zero: bool,
) -> std::result::Result<Vec<usize>, String> {
    let misfit = || format!("{from:?} cannot be reshaped to {target:?}");
    let n: usize = from.iter().product();
    let mut dims = Vec::with_capacity(target.len());
    let mut open = None;
    for (idx, &size) in target.iter().enumerate() {
        dims.push(match size {
            -1 if open.is_none() => {
                open = Some(idx);
                1
            }
            0 if !allow_zero => *from.get(idx).ok_or_else(misfit)?,
            size => usize::try_from(size).map_err(|_| misfit())?,
        });
    }
    let known = dims
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .ok_or_else(misfit)?;
    if let Some(idx) = open {
        if known == 0 || !n.is_multiple_of(known) {
            return Err(misfit());
        }
        dims[idx] = n / known;
    } else if known != n {
        return Err(misfit());
    }
    Ok(dims)
}

/// Truth values, whatever they are stored as.
fn to_bools(array: &Array) -> Vec<bool> {
    match &array.data {
        Data::Bool(values) => values.clone(),
        Data::Int(values) => values.iter().map(|&value| value != 0).collect(),
        Data::Float(values) => values.iter().map(|&value| value != 0.0).collect(),
    }
}
