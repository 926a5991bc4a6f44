//! Graphs as ONNX files: the writer for networks that we train ourselves.
//!
//! Weights are written with 16 bits and cast back by the file itself, which halves it; who runs the file computes in
//! 32 bits. Field numbers are those of `onnx.proto3`; the operators are of version 13.

use crate::network::ops::{Conv, Linear, MaxPool};
use crate::network::{Graph, NetworkError, NodeId, Op, Result};
use candle_core::Tensor;
use half::f16;

/// ONNX's numbers of the data types.
const FLOAT: u64 = 1;
const FLOAT16: u64 = 10;

/// Kinds of attributes.
const INT: u64 = 2;
const INTS: u64 = 7;

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }
}

/// The file's nodes and weights as they are added.
#[derive(Default)]
struct File {
    nodes: Vec<Message>,
    weights: Vec<Message>,
}

/// The bytes of an ONNX file that computes `logits` of images `[n, 3, rows, columns]`, already preprocessed. Values
/// are named as the nodes are. Only dense convolutions, ReLU, max pools, joined channels, the mean over the map and
/// linear layers can be written.
///
/// # Errors
/// Another operator.
pub fn export(graph: &Graph, logits: NodeId, size: (usize, usize)) -> Result<Vec<u8>> {
    let mut file = File::default();
    for node in graph.nodes.iter().take(logits.0 + 1).skip(1) {
        let inputs = node.inputs.iter().map(|input| graph.node(*input));
        let inputs: Vec<&str> = inputs.map(|input| input.name.as_str()).collect();
        file.op(&node.name, &node.op, &inputs)?;
    }
    let last = graph.node(logits);
    let Op::Linear(linear) = &last.op else {
        let what = format!("{} is no linear layer", last.name);
        return Err(NetworkError::BadGraph(what));
    };
    let n_classes = linear.weight.dim(0)?;
    let mut inside = Message::default();
    for node in &file.nodes {
        inside = inside.message(1, node);
    }
    inside = inside.text(2, "planted");
    for weight in &file.weights {
        inside = inside.message(5, weight);
    }
    let input = &graph.nodes[0].name;
    let inside = inside
        .message(11, &value(input, &[3, size.0, size.1]))
        .message(12, &value(&last.name, &[n_classes]));
    let opset = Message::default().text(1, "").number(2, 13);
    let model = Message::default()
        .number(1, 8)
        .text(2, "atlascope")
        .message(7, &inside)
        .message(8, &opset);
    Ok(model.0)
}

/// Name, type and shape `[n, dims…]` of an input or output; the number of images is open.
fn value(name: &str, dims: &[usize]) -> Message {
    let mut shape = Message::default().message(1, &Message::default().text(2, "n"));
    for &dim in dims {
        shape = shape.message(1, &Message::default().number(1, dim as u64));
    }
    let tensor = Message::default().number(1, FLOAT).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

fn int(name: &str, value: u64) -> Message {
    Message::default()
        .text(1, name)
        .number(3, value)
        .number(20, INT)
}

fn ints(name: &str, values: &[usize]) -> Message {
    let mut message = Message::default().text(1, name);
    for &value in values {
        message = message.number(8, value as u64);
    }
    message.number(20, INTS)
}

impl File {
    fn node(&mut self, op: &str, output: &str, inputs: &[&str], attributes: &[Message]) {
        let mut node = Message::default();
        for input in inputs {
            node = node.text(1, input);
        }
        node = node.text(2, output).text(3, output).text(4, op);
        for attribute in attributes {
            node = node.message(5, attribute);
        }
        self.nodes.push(node);
    }

    /// A weight in 16 bits, and the node that makes 32 of them.
    fn weight(&mut self, name: &str, tensor: &Tensor) -> Result<()> {
        let values = tensor.flatten_all()?.to_vec1::<f32>()?;
        let raw: Vec<u8> = values
            .iter()
            .flat_map(|&value| f16::from_f32(value).to_le_bytes())
            .collect();
        let mut message = Message::default();
        for &dim in tensor.dims() {
            message = message.number(1, dim as u64);
        }
        let stored = format!("{name}.half");
        let message = message.number(2, FLOAT16).text(8, &stored).bytes(9, &raw);
        self.weights.push(message);
        self.node("Cast", name, &[&stored], &[int("to", FLOAT)]);
        Ok(())
    }

    fn op(&mut self, name: &str, op: &Op, inputs: &[&str]) -> Result<()> {
        match op {
            Op::Conv(conv) => self.conv(name, conv, inputs[0]),
            Op::Linear(linear) => self.linear(name, linear, inputs[0]),
            Op::MaxPool(pool) => {
                self.max_pool(name, pool, inputs[0]);
                Ok(())
            }
            Op::Relu => {
                self.node("Relu", name, &inputs[..1], &[]);
                Ok(())
            }
            Op::Concat => {
                self.node("Concat", name, inputs, &[int("axis", 1)]);
                Ok(())
            }
            Op::GlobalAvgPool => {
                let map = format!("{name}.map");
                self.node("GlobalAveragePool", &map, &inputs[..1], &[]);
                self.node("Flatten", name, &[&map], &[int("axis", 1)]);
                Ok(())
            }
            other => Err(NetworkError::BadGraph(format!(
                "{name}: {other:?} cannot be written as ONNX"
            ))),
        }
    }

    fn conv(&mut self, name: &str, conv: &Conv, input: &str) -> Result<()> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.weight(&weight, &conv.weight)?;
        self.weight(&bias, &conv.bias)?;
        let (_, _, rows, columns) = conv.weight.dims4()?;
        let attributes = [
            ints("dilations", &conv.dilation),
            int("group", conv.groups as u64),
            ints("kernel_shape", &[rows, columns]),
            ints("pads", &conv.pads),
            ints("strides", &conv.stride),
        ];
        self.node("Conv", name, &[input, &weight, &bias], &attributes);
        Ok(())
    }

    fn linear(&mut self, name: &str, linear: &Linear, input: &str) -> Result<()> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.weight(&weight, &linear.weight)?;
        self.weight(&bias, &linear.bias)?;
        self.node("Gemm", name, &[input, &weight, &bias], &[int("transB", 1)]);
        Ok(())
    }

    fn max_pool(&mut self, name: &str, pool: &MaxPool, input: &str) {
        let attributes = [
            int("ceil_mode", u64::from(pool.ceil)),
            ints("kernel_shape", &pool.kernel),
            ints("pads", &pool.pads),
            ints("strides", &pool.stride),
        ];
        self.node("MaxPool", name, &[input], &attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::onnx::{Source, load};
    use crate::network::{Channels, InputSpec, Network, Resize};
    use candle_core::Device;

    fn ramp(shape: &[usize], scale: f32) -> Tensor {
        let n: usize = shape.iter().product();
        // Multiples of 1/64 up to 1, exact in 16 bits.
        let value = |at: usize| scale * ((at * 37 % 129) as f32 - 64.0) / 64.0;
        Tensor::from_vec((0..n).map(value).collect(), shape, &Device::Cpu).unwrap()
    }

    fn small() -> (Graph, NodeId) {
        let (mut graph, input) = Graph::with_input();
        let conv = Conv {
            weight: ramp(&[5, 3, 3, 3], 0.5),
            bias: ramp(&[5], 1.0),
            stride: [2, 1],
            pads: [1, 0, 1, 2],
            groups: 1,
            dilation: [1; 2],
        };
        let pool = MaxPool {
            kernel: [2, 3],
            stride: [2, 2],
            pads: [0; 4],
            ceil: true,
        };
        let linear = Linear {
            weight: ramp(&[4, 10], 0.25),
            bias: ramp(&[4], 2.0),
        };
        let conv = graph.push("a", Op::Conv(conv), &[input]).unwrap();
        let relu = graph.push("b", Op::Relu, &[conv]).unwrap();
        let pool = graph.push("c", Op::MaxPool(pool), &[relu]).unwrap();
        let pool = graph.push("cc", Op::Concat, &[pool, pool]).unwrap();
        let mean = graph.push("d", Op::GlobalAvgPool, &[pool]).unwrap();
        let logits = graph.push("e", Op::Linear(linear), &[mean]).unwrap();
        (graph, logits)
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_network() {
        let (graph, logits) = small();
        let input = InputSpec {
            size: 11,
            resize: Resize::Warp,
            filter: crate::atlas::Filter::Bilinear,
            channels: Channels::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
        };
        let bytes = export(&graph, logits, (11, 11)).unwrap();
        let source = Source {
            name: "small",
            model: &bytes,
            external: &|_, _, _| Err(std::io::Error::other("there is nothing beside it")),
        };
        let read = load(&source, input, None, &Device::Cpu).unwrap();
        assert_eq!(read.classes.len(), 4);
        let names: Vec<&str> = read.graph.nodes.iter().map(|n| n.name.as_str()).collect();
        assert!(names.contains(&"b"), "{names:?}");
        let ours = Network::new("small", graph, input, Device::Cpu).unwrap();
        let images = ramp(&[2, 3, 11, 11], 3.0);
        let values = |network: &Network, tap| {
            let value = network.forward(&images, &[tap]).unwrap().remove(0);
            value.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let found = values(&read, read.logits.unwrap());
        for (a, b) in found.iter().zip(values(&ours, logits)) {
            assert!((a - b).abs() < 1e-5, "{a} and {b}");
        }
    }

    #[test]
    fn an_operator_that_cannot_be_written_is_named() {
        let (mut graph, logits) = small();
        graph.nodes[2].op = Op::Concat;
        let error = export(&graph, logits, (11, 11)).unwrap_err().to_string();
        assert!(error.contains("b: Concat cannot"), "{error}");
    }
}
