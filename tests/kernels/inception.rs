//! The real network, where its weights are at hand.

use super::{assert_close, engines, max_error, noise, relative_l2, values};
use atlascope::atlas::{Precision, Relaxation};
use atlascope::network::{Compute, Network, NodeId, inception_v1};
use candle_core::{Device, Tensor};

fn inception() -> Option<Network> {
    let data = crate::support::data("InceptionV1")?;
    let bytes = std::fs::read(data.join("inception_v1/weights.safetensors")).unwrap();
    let network = inception_v1::load(&bytes, &Device::Cpu).unwrap();
    Some(network.with_compute(Compute::Reference))
}

/// Smooth images with values as the network's input has them.
fn images(batch: usize, side: usize) -> Tensor {
    let coarse = noise(&[batch, 3, 9, 9], 5);
    let fine = noise(&[batch, 3, side, side], 6);
    let coarse = coarse.interpolate2d(side, side).unwrap();
    ((coarse * 100.0).unwrap() + (fine * 20.0).unwrap()).unwrap()
}

#[test]
fn layers_and_logits_agree() {
    let Some(network) = inception() else { return };
    let mut taps: Vec<NodeId> = network.layers().iter().map(|layer| layer.id).collect();
    taps.push(network.logits.unwrap());
    taps.push(network.graph.find("conv2d0").unwrap());
    for (batch, side) in [(1, 224), (3, 97), (8, 71), (2, 80), (1, 73)] {
        let images = images(batch, side);
        let expected = network.forward(&images, &taps).unwrap();
        for engine in engines(&network.graph, 224) {
            let found = engine.forward(&images, &taps).unwrap();
            for ((tap, found), expected) in taps.iter().zip(&found).zip(&expected) {
                let name = &network.graph.node(*tap).name;
                let what = format!("{:?} {name} {batch} × {side}", engine.isa());
                assert_close(&what, found, expected, 1e-4);
            }
        }
    }
}

#[test]
fn gradients_agree() {
    let Some(network) = inception() else { return };
    for (name, batch, side) in [("mixed4d", 6, 80), ("mixed3b", 1, 97), ("logits", 2, 71)] {
        let tap = network.graph.find(name).unwrap();
        let images = images(batch, side);
        let (_, expected) = network
            .vjp(&images, tap, &mut |activation| Ok(pull(activation)))
            .unwrap();
        for engine in engines(&network.graph, 224) {
            let (_, found) = engine
                .vjp(&images, tap, &mut |activation| Ok(pull(activation)))
                .unwrap();
            let error = relative_l2(&values(&found), &values(&expected));
            assert!(
                error < 0.02,
                "{:?} {name} {batch} × {side}: {error}",
                engine.isa()
            );
        }
    }
}

/// Layers to draw icons of, how many at once, and of how many pixels.
const ICONS: [(&str, usize, usize); 3] =
    [("mixed4d", 5, 80), ("mixed3a", 2, 48), ("mixed5b", 1, 71)];

/// The gradient that is pulled back.
fn pull(activation: &Tensor) -> Tensor {
    noise(activation.dims(), 8)
}

fn centre((rows, cols): (usize, usize)) -> (usize, usize) {
    (rows / 2, cols / 2)
}

/// An icon's gradient: of the middle of a layer, from which the fast path leaves out what that does not see.
#[test]
fn gradients_of_one_position_agree() {
    let Some(network) = inception() else { return };
    for (name, batch, side) in ICONS {
        let tap = network.graph.find(name).unwrap();
        let images = images(batch, side);
        let expected = network
            .vjp_at(
                &images,
                (tap, &centre, Precision::Full),
                &mut |activation| Ok(pull(activation)),
            )
            .unwrap();
        for engine in engines(&network.graph, 224) {
            let (_, found) = engine
                .vjp_at(
                    &images,
                    (tap, &centre, Precision::Full),
                    &mut |activation| Ok(pull(activation)),
                )
                .unwrap();
            let error = relative_l2(&values(&found), &values(&expected));
            let isa = engine.isa();
            assert!(error < 0.02, "{isa:?} {name} {batch} × {side}: {error}");
        }
    }
}

/// Rounded products move activations by up to one per cent, which turns some ReLUs and pools over; an icon's gradient still
/// points the same way. Where the processor does not multiply 16-bit floats nothing is rounded.
#[test]
fn gradients_in_half_precision_point_the_same_way() {
    let Some(network) = inception() else { return };
    for (name, batch, side) in ICONS {
        let tap = network.graph.find(name).unwrap();
        let images = images(batch, side);
        for engine in engines(&network.graph, 224) {
            let isa = engine.isa();
            let [(there, full), (here, half)] =
                [Precision::Full, Precision::Half].map(|precision| {
                    engine
                        .vjp_at(&images, (tap, &centre, precision), &mut |activation| {
                            Ok(pull(activation))
                        })
                        .unwrap()
                });
            let [full, half, there, here] = [full, half, there, here].map(|t| values(&t));
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum()
            };
            let cosine = dot(&full, &half) / (dot(&full, &full) * dot(&half, &half)).sqrt();
            let error = relative_l2(&here, &there);
            assert!(
                cosine > 0.98 && error < 0.015,
                "{isa:?} {name}: {cosine}, {error}"
            );
            assert_eq!(full == half, !isa.halves(), "{isa:?} {name}");
        }
    }
}

#[test]
fn attributions_agree() {
    let Some(network) = inception() else { return };
    let images = images(1, 224);
    let logits = network.logits.unwrap();
    for (name, positions) in [
        ("mixed3b", &[(9, 20)][..]),
        ("mixed4d", &[(0, 0), (6, 7), (13, 3)]),
        ("mixed5b", &[(6, 6), (2, 0)]),
    ] {
        let tap = network.graph.find(name).unwrap();
        let activation = network.forward(&images, &[tap]).unwrap().remove(0);
        for relaxation in [Relaxation::Plain, Relaxation::Average] {
            let expected = network
                .attribution(tap, &activation, positions, relaxation)
                .unwrap();
            for engine in engines(&network.graph, 224) {
                let found = engine
                    .attribution((tap, logits), &activation, positions, relaxation)
                    .unwrap();
                let error = max_error(found.as_slice().unwrap(), expected.as_slice().unwrap());
                assert!(
                    error < 1e-3,
                    "{:?} {name} {relaxation:?}: {error}",
                    engine.isa()
                );
            }
        }
    }
}
