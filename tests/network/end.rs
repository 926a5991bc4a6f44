//! Where the logits are a mean over positions and one linear map, and where they are not.

use crate::support::{data, noise, values};
use atlascope::network::{Network, NoEnd, Op, catalogue, demo, manifest::ClassTable, onnx};
use candle_core::{Device, Tensor};

fn images(network: &Network, n: usize) -> Tensor {
    let side = network.input.size;
    (noise(&[n, 3, side, side], 3) * 2.0).unwrap()
}

/// The weights that were found are those of the classifier's own node.
#[test]
fn the_demo_ends_in_its_classifier() {
    let network = demo::load(&Device::Cpu).unwrap();
    let end = network.linear_end(&images(&network, 4)).unwrap();
    assert_eq!(end.layer.name, "mixed5a");
    let logits = network.logits.unwrap();
    let Op::Linear(linear) = &network.graph.node(logits).op else {
        panic!("the demo's logits are a linear map")
    };
    let weight = values(&linear.weight);
    assert_eq!(weight.len(), end.weights.len());
    let apart = |(a, b): (&f32, &f32)| (a - b).abs();
    let worst = end
        .weights
        .iter()
        .zip(&weight)
        .map(apart)
        .fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
    let bias = values(&linear.bias);
    assert!(end.bias.iter().zip(&bias).map(apart).all(|d| d < 1e-5));
}

#[test]
fn the_given_networks_end_in_a_mean() {
    let Some(folder) = data("the linear end of trained networks") else {
        return;
    };
    // SqueezeNet's classifier lies before its mean, so that nothing but the mean follows.
    for (name, depth, side) in [
        ("inception_v1", 1024, 7),
        ("efficientnet_lite0", 1280, 7),
        ("squeezenet1_1", 1000, 13),
    ] {
        let bytes = std::fs::read(folder.join(format!("onnx/{name}.onnx"))).unwrap();
        let source = onnx::Source {
            name,
            model: &bytes,
            external: &|_, _, _| Err(std::io::Error::other("none")),
        };
        let input = catalogue::find("resnet18").unwrap().unwrap().input;
        let classes = catalogue::classes(&ClassTable::Imagenet).unwrap();
        let network = onnx::load(&source, input, Some(classes), &Device::Cpu).unwrap();
        let end = network.linear_end(&images(&network, 2)).unwrap();
        assert_eq!(end.weights.dim(), (1000, depth), "{name}");
        assert_eq!(end.layer.map_size, (side, side), "{name}");
        if name == "squeezenet1_1" {
            let off = |((row, col), v): ((usize, usize), &f32)| {
                (v - f32::from(u8::from(row == col))).abs()
            };
            let worst = end.weights.indexed_iter().map(off).fold(0.0, f32::max);
            assert!(worst < 1e-4, "{worst}");
        }
    }
}

#[test]
fn other_ends_say_why_not() {
    let mut network = demo::load(&Device::Cpu).unwrap();
    let images = images(&network, 2);
    let logits = network.logits.take();
    assert_eq!(network.linear_end(&images), Err(NoEnd::NoClassifier));
    network.logits = logits;
    // A ReLU on the logits: linear no more.
    let mut graph = network.graph.clone();
    let bent = graph.push("bent", Op::Relu, &[logits.unwrap()]).unwrap();
    let bent = Network::new("bent", graph, network.input, Device::Cpu)
        .unwrap()
        .with_classes(bent, network.classes.clone())
        .unwrap();
    let why = bent.linear_end(&images).unwrap_err();
    assert!(matches!(why, NoEnd::NotLinear { .. }), "{why}");
    assert!(why.to_string().contains("mixed5a"), "{why}");
    // A classifier that sees where things are.
    let transformer = super::transformer::network();
    assert_eq!(transformer.linear_end(&images), Err(NoEnd::NoLayer));
}
