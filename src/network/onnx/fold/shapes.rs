//! Constants moved, counted, joined and cut.

use super::super::array::{Array, Data};
use super::super::proto::Node;
use super::{Folded, axis_of, broadcast_dims, broadcast_to, count, need, offset, reshape_dims};
use crate::network::ops::{Part, Slice};

type One = std::result::Result<Array, String>;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>], opset: i64) -> Folded {
    let x = || need(inputs, 0);
    let one = match node.op {
        "Identity" | "Dropout" => x()?.clone(),
        "Shape" => shape_of(node, &x()?.dims),
        "Size" => Array::new(Vec::new(), Data::Int(vec![x()?.len() as i64])),
        "Gather" => gather(node, x()?, need(inputs, 1)?)?,
        "Concat" => concat(node, inputs)?,
        "Reshape" => {
            let target = need(inputs, 1)?.to_ints();
            let dims = reshape_dims(&x()?.dims, &target, node.int("allowzero", 0) == 1)?;
            x()?.reshaped(dims)
        }
        "Flatten" => {
            let x = x()?;
            let at = flatten_axis(node, x.dims.len())?;
            let dims = vec![x.dims[..at].iter().product(), x.dims[at..].iter().product()];
            x.reshaped(dims)
        }
        "Squeeze" | "Unsqueeze" => {
            let axes = axes_of(node, inputs.get(1).copied().flatten());
            let dims = squeezed(node.op, &x()?.dims, axes.as_deref())?;
            x()?.reshaped(dims)
        }
        "Transpose" => transpose(node, x()?)?,
        "Slice" => slice(node, inputs, opset)?,
        "Expand" => {
            let target = sizes(need(inputs, 1)?)?;
            let dims = broadcast_dims(&x()?.dims, &target)?;
            broadcast_to(x()?, &dims)?
        }
        "Tile" => tile(x()?, &sizes(need(inputs, 1)?)?)?,
        "Range" => range(inputs)?,
        "ConstantOfShape" => constant_of_shape(node, x()?)?,
        "Split" => return split(node, inputs).map(Some),
        "NonZero" => non_zero(x()?),
        _ => return Ok(None),
    };
    Ok(Some(vec![one]))
}

/// What Shape gives for a tensor of `dims`.
pub(in super::super) fn shape_of(node: &Node<'_>, dims: &[usize]) -> Array {
    let rank = dims.len() as i64;
    let at = |name: &str, default: i64| {
        let at = node.int(name, default);
        (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize
    };
    let (start, end) = (at("start", 0), at("end", rank));
    let kept = dims.get(start..end).unwrap_or_default();
    Array::ints(kept.iter().map(|&d| d as i64).collect())
}

/// The axes of a Squeeze, Unsqueeze or reduction: an attribute, or since later operator sets an input.
pub(in super::super) fn axes_of(node: &Node<'_>, input: Option<&Array>) -> Option<Vec<i64>> {
    input
        .map(Array::to_ints)
        .or_else(|| node.ints("axes").map(<[i64]>::to_vec))
}

/// The first axis of Flatten's second half.
pub(in super::super) fn flatten_axis(
    node: &Node<'_>,
    rank: usize,
) -> std::result::Result<usize, String> {
    match node.int("axis", 1) {
        at if at == rank as i64 => Ok(rank),
        at => axis_of(at, rank),
    }
}

/// Sizes after a Squeeze or Unsqueeze.
pub(in super::super) fn squeezed(
    op: &str,
    dims: &[usize],
    axes: Option<&[i64]>,
) -> std::result::Result<Vec<usize>, String> {
    if op == "Squeeze" {
        // An empty list says as little as none.
        let Some(axes) = axes.filter(|axes| !axes.is_empty()) else {
            return Ok(dims.iter().copied().filter(|&size| size != 1).collect());
        };
        let mut gone = Vec::new();
        for &axis in axes {
            let at = axis_of(axis, dims.len())?;
            if dims[at] != 1 {
                return Err(format!("axis {axis} of {dims:?} cannot be squeezed"));
            }
            gone.push(at);
        }
        let kept = (0..dims.len()).filter(|at| !gone.contains(at));
        return Ok(kept.map(|at| dims[at]).collect());
    }
    let axes = axes.ok_or("it has no axes")?;
    let rank = dims.len() + axes.len();
    let mut new = Vec::new();
    for &axis in axes {
        new.push(axis_of(axis, rank)?);
    }
    new.sort_unstable();
    let mut out = dims.to_vec();
    for at in new {
        out.insert(at.min(out.len()), 1);
    }
    Ok(out)
}

/// Non-negative sizes.
fn sizes(array: &Array) -> std::result::Result<Vec<usize>, String> {
    let sizes = array.to_ints();
    let each = sizes.iter().map(|&size| usize::try_from(size));
    each.collect::<std::result::Result<_, _>>()
        .map_err(|_| format!("sizes {sizes:?}"))
}

fn gather(node: &Node<'_>, x: &Array, indices: &Array) -> One {
    let axis = axis_of(node.int("axis", 0), x.dims.len())?;
    let size = x.dims[axis];
    let mut picked = Vec::with_capacity(indices.len());
    for index in indices.to_ints() {
        picked.push(axis_of(index, size).map_err(|_| format!("index {index} of {size}"))?);
    }
    let taken = take(x, axis, &picked)?;
    let dims = [&x.dims[..axis], &indices.dims, &x.dims[axis + 1..]].concat();
    Ok(taken.reshaped(dims))
}

/// Elements `at` along an axis.
fn take(x: &Array, axis: usize, at: &[usize]) -> One {
    let mut dims = x.dims.clone();
    dims[axis] = at.len();
    count(&dims)?;
    let inner: usize = x.dims[axis + 1..].iter().product();
    let outer: usize = x.dims[..axis].iter().product();
    let mut picked = Vec::with_capacity(outer * at.len() * inner);
    for block in 0..outer {
        for &element in at {
            let start = (block * x.dims[axis] + element) * inner;
            picked.extend(start..start + inner);
        }
    }
    Ok(x.pick(dims, &picked))
}

fn concat(node: &Node<'_>, inputs: &[Option<&Array>]) -> One {
    let parts: Vec<&Array> = inputs.iter().copied().flatten().collect();
    let first = *parts.first().ok_or("it joins nothing")?;
    let axis = axis_of(node.int("axis", 0), first.dims.len())?;
    let mut dims = first.dims.clone();
    dims[axis] = 0;
    for part in &parts {
        let rest = |dims: &[usize]| [&dims[..axis], &dims[axis + 1..]].concat();
        if part.dims.len() != dims.len() || rest(&part.dims) != rest(&dims) {
            return Err(format!("it joins {:?} and {:?}", first.dims, part.dims));
        }
        dims[axis] += part.dims[axis];
    }
    count(&dims)?;
    let outer: usize = dims[..axis].iter().product();
    let all_ints = parts.iter().all(|part| matches!(part.data, Data::Int(_)));
    let data = if all_ints {
        let parts: Vec<Vec<i64>> = parts.iter().map(|part| part.to_ints()).collect();
        Data::Int(rows(&parts, outer))
    } else {
        let parts: Vec<Vec<f32>> = parts.iter().map(|part| part.to_floats()).collect();
        Data::Float(rows(&parts, outer))
    };
    let narrow = parts.iter().all(|part| part.narrow);
    Ok(Array::new(dims, data).narrowed(narrow))
}

/// Row `i` of every part, for every i below `outer`.
fn rows<T: Copy>(parts: &[Vec<T>], outer: usize) -> Vec<T> {
    let row = |idx: usize| {
        parts.iter().flat_map(move |part| {
            let n = part.len() / outer;
            part[idx * n..(idx + 1) * n].iter().copied()
        })
    };
    (0..outer).flat_map(row).collect()
}

fn transpose(node: &Node<'_>, x: &Array) -> One {
    let rank = x.dims.len();
    let order = order_of(node, rank)?;
    let mut strides = vec![1; rank];
    for axis in (1..rank).rev() {
        strides[axis - 1] = strides[axis] * x.dims[axis];
    }
    let dims: Vec<usize> = order.iter().map(|&axis| x.dims[axis]).collect();
    let strides: Vec<usize> = order.iter().map(|&axis| strides[axis]).collect();
    let at: Vec<usize> = (0..x.len()).map(|i| offset(i, &dims, &strides)).collect();
    Ok(x.pick(dims, &at))
}

/// A Transpose's order of axes; reversed where it names none.
pub(in super::super) fn order_of(
    node: &Node<'_>,
    rank: usize,
) -> std::result::Result<Vec<usize>, String> {
    let Some(order) = node.ints("perm").filter(|order| !order.is_empty()) else {
        return Ok((0..rank).rev().collect());
    };
    let mut sorted = order.to_vec();
    sorted.sort_unstable();
    if sorted != (0..rank as i64).collect::<Vec<_>>() {
        return Err(format!("the order {order:?} of {rank} axes"));
    }
    Ok(order.iter().map(|&axis| axis as usize).collect())
}

/// One part per sliced axis: axis and range.
pub(in super::super) fn slices(
    node: &Node<'_>,
    inputs: &[Option<&Array>],
    rank: usize,
    opset: i64,
) -> std::result::Result<Vec<(usize, Part)>, String> {
    let list = |idx: usize, name: &str| {
        let input = inputs.get(idx).copied().flatten();
        match input {
            Some(input) => Some(input.to_ints()),
            None if opset < 10 => node.ints(name).map(<[i64]>::to_vec),
            None => None,
        }
    };
    let starts = list(1, "starts").ok_or("it has no starts")?;
    let ends = list(2, "ends").ok_or("it has no ends")?;
    let axes = list(3, "axes").unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps").unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err("as many starts, ends, axes and steps are needed".into());
    }
    let mut found = Vec::new();
    for (idx, &axis) in axes.iter().enumerate() {
        let part = Part::Range {
            start: starts[idx],
            end: ends[idx],
            step: steps[idx],
        };
        found.push((axis_of(axis, rank)?, part));
    }
    Ok(found)
}

fn slice(node: &Node<'_>, inputs: &[Option<&Array>], opset: i64) -> One {
    let mut x = need(inputs, 0)?.clone();
    for (axis, part) in slices(node, inputs, x.dims.len(), opset)? {
        let size = x.dims[axis];
        let slice = Slice { axis, part };
        let at = slice.elements(size).ok_or("a step of 0")?;
        x = take(&x, axis, &at)?;
    }
    Ok(x)
}

fn tile(x: &Array, repeats: &[usize]) -> One {
    if repeats.len() != x.dims.len() {
        return Err(format!("{repeats:?} repeats of {:?}", x.dims));
    }
    let mut x = x.clone();
    for (axis, &n) in repeats.iter().enumerate() {
        let mut dims = x.dims.clone();
        dims[axis] = dims[axis].checked_mul(n).ok_or("absurd repeats")?;
        count(&dims)?;
        let at: Vec<usize> = (0..n).flat_map(|_| 0..x.dims[axis]).collect();
        x = take(&x, axis, &at)?;
    }
    Ok(x)
}

fn range(inputs: &[Option<&Array>]) -> One {
    let (start, limit, step) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let scalar = |x: &Array| x.scalar().ok_or("its ends must be single numbers");
    let (from, to, by) = (scalar(start)?, scalar(limit)?, scalar(step)?);
    let n = ((f64::from(to) - f64::from(from)) / f64::from(by)).ceil();
    if !n.is_finite() {
        return Err("a range without an end".into());
    }
    let n = count(&[n.max(0.0) as usize])?;
    if let (Data::Int(from), Data::Int(by)) = (&start.data, &step.data) {
        let (from, by) = (from[0], by[0]);
        let value = |i: i64| from.wrapping_add(by.wrapping_mul(i));
        return Ok(Array::ints((0..n as i64).map(value).collect()).narrowed(start.narrow));
    }
    let values = (0..n).map(|i| from + by * i as f32).collect();
    Ok(Array::floats(vec![n], values))
}

fn constant_of_shape(node: &Node<'_>, shape: &Array) -> One {
    let dims = sizes(shape)?;
    let n = count(&dims)?;
    let tensor = node
        .attribute("value")
        .and_then(|found| found.tensor.as_ref());
    let outside = |_: &str, _, _| Err(std::io::Error::other("an attribute outside of the file"));
    let value = match tensor {
        None => Array::floats(vec![1], vec![0.0]),
        Some(tensor) => Array::read(tensor, &outside).map_err(|error| error.to_string())?,
    };
    if value.len() != 1 {
        return Err("its value must be a single number".into());
    }
    Ok(value.pick(dims, &vec![0; n]))
}

/// Where the parts of a Split of an axis of `size` end.
pub(in super::super) fn split_sizes(
    node: &Node<'_>,
    input: Option<&Array>,
    size: usize,
) -> std::result::Result<Vec<usize>, String> {
    let given = input
        .map(Array::to_ints)
        .or_else(|| node.ints("split").map(<[i64]>::to_vec));
    let sizes: Vec<usize> = if let Some(given) = given {
        let parts = given.iter().map(|&part| usize::try_from(part));
        parts
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| format!("parts {given:?}"))?
    } else {
        let n = node.outputs.len();
        let n = usize::try_from(node.int("num_outputs", n as i64)).unwrap_or(n);
        if n == 0 || n > size {
            return Err(format!("{n} parts of {size}"));
        }
        let each = size.div_ceil(n);
        (0..n)
            .map(|i| each.min(size.saturating_sub(i * each)))
            .collect()
    };
    let sum = sizes
        .iter()
        .try_fold(0usize, |sum, &part| sum.checked_add(part));
    if sum != Some(size) || sizes.len() < node.outputs.len() {
        return Err(format!("parts {sizes:?} of {size}"));
    }
    Ok(sizes)
}

fn split(node: &Node<'_>, inputs: &[Option<&Array>]) -> std::result::Result<Vec<Array>, String> {
    let x = need(inputs, 0)?;
    let axis = axis_of(node.int("axis", 0), x.dims.len())?;
    let mut start = 0;
    let mut parts = Vec::new();
    for size in split_sizes(node, inputs.get(1).copied().flatten(), x.dims[axis])? {
        parts.push(take(x, axis, &(start..start + size).collect::<Vec<_>>())?);
        start += size;
    }
    Ok(parts)
}

/// Indices of what is not 0: one row per axis.
fn non_zero(x: &Array) -> Array {
    let found: Vec<usize> = x
        .to_floats()
        .iter()
        .enumerate()
        .filter(|&(_, &value)| value != 0.0)
        .map(|(idx, _)| idx)
        .collect();
    let mut rows = Vec::new();
    let mut inner = x.len();
    for &size in &x.dims {
        inner /= size.max(1);
        rows.extend(
            found
                .iter()
                .map(|&flat| (flat / inner.max(1) % size) as i64),
        );
    }
    Array::new(vec![x.dims.len(), found.len()], Data::Int(rows))
}
