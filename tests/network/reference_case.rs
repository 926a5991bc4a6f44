//! One exported network beside what onnxruntime and PyTorch computed with it: a folder with `model.onnx`, `input.bin`,
//! `values.bin`, `values.json` and maybe `gradient.bin`, as the scripts beside the references write it.

use atlascope::atlas::Relaxation;
use atlascope::network::onnx::{Source, load};
use atlascope::network::ops::MaxPool;
use atlascope::network::{Channels, Compute, InputSpec, Network, NodeId, Op, Resize};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(serde::Deserialize)]
struct About {
    input: Vec<usize>,
    output: String,
    values: BTreeMap<String, Place>,
}

#[derive(serde::Deserialize)]
struct Place {
    shape: Vec<usize>,
    /// In floats.
    offset: usize,
    /// How many times the shape lies there: once per image where the file takes one at a time.
    runs: usize,
}

/// A case, read.
pub(crate) struct Case {
    folder: PathBuf,
    about: About,
    values: Vec<f32>,
    pub(crate) images: Tensor,
}

/// How far two things lie apart, as a share of the larger one's largest number.
#[derive(Debug, Default)]
pub(crate) struct Worst {
    pub(crate) error: f32,
    pub(crate) at: String,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Nodes of ours that the reference has as well.
    pub(crate) n_compared: usize,
    /// Values that can be taps: ours and, of four axes, the reference's.
    pub(crate) n_taps: usize,
    pub(crate) worst: Worst,
    pub(crate) logits: f32,
    /// Choices that differ: values behind a ReLU that are 0 in one of the two only, windows of a max pool with another
    /// winner. Each moves the gradient by a jump, not by a rounding.
    pub(crate) kinks: usize,
    /// Gradient of the weighted logits to the image, where it was recorded.
    pub(crate) gradient: Option<f32>,
    /// |⟨w, Jv⟩ − ⟨Jᵀw, v⟩| as a share of the vectors' lengths.
    pub(crate) adjoint: f32,
    /// Attribution beside the jvp of whole maps.
    pub(crate) attribution: Worst,
}

fn floats(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|&word| f32::from_le_bytes(word)).collect()
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference, as a share of the largest number expected. Values of these networks are about 1;
/// where all are below 0.01 they are compared as if they were that, for some are sums that should be 0.
pub(crate) fn apart(found: &[f32], expected: &[f32]) -> f32 {
    apart_from(1e-2, found, expected)
}

/// The same; numbers below `least` count as that.
fn apart_from(least: f32, found: &[f32], expected: &[f32]) -> f32 {
    if found.len() != expected.len() {
        return f32::INFINITY;
    }
    let largest = expected.iter().fold(least, |most, x| most.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let worst = pairs.fold(0f32, |most, (a, b)| {
        // NaN must not hide behind a maximum.
        let difference = (a - b).abs();
        if difference.is_nan() {
            f32::INFINITY
        } else {
            most.max(difference)
        }
    });
    worst / largest
}

impl Case {
    pub(crate) fn open(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("values.json")).unwrap();
        let about: About = serde_json::from_str(&text).unwrap();
        let images = floats(&folder.join("input.bin"));
        let images = Tensor::from_vec(images, about.input.clone(), &Device::Cpu).unwrap();
        Self {
            values: floats(&folder.join("values.bin")),
            folder: folder.to_owned(),
            images,
            about,
        }
    }

    /// The network, for images of the recorded size.
    pub(crate) fn network(&self, compute: Compute) -> atlascope::network::Result<Network> {
        let input = InputSpec {
            size: self.about.input[2],
            resize: Resize::Warp,
            filter: atlascope::atlas::Filter::Bilinear,
            channels: Channels::Rgb,
            mean: [0.0; 3],
            scale: [1.0; 3],
        };
        let model = std::fs::read(self.folder.join("model.onnx")).unwrap();
        let external = |location: &str, offset: u64, length: Option<u64>| {
            let bytes = std::fs::read(self.folder.join(location))?;
            let bytes = bytes.get(offset as usize..).unwrap_or_default();
            Ok(bytes[..length.map_or(bytes.len(), |n| n as usize)].to_vec())
        };
        let source = Source {
            name: "case",
            model: &model,
            external: &external,
        };
        Ok(load(&source, input, None, &Device::Cpu)?.with_compute(compute))
    }

    /// The reference's value called `name` for all images, where it has the same numbers of elements per image.
    fn expected(&self, name: &str, dims: &[usize]) -> Option<&[f32]> {
        let place = self.about.values.get(name)?;
        let n: usize = place.shape.iter().product();
        let same = if place.runs > 1 {
            n == dims[1..].iter().product::<usize>()
        } else {
            place.shape == dims
        };
        same.then(|| &self.values[place.offset..place.offset + n * place.runs])
    }

    /// Compares everything.
    pub(crate) fn compare(&self, network: &Network) -> Report {
        let mut report = Report::default();
        let known = |id: &NodeId| {
            self.about
                .values
                .contains_key(&network.graph.node(*id).name)
        };
        let ids: Vec<NodeId> = (1..network.graph.nodes.len())
            .map(NodeId)
            .filter(known)
            .collect();
        let values = network.forward(&self.images, &ids).unwrap();
        for (&id, value) in ids.iter().zip(&values) {
            let name = &network.graph.node(id).name;
            let Some(expected) = self.expected(name, value.dims()) else {
                continue;
            };
            report.n_compared += 1;
            report.n_taps += usize::from(network.extent(id).map_size().is_some());
            let found = flat(value);
            let node = network.graph.node(id);
            if matches!(node.op, Op::Relu) {
                let pairs = found.iter().zip(expected);
                report.kinks += pairs.filter(|(a, b)| (**a > 0.0) != (**b > 0.0)).count();
            }
            let source = node.inputs.first().and_then(|input| {
                let at = ids.iter().position(|id| id == input)?;
                let name = &network.graph.node(*input).name;
                Some((&values[at], self.expected(name, values[at].dims())?))
            });
            if let (Op::MaxPool(pool), Some((ours, theirs))) = (&node.op, source) {
                let winners = [&flat(ours), theirs].map(|x| winners(pool, x, ours.dims()));
                let pairs = winners[0].iter().zip(&winners[1]);
                report.kinks += pairs.filter(|(a, b)| a != b).count();
            }
            let error = apart(&found, expected);
            if error > report.worst.error {
                report.worst.error = error;
                report.worst.at.clone_from(name);
            }
        }
        let last = NodeId(network.graph.nodes.len() - 1);
        let place = &self.about.values[&self.about.output];
        let n: usize = place.shape.iter().product::<usize>() * place.runs;
        let expected = &self.values[place.offset..place.offset + n];
        let found = flat(&network.forward(&self.images, &[last]).unwrap()[0]);
        // A softmax at the end is not ours: probabilities, or their logarithms, are compared then.
        let probabilities = softmax(&found, place.shape[0] * place.runs);
        let logarithms: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        let forms = [found, probabilities, logarithms].map(|found| apart(&found, expected));
        report.logits = forms.into_iter().fold(f32::INFINITY, f32::min);
        if let Some(logits) = network.logits {
            self.derivatives(network, logits, &mut report);
        }
        report
    }

    fn derivatives(&self, network: &Network, logits: NodeId, report: &mut Report) {
        let n = network.classes.len();
        let batch = self.about.input[0];
        let weights: Vec<f32> = (0..n * batch).map(|i| ((i % n) as f32).sin()).collect();
        let weights = Tensor::from_vec(weights, (batch, n), &Device::Cpu).unwrap();
        let (_, gradient) = network
            .vjp(&self.images, logits, &mut |_| Ok(weights.clone()))
            .unwrap();
        let path = self.folder.join("gradient.bin");
        if path.exists() {
            // An untrained network's gradient may be tiny everywhere.
            let least = f32::MIN_POSITIVE;
            report.gradient = Some(apart_from(least, &flat(&gradient), &floats(&path)));
        }
        let one = self.images.narrow(0, 0, 1).unwrap();
        let direction = one.sin().unwrap();
        let pushed = network
            .jvp(NodeId(0), &one, &direction, logits, Relaxation::Plain)
            .unwrap();
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter()
                .zip(b)
                .map(|(&a, &b)| f64::from(a) * f64::from(b))
                .sum()
        };
        let (w, jv) = (flat(&weights.narrow(0, 0, 1).unwrap()), flat(&pushed));
        let (v, jw) = (flat(&direction), flat(&gradient.narrow(0, 0, 1).unwrap()));
        let scale = (dot(&w, &w) * dot(&jv, &jv)).sqrt() + 1e-12;
        report.adjoint = ((dot(&w, &jv) - dot(&jw, &v)).abs() / scale) as f32;
        let layers = network.layers();
        for at in [0, layers.len() / 2, layers.len() - 1] {
            let Some(layer) = layers.get(at) else {
                continue;
            };
            let error = attribution(network, layer.id, &one, logits);
            if error > report.attribution.error {
                report.attribution.error = error;
                report.attribution.at.clone_from(&layer.name);
            }
        }
    }
}

/// The place of the largest value in each window that lies on the map.
fn winners(pool: &MaxPool, x: &[f32], dims: &[usize]) -> Vec<usize> {
    let (rows, cols) = (dims[2], dims[3]);
    let along = |n: usize, axis: usize| (0..n + pool.pads[axis]).step_by(pool.stride[axis]);
    let span = |first: usize, n: usize, axis: usize| {
        let end = (first + pool.kernel[axis]).saturating_sub(pool.pads[axis]);
        first.saturating_sub(pool.pads[axis])..end.min(n)
    };
    let mut winners = Vec::new();
    for plane in x.chunks_exact(rows * cols) {
        for top in along(rows, 0) {
            for left in along(cols, 1) {
                let places = span(top, rows, 0)
                    .flat_map(|row| span(left, cols, 1).map(move |col| row * cols + col));
                let best = places.max_by(|&a, &b| plane[a].total_cmp(&plane[b]).then(b.cmp(&a)));
                winners.extend(best);
            }
        }
    }
    winners
}

fn softmax(logits: &[f32], images: usize) -> Vec<f32> {
    let rows = logits.chunks(logits.len() / images);
    rows.flat_map(|row| {
        let most = row.iter().fold(f32::MIN, |a, &b| a.max(b));
        let sum: f32 = row.iter().map(|x| (x - most).exp()).sum();
        row.iter()
            .map(move |x| (x - most).exp() / sum)
            .collect::<Vec<_>>()
    })
    .collect()
}

/// How far the attribution of a corner and of the middle is from the jvp of a map that is zero elsewhere.
fn attribution(network: &Network, tap: NodeId, image: &Tensor, logits: NodeId) -> f32 {
    let h = &network.forward(image, &[tap]).unwrap()[0];
    let (_, _, rows, cols) = h.dims4().unwrap();
    let positions = [(0, cols - 1), (rows / 2, cols / 2)];
    let mut worst = 0f32;
    // A transformer's patches are part of tokens, from which everything follows.
    let name = &network.graph.node(tap).name;
    let tokens = name
        .strip_suffix("~map")
        .and_then(|name| network.graph.find(name))
        .filter(|&tokens| network.extent(tokens).dims.len() == 2);
    let from = tokens.unwrap_or(tap);
    let primal = &network.forward(image, &[from]).unwrap()[0];
    for relaxation in [Relaxation::Plain, Relaxation::Average] {
        let found = network.attribution_in(image, (tap, h), &positions, relaxation);
        let found = found.unwrap();
        for (found, (row, col)) in found.rows().into_iter().zip(positions) {
            let one = if tokens.is_some() {
                let n = primal.dims()[1];
                let at = n - rows * cols + row * cols + col;
                let one = primal.narrow(1, at, 1).unwrap();
                one.pad_with_zeros(1, at, n - at - 1).unwrap()
            } else {
                let one = h.narrow(2, row, 1).unwrap().narrow(3, col, 1).unwrap();
                let one = one.pad_with_zeros(2, row, rows - row - 1).unwrap();
                one.pad_with_zeros(3, col, cols - col - 1).unwrap()
            };
            let expected = network.jvp(from, primal, &one, logits, relaxation);
            worst = worst.max(apart(&found.to_vec(), &flat(&expected.unwrap())));
        }
    }
    worst
}
