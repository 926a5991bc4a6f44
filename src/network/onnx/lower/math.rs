//! Element-wise operators.

use super::super::array::Array;
use super::super::fold::fold;
use super::super::import::{Import, Tap, Value, Why, text};
use super::super::proto::Node;
use super::conv::stretched;
use super::norm::affine;
use super::{Inputs, constant_input, need_constant, tap};
use crate::network::Op;
use crate::network::ops::{Binary, Linear, PRelu, Unary, WithConstant};
use candle_core::Tensor;
use std::rc::Rc;

pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Tap>> {
    if let Some(op) = unary(node) {
        return import.led(op, &tap(inputs, 0)?).map(Some);
    }
    Ok(Some(match node.op {
        "Clip" => clip(import, node, inputs)?,
        "PRelu" => prelu(import, inputs)?,
        "Pow" => {
            let power = need_constant(inputs, 1)?;
            let power = power
                .scalar()
                .ok_or("only one power for all is supported")?;
            import.led(Op::Unary(Unary::Pow(power)), &tap(inputs, 0)?)?
        }
        "Cast" => match node.int("to", 1) {
            1 | 10 | 11 | 16 => tap(inputs, 0)?,
            other => return Err(format!("to data type {other}, which has no gradient")),
        },
        "CastLike" => tap(inputs, 0)?,
        "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Sum" | "Mean" => {
            many(import, node, inputs)?
        }
        "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" => {
            let (a, b) = (operand(node, inputs, 0)?, operand(node, inputs, 1)?);
            // a ≥ b is what is left of b > a.
            let (swapped, negated) = match node.op {
                "Greater" => (false, false),
                "Less" => (true, false),
                "GreaterOrEqual" => (true, true),
                _ => (false, true),
            };
            let (a, b) = if swapped { (b, a) } else { (a, b) };
            let difference = image_value(two(import, Binary::Sub, (&a.0, a.1), (&b.0, b.1))?)?;
            let step = import.led(Op::Unary(Unary::Step), &difference)?;
            if negated {
                affine(import, ("", &step), (vec![-1.0], vec![1.0]))?
            } else {
                step
            }
        }
        "Not" => affine(import, ("", &tap(inputs, 0)?), (vec![-1.0], vec![1.0]))?,
        "Where" => choose(import, node, inputs)?,
        _ => return Ok(None),
    }))
}

/// Input `idx` with its name.
fn operand<'n>(node: &Node<'n>, inputs: Inputs<'_>, idx: usize) -> Why<(Value, &'n str)> {
    let value = inputs.get(idx).cloned().flatten();
    let value = value.ok_or_else(|| format!("input {idx} is missing"))?;
    Ok((value, node.inputs[idx]))
}

fn image_value(value: Value) -> Why<Tap> {
    match value {
        Value::Node(tap) => Ok(tap),
        Value::Const(_) => Err("it is a constant".into()),
    }
}

/// mask · a + (1 − mask) · b.
fn choose(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let mask = operand(node, inputs, 0)?.0;
    let rest = match &mask {
        Value::Node(tap) => Value::Node(affine(import, ("", tap), (vec![-1.0], vec![1.0]))?),
        Value::Const(array) => {
            let values = array.to_floats().iter().map(|value| 1.0 - value).collect();
            Value::Const(Rc::new(Array::floats(array.dims.clone(), values)))
        }
    };
    let mut sum: Option<Value> = None;
    for (idx, mask) in [(1, mask), (2, rest)] {
        let mask = match mask {
            // Truth values become numbers.
            Value::Const(array) => {
                let values = array.to_floats();
                Value::Const(Rc::new(Array::floats(array.dims.clone(), values)))
            }
            tap @ Value::Node(_) => tap,
        };
        let part = match operand(node, inputs, idx)?.0 {
            // An infinite constant must not make NaN of a zero.
            Value::Const(array) => {
                let values = array.to_floats().into_iter();
                let values = values
                    .map(|value| value.clamp(f32::MIN, f32::MAX))
                    .collect();
                Value::Const(Rc::new(Array::floats(array.dims.clone(), values)))
            }
            tap @ Value::Node(_) => tap,
        };
        let part = two(import, Binary::Mul, (&mask, ""), (&part, ""))?;
        sum = Some(match sum {
            None => part,
            Some(sum) => two(import, Binary::Add, (&sum, ""), (&part, ""))?,
        });
    }
    image_value(sum.ok_or("it has no inputs")?)
}

/// Functions of one number.
fn unary(node: &Node<'_>) -> Option<Op> {
    let alpha = |default: f32| node.float("alpha", default);
    Some(Op::Unary(match node.op {
        "Relu" => return Some(Op::Relu),
        "LeakyRelu" => Unary::LeakyRelu(alpha(0.01)),
        "Elu" => Unary::Elu(alpha(1.0)),
        "Selu" => Unary::Selu {
            alpha: alpha(1.673_263_2),
            gamma: node.float("gamma", 1.050_701),
        },
        "ThresholdedRelu" => Unary::Threshold(alpha(1.0)),
        "Sigmoid" => Unary::Sigmoid,
        "HardSigmoid" => Unary::HardSigmoid {
            alpha: alpha(0.2),
            beta: node.float("beta", 0.5),
        },
        "HardSwish" => Unary::HardSwish,
        "Swish" if (alpha(1.0) - 1.0).abs() < 1e-6 => Unary::Silu,
        "Gelu" if node.text("approximate") == Some("tanh") => Unary::GeluTanh,
        "Gelu" => Unary::Gelu,
        "Mish" => Unary::Mish,
        "Softplus" => Unary::Softplus,
        "Softsign" => Unary::Softsign,
        "Erf" => Unary::Erf,
        "Tanh" => Unary::Tanh,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Reciprocal" => Unary::Reciprocal,
        "Abs" => Unary::Abs,
        "Neg" => Unary::Neg,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        _ => return None,
    }))
}

fn clip(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let limit = |idx: usize, name: &str, default: f32| -> Why<f32> {
        Ok(match constant_input(inputs, idx)? {
            Some(array) => array
                .scalar()
                .ok_or("only one limit for all is supported")?,
            None => node.float(name, default),
        })
    };
    let (min, max) = (
        limit(1, "min", f32::NEG_INFINITY)?,
        limit(2, "max", f32::INFINITY)?,
    );
    if min > max {
        return Err(format!("limits {min} and {max}"));
    }
    limited(import, &tap(inputs, 0)?, min, max)
}

/// x limited on both sides; what many write for a ReLU is one.
fn limited(import: &mut Import<'_>, x: &Tap, min: f32, max: f32) -> Why<Tap> {
    // Exporters write the largest numbers there are for no limit.
    let max = if max >= f32::MAX { f32::INFINITY } else { max };
    let min = if min <= f32::MIN {
        f32::NEG_INFINITY
    } else {
        min
    };
    let op = if min == 0.0 && max == f32::INFINITY {
        Op::Relu
    } else {
        Op::Unary(Unary::Clip { min, max })
    };
    import.led(op, x)
}

fn prelu(import: &mut Import<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let x = tap(inputs, 0)?;
    let slope = need_constant(inputs, 1)?;
    match per_channel(&slope, &x) {
        Some(values) => {
            let n = values.len();
            let slope = import.tensor(values, &[n])?;
            import.led(Op::PRelu(PRelu { slope }), &x)
        }
        None => Err(format!(
            "slopes of shape {:?}; one per channel is supported",
            slope.dims
        )),
    }
}

/// The numbers of a constant that has one for each of our first axis, or one for all.
fn per_channel(array: &Array, x: &Tap) -> Option<Vec<f32>> {
    if array.len() == 1 && array.dims.len() <= x.rank() {
        return Some(array.to_floats());
    }
    let first = usize::from(x.led);
    let behind = x.rank().checked_sub(first + 1)?;
    let channels = *x.dims.get(first)?;
    let before = array.dims.len().checked_sub(behind + 1)?;
    let fits = array.dims.len() <= x.rank()
        && array.dims[..before].iter().all(|&size| size == 1)
        && array.dims[before] == channels
        && array.dims[before + 1..].iter().all(|&size| size == 1);
    fits.then(|| array.to_floats())
}

/// Functions of two or more values.
fn many(import: &mut Import<'_>, node: &Node<'_>, inputs: Inputs<'_>) -> Why<Tap> {
    let binary = match node.op {
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        _ => Binary::Add,
    };
    let mut parts = inputs.iter().zip(&node.inputs).map(|(value, name)| {
        let value = value.clone().ok_or("an input is missing");
        value.map(|value| (value, *name))
    });
    let (mut result, mut name) = parts.next().ok_or("it has no inputs")??;
    for part in parts {
        let (value, other) = part?;
        result = two(import, binary, (&result, name), (&value, other))?;
        name = "";
    }
    let Value::Node(mut y) = result else {
        return Err("it is a constant".into());
    };
    if node.op == "Mean" {
        let share = 1.0 / inputs.len() as f32;
        y = affine(import, ("", &y), (vec![share], vec![0.0]))?;
    }
    Ok(y)
}

fn two(
    import: &mut Import<'_>,
    binary: Binary,
    (a, a_name): (&Value, &str),
    (b, b_name): (&Value, &str),
) -> Why<Value> {
    let y = match (a, b) {
        (Value::Node(a), Value::Node(b)) => two_nodes(import, binary, a, b)?,
        (Value::Node(x), Value::Const(c)) => {
            with_constant(import, binary, (x, a_name), (c, false))?
        }
        (Value::Const(c), Value::Node(x)) => with_constant(import, binary, (x, b_name), (c, true))?,
        (Value::Const(a), Value::Const(b)) => {
            let node = Node {
                op: match binary {
                    Binary::Add => "Add",
                    Binary::Sub => "Sub",
                    Binary::Mul => "Mul",
                    Binary::Div => "Div",
                    Binary::Max => "Max",
                    Binary::Min => "Min",
                },
                ..Node::default()
            };
            let folded = fold(&node, &[Some(a.as_ref()), Some(b.as_ref())], import.opset)?;
            let array = folded.and_then(|mut found| found.pop());
            return Ok(Value::Const(Rc::new(array.ok_or("it cannot be folded")?)));
        }
    };
    Ok(Value::Node(y))
}

fn two_nodes(import: &mut Import<'_>, binary: Binary, a: &Tap, b: &Tap) -> Why<Tap> {
    let led = a.led && b.led && a.rank() == b.rank();
    let (mut a, mut b) = (a.clone(), b.clone());
    if !led {
        (a, b) = (import.unled(&a)?, import.unled(&b)?);
        let rank = a.rank().max(b.rank());
        (a, b) = (stretched(import, &a, rank)?, stretched(import, &b, rank)?);
    }
    let id = import.emit(Op::Binary(binary), &[&a, &b])?;
    let y = import.tap(id, led);
    import.settle(y)
}

pub(super) fn with_constant(
    import: &mut Import<'_>,
    binary: Binary,
    (x, name): (&Tap, &str),
    (constant, first): (&Array, bool),
) -> Why<Tap> {
    if let Some(values) = per_channel(constant, x) {
        let negative = || values.iter().map(|value| -value).collect::<Vec<f32>>();
        let one = |value: f32| vec![value; values.len()];
        let factors = match (binary, first) {
            (Binary::Add, _) => Some((one(1.0), values.clone())),
            (Binary::Sub, false) => Some((one(1.0), negative())),
            (Binary::Sub, true) => Some((one(-1.0), values.clone())),
            (Binary::Mul, _) => Some((values.clone(), one(0.0))),
            (Binary::Div, false) => {
                Some((values.iter().map(|value| 1.0 / value).collect(), one(0.0)))
            }
            (Binary::Div, true) => {
                let inverse = import.led(Op::Unary(Unary::Reciprocal), x)?;
                return affine(import, ("", &inverse), (values.clone(), one(0.0)));
            }
            (Binary::Max | Binary::Min, _) => None,
        };
        if let Some(factors) = factors {
            return affine(import, (name, x), factors);
        }
        if let &[limit] = values.as_slice() {
            return match binary {
                Binary::Max => limited(import, x, limit, f32::INFINITY),
                _ => limited(import, x, f32::NEG_INFINITY, limit),
            };
        }
    }
    if let Some(y) = into_linear(import, binary, (x, name), constant)? {
        return Ok(y);
    }
    let mut x = x.clone();
    let batched = x.led && constant.dims.len() == x.rank() && constant.dims[0] != 1;
    if batched || constant.dims.len() > x.rank() {
        x = import.unled(&x)?;
        x = stretched(import, &x, constant.dims.len())?;
    }
    let rank = x.inner().len();
    let kept = &constant.dims[constant.dims.len().saturating_sub(rank)..];
    let mut dims = vec![1; 1 + rank - kept.len()];
    dims.extend(kept);
    // A mask may hold infinities, but NaN is nothing that a file means.
    let values = constant.to_floats();
    if values.iter().any(|value| value.is_nan()) {
        return Err("its constant holds NaN".into());
    }
    let op = WithConstant {
        binary,
        constant: Tensor::from_vec(values, dims, import.device).map_err(text)?,
        constant_first: first,
    };
    let y = import.led(Op::WithConstant(op), &x)?;
    import.settle(y)
}

/// A bias behind a matrix product is the fully connected layer's own.
fn into_linear(
    import: &mut Import<'_>,
    binary: Binary,
    (x, name): (&Tap, &str),
    constant: &Array,
) -> Why<Option<Tap>> {
    if binary != Binary::Add || !import.is_own(name, x) {
        return Ok(None);
    }
    let Op::Linear(linear) = &import.graph.nodes[x.id.0].op else {
        return Ok(None);
    };
    let n = linear.bias.elem_count();
    if constant.len() != n || constant.dims.last() != Some(&n) || constant.dims.len() > x.rank() {
        return Ok(None);
    }
    let bias = (&linear.bias + import.tensor(constant.to_floats(), &[n])?).map_err(text)?;
    let op = Op::Linear(Linear {
        weight: linear.weight.clone(),
        bias,
    });
    Ok(Some(import.fold_into(x, op)))
}
