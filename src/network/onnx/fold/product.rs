//! Products of constants: position biases that a file computes from a table each time.

use super::super::array::Array;
use super::super::import::text;
use super::super::proto::Node;
use super::super::windows::{Kernel, padding};
use super::{Folded, broadcast_dims, broadcast_to, count, need};
use crate::network::{Extent, Op};
use candle_core::{Device, Tensor};

/// Multiplications that are done for one constant at most.
const MOST_WORK: usize = 1 << 30;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    match node.op {
        "MatMul" => matrices(need(inputs, 0)?, need(inputs, 1)?),
        "Conv" => convolved(node, inputs),
        _ => Ok(None),
    }
}

/// A convolution: positions that are encoded by a layer of their own, kernels that a file composes.
fn convolved(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    let (x, weight) = (need(inputs, 0)?, need(inputs, 1)?);
    let bias = inputs.get(2).copied().flatten();
    let (n, channels, rows, cols) = match *x.dims.as_slice() {
        [n, channels, cols] => (n, channels, 1, cols),
        [n, channels, rows, cols] => (n, channels, rows, cols),
        _ => return Err(format!("of {:?}; only maps are supported", x.dims)),
    };
    let kernel = Kernel::read(node, (weight, bias), &x.dims[2..])?;
    let tensor = |values: Vec<f32>, dims: &[usize]| {
        Tensor::from_vec(values, dims, &Device::Cpu).map_err(text)
    };
    let numbers = (weight.to_floats(), bias.map(Array::to_floats));
    let op = Op::Conv(kernel.conv([0; 4], tensor, numbers)?);
    let pad = padding(kernel.pads, 0.0);
    // What comes out is known, and not too much, before anything is computed.
    let from = Extent::map(channels, (rows, cols));
    let grown = Op::Pad(pad.clone()).extent(&[from])?;
    let to = op.extent(&[grown])?;
    let dims = [&[n], to.dims.as_slice()].concat();
    let (n_out, per_output) = (count(&dims)?, weight.len() / weight.dims[0]);
    if n == 0
        || n_out
            .checked_mul(per_output)
            .is_none_or(|work| work > MOST_WORK)
    {
        return Err(format!(
            "a computed convolution of {:?} that gives {dims:?}",
            x.dims
        ));
    }
    let Op::Conv(conv) = op else { return Ok(None) };
    let map = tensor(x.to_floats(), &[n, channels, rows, cols])?;
    let y = pad.forward(&map).and_then(|map| conv.forward(&map));
    let y = y
        .and_then(|y| Ok(y.flatten_all()?.to_vec1()?))
        .map_err(text)?;
    let dims = match x.dims.len() {
        3 => vec![n, to.dims[0], to.dims[2]],
        _ => dims,
    };
    Ok(Some(vec![Array::floats(dims, y)]))
}

/// A product as NumPy makes it: vectors are rows in front and columns behind, stacks are repeated to each other.
fn matrices(a: &Array, b: &Array) -> Folded {
    let misfit = || format!("{:?} times {:?}", a.dims, b.dims);
    let (mut left, mut right) = (a.dims.clone(), b.dims.clone());
    let (row, column) = (left.len() == 1, right.len() == 1);
    if row {
        left.insert(0, 1);
    }
    if column {
        right.push(1);
    }
    let ([leading @ .., rows, inner], [b_leading @ .., b_inner, cols]) =
        (left.as_slice(), right.as_slice())
    else {
        return Err(misfit());
    };
    let (rows, inner, cols) = (*rows, *inner, *cols);
    if inner != *b_inner {
        return Err(misfit());
    }
    let stack = broadcast_dims(leading, b_leading).map_err(|_| misfit())?;
    let wide = |array: &Array, own: &[usize]| {
        let dims = [stack.as_slice(), &own[own.len() - 2..]].concat();
        count(&dims)?;
        Ok::<_, String>(broadcast_to(&array.reshaped(own.to_vec()), &dims)?.to_floats())
    };
    let full = [stack.as_slice(), &[rows, cols]].concat();
    let n = count(&full)?;
    if n.checked_mul(inner).is_none_or(|work| work > MOST_WORK) {
        return Err(format!("a computed product of {}", misfit()));
    }
    let (x, y) = (wide(a, &left)?, wide(b, &right)?);
    let mut values = vec![0f32; n];
    for (idx, out) in values.chunks_exact_mut(cols.max(1)).enumerate() {
        let matrix = idx / rows;
        for (k, x) in x[idx * inner..(idx + 1) * inner].iter().enumerate() {
            let start = (matrix * inner + k) * cols;
            for (out, y) in out.iter_mut().zip(&y[start..start + cols]) {
                *out += x * y;
            }
        }
    }
    let mut dims = stack;
    dims.extend([rows].iter().filter(|_| !row));
    dims.extend([cols].iter().filter(|_| !column));
    Ok(Some(vec![Array::floats(dims, values)]))
}
