//! Products of constant matrices: position biases that a file computes from a table each time.

use super::super::array::Array;
use super::super::proto::Node;
use super::{Folded, count, need};

/// Multiplications that are done for one constant at most.
const MOST_WORK: usize = 1 << 30;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> Folded {
    if node.op != "MatMul" {
        return Ok(None);
    }
    let (a, b) = (need(inputs, 0)?, need(inputs, 1)?);
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
