//! The networks that the repository knows: their manifests, and who makes a graph of their weights.

use super::manifest::{Architecture, Manifest};
use super::weights::{Weights, sha256};
use super::{Graph, InputSpec, Network, NetworkError, NodeId, Result};
use super::{demo, inception_v1, torchvision, vit};
use crate::atlas::Class;
use crate::network::manifest::{self, ClassTable};
use candle_core::Device;

/// The manifests that are compiled in.
const MANIFESTS: [&str; 12] = [
    include_str!("../../models/inception_v1/model.toml"),
    include_str!("../../models/inception5h/model.toml"),
    include_str!("../../models/googlenet/model.toml"),
    include_str!("../../models/resnet18/model.toml"),
    include_str!("../../models/resnet50/model.toml"),
    include_str!("../../models/vgg16/model.toml"),
    include_str!("../../models/squeezenet1_1/model.toml"),
    include_str!("../../models/squeezenet1_1_caffe/model.toml"),
    include_str!("../../models/mobilenet_v2/model.toml"),
    include_str!("../../models/efficientnet_lite0/model.toml"),
    include_str!("../../models/dinov2_small/model.toml"),
    include_str!("../../models/demo/model.toml"),
];

/// All known networks.
///
/// # Errors
/// Never with the manifests that are compiled in; a test reads them.
pub fn manifests() -> Result<Vec<Manifest>> {
    MANIFESTS.iter().map(|text| Manifest::parse(text)).collect()
}

/// The manifest of the network called `name`.
///
/// # Errors
/// As [`manifests`].
pub fn find(name: &str) -> Result<Option<Manifest>> {
    Ok(manifests()?.into_iter().find(|known| known.name == name))
}

/// The classes of a table that is compiled in; none for [`ClassTable::None`] and [`ClassTable::File`].
///
/// # Errors
/// As [`manifests`].
pub fn classes(table: &ClassTable) -> Result<Vec<Class>> {
    match table {
        ClassTable::Imagenet => manifest::imagenet(),
        ClassTable::Google => manifest::google(),
        ClassTable::World => Ok(crate::images::world::World::classes()),
        ClassTable::None | ClassTable::File(_) => Ok(Vec::new()),
    }
}

/// The network of `manifest` from the bytes of its weights file, with `input` as its preprocessing. It has as many
/// classes as its classifier has outputs: those of `classes`, or numbers where that is empty.
///
/// # Errors
/// Weights that are missing, unknown or of another shape, and a wrong number of classes.
pub fn build(
    manifest: &Manifest,
    input: InputSpec,
    classes: Vec<Class>,
    bytes: &[u8],
    device: &Device,
) -> Result<Network> {
    let (graph, logits) = match manifest.architecture {
        Architecture::Demo => {
            let mut weights = Weights::open(bytes, device)?;
            let made = demo::architecture(&mut |name, shape| weights.take(name, shape))?;
            weights.finish()?;
            made
        }
        Architecture::InceptionV1 => inception_v1::graph(bytes, device)?,
        Architecture::Inception5h => inception_v1::google_graph(bytes, device)?,
        Architecture::Vit => {
            let (network, logits) =
                vit::load(&manifest.name, bytes, manifest.heads, input, device)?;
            let network = network.with_weights_sha256(sha256(bytes));
            return with_classes(network, logits, classes);
        }
        Architecture::Onnx => {
            return Err(NetworkError::BadGraph(
                "an ONNX file brings its own graph".to_owned(),
            ));
        }

        other => torchvision::graph(other, bytes, device)?,
    };
    let network = Network::new(&manifest.name, graph, input, device.clone())?;
    with_classes(network, Some(logits), classes)
        .map(|network| network.with_weights_sha256(sha256(bytes)))
}

/// Gives the outputs of `logits` their names; where there are none they are numbered.
///
/// # Errors
/// Another number of classes than there are outputs, with both numbers.
pub fn with_classes(
    network: Network,
    logits: Option<NodeId>,
    classes: Vec<Class>,
) -> Result<Network> {
    let Some(logits) = logits else {
        return Ok(network);
    };
    let outputs = network
        .graph
        .extents((network.input.size, network.input.size))?[logits.0]
        .channels();
    let classes = if classes.is_empty() {
        let numbered = |idx: usize| Class {
            id: idx.to_string(),
            names: format!("class {idx}"),
        };
        (0..outputs).map(numbered).collect()
    } else {
        classes
    };
    if classes.len() != outputs {
        return Err(NetworkError::WrongClasses {
            network: network.name,
            outputs,
            classes: classes.len(),
        });
    }
    network.with_classes(logits, classes)
}

/// A graph with the node of its logits.
pub(super) type Made = (Graph, NodeId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_whole() {
        let manifests = manifests().unwrap();
        for manifest in &manifests {
            let name = &manifest.name;
            assert_eq!(
                manifests.iter().filter(|m| m.name == *name).count(),
                1,
                "{name}"
            );
            let embedded = manifest.architecture == Architecture::Demo;
            assert_eq!(manifest.sources.is_empty(), embedded, "{name}");
            assert!(!manifest.tested.is_empty());
            assert!(!matches!(manifest.classes, ClassTable::File(_)), "{name}");
            // torchvision names its files by the beginning of their hash.
            for source in &manifest.sources {
                if let Some(digits) = source.sha256.as_ref().filter(|digits| digits.len() < 64) {
                    assert!(source.file.ends_with(&format!("-{digits}.pth")), "{name}");
                }
            }
        }
        assert!(find("resnet18").unwrap().is_some() && find("resnet19").unwrap().is_none());
    }
}
