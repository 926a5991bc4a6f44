//! Normalisation, and what it folds into.

use super::super::array::Array;
use super::super::fold::training;
use super::super::import::{Import, Tap, Why, text};
use super::super::proto::Node;
use super::conv::check_map;
use super::math::with_constant;
use super::{Inputs, constant_input, need_constant, tap};
use crate::network::Op;
use crate::network::ops::{Affine, Binary, Conv, LayerNorm, WithConstant};
use candle_core::Tensor;

pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Tap>> {
    Ok(Some(match node.op {
        "BatchNormalization" => batch_norm(import, node, inputs)?,
        "InstanceNormalization" => instance_norm(import, node, inputs)?,
        "GroupNormalization" => {
            let groups = usize::try_from(node.int("num_groups", 0)).map_err(text)?;
            group_norm(import, node, inputs, groups)?
        }
        "LayerNormalization" => layer_norm(import, node, inputs)?,
        _ => return Ok(None),
    }))
}

/// Multiplies and adds per channel (axis 1), or alike everywhere: as part of the convolution or fully connected
/// layer before it, where nobody else reads that.
pub(super) fn affine(
    import: &mut Import<'_>,
    (name, x): (&str, &Tap),
    (mul, add): (Vec<f32>, Vec<f32>),
) -> Why<Tap> {
    let (n_mul, n_add) = (mul.len(), add.len());
    let (mul, add) = (import.tensor(mul, &[n_mul])?, import.tensor(add, &[n_add])?);
    if import.is_own(name, x)
        && let Some(op) = absorbed(&import.graph.nodes[x.id.0].op, &mul, &add).map_err(text)?
    {
        return Ok(import.fold_into(x, op));
    }
    import.led(Op::Affine(Affine { mul, add }), x)
}

/// The operator that computes `op` and then `· mul + add`.
fn absorbed(op: &Op, mul: &Tensor, add: &Tensor) -> candle_core::Result<Option<Op>> {
    let shifted = |bias: &Tensor| bias.broadcast_mul(mul)?.broadcast_add(add);
    Ok(match op {
        Op::Conv(conv) => {
            let out = conv.weight.dim(0)?;
            if mul.elem_count() != 1 && mul.elem_count() != out {
                return Ok(None);
            }
            let each = mul.reshape((mul.elem_count(), 1, 1, 1))?;
            Some(Op::Conv(Conv {
                weight: conv.weight.broadcast_mul(&each)?,
                bias: shifted(&conv.bias)?,
                ..conv.clone()
            }))
        }
        Op::Affine(affine) => Some(Op::Affine(Affine {
            mul: affine.mul.broadcast_mul(mul)?,
            add: shifted(&affine.add)?,
        })),
        _ => None,
    })
}

fn batch_norm(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    if training(node)? {
        return Err("it was exported in training mode; call eval() before the export".into());
    }
    if x.rank() < 2 {
        return Err(format!("its input is {:?}", x.dims));
    }
    let list = |idx: usize| need_constant(inputs, idx).map(|array| array.to_floats());
    let (scale, bias, mean, variance) = (list(1)?, list(2)?, list(3)?, list(4)?);
    let n = x.dims[1];
    if [&scale, &bias, &mean, &variance]
        .iter()
        .any(|list| list.len() != n)
    {
        return Err(format!("its parameters are not of {n} channels"));
    }
    let epsilon = f64::from(node.float("epsilon", 1e-5));
    let (mut mul, mut add) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for i in 0..n {
        let factor = f64::from(scale[i]) / (f64::from(variance[i]) + epsilon).sqrt();
        mul.push(factor as f32);
        add.push((f64::from(bias[i]) - f64::from(mean[i]) * factor) as f32);
    }
    if x.led {
        return affine(import, (node.inputs[0], &x), (mul, add));
    }
    // Tokens of one image stand where the file's batch is.
    let mut dims = vec![1; x.rank() + 1];
    dims[2] = n;
    let mut y = x;
    for (binary, values) in [(Binary::Mul, mul), (Binary::Add, add)] {
        let op = WithConstant {
            binary,
            constant: import.tensor(values, &dims)?,
            constant_first: false,
        };
        y = import.led(Op::WithConstant(op), &y)?;
    }
    Ok(y)
}

/// Moments over everything behind the channels.
fn instance_norm(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    if !x.led || x.rank() < 3 {
        return Err(format!("its input is {:?}", x.dims));
    }
    let (scale, bias) = (need_constant(inputs, 1)?, need_constant(inputs, 2)?);
    one_each([&scale, &bias], x.dims[1], "channels")?;
    let norm = |n_axes| LayerNorm {
        n_axes,
        scale: None,
        bias: None,
        epsilon: f64::from(node.float("epsilon", 1e-5)),
    };
    let y = match grouped_map(import, &x) {
        // A map that was reshaped to groups: its rows and columns stay apart, so that it works at any image size.
        Some((map, per_group)) => {
            let dims = [&x.dims[..2], &[per_group], &map.dims[2..]].concat();
            let grouped = import.reshape(&map, &dims)?;
            let y = import.led(Op::LayerNorm(norm(3)), &grouped)?;
            import.reshape(&y, &x.dims)?
        }
        None => import.led(Op::LayerNorm(norm(x.rank() - 2)), &x)?,
    };
    let (mul, add) = (scale.to_floats(), bias.to_floats());
    let changes = mul.iter().any(|value| (value - 1.0).abs() > 0.0);
    if !changes && add.iter().all(|value| value.abs() == 0.0) {
        return Ok(y);
    }
    affine(import, ("", &y), (mul, add))
}

/// Scales and shifts must be as many as there is something to scale.
fn one_each(parameters: [&Array; 2], n: usize, what: &str) -> Why<()> {
    for array in parameters {
        if array.dims != [n] {
            return Err(format!(
                "parameters of shape {:?} for {n} {what}; one number for each is needed, export the network again",
                array.dims
            ));
        }
    }
    Ok(())
}

/// The map that `x`, of batch × groups × rest, was reshaped from, and its channels per group.
fn grouped_map(import: &Import<'_>, x: &Tap) -> Option<(Tap, usize)> {
    let node = import.graph.node(x.id);
    let (Op::Reshape(_), &[source], &[_, groups, _]) =
        (&node.op, node.inputs.as_slice(), x.dims.as_slice())
    else {
        return None;
    };
    let extent = &import.extents[source.0];
    extent.map_size()?;
    let channels = extent.channels();
    let fits = channels.is_multiple_of(groups) && channels > groups;
    fits.then(|| (import.tap(source, true), channels / groups))
}

/// Moments over each group's channels and all positions.
fn group_norm(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
    groups: usize,
) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    check_map(&x)?;
    let channels = x.dims[1];
    if groups == 0 || channels % groups != 0 {
        return Err(format!("{groups} groups of {channels} channels"));
    }
    let (scale, bias) = (need_constant(inputs, 1)?, need_constant(inputs, 2)?);
    // Operator sets before 21 have one scale per group.
    if import.opset < 21 {
        one_each([&scale, &bias], groups, "groups")?;
    } else {
        one_each([&scale, &bias], channels, "channels")?;
    }
    let wide = |values: Vec<f32>| {
        let each = channels / values.len();
        let repeated = values.iter().flat_map(|&value| vec![value; each]);
        repeated.collect::<Vec<f32>>()
    };
    let split = [x.dims[0], groups, channels / groups, x.dims[2], x.dims[3]];
    let grouped = import.reshape(&x, &split)?;
    let norm = LayerNorm {
        n_axes: 3,
        scale: None,
        bias: None,
        epsilon: f64::from(node.float("epsilon", 1e-5)),
    };
    let y = import.led(Op::LayerNorm(norm), &grouped)?;
    let y = import.reshape(&y, &x.dims)?;
    let (mul, add) = (wide(scale.to_floats()), wide(bias.to_floats()));
    affine(import, ("", &y), (mul, add))
}

fn layer_norm(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    let axis = super::super::fold::axis_of(node.int("axis", -1), x.rank())?;
    if x.led && axis == 0 {
        return Err("it normalises over the batch".into());
    }
    let last = &x.dims[axis..];
    let mut norm = LayerNorm {
        n_axes: last.len(),
        scale: None,
        bias: None,
        epsilon: f64::from(node.float("epsilon", 1e-5)),
    };
    let (scale, bias) = (constant_input(inputs, 1)?, constant_input(inputs, 2)?);
    // Their axes are counted from the last; leading ones of size 1 mean nothing.
    let bare = |dims: &[usize]| -> Vec<usize> {
        dims.iter().copied().skip_while(|&size| size == 1).collect()
    };
    let given = [&scale, &bias].map(|array| array.as_deref());
    if given
        .iter()
        .flatten()
        .all(|array| bare(&array.dims) == bare(last))
    {
        let tensor = |array: Option<&Array>| {
            array
                .map(|array| import.tensor(array.to_floats(), last))
                .transpose()
        };
        norm.scale = tensor(given[0])?;
        norm.bias = tensor(given[1])?;
        return import.led(Op::LayerNorm(norm), &x);
    }
    // Some are repeated, over what is normalised or beyond it.
    let mut y = import.led(Op::LayerNorm(norm), &x)?;
    for (binary, array) in [Binary::Mul, Binary::Add].into_iter().zip(given) {
        let Some(array) = array else { continue };
        y = with_constant(import, binary, (&y, ""), (array, false))?;
        if y.dims != x.dims {
            return Err(format!(
                "parameters of shape {:?} where {last:?} is normalised",
                array.dims
            ));
        }
    }
    Ok(y)
}
