//! Convolutions, pools and fully connected layers.

use super::super::import::{Import, Tap, Value, Why, text};
use super::super::proto::Node;
use super::super::windows::{Kernel, Windows, kernel_shape, padding};
use super::{Inputs, constant_input, need_constant, tap};
use crate::network::Op;
use crate::network::ops::{AvgPool, Linear, Lrn, MaxPool, Part, Reduce, Reduction, Reshape, Slice};

/// Windows that one convolution may run over one by one: each is two nodes more, kept as long as the image.
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

fn conv(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    let kernel = need_constant(inputs, 1)?.dims.clone();
    let (channels, sizes) = match x.dims.as_slice() {
        [_, channels, sizes @ ..] if kernel.len() == x.rank() && (1..=2).contains(&sizes.len()) => {
            (*channels, sizes)
        }
        dims => {
            return Err(format!(
                "a kernel of shape {kernel:?} over {dims:?}; only convolutions along one or two axes are supported"
            ));
        }
    };
    if !x.led {
        return windows_of_one_image(import, node, inputs, (&x, sizes));
    }
    let &[n] = sizes else {
        return conv_map(import, node, inputs, (x.clone(), sizes));
    };
    let map = reshaped(import, &x, &[channels, 1, n])?;
    let y = conv_map(import, node, inputs, (map, sizes))?;
    reshaped(import, &y, &[y.dims[1], y.dims[3]])
}

/// A convolution of windows of one image that stand where the file's batch is.
fn windows_of_one_image(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
    (x, sizes): (&Tap, &[usize]),
) -> Why<Tap> {
    let (windows, channels) = (x.dims[0], x.dims[1]);
    if windows > MOST_WINDOWS {
        return Err(format!(
            "it runs over {windows} windows of one image at once ({:?}); each becomes a convolution of its own here, so \
             at most {MOST_WINDOWS} are taken; use larger windows or a smaller image",
            x.dims
        ));
    }
    let map = match *sizes {
        [n] => [channels, 1, n],
        _ => [channels, sizes[0], sizes[1]],
    };
    let mut done = Vec::with_capacity(windows);
    for idx in 0..windows as i64 {
        let part = Part::Range {
            start: idx,
            end: idx + 1,
            step: 1,
        };
        let window = import.emit(Op::Slice(Slice { axis: 1, part }), &[x])?;
        let window = import.tap(window, true);
        let map = reshaped(import, &window, &map)?;
        let y = conv_map(import, node, inputs, (map, sizes))?;
        let out = match y.dims[1..] {
            [out, 1, n] if sizes.len() == 1 => vec![1, out, n],
            ref dims => [&[1], dims].concat(),
        };
        done.push(reshaped(import, &y, &out)?);
    }
    let id = import.emit(Op::Concat, &done.iter().collect::<Vec<_>>())?;
    Ok(import.tap(id, false))
}

/// `x` with other axes behind the batch.
fn reshaped(import: &mut Import<'_>, x: &Tap, dims: &[usize]) -> Why<Tap> {
    let reshape = Reshape::between(x.inner(), dims).ok_or("an empty value")?;
    import.led(Op::Reshape(reshape), x)
}

/// A convolution of a map, whose axes were `sizes` in the file.
fn conv_map(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
    (mut x, sizes): (Tap, &[usize]),
) -> Why<Tap> {
    check_map(&x)?;
    let weight = need_constant(inputs, 1)?;
    let bias = constant_input(inputs, 2)?;
    let kernel = Kernel::read(node, (&weight, bias.as_deref()), sizes)?;
    let mut around = kernel.pads;
    // Our windows never lie in the padding alone; where these do, the zeros become a node of their own.
    let reach = kernel.reach();
    if (0..4).any(|i| around[i] >= reach[i % 2]) {
        x = import.led(Op::Pad(padding(around, 0.0)), &x)?;
        around = [0; 4];
    }
    let conv = kernel.conv(
        around,
        |values, dims| import.tensor(values, dims),
        (weight.to_floats(), bias.map(|bias| bias.to_floats())),
    )?;
    import.led(Op::Conv(conv), &x)
}

fn pool(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    match x.dims.as_slice() {
        [_, 1, _, _, _] if node.op == "AveragePool" => channel_means(import, node, &x),
        &[_, channels, n] if x.led => {
            let map = reshaped(import, &x, &[channels, 1, n])?;
            let y = pool_map(import, node, (map, &[n]))?;
            let n = y.dims[3];
            reshaped(import, &y, &[channels, n])
        }
        _ => {
            check_map(&x)?;
            let sizes = [x.dims[2], x.dims[3]];
            pool_map(import, node, (x, &sizes))
        }
    }
}

fn pool_map(import: &mut Import<'_>, node: &Node<'_>, (mut x, sizes): (Tap, &[usize])) -> Why<Tap> {
    let kernel = kernel_shape(node, sizes.len())?;
    let windows = Windows::read(node, &kernel, sizes)?;
    let (stride, dilation, mut around) = windows.on_a_map();
    if dilation != [1; 2] {
        return Err("dilated pools are not supported".into());
    }
    let kernel = match *kernel.as_slice() {
        [rows, cols] => [rows, cols],
        _ => [1, kernel[0]],
    };
    let ceil = node.int("ceil_mode", 0) == 1;
    let include_pad = node.int("count_include_pad", 0) == 1;
    let is_max = node.op == "MaxPool";
    if (0..4).any(|i| around[i] >= kernel[i % 2]) {
        if !is_max && !include_pad {
            return Err(format!("pads {around:?} for windows of {kernel:?}"));
        }
        let value = if is_max { f32::NEG_INFINITY } else { 0.0 };
        x = import.led(Op::Pad(padding(around, value)), &x)?;
        around = [0; 4];
    }
    let pads = around;
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
    let kernel = kernel_shape(node, 3)?;
    let windows = Windows::read(node, &kernel, &x.dims[2..])?;
    let along = kernel[1..] == [1, 1] && windows.stride == [1; 3] && windows.dilation == [1; 3];
    let [[before, after], rest @ ..] = windows.pads.as_slice() else {
        return Err("a pool without axes".into());
    };
    let (before, after, size) = (*before, *after, kernel[0]);
    if !along || !x.led || rest != [[0; 2]; 2] {
        return Err(format!(
            "of {:?} with windows of {kernel:?}, strides {:?}, dilations {:?} and pads {:?}; over volumes only windows along the first axis are supported",
            x.dims, windows.stride, windows.dilation, windows.pads
        ));
    }
    if before >= size || after >= size {
        return Err(format!("pads {before} and {after} for windows of {size}"));
    }
    let flat = import.reshape(x, &[&x.dims[..1], &x.dims[2..]].concat())?;
    let turned = import.led(Op::Transpose(vec![0, 2, 1, 3]), &flat)?;
    let pool = AvgPool {
        kernel: [size, 1],
        stride: [1; 2],
        pads: [before, 0, after, 0],
        count_include_pad: node.int("count_include_pad", 0) == 1,
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
            // M x = (xᵀ Mᵀ)ᵀ; a vector is one row, and its axis goes.
            let (n, k) = match *matrix.dims.as_slice() {
                [k] => (1, k),
                [n, k] => (n, k),
                _ => return Err(format!("a stack of matrices {:?}", matrix.dims)),
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
            if matrix.dims.len() == 1 {
                let y = import.reshape(&y, &y.dims[..y.rank() - 1])?;
                return import.settle(y);
            }
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
