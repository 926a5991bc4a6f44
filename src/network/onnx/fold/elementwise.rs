//! Functions of one, two or three constants, element by element.

use super::super::array::{Array, Data};
use super::super::proto::Node;
use super::{broadcast_dims, broadcast_to, count, need, to_bools};

type One = std::result::Result<Option<Array>, String>;

pub(super) fn fold(node: &Node<'_>, inputs: &[Option<&Array>]) -> One {
    let op = node.op;
    if let Some(function) = of_one(op) {
        let x = need(inputs, 0)?;
        let keeps_ints = matches!(op, "Neg" | "Abs" | "Sign" | "Relu");
        let data = match &x.data {
            Data::Int(values) if keeps_ints => Data::Int(
                values
                    .iter()
                    .map(|&value| match op {
                        "Neg" => value.wrapping_neg(),
                        "Abs" => value.wrapping_abs(),
                        "Sign" => value.signum(),
                        _ => value.max(0),
                    })
                    .collect(),
            ),
            _ => Data::Float(x.to_floats().into_iter().map(function).collect()),
        };
        let found = Array::new(x.dims.clone(), data).narrowed(x.narrow);
        return Ok(Some(found));
    }
    match op {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Pow" | "Min" | "Max" | "Sum" => {
            let mut result = need(inputs, 0)?.clone();
            for idx in 1..inputs.len() {
                result = arithmetic(node, &result, need(inputs, idx)?)?;
            }
            Ok(Some(result))
        }
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" => {
            compare(op, need(inputs, 0)?, need(inputs, 1)?).map(Some)
        }
        "Not" => {
            let x = need(inputs, 0)?;
            let values = to_bools(x).into_iter().map(|value| !value).collect();
            Ok(Some(Array::new(x.dims.clone(), Data::Bool(values))))
        }
        "Where" => choose(inputs).map(Some),
        "Clip" => clip(node, inputs).map(Some),
        "Cast" => {
            let x = need(inputs, 0)?;
            Ok(Some(cast(x, node.int("to", 1))))
        }
        "CastLike" => {
            let (x, like) = (need(inputs, 0)?, need(inputs, 1)?);
            let to = match like.data {
                Data::Float(_) => 1,
                Data::Int(_) if like.narrow => 6,
                Data::Int(_) => 7,
                Data::Bool(_) => 9,
            };
            Ok(Some(cast(x, to)))
        }
        "DequantizeLinear" => dequantize(node, inputs).map(Some),
        _ => Ok(None),
    }
}

fn of_one(op: &str) -> Option<fn(f32) -> f32> {
    Some(match op {
        "Neg" => |x| -x,
        "Abs" => f32::abs,
        "Sign" => |x| if x == 0.0 { 0.0 } else { x.signum() },
        "Floor" => f32::floor,
        "Ceil" => f32::ceil,
        "Round" => f32::round_ties_even,
        "Sqrt" => f32::sqrt,
        "Exp" => f32::exp,
        "Log" => f32::ln,
        "Sin" => f32::sin,
        "Cos" => f32::cos,
        "Tanh" => f32::tanh,
        "Relu" => |x| x.max(0.0),
        "Sigmoid" => |x| 1.0 / (1.0 + (-x).exp()),
        "Reciprocal" => f32::recip,
        "Softplus" => |x| x.max(0.0) + (-x.abs()).exp().ln_1p(),
        _ => return None,
    })
}

fn arithmetic(node: &Node<'_>, a: &Array, b: &Array) -> std::result::Result<Array, String> {
    let dims = broadcast_dims(&a.dims, &b.dims)?;
    count(&dims)?;
    let (a, b) = (broadcast_to(a, &dims)?, broadcast_to(b, &dims)?);
    let op = node.op;
    if let (Data::Int(x), Data::Int(y)) = (&a.data, &b.data) {
        let fmod = node.int("fmod", 0) == 1;
        let pairs = x.iter().zip(y);
        let values: Option<Vec<i64>> = pairs
            .map(|(&x, &y)| match op {
                "Add" | "Sum" => Some(x.wrapping_add(y)),
                "Sub" => Some(x.wrapping_sub(y)),
                "Mul" => Some(x.wrapping_mul(y)),
                "Div" => x.checked_div(y),
                "Mod" if fmod => x.checked_rem(y),
                // The sign is the divisor's.
                "Mod" => x.checked_rem(y).map(|rest| {
                    if rest != 0 && (rest < 0) != (y < 0) {
                        rest + y
                    } else {
                        rest
                    }
                }),
                "Pow" => x.checked_pow(u32::try_from(y).ok()?),
                "Min" => Some(x.min(y)),
                _ => Some(x.max(y)),
            })
            .collect();
        let values = values.ok_or_else(|| format!("{op} of whole numbers is not defined"))?;
        let narrow = a.narrow && b.narrow;
        return Ok(Array::new(dims, Data::Int(values)).narrowed(narrow));
    }
    let (x, y) = (a.to_floats(), b.to_floats());
    let pairs = x.iter().zip(&y);
    let values = pairs.map(|(&x, &y)| match op {
        "Add" | "Sum" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" => x / y,
        "Mod" => x % y,
        "Pow" => x.powf(y),
        "Min" => x.min(y),
        _ => x.max(y),
    });
    let values = values.collect();
    // A power keeps the kind of its base.
    let data = match (&a.data, op) {
        (Data::Int(_), "Pow") => {
            return Ok(cast(&Array::floats(dims, values), 7).narrowed(a.narrow));
        }
        _ => values,
    };
    Ok(Array::floats(dims, data))
}

fn compare(op: &str, a: &Array, b: &Array) -> std::result::Result<Array, String> {
    let dims = broadcast_dims(&a.dims, &b.dims)?;
    count(&dims)?;
    let (a, b) = (broadcast_to(a, &dims)?, broadcast_to(b, &dims)?);
    let values = match (op, &a.data, &b.data) {
        ("And" | "Or" | "Xor", ..) => {
            let (x, y) = (to_bools(&a), to_bools(&b));
            let pairs = x.into_iter().zip(y);
            pairs
                .map(|(x, y)| match op {
                    "And" => x && y,
                    "Or" => x || y,
                    _ => x != y,
                })
                .collect()
        }
        (_, Data::Float(_), _) | (_, _, Data::Float(_)) => {
            order(op, &a.to_floats(), &b.to_floats())
        }
        _ => order(op, &a.to_ints(), &b.to_ints()),
    };
    Ok(Array::new(dims, Data::Bool(values)))
}

fn order<T: PartialOrd>(op: &str, a: &[T], b: &[T]) -> Vec<bool> {
    let holds = |(x, y): (&T, &T)| match op {
        "Equal" => x == y,
        "Greater" => x > y,
        "Less" => x < y,
        "GreaterOrEqual" => x >= y,
        _ => x <= y,
    };
    a.iter().zip(b).map(holds).collect()
}

fn choose(inputs: &[Option<&Array>]) -> std::result::Result<Array, String> {
    let (condition, a, b) = (need(inputs, 0)?, need(inputs, 1)?, need(inputs, 2)?);
    let dims = broadcast_dims(&broadcast_dims(&condition.dims, &a.dims)?, &b.dims)?;
    let n = count(&dims)?;
    let condition = to_bools(&broadcast_to(condition, &dims)?);
    let (a, b) = (broadcast_to(a, &dims)?, broadcast_to(b, &dims)?);
    let data = match (&a.data, &b.data) {
        (Data::Float(_), _) | (_, Data::Float(_)) => {
            let (x, y) = (a.to_floats(), b.to_floats());
            Data::Float(
                (0..n)
                    .map(|i| if condition[i] { x[i] } else { y[i] })
                    .collect(),
            )
        }
        (Data::Bool(x), Data::Bool(y)) => Data::Bool(
            (0..n)
                .map(|i| if condition[i] { x[i] } else { y[i] })
                .collect(),
        ),
        _ => {
            let (x, y) = (a.to_ints(), b.to_ints());
            Data::Int(
                (0..n)
                    .map(|i| if condition[i] { x[i] } else { y[i] })
                    .collect(),
            )
        }
    };
    Ok(Array::new(dims, data).narrowed(a.narrow && b.narrow))
}

fn clip(node: &Node<'_>, inputs: &[Option<&Array>]) -> std::result::Result<Array, String> {
    let x = need(inputs, 0)?;
    let limit = |idx: usize, name: &str, default: f32| {
        let given = inputs.get(idx).copied().flatten().and_then(Array::scalar);
        given.unwrap_or_else(|| node.float(name, default))
    };
    let (min, max) = (
        limit(1, "min", f32::NEG_INFINITY),
        limit(2, "max", f32::INFINITY),
    );
    let values = x
        .to_floats()
        .into_iter()
        .map(|value| value.max(min).min(max));
    let clipped = Array::floats(x.dims.clone(), values.collect());
    Ok(match x.data {
        Data::Int(_) => cast(&clipped, 7).narrowed(x.narrow),
        _ => clipped,
    })
}

/// To the kind of an ONNX data type.
fn cast(x: &Array, to: i64) -> Array {
    let data = match to {
        1 | 10 | 11 | 16 => Data::Float(x.to_floats()),
        9 => Data::Bool(to_bools(x)),
        _ => Data::Int(x.to_ints()),
    };
    Array::new(x.dims.clone(), data).narrowed(to == 6)
}

/// (x − zero point) · scale, with one of each, or one per element of an axis.
fn dequantize(node: &Node<'_>, inputs: &[Option<&Array>]) -> std::result::Result<Array, String> {
    let (x, scale) = (need(inputs, 0)?, need(inputs, 1)?);
    let mut dims = vec![1; x.dims.len()];
    if scale.len() > 1 {
        let axis = super::axis_of(node.int("axis", 1), x.dims.len())?;
        dims[axis] = scale.len();
    }
    if count(&dims)? != scale.len() {
        return Err("blocked quantisation is not supported".into());
    }
    let wide = |array: &Array| broadcast_to(&array.reshaped(dims.clone()), &x.dims);
    let scales = wide(scale)?.to_floats();
    let zeros = match inputs.get(2).copied().flatten() {
        Some(zero) if zero.len() == scale.len() => wide(zero)?.to_floats(),
        Some(_) => return Err("as many zero points as scales are needed".into()),
        None => vec![0.0; x.len()],
    };
    let values = x.to_floats().into_iter().zip(zeros).zip(scales);
    let values = values.map(|((x, zero), scale)| (x - zero) * scale);
    Ok(Array::floats(x.dims.clone(), values.collect()))
}
