//! Against `fixtures/reference/inception_v1.json`, which PyTorch computed in double precision.

use super::{inception, values};
use atlascope::atlas::Relaxation;
use atlascope::network::{Compute, Network, NodeId};
use candle_core::{Device, Tensor};

#[derive(serde::Deserialize)]
struct Truth {
    classes: Vec<usize>,
    images: Vec<Image>,
}

#[derive(serde::Deserialize)]
struct Image {
    seed: u64,
    logits: Vec<f32>,
    gradient: Gradient,
    blocks: Vec<Block>,
    attributions: Vec<Attribution>,
}

#[derive(serde::Deserialize)]
struct Gradient {
    class: usize,
    norm: f64,
    probes: Vec<f32>,
}

#[derive(serde::Deserialize)]
struct Block {
    name: String,
    shape: Vec<usize>,
    mean: f64,
    std: f64,
    checksum: f64,
    probes: Vec<f32>,
}

#[derive(serde::Deserialize)]
struct Attribution {
    layer: String,
    positions: Vec<(usize, usize)>,
    plain: Vec<Vec<f32>>,
    average: Vec<Vec<f32>>,
}

fn truth() -> Truth {
    let text = include_str!("../../fixtures/reference/inception_v1.json");
    serde_json::from_str(text).unwrap()
}

/// The input that the fixture's script makes from `seed`, preprocessed.
fn image(seed: u64) -> Tensor {
    let mut values = Vec::with_capacity(3 * 224 * 224);
    for c in 0..3u64 {
        for y in 0..224u64 {
            for x in 0..224u64 {
                let tile = ((x / 16) * 37 + (y / 16) * 101 + c * 53 + seed * 29) % 192;
                let mut h = ((c * 224 + y) * 224 + x + seed * 7919) * 2_654_435_761 % (1 << 32);
                h ^= h >> 15;
                let mean = [104.0, 117.0, 123.0][c as usize];
                values.push((tile + h % 64) as f32 - mean);
            }
        }
    }
    Tensor::from_vec(values, (1, 3, 224, 224), &Device::Cpu).unwrap()
}

/// The same 64 values that the script writes.
fn probes(values: &[f32]) -> Vec<f32> {
    let step = values.len() / 64;
    values
        .iter()
        .skip(step / 2)
        .step_by(step)
        .take(64)
        .copied()
        .collect()
}

fn relative_error(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = found
        .iter()
        .zip(expected)
        .map(|(&a, &b)| square(a - b))
        .sum();
    let norm: f64 = expected.iter().map(|&b| square(b)).sum();
    (error / norm).sqrt()
}

/// Every mixed block to 1e-3 of its own size, logits to 1e-3.
fn check_forward(network: &Network) {
    let mut taps: Vec<NodeId> = network.layers().iter().map(|layer| layer.id).collect();
    taps.push(network.logits.unwrap());
    for expected in truth().images {
        let found = network.forward(&image(expected.seed), &taps).unwrap();
        assert_eq!(found.len(), expected.blocks.len() + 1);
        for (block, found) in expected.blocks.iter().zip(&found) {
            assert_eq!(found.dims()[1..], block.shape, "{}", block.name);
            let found = values(found);
            let n = found.len() as f64;
            let mean = found.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let variance = found
                .iter()
                .map(|&v| (f64::from(v) - mean).powi(2))
                .sum::<f64>()
                / n;
            let saw = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 50.0;
            let checksum: f64 = found
                .iter()
                .enumerate()
                .map(|(i, &v)| f64::from(v) * saw(i))
                .sum();
            let name = &block.name;
            assert!(
                (mean / block.mean - 1.0).abs() < 1e-3,
                "{name}: mean {mean}"
            );
            assert!(
                (variance.sqrt() / block.std - 1.0).abs() < 1e-3,
                "{name}: variance {variance}"
            );
            // A sum of n values of random signs is about √n of them.
            assert!(
                (checksum - block.checksum).abs() < 1e-3 * block.std * n.sqrt(),
                "{name}: checksum {checksum}, expected {}",
                block.checksum
            );
            let error = relative_error(&probes(&found), &block.probes);
            assert!(error < 1e-3, "{name}: probes differ by {error}");
        }
        let logits = values(&found[found.len() - 1]);
        for (class, (found, expected)) in logits.iter().zip(&expected.logits).enumerate() {
            assert!(
                (found - expected).abs() < 1e-3,
                "logit {class}: {found}, expected {expected}"
            );
        }
    }
}

/// Attributions at corners, edges and the middle of three layers, plain and relaxed.
fn check_attribution(network: &Network) {
    let truth = truth();
    for expected in truth.images {
        for expected_layer in &expected.attributions {
            let tap = network.layer(&expected_layer.layer).unwrap().id;
            let activation = &network.forward(&image(expected.seed), &[tap]).unwrap()[0];
            for (relaxation, expected_table) in [
                (Relaxation::Plain, &expected_layer.plain),
                (Relaxation::Average, &expected_layer.average),
            ] {
                let found = network
                    .attribution(tap, activation, &expected_layer.positions, relaxation)
                    .unwrap();
                for (row, expected_row) in found.rows().into_iter().zip(expected_table) {
                    let found: Vec<f32> = truth.classes.iter().map(|&class| row[class]).collect();
                    // Single precision flips a few ReLUs and winners against double precision.
                    let error = relative_error(&found, expected_row);
                    assert!(
                        error < 5e-3,
                        "{} {relaxation:?}: {error}",
                        expected_layer.layer
                    );
                }
            }
        }
    }
}

/// The gradient of one logit to the image. Flipped decisions of ReLUs and pools make the gradients of two correct
/// programs differ by about one per cent, so this only rules out another gradient.
fn check_gradient(network: &Network) {
    let logits = network.logits.unwrap();
    for expected in truth().images {
        let expected = (expected.seed, expected.gradient);
        let (_, gradient) = network
            .vjp(&image(expected.0), logits, &mut |activation| {
                let mut one = vec![0f32; activation.elem_count()];
                one[expected.1.class] = 1.0;
                Ok(Tensor::from_vec(
                    one,
                    activation.shape(),
                    activation.device(),
                )?)
            })
            .unwrap();
        let gradient = values(&gradient);
        let norm = gradient
            .iter()
            .map(|&v| f64::from(v).powi(2))
            .sum::<f64>()
            .sqrt();
        assert!((norm / expected.1.norm - 1.0).abs() < 0.05, "norm {norm}");
        let error = relative_error(&probes(&gradient), &expected.1.probes);
        assert!(error < 0.1, "probes differ by {error}");
    }
}

fn both() -> Option<[Network; 2]> {
    Some([inception()?.with_compute(Compute::Reference), inception()?])
}

#[test]
fn blocks_and_logits_are_pytorchs() {
    for network in both().into_iter().flatten() {
        check_forward(&network);
    }
}

#[test]
fn attributions_are_pytorchs() {
    for network in both().into_iter().flatten() {
        check_attribution(&network);
    }
}

#[test]
fn the_image_gradient_is_pytorchs() {
    for network in both().into_iter().flatten() {
        check_gradient(&network);
    }
}

/// Behind the last block there is only a mean over 49 positions and one matrix.
#[test]
fn attribution_at_the_last_block_is_the_closed_form() {
    for network in both().into_iter().flatten() {
        let tap = network.layer("mixed5b").unwrap().id;
        let activation = &network.forward(&image(3), &[tap]).unwrap()[0];
        let (row, col) = (2, 5);
        let found = network
            .attribution(tap, activation, &[(row, col)], Relaxation::Average)
            .unwrap();
        let logits = network.graph.node(network.logits.unwrap());
        let atlascope::network::Op::Linear(linear) = &logits.op else {
            panic!("the logits are a linear layer");
        };
        let h = activation
            .narrow(2, row, 1)
            .unwrap()
            .narrow(3, col, 1)
            .unwrap();
        let expected = (linear
            .weight
            .matmul(&h.reshape((1024, 1)).unwrap())
            .unwrap()
            / 49.0)
            .unwrap();
        let found: Vec<f32> = found.into_iter().collect();
        assert!(relative_error(&found, &values(&expected)) < 1e-5);
    }
}
