//! Each ONNX operator as operators of ours.

mod conv;
mod math;
mod moves;
mod norm;
mod reduce;

use super::array::Array;
use super::fold::fold;
use super::import::{Import, Tap, Value, Why, failed};
use super::proto::{Node, is_standard};
use crate::network::{NetworkError, Result};
use std::rc::Rc;

/// What a file may hold where values depend on the image; constants may go through more.
pub const SUPPORTED: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "CastLike",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "Cos",
    "DepthToSpace",
    "Div",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "If",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Mean",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "Not",
    "PRelu",
    "Pad",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL2",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Selu",
    "Shape",
    "Sigmoid",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "Transpose",
    "Unsqueeze",
    "Upsample",
    "Where",
];

/// A node's inputs; `None` = left out.
pub(super) type Inputs<'v> = &'v [Option<Value>];

/// The outputs of a node.
pub(super) fn lower(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Result<Vec<Value>> {
    if !is_standard(node.domain) {
        return Err(unsupported(node));
    }
    if node.op == "Constant" {
        return constant(node).map(|value| vec![value]);
    }
    let on_image = inputs
        .iter()
        .flatten()
        .any(|value| matches!(value, Value::Node(_)));
    if !on_image {
        let constants: Vec<Option<&Array>> = inputs
            .iter()
            .map(|value| match value {
                Some(Value::Const(array)) => Some(array.as_ref()),
                _ => None,
            })
            .collect();
        let folded = fold(node, &constants, import.opset);
        return match folded.map_err(|why| failed(node, &why))? {
            Some(arrays) => Ok(arrays
                .into_iter()
                .map(|array| Value::Const(Rc::new(array)))
                .collect()),
            None if SUPPORTED.contains(&node.op) => Err(failed(
                node,
                "all its inputs are constants, which it is not evaluated for",
            )),
            None => Err(unsupported(node)),
        };
    }
    let lowered = of_image(import, node, inputs).map_err(|why| failed(node, &why))?;
    lowered.ok_or_else(|| unsupported(node))
}

/// An operator with at least one input that depends on the image; `None` = not supported.
fn of_image(
    import: &mut Import<'_>,
    node: &Node<'_>,
    inputs: Inputs<'_>,
) -> Why<Option<Vec<Value>>> {
    if let Some(tap) = math::lower(import, node, inputs)? {
        return Ok(Some(vec![Value::Node(tap)]));
    }
    if let Some(tap) = norm::lower(import, node, inputs)? {
        return Ok(Some(vec![Value::Node(tap)]));
    }
    if let Some(tap) = conv::lower(import, node, inputs)? {
        return Ok(Some(vec![Value::Node(tap)]));
    }
    if let Some(tap) = reduce::lower(import, node, inputs)? {
        return Ok(Some(vec![Value::Node(tap)]));
    }
    moves::lower(import, node, inputs)
}

fn constant(node: &Node<'_>) -> Result<Value> {
    for attribute in &node.attributes {
        let array = match attribute.name {
            "value" => {
                let tensor = attribute.tensor.as_ref();
                let tensor = tensor.ok_or_else(|| failed(node, "it has no value"))?;
                Array::read(tensor, &|_, _, _| {
                    Err(std::io::Error::other("an attribute must hold its own data"))
                })?
            }
            "value_float" => Array::floats(Vec::new(), vec![attribute.float.unwrap_or(0.0)]),
            "value_floats" => Array::floats(vec![attribute.floats.len()], attribute.floats.clone()),
            "value_int" => Array::ints(vec![attribute.int.unwrap_or(0)]).reshaped(Vec::new()),
            "value_ints" => Array::ints(attribute.ints.clone()),
            _ => continue,
        };
        return Ok(Value::Const(Rc::new(array)));
    }
    Err(failed(node, "it has no value that is a tensor"))
}

fn unsupported(node: &Node<'_>) -> NetworkError {
    let operator = if is_standard(node.domain) {
        node.op.to_owned()
    } else {
        format!("{}::{}", node.domain, node.op)
    };
    NetworkError::UnsupportedOperator {
        operator,
        node: node.label().to_owned(),
        supported: SUPPORTED.join(", "),
    }
}

/// Input `idx`, which depends on the image.
fn tap(inputs: Inputs<'_>, idx: usize) -> Why<Tap> {
    match inputs.get(idx) {
        Some(Some(Value::Node(tap))) => Ok(tap.clone()),
        Some(Some(Value::Const(_))) => Err(format!("input {idx} is a constant")),
        _ => Err(format!("input {idx} is missing")),
    }
}

/// Input `idx`, which must be a constant where it is there.
fn constant_input(inputs: Inputs<'_>, idx: usize) -> Why<Option<Rc<Array>>> {
    match inputs.get(idx) {
        Some(Some(Value::Const(array))) => Ok(Some(array.clone())),
        Some(Some(Value::Node(_))) => Err(format!(
            "input {idx} depends on the image, only constants are supported there"
        )),
        _ => Ok(None),
    }
}

/// The same, but it must be there.
fn need_constant(inputs: Inputs<'_>, idx: usize) -> Why<Rc<Array>> {
    constant_input(inputs, idx)?.ok_or_else(|| format!("input {idx} is missing"))
}
