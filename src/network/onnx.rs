//! ONNX files as graphs.
//!
//! A file is read in four steps, none of which trusts it: [`wire`] and [`proto`] take its bytes apart; [`order`]
//! finds the nodes that the output needs and the order in which they can run; [`import`] with [`lower`] makes
//! every value either a constant (folded by [`fold`], which takes care of the shape arithmetic that exporters
//! leave behind) or a node of our graph; [`tidy`] joins what belongs together and drops what nobody reads.
//!
//! Nodes are named as the file names their values. The result runs at any number of images and, as far as its
//! operators allow, at any image size: shapes that the file has as numbers are taken relative to their input's.

mod array;
mod export;
mod fold;
mod import;
mod lower;
mod order;
mod proto;
mod windows;
mod wire;

pub use export::export;
pub use lower::SUPPORTED;

use super::ops::{Conv, Reshape};
use super::tidy;
use super::{Extent, Graph, InputSpec, Network, NetworkError, NodeId, Op, Result};
use crate::atlas::Class;
use candle_core::{Device, Tensor};
use import::{Import, Tap, Value};
use proto::{Dimension, Model, ValueInfo};
use std::collections::HashSet;

/// Reads `length` bytes (all to the end where `None`) from `offset` of the file `location` beside the model; the
/// location is relative and stays inside the model's folder. A file that is shorter is an error, which must come
/// before memory for the bytes is asked for.
pub type External<'a> = dyn Fn(&str, u64, Option<u64>) -> std::io::Result<Vec<u8>> + 'a;

/// An ONNX file and what lies beside it.
pub struct Source<'a> {
    /// The network's name, for messages and atlases.
    pub name: &'a str,
    /// The file's bytes.
    pub model: &'a [u8],
    /// Tensors that the file keeps in other files.
    pub external: &'a External<'a>,
}

/// Files fixed to more images at once are taken for damaged.
const MOST_IMAGES: i64 = 4096;

/// Longest side of a fixed input.
const LONGEST_SIDE: i64 = 1 << 14;

/// Rows and columns that the file's input is fixed to; `None` where it leaves them open.
///
/// # Errors
/// Bytes that are no ONNX file, and a file without an input for images.
pub fn input_size(model: &[u8]) -> Result<Option<(usize, usize)>> {
    let model = Model::parse(model)?;
    let form = InputForm::of(image_input(&model)?)?;
    Ok(form.rows.zip(form.cols))
}

/// The network in an ONNX file. With `classes` their number must be that of the logits; without, a classifier's
/// classes are numbered, and a network without a classifier has none.
///
/// # Errors
/// Bytes that are no ONNX file; operators that are not supported; shapes that do not fit or cannot be resolved.
pub fn load(
    source: &Source<'_>,
    input: InputSpec,
    classes: Option<Vec<Class>>,
    device: &Device,
) -> Result<Network> {
    let model = Model::parse(source.model)?;
    let info = image_input(&model)?;
    let form = InputForm::of(info)?;
    // Where the file fixes the size its shapes are resolved for that.
    let size = (
        form.rows.unwrap_or(input.size),
        form.cols.unwrap_or(input.size),
    );
    let mut import = Import::new(Graph::default(), Vec::new(), device, source.external);
    import.opset = model.opset;
    import.batch = form.images;
    begin(&mut import, info, &form, size)?;
    import.add_initializers(&model.graph.initializers);

    let output = logits_name(&model)?;
    let mut given: HashSet<&str> = HashSet::from([info.name]);
    given.extend(model.graph.initializers.iter().map(|tensor| tensor.name));
    let nodes = order::live_nodes(&model.graph, &given, output)?;
    for name in nodes.iter().flat_map(|node| order::reads(node)) {
        *import.uses.entry(name).or_default() += 1;
    }
    *import.uses.entry(output).or_default() += 1;
    import.run(&nodes)?;
    let Value::Node(tap) = import.get(output)? else {
        return Err(NetworkError::BadModel(format!(
            "its output {output} does not depend on the image"
        )));
    };
    let (last, flat) = flattened(&mut import, &tap)?;
    let (graph, last) = tidy::tidy(import.graph, last, size)?;
    let is_classifier = flat && (classes.is_some() || tidy::ends_in_a_classifier(&graph, last));
    let network = Network::new(source.name, graph, input, device.clone()).map_err(|error| {
        NetworkError::BadModel(format!(
            "made for images of {}×{}, it cannot take {}×{}: {error}",
            size.0, size.1, input.size, input.size
        ))
    })?;
    finish(network, last, is_classifier, classes)
        .map(|network| network.with_weights_sha256(super::weights::sha256(source.model)))
}

/// Names the logits, where there are any.
fn finish(
    network: Network,
    last: NodeId,
    is_classifier: bool,
    classes: Option<Vec<Class>>,
) -> Result<Network> {
    let n = network.extent(last).len();
    match classes {
        Some(classes) if !is_classifier || classes.len() != n => {
            Err(NetworkError::BadInput(format!(
                "{} class names for {}, whose output {} is {:?}; give a file with one name per class",
                classes.len(),
                network.name,
                network.graph.node(last).name,
                network.extent(last).dims
            )))
        }
        Some(classes) => network.with_classes(last, classes),
        None if is_classifier => {
            let numbered = |idx: usize| Class {
                id: idx.to_string(),
                names: format!("class {idx}"),
            };
            network.with_classes(last, (0..n).map(numbered).collect())
        }
        None => Ok(network),
    }
}

/// What the file says about its input.
struct InputForm {
    images: usize,
    channels: usize,
    rows: Option<usize>,
    cols: Option<usize>,
    /// Channels come last.
    channels_last: bool,
}

impl InputForm {
    fn of(info: &ValueInfo<'_>) -> Result<Self> {
        let bad = |why: String| {
            Err(NetworkError::BadModel(format!(
                "its input {} {why}; only images [batch, 3, rows, columns] are supported",
                info.name
            )))
        };
        let open = [Dimension::Unknown; 4];
        let dims = info.dims.as_deref().unwrap_or(&open);
        let &[images, a, b, c] = dims else {
            return bad(format!("has {} axes", dims.len()));
        };
        let fixed = |dim: Dimension<'_>, most: i64| match dim {
            Dimension::Size(size) if size > 0 && size <= most => Ok(Some(size as usize)),
            Dimension::Size(size) if size > most => Err(size),
            // −1 is written for an open size.
            _ => Ok(None),
        };
        if dims.contains(&Dimension::Size(0)) {
            return bad(
                "has a size of 0, which no image fits; export it with that size open (dynamic axes)".into(),
            );
        }
        let channels_last =
            matches!(c, Dimension::Size(1 | 3)) && !matches!(a, Dimension::Size(1 | 3));
        let (channels, rows, cols) = if channels_last { (c, a, b) } else { (a, b, c) };
        let sizes = (
            fixed(images, MOST_IMAGES),
            fixed(channels, LONGEST_SIDE),
            fixed(rows, LONGEST_SIDE),
            fixed(cols, LONGEST_SIDE),
        );
        let (Ok(images), Ok(channels), Ok(rows), Ok(cols)) = sizes else {
            return bad(format!("has the absurd shape {dims:?}"));
        };
        let channels = channels.unwrap_or(3);
        if channels != 1 && channels != 3 {
            return bad(format!("has {channels} channels"));
        }
        Ok(Self {
            images: images.unwrap_or(1),
            channels,
            rows,
            cols,
            channels_last,
        })
    }
}

/// The input that is no initialiser.
fn image_input<'m, 'a>(model: &'m Model<'a>) -> Result<&'m ValueInfo<'a>> {
    let weights: HashSet<&str> = model
        .graph
        .initializers
        .iter()
        .map(|tensor| tensor.name)
        .collect();
    let inputs = model.graph.inputs.iter();
    let inputs: Vec<_> = inputs
        .filter(|input| !weights.contains(input.name))
        .collect();
    match inputs.as_slice() {
        [one] => Ok(one),
        [] => Err(NetworkError::BadModel("it has no input".into())),
        many => {
            let names: Vec<&str> = many.iter().map(|input| input.name).collect();
            Err(NetworkError::BadModel(format!(
                "it has {} inputs ({}), one is supported",
                names.len(),
                names.join(", ")
            )))
        }
    }
}

/// Our input node, and what the file's operators see of it.
fn begin<'a>(
    import: &mut Import<'a>,
    info: &ValueInfo<'a>,
    form: &InputForm,
    size: (usize, usize),
) -> Result<()> {
    let (graph, id) = Graph::with_input();
    import.graph = graph;
    import.extents = vec![Extent::map(3, size)];
    let bad = |why: String| NetworkError::BadModel(format!("its input {}: {why}", info.name));
    let mut tap = import.tap(id, true);
    if form.channels == 1 {
        let grey = Conv {
            weight: Tensor::full(1f32 / 3.0, (1, 3, 1, 1), import.device)?,
            bias: import.tensor(vec![0.0], &[1]).map_err(bad)?,
            stride: [1; 2],
            pads: [0; 4],
            groups: 1,
            dilation: [1; 2],
        };
        tap = import.led(Op::Conv(grey), &tap).map_err(bad)?;
    }
    if form.channels_last {
        tap = import
            .led(Op::Transpose(vec![0, 2, 3, 1]), &tap)
            .map_err(bad)?;
    }
    for (idx, node) in import.graph.nodes.iter_mut().enumerate().skip(1) {
        node.name = format!("{}~{}", info.name, idx - 1);
    }
    info.name.clone_into(&mut import.graph.nodes[tap.id.0].name);
    import.set(info.name, Value::Node(tap));
    Ok(())
}

/// The output that is the logits: the first one, before what only makes probabilities or labels of it.
fn logits_name<'a>(model: &Model<'a>) -> Result<&'a str> {
    let outputs = &model.graph.outputs;
    let first = outputs
        .first()
        .ok_or_else(|| NetworkError::BadModel("it has no output".into()))?;
    let mut name = first.name;
    // Each step goes to an earlier node; a cycle is found later, so that steps are counted here.
    for _ in 0..16 {
        let maker = model
            .graph
            .nodes
            .iter()
            .find(|node| node.outputs.first() == Some(&name));
        let Some(node) = maker else { break };
        let passes = matches!(
            node.op,
            "Softmax" | "LogSoftmax" | "Sigmoid" | "ArgMax" | "TopK" | "Identity" | "Cast"
        );
        let shapes = matches!(node.op, "Reshape" | "Flatten" | "Squeeze");
        let behind = |name: &str| {
            let nodes = model.graph.nodes.iter();
            let mut makers = nodes.filter(|node| node.outputs.first() == Some(&name));
            makers.any(|node| matches!(node.op, "Softmax" | "LogSoftmax"))
        };
        match node.inputs.first() {
            Some(&input) if passes || (shapes && behind(input)) => name = input,
            _ => break,
        }
    }
    Ok(name)
}

/// The last value as `[features]` where at most one of its axes is longer than 1.
fn flattened(import: &mut Import<'_>, tap: &Tap) -> Result<(NodeId, bool)> {
    let inner = tap.inner().to_vec();
    let n: usize = inner.iter().product();
    let long = inner.iter().filter(|&&size| size > 1).count();
    if long > 1 {
        return Ok((tap.id, false));
    }
    if inner.len() == 1 {
        return Ok((tap.id, true));
    }
    let bad = |why: String| NetworkError::BadModel(format!("its output: {why}"));
    let reshape = Reshape::between(&inner, &[n]).ok_or_else(|| bad("it is empty".into()))?;
    let id = import.emit(Op::Reshape(reshape), &[tap]).map_err(bad)?;
    let name = format!("{}~flat", import.graph.node(tap.id).name);
    import.graph.nodes[id.0].name = name;
    Ok((id, true))
}
