//! ONNX's messages as far as they are needed, borrowed from the file's bytes.
//!
//! Field numbers are those of `onnx.proto3` (ONNX 1.19, IR version 12); unknown fields are passed over.

use super::wire::{Fields, Value};
use crate::network::{NetworkError, Result};

/// Nested graphs (branches of `If`) may lie this deep.
const DEEPEST: usize = 16;

#[derive(Debug, Default, Clone)]
pub(super) struct Model<'a> {
    /// Version of the standard operators.
    pub opset: i64,
    pub graph: Graph<'a>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    pub initializers: Vec<Tensor<'a>>,
    pub inputs: Vec<ValueInfo<'a>>,
    pub outputs: Vec<ValueInfo<'a>>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Node<'a> {
    pub name: &'a str,
    pub op: &'a str,
    pub domain: &'a str,
    /// Empty = left out.
    pub inputs: Vec<&'a str>,
    pub outputs: Vec<&'a str>,
    pub attributes: Vec<Attribute<'a>>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct Attribute<'a> {
    pub name: &'a str,
    pub float: Option<f32>,
    pub int: Option<i64>,
    pub text: Option<&'a [u8]>,
    pub tensor: Option<Box<Tensor<'a>>>,
    pub graph: Option<Box<Graph<'a>>>,
    pub floats: Vec<f32>,
    pub ints: Vec<i64>,
}

/// A tensor whose values are still in the file, or beside it.
#[derive(Debug, Default, Clone)]
pub(super) struct Tensor<'a> {
    pub name: &'a str,
    pub dims: Vec<i64>,
    pub data_type: i64,
    pub raw: Option<&'a [u8]>,
    /// Undecoded `float_data`, `int32_data`, `int64_data`, `double_data`, `uint64_data`.
    pub floats: Vec<Value<'a>>,
    pub ints: Vec<Value<'a>>,
    pub doubles: Vec<Value<'a>>,
    /// Pairs of key and value.
    pub external: Vec<(&'a str, &'a str)>,
    pub is_external: bool,
}

#[derive(Debug, Default, Clone)]
pub(super) struct ValueInfo<'a> {
    pub name: &'a str,
    /// `None` without a shape.
    pub dims: Option<Vec<Dimension<'a>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Dimension<'a> {
    Size(i64),
    Named(&'a str),
    Unknown,
}

impl<'a> Model<'a> {
    /// Reads a whole file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut model = Self::default();
        let mut fields = Fields::new(bytes, "model");
        let mut has_graph = false;
        while let Some((number, value)) = fields.next()? {
            match number {
                7 => {
                    has_graph = true;
                    model.graph = Graph::parse(value.bytes("graph")?, 0)?;
                }
                8 => {
                    let (domain, version) = opset(value.bytes("operator set")?)?;
                    if is_standard(domain) {
                        model.opset = version;
                    }
                }
                _ => (),
            }
        }
        if !has_graph {
            return Err(NetworkError::BadModel("it holds no graph".into()));
        }
        Ok(model)
    }
}

/// True for the domain of the standard operators.
pub(super) fn is_standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

fn opset(bytes: &[u8]) -> Result<(&str, i64)> {
    let mut fields = Fields::new(bytes, "operator set");
    let (mut domain, mut version) = ("", 0);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => domain = value.text("domain")?,
            2 => version = value.int("version")?,
            _ => (),
        }
    }
    Ok((domain, version))
}

impl<'a> Graph<'a> {
    fn parse(bytes: &'a [u8], depth: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(NetworkError::BadModel(format!(
                "its graphs are nested more than {DEEPEST} deep"
            )));
        }
        let mut graph = Self::default();
        let mut fields = Fields::new(bytes, "graph");
        while let Some((number, value)) = fields.next()? {
            let bytes = |what| value.bytes(what);
            match number {
                1 => graph.nodes.push(Node::parse(bytes("node")?, depth)?),
                5 => graph
                    .initializers
                    .push(Tensor::parse(bytes("initialiser")?)?),
                11 => graph.inputs.push(ValueInfo::parse(bytes("input")?)?),
                12 => graph.outputs.push(ValueInfo::parse(bytes("output")?)?),
                15 => {
                    return Err(NetworkError::BadModel(
                        "it holds sparse initialisers, which are not supported".into(),
                    ));
                }
                _ => (),
            }
        }
        Ok(graph)
    }
}

impl<'a> Node<'a> {
    fn parse(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut node = Self::default();
        let mut fields = Fields::new(bytes, "node");
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => node.inputs.push(value.text("node input")?),
                2 => node.outputs.push(value.text("node output")?),
                3 => node.name = value.text("node name")?,
                4 => node.op = value.text("operator")?,
                5 => node
                    .attributes
                    .push(Attribute::parse(value.bytes("attribute")?, depth)?),
                7 => node.domain = value.text("domain")?,
                _ => (),
            }
        }
        Ok(node)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|found| found.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        let found = self.attribute(name).and_then(|attribute| attribute.int);
        found.unwrap_or(default)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> f32 {
        let found = self.attribute(name).and_then(|attribute| attribute.float);
        found.unwrap_or(default)
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        let found = self.attribute(name).and_then(|attribute| attribute.text);
        found.and_then(|text| std::str::from_utf8(text).ok())
    }

    pub(super) fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// What messages call it: its name, else its first output's.
    pub(super) fn label(&self) -> &'a str {
        if self.name.is_empty() {
            self.outputs.first().copied().unwrap_or("without a name")
        } else {
            self.name
        }
    }
}

impl<'a> Attribute<'a> {
    fn parse(bytes: &'a [u8], depth: usize) -> Result<Self> {
        let mut attribute = Self::default();
        let mut fields = Fields::new(bytes, "attribute");
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => attribute.name = value.text("attribute name")?,
                2 => {
                    let mut one = Vec::new();
                    value.floats("attribute", &mut one)?;
                    attribute.float = one.first().copied();
                }
                3 => attribute.int = Some(value.int("attribute")?),
                4 => attribute.text = Some(value.bytes("attribute")?),
                5 => {
                    attribute.tensor = Some(Box::new(Tensor::parse(value.bytes("tensor")?)?));
                }
                6 => {
                    let graph = Graph::parse(value.bytes("graph")?, depth + 1)?;
                    attribute.graph = Some(Box::new(graph));
                }
                7 => value.floats("attribute", &mut attribute.floats)?,
                8 => value.ints("attribute", &mut attribute.ints)?,
                _ => (),
            }
        }
        Ok(attribute)
    }
}

impl<'a> Tensor<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut tensor = Self::default();
        let mut fields = Fields::new(bytes, "tensor");
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => value.ints("shape", &mut tensor.dims)?,
                2 => tensor.data_type = value.int("data type")?,
                4 => tensor.floats.push(value),
                5 | 7 | 11 => tensor.ints.push(value),
                8 => tensor.name = value.text("tensor name")?,
                9 => tensor.raw = Some(value.bytes("tensor data")?),
                10 => tensor.doubles.push(value),
                13 => tensor.external.push(pair(value.bytes("external data")?)?),
                14 => tensor.is_external = value.int("data location")? == 1,
                _ => (),
            }
        }
        Ok(tensor)
    }
}

fn pair(bytes: &[u8]) -> Result<(&str, &str)> {
    let mut fields = Fields::new(bytes, "entry");
    let (mut key, mut text) = ("", "");
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => key = value.text("key")?,
            2 => text = value.text("value")?,
            _ => (),
        }
    }
    Ok((key, text))
}

impl<'a> ValueInfo<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let mut info = Self::default();
        let mut fields = Fields::new(bytes, "value");
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => info.name = value.text("value name")?,
                2 => info.dims = type_dims(value.bytes("type")?)?,
                _ => (),
            }
        }
        Ok(info)
    }
}

/// The shape in a type; `None` for what is no tensor or has no shape.
fn type_dims(bytes: &[u8]) -> Result<Option<Vec<Dimension<'_>>>> {
    let mut fields = Fields::new(bytes, "type");
    let mut dims = None;
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut tensor = Fields::new(value.bytes("tensor type")?, "tensor type");
        while let Some((number, value)) = tensor.next()? {
            if number == 2 {
                dims = Some(shape_dims(value.bytes("shape")?)?);
            }
        }
    }
    Ok(dims)
}

fn shape_dims(bytes: &[u8]) -> Result<Vec<Dimension<'_>>> {
    let mut fields = Fields::new(bytes, "shape");
    let mut dims = Vec::new();
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let mut dim = Dimension::Unknown;
        let mut parts = Fields::new(value.bytes("dimension")?, "dimension");
        while let Some((number, value)) = parts.next()? {
            match number {
                1 => dim = Dimension::Size(value.int("dimension")?),
                2 => dim = Dimension::Named(value.text("dimension")?),
                _ => (),
            }
        }
        dims.push(dim);
    }
    Ok(dims)
}
