//! Convolutions, pools and fully connected layers.

use super::super::import::{Import, Tap, Value, Why, text};
use super::super::proto::Node;
use super::{Inputs, constant_input, need_constant, tap};
use crate::network::Op;
use crate::network::ops::{
    AvgPool, Conv, Linear, Lrn, MaxPool, Pad, Part, Reduce, Reduction, Reshape, Slice,
};

/// Windows that one convolution may run over one by one.
const MOST_WINDOWS: usize = 64;

pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Tap>> {
    Ok(Some(match node.op {
        "Conv" => conv(import, node, inputs)?,
        "MaxPool" | "AveragePool" => pool(import, node, inputs)?,
        "GlobalAveragePool" | "GlobalMaxPool" => {
            let x = tap(inputs, 0)?;
            check_map(&x)?;
            let reduction = if node.op == "GlobalMaxPool" {
                Reduction::Max
            } else {
                Reduction::Mean
            };
            let reduce = Reduce {
                reduction,
                axes: vec![2, 3],
                keep: true,
            };
            import.led(Op::Reduce(reduce), &x)?
        }
        "LRN" => {
            let x = tap(inputs, 0)?;
            check_map(&x)?;
            let size = usize::try_from(node.int("size", 0)).map_err(text)?;
            let lrn = Lrn {
                size,
                alpha: f64::from(node.float("alpha", 1e-4)),
                beta: f64::from(node.float("beta", 0.75)),
                k: f64::from(node.float("bias", 1.0)),
            };
            import.led(Op::Lrn(lrn), &x)?
        }
        "Gemm" => gemm(import, node, inputs)?,
        "MatMul" => matmul(import, node, inputs)?,
        _ => return Ok(None),
    }))
}

/// Maps have the batch in front and two axes behind the channels.
pub(super) fn check_map(x: &Tap) -> Why<()> {
    if !x.led || x.rank() != 4 {
        return Err(format!(
            "its input is {:?}; only batch × channels × rows × columns is supported",
            x.dims
        ));
    }
    Ok(())
}

/// Two positive numbers of an attribute.
fn pair(node: &Node<'_>, name: &str, default: usize) -> Why<[usize; 2]> {
    match node.ints(name) {
        None | Some([]) => Ok([default; 2]),
        // Along one axis alone: the rows are one.
        Some(&[b]) if (1..=1 << 20).contains(&b) => Ok([1, b as usize]),
        Some(&[a, b]) if (1..=1 << 20).contains(&a) && (1..=1 << 20).contains(&b) => {
            Ok([a as usize, b as usize])
        }
        Some(other) => Err(format!("{name} {other:?}")),
    }
}

/// Zeros at top, left, bottom, right, as written or by `auto_pad`; `kernel` counts gaps.
fn pads(node: &Node<'_>, x: &Tap, kernel: [usize; 2], stride: [usize; 2]) -> Why<[isize; 4]> {
    let rule = node.text("auto_pad").unwrap_or("NOTSET");
    let mut pads = [0isize; 4];
    match rule {
        "SAME_UPPER" | "SAME_LOWER" => {
            for axis in 0..2 {
                let size = x.dims[axis + 2];
                let windows = size.div_ceil(stride[axis]);
                let total = ((windows - 1) * stride[axis] + kernel[axis]).saturating_sub(size);
                let (less, more) = ((total / 2) as isize, total.div_ceil(2) as isize);
                let upper = rule == "SAME_UPPER";
                pads[axis] = if upper { less } else { more };
                pads[axis + 2] = if upper { more } else { less };
            }
        }
        "VALID" => (),
        "NOTSET" => match node.ints("pads") {
            None | Some([]) => (),
            Some(&[left, right]) if left.abs() <= 1 << 20 && right.abs() <= 1 << 20 => {
                pads = [0, left as isize, 0, right as isize];
            }
            Some(given) if given.len() == 4 && given.iter().all(|pad| pad.abs() <= 1 << 20) => {
                for (pad, &given) in pads.iter_mut().zip(given) {
                    *pad = given as isize;
                }
            }
            Some(given) => return Err(format!("pads {given:?}")),
        },
        other => return Err(format!("auto_pad {other}")),
    }
    Ok(pads)
}

fn conv(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    let weight = need_constant(inputs, 1)?;
    match (weight.dims.as_slice(), x.dims.as_slice()) {
        (&[out, per_group, cols], &[_, channels, n]) if x.led => {
            let map = reshaped(import, &x, &[channels, 1, n])?;
            let y = conv_map(import, node, inputs, (map, &[out, per_group, 1, cols]))?;
            let n = y.dims[3];
            reshaped(import, &y, &[out, n])
        }
        // Windows of one image where the file's batch is.
        (dims @ [..], &[windows, channels, rows, cols])
            if dims.len() == 4 && !x.led && windows <= MOST_WINDOWS =>
        {
            let mut done = Vec::with_capacity(windows);
            for idx in 0..windows as i64 {
                let part = Part::Range {
                    start: idx,
                    end: idx + 1,
                    step: 1,
                };
                let window = import.emit(Op::Slice(Slice { axis: 1, part }), &[&x])?;
                let window = import.tap(window, true);
                let map = reshaped(import, &window, &[channels, rows, cols])?;
                let y = conv_map(import, node, inputs, (map, dims))?;
                let one = [&[1], &y.dims[1..]].concat();
                done.push(reshaped(import, &y, &one)?);
            }
            let id = import.emit(Op::Concat, &done.iter().collect::<Vec<_>>())?;
            Ok(import.tap(id, false))
        }
        (dims, _) => conv_map(import, node, inputs, (x.clone(), dims)),
    }
}

/// `x` with other axes behind the batch.
fn reshaped(import: &mut Import<'_>, x: &Tap, dims: &[usize]) -> Why<Tap> {
    let reshape = Reshape::between(x.inner(), dims).ok_or("an empty value")?;
    import.led(Op::Reshape(reshape), x)
}

/// A convolution of a map with kernels of shape `kernels`.
fn conv_map(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
    (mut x, kernels): (Tap, &[usize]),
) -> Why<Tap> {
    let weight = need_constant(inputs, 1)?;
    let &[out, _, rows, cols] = kernels else {
        return Err(format!(
            "a kernel of shape {:?}; only convolutions along one or two axes are supported",
            weight.dims
        ));
    };
    check_map(&x)?;
    if rows == 0 || cols == 0 || out == 0 {
        return Err(format!("an empty kernel {:?}", weight.dims));
    }
    let (stride, dilation) = (pair(node, "strides", 1)?, pair(node, "dilations", 1)?);
    let kernel = [(rows - 1) * dilation[0] + 1, (cols - 1) * dilation[1] + 1];
    let mut around = pads(node, &x, kernel, stride)?;
    // Our windows never lie in the padding alone; where these do, the zeros become a node of their own.
    if (0..4).any(|i| around[i] < 0 || around[i] >= kernel[i % 2] as isize) {
        let ends = vec![
            (0, 0),
            (0, 0),
            (around[0], around[2]),
            (around[1], around[3]),
        ];
        x = import.led(Op::Pad(Pad { ends, value: 0.0 }), &x)?;
        around = [0; 4];
    }
    let bias = match constant_input(inputs, 2)? {
        Some(bias) => bias.to_floats(),
        None => vec![0.0; out],
    };
    let op = Conv {
        bias: {
            let n = bias.len();
            import.tensor(bias, &[n])?
        },
        weight: import.tensor(weight.to_floats(), kernels)?,
        stride,
        pads: around.map(|pad| pad as usize),
        groups: usize::try_from(node.int("group", 1)).map_err(text)?.max(1),
        dilation,
    };
    import.led(Op::Conv(op), &x)
}

fn pool(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    match x.dims.as_slice() {
        [_, 1, _, _, _] if node.op == "AveragePool" => channel_means(import, node, &x),
        &[_, channels, n] if x.led => {
            let map = reshaped(import, &x, &[channels, 1, n])?;
            let y = pool_map(import, node, map)?;
            let n = y.dims[3];
            reshaped(import, &y, &[channels, n])
        }
        _ => pool_map(import, node, x),
    }
}

fn pool_map(import: &mut Import<'_>, node: &Node<'_>, mut x: Tap) -> Why<Tap> {
    check_map(&x)?;
    if node.ints("kernel_shape").is_none() {
        return Err("it has no kernel_shape".into());
    }
    let (kernel, stride) = (pair(node, "kernel_shape", 1)?, pair(node, "strides", 1)?);
    if pair(node, "dilations", 1)? != [1; 2] {
        return Err("dilated pools are not supported".into());
    }
    let mut around = pads(node, &x, kernel, stride)?;
    let ceil = node.int("ceil_mode", 0) == 1;
    let include_pad = node.int("count_include_pad", 0) == 1;
    let is_max = node.op == "MaxPool";
    if (0..4).any(|i| around[i] < 0 || around[i] >= kernel[i % 2] as isize) {
        if !is_max && !include_pad {
            return Err(format!("pads {around:?} for windows of {kernel:?}"));
        }
        let ends = vec![
            (0, 0),
            (0, 0),
            (around[0], around[2]),
            (around[1], around[3]),
        ];
        let value = if is_max { f32::NEG_INFINITY } else { 0.0 };
        x = import.led(Op::Pad(Pad { ends, value }), &x)?;
        around = [0; 4];
    }
    let pads = around.map(|pad| pad as usize);
    let op = if is_max {
        Op::MaxPool(MaxPool {
            kernel,
            stride,
            pads,
            ceil,
        })
    } else {
        Op::AvgPool(AvgPool {
            kernel,
            stride,
            pads,
            count_include_pad: include_pad,
            ceil,
        })
    };
    import.led(op, &x)
}

/// Means over neighbouring channels, written as a pool over volumes `[b, 1, c, h, w]` (how exporters spell a local
/// response normalisation): a pool of maps whose rows are the channels.
fn channel_means(import: &mut Import<'_>, node: &Node<'_>, x: &Tap) -> Why<Tap> {
    let list = |name: &str, n: usize| match node.ints(name) {
        Some(given) if given.len() == n => given.to_vec(),
        _ => vec![i64::from(name != "pads"); n],
    };
    let (kernel, stride, pads) = (list("kernel_shape", 3), list("strides", 3), list("pads", 6));
    let along = kernel[1..] == [1, 1] && stride == [1, 1, 1] && pads.iter().all(|&pad| pad == 0);
    let Some(size) = usize::try_from(kernel[0]).ok().filter(|_| along && x.led) else {
        return Err(format!("of {:?} with windows of {kernel:?}", x.dims));
    };
    let flat = import.reshape(x, &[&x.dims[..1], &x.dims[2..]].concat())?;
    let turned = import.led(Op::Transpose(vec![0, 2, 1, 3]), &flat)?;
    let pool = AvgPool {
        kernel: [size, 1],
        stride: [1; 2],
        pads: [0; 4],
        count_include_pad: true,
        ceil: false,
    };
    let y = import.led(Op::AvgPool(pool), &turned)?;
    let y = import.led(Op::Transpose(vec![0, 2, 1, 3]), &y)?;
    let dims = [&y.dims[..1], &[1], &y.dims[1..]].concat();
    import.reshape(&y, &dims)
}

fn gemm(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let mut x = tap(inputs, 0)?;
    let weight = need_constant(inputs, 1)?;
    if x.rank() != 2 {
        return Err(format!("of {:?}, which is no matrix", x.dims));
    }
    if node.int("transA", 0) != 0 {
        x = import.unled(&x)?;
        x = import.led(Op::Transpose(vec![0, 2, 1]), &x)?;
    }
    let (alpha, beta) = (node.float("alpha", 1.0), node.float("beta", 1.0));
    let &[a, b] = weight.dims.as_slice() else {
        return Err(format!("a matrix of shape {:?}", weight.dims));
    };
    let mut matrix = import.tensor(weight.to_floats(), &[a, b])?;
    if node.int("transB", 0) == 0 {
        matrix = matrix.t().and_then(|t| t.contiguous()).map_err(text)?;
    }
    if alpha.to_bits() != 1f32.to_bits() {
        matrix = (matrix * f64::from(alpha)).map_err(text)?;
    }
    let out = matrix.dim(0).map_err(text)?;
    let bias = match constant_input(inputs, 2)? {
        None => vec![0.0; out],
        Some(bias) if bias.len() == 1 => vec![bias.to_floats()[0] * beta; out],
        Some(bias) if bias.len() == out && bias.dims.last() == Some(&out) => {
            bias.to_floats().iter().map(|value| value * beta).collect()
        }
        Some(bias) => return Err(format!("a summand of shape {:?}", bias.dims)),
    };
    let linear = Linear {
        weight: matrix,
        bias: import.tensor(bias, &[out])?,
    };
    // Rows may be images or, where a file folds tokens into them, tokens.
    let y = import.led(Op::Linear(linear), &x)?;
    import.settle(y)
}

fn matmul(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    match inputs {
        [Some(Value::Node(x)), Some(Value::Const(matrix))] => {
            let (k, n) = match matrix.dims.as_slice() {
                &[k] => (k, None),
                &[k, n] => (k, Some(n)),
                dims if dims[..dims.len() - 2].iter().all(|&size| size == 1) => {
                    (dims[dims.len() - 2], dims.last().copied())
                }
                dims => return Err(format!("a stack of matrices {dims:?}")),
            };
            let out = n.unwrap_or(1);
            let weight = import.tensor(matrix.to_floats(), &[k, out])?;
            let weight = weight.t().and_then(|t| t.contiguous()).map_err(text)?;
            let bias = import.tensor(vec![0.0; out], &[out])?;
            let x = if x.led && x.rank() < 2 {
                import.unled(x)?
            } else {
                x.clone()
            };
            let y = import.led(Op::Linear(Linear { weight, bias }), &x)?;
            match n {
                Some(_) => Ok(y),
                None => import.reshape(&y, &y.dims[..y.rank() - 1]),
            }
        }
        [Some(Value::Const(matrix)), Some(Value::Node(x))] => {
            // M x = (xᵀ Mᵀ)ᵀ.
            let &[n, k] = matrix.dims.as_slice() else {
                return Err(format!("a stack of matrices {:?}", matrix.dims));
            };
            let x = if x.led && x.rank() < 3 {
                import.unled(x)?
            } else {
                x.clone()
            };
            let rank = x.inner().len() + 1;
            if rank < 3 {
                return Err(format!("a matrix times {:?}", x.dims));
            }
            let mut order: Vec<usize> = (0..rank).collect();
            order.swap(rank - 2, rank - 1);
            let turned = import.led(Op::Transpose(order.clone()), &x)?;
            let linear = Linear {
                weight: import.tensor(matrix.to_floats(), &[n, k])?,
                bias: import.tensor(vec![0.0; n], &[n])?,
            };
            let y = import.led(Op::Linear(linear), &turned)?;
            let y = import.led(Op::Transpose(order), &y)?;
            import.settle(y)
        }
        [Some(Value::Node(a)), Some(Value::Node(b))] => {
            if a.rank() < 2 || b.rank() < 2 {
                return Err(format!("of {:?} and {:?}", a.dims, b.dims));
            }
            let (mut a, mut b) = (a.clone(), b.clone());
            let led = a.led && b.led && a.rank() == b.rank() && a.rank() > 2;
            if !led {
                (a, b) = (import.unled(&a)?, import.unled(&b)?);
                let rank = a.rank().max(b.rank());
                (a, b) = (stretched(import, &a, rank)?, stretched(import, &b, rank)?);
            }
            let id = import.emit(Op::MatMul, &[&a, &b])?;
            let y = import.tap(id, led);
            import.settle(y)
        }
        _ => Err(format!("{} inputs", node.inputs.len())),
    }
}

/// Axes of size 1 in front, up to `rank`, for a value that is not led.
pub(super) fn stretched(import: &mut Import<'_>, x: &Tap, rank: usize) -> Why<Tap> {
    if x.rank() >= rank {
        return Ok(x.clone());
    }
    let mut dims = vec![1; rank - x.rank()];
    dims.extend(&x.dims);
    let reshape = Reshape::between(&x.dims, &dims).ok_or("an empty value")?;
    let id = import.emit(Op::Reshape(reshape), &[x])?;
    Ok(import.tap(id, false))
}
