//! Constants read and written at positions that other constants name.

use super::super::array::{Array, Data};
use super::super::proto::Node;
use super::{Folded, axis_of, count, need, offset};

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    let one = match node.op {
        "GatherND" => gather_nd(node, need(inputs, 0)?, need(inputs, 1)?)?,
        "ScatterND" => scatter_nd(node, inputs)?,
        "GatherElements" => {
            let (x, indices) = (need(inputs, 0)?, need(inputs, 1)?);
            let at = elements(node, x, indices)?;
            x.pick(indices.dims.clone(), &at)
        }
        "ScatterElements" => {
            let (x, indices) = (need(inputs, 0)?, need(inputs, 1)?);
            let at = elements(node, x, indices)?;
            put(node, x, need(inputs, 2)?, &at)?
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![one]))
}

/// Places of index tuples (the last axis of `indices`) in the first axes of `dims`, those taken as one axis, and how
/// many axes they are.
pub(in super::super) fn tuples(
    dims: &[usize],
    indices: &Array,
) -> std::result::Result<(Vec<usize>, usize), String> {
    let n = indices.dims.last().copied().unwrap_or(0);
    if n == 0 || n > dims.len() {
        return Err(format!("indices of shape {:?} into {dims:?}", indices.dims));
    }
    let place = |tuple: &[i64]| {
        let pairs = tuple.iter().zip(dims);
        pairs
            .map(|(&index, &size)| axis_of(index, size).map(|at| (at, size)))
            .try_fold(0, |place, next| next.map(|(at, size)| place * size + at))
            .map_err(|_| format!("the place {tuple:?} in {dims:?}"))
    };
    let indices = indices.to_ints();
    let places: std::result::Result<Vec<usize>, String> =
        indices.chunks_exact(n).map(place).collect();
    Ok((places?, n))
}

/// The elements of the slices at `places`.
fn slices(dims: &[usize], (places, n): &(Vec<usize>, usize)) -> Vec<usize> {
    let len: usize = dims[*n..].iter().product();
    let slice = |&place: &usize| place * len..(place + 1) * len;
    places.iter().flat_map(slice).collect()
}

fn gather_nd(node: &Node<'_>, x: &Array, indices: &Array) -> std::result::Result<Array, String> {
    if node.int("batch_dims", 0) != 0 {
        return Err("batch_dims of constants are not supported".into());
    }
    let found = tuples(&x.dims, indices)?;
    let dims = [&indices.dims[..indices.dims.len() - 1], &x.dims[found.1..]].concat();
    count(&dims)?;
    Ok(x.pick(dims, &slices(&x.dims, &found)))
}

fn scatter_nd(node: &Node<'_>, inputs: &[Option<&Array>]) -> std::result::Result<Array, String> {
    let (x, indices, updates) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let found = tuples(&x.dims, indices)?;
    put(node, x, updates, &slices(&x.dims, &found))
}

/// Where each element of `indices` points: along one axis, at its own place along the others.
fn elements(
    node: &Node<'_>,
    x: &Array,
    indices: &Array,
) -> std::result::Result<Vec<usize>, String> {
    let axis = axis_of(node.int("axis", 0), x.dims.len())?;
    let fits = indices.dims.len() == x.dims.len();
    let mut pairs = indices.dims.iter().zip(&x.dims).enumerate();
    if !fits || pairs.any(|(at, (few, all))| at != axis && few > all) {
        return Err(format!(
            "indices of shape {:?} into {:?}",
            indices.dims, x.dims
        ));
    }
    let mut strides = vec![1; x.dims.len()];
    for at in (1..strides.len()).rev() {
        strides[at - 1] = strides[at] * x.dims[at];
    }
    let along = std::mem::replace(&mut strides[axis], 0);
    let place = |(flat, index): (usize, i64)| {
        let at = axis_of(index, x.dims[axis])?;
        Ok(offset(flat, &indices.dims, &strides) + at * along)
    };
    indices
        .to_ints()
        .into_iter()
        .enumerate()
        .map(place)
        .collect()
}

/// `x` with `updates` at the elements `at`; of equal places the last counts.
fn put(
    node: &Node<'_>,
    x: &Array,
    updates: &Array,
    at: &[usize],
) -> std::result::Result<Array, String> {
    fn of<T: Copy>(values: &[T], updates: &[T], at: &[usize]) -> Vec<T> {
        let mut values = values.to_vec();
        for (&at, &update) in at.iter().zip(updates) {
            values[at] = update;
        }
        values
    }
    if let Some(reduction) = node.text("reduction").filter(|text| *text != "none") {
        return Err(format!("reduction {reduction} is not supported"));
    }
    if updates.len() != at.len() {
        return Err(format!("{} values for {} places", updates.len(), at.len()));
    }
    let data = match (&x.data, &updates.data) {
        (Data::Float(x), Data::Float(new)) => Data::Float(of(x, new, at)),
        (Data::Int(x), Data::Int(new)) => Data::Int(of(x, new, at)),
        (Data::Bool(x), Data::Bool(new)) => Data::Bool(of(x, new, at)),
        _ => return Err("values of another type".into()),
    };
    Ok(Array::new(x.dims.clone(), data).narrowed(x.narrow))
}
