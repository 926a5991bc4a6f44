//! Products of constants: position biases that a file computes from a table each time.

use super::super::array::Array;
use super::super::proto::Node;
use super::{Folded, broadcast_to, count, need};

/// Multiplications that are done for one constant at most.
const MOST_WORK: usize = 1 << 30;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    match node.op {
        "MatMul" => matrices(need(inputs, 0)?, need(inputs, 1)?),
        "Conv" => pixels(node, inputs),
        _ => Ok(None),
    }
}

/// A convolution of single pixels: positions that are encoded by a layer of their own.
fn pixels(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    let (x, weight) = (need(inputs, 0)?, need(inputs, 1)?);
    let all = |name: &str, value: i64| {
        node.ints(name)
            .is_none_or(|v| v.iter().all(|&v| v == value))
    };
    let plain = all("strides", 1) && all("pads", 0) && node.int("group", 1) == 1;
    let (&[n, channels, rows, cols], &[out, inner, 1, 1]) =
        (x.dims.as_slice(), weight.dims.as_slice())
    else {
        return Ok(None);
    };
    if !plain {
        return Ok(None);
    }
    let matrix = weight.reshaped(vec![1, out, inner]);
    let matrix = broadcast_to(&matrix, &[n, out, inner])?;
    let columns = x.reshaped(vec![n, channels, rows * cols]);
    let Some(product) = matrices(&matrix, &columns)? else {
        return Ok(None);
    };
    let mut values = product[0].to_floats();
    if let Some(bias) = inputs.get(2).copied().flatten() {
        let bias = bias.to_floats();
        if bias.len() != out {
            return Err(format!("{} biases for {out} channels", bias.len()));
        }
        for (idx, plane) in values.chunks_exact_mut((rows * cols).max(1)).enumerate() {
            for value in plane {
                *value += bias[idx % out];
            }
        }
    }
    Ok(Some(vec![Array::floats(vec![n, out, rows, cols], values)]))
}

fn matrices(a: &Array, b: &Array) -> Folded {
    let misfit = || format!("{:?} times {:?}", a.dims, b.dims);
    let ([leading @ .., rows, inner], [b_leading @ .., b_inner, cols]) =
        (a.dims.as_slice(), b.dims.as_slice())
    else {
        return Err(misfit());
    };
    // One matrix for all of a stack, or one for each.
    let one = b_leading.iter().all(|&size| size == 1) && b_leading.len() <= leading.len();
    if inner != b_inner || !(one || leading == b_leading) {
        return Err(misfit());
    }
    let dims = [leading, &[*rows, *cols]].concat();
    let n = count(&dims)?;
    if n.checked_mul(*inner).is_none_or(|work| work > MOST_WORK) {
        return Err(format!("a computed product of {}", misfit()));
    }
    let (x, y) = (a.to_floats(), b.to_floats());
    let mut values = vec![0f32; n];
    for (idx, out) in values.chunks_exact_mut((*cols).max(1)).enumerate() {
        let matrix = if one { 0 } else { idx / rows };
        for (k, x) in x[idx * inner..(idx + 1) * inner].iter().enumerate() {
            let start = (matrix * inner + k) * cols;
            for (out, y) in out.iter_mut().zip(&y[start..start + cols]) {
                *out += x * y;
            }
        }
    }
    Ok(Some(vec![Array::floats(dims, values)]))
}
