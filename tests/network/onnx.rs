//! Imported files beside onnxruntime and PyTorch (`fixtures/reference/onnx`), and against their own differences.

use super::dot;
use super::reference_case::{Case, apart};
use crate::support::{noise, values};
use atlascope::atlas::Relaxation;
use atlascope::network::{Compute, Network, NodeId};
use candle_core::Tensor;
use std::path::{Path, PathBuf};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reference/onnx");
    let entries = std::fs::read_dir(root).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(found.len() >= 11, "{} folders", found.len());
    found
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Every value that both have, the logits, the gradient where PyTorch gave one, and what the rules promise each
/// other.
#[test]
fn files_compute_what_onnxruntime_does() {
    for folder in folders() {
        let (case, name) = (Case::open(&folder), name(&folder));
        for compute in [Compute::Reference, Compute::Auto] {
            let network = case.network(compute).unwrap();
            let report = case.compare(&network);
            let at = format!("{name} {compute:?}: {report:?}");
            assert!(report.n_compared >= 7 && network.taps().len() >= 2, "{at}");
            assert!(report.worst.error < 1e-4, "{at}");
            assert!(report.logits < 1e-4, "{at}");
            assert!(report.gradient.is_none_or(|error| error < 1e-3), "{at}");
            assert!(report.adjoint < 1e-4, "{at}");
            assert!(report.attribution.error < 1e-3, "{at}");
        }
    }
}

/// Values that lie rows × columns × channels have layers where branches join, which hold the same channel by channel.
#[test]
fn token_grids_have_layers() {
    let folder = folders().into_iter().find(|folder| name(folder) == "grids");
    let case = Case::open(&folder.unwrap());
    let network = case.network(Compute::Auto).unwrap();
    let mut layers = network.layers();
    layers.retain(|layer| layer.name.ends_with("~map"));
    let sizes: Vec<_> = layers.iter().map(|l| (l.depth, l.map_size)).collect();
    assert_eq!(sizes, [(4, (6, 6)), (8, (3, 3))], "{layers:?}");
    for layer in layers {
        let grid = layer.name.strip_suffix("~map").unwrap();
        let grid = network.graph.find(grid).unwrap();
        let found = network.forward(&case.images, &[layer.id, grid]).unwrap();
        let turned = found[1].permute([0, 3, 1, 2]).unwrap();
        assert_eq!(values(&found[0]), values(&turned), "{}", layer.name);
        assert!(values(&turned).iter().any(|value| value.abs() > 0.1));
    }
}

/// Patches behind a class token have layers too, as long as the class token still looks at them.
#[test]
fn patches_beside_a_class_token_have_layers() {
    for file in ["patches_script17", "patches_dynamo20"] {
        let folder = folders().into_iter().find(|folder| name(folder) == file);
        let case = Case::open(&folder.unwrap());
        let network = case.network(Compute::Auto).unwrap();
        let mut layers = network.layers();
        layers.retain(|layer| layer.name.ends_with("~map"));
        // Behind the last block's attention only the class token counts.
        let sizes: Vec<_> = layers.iter().map(|l| (l.depth, l.map_size)).collect();
        assert_eq!(sizes, [(8, (3, 3)); 2], "{layers:?}");
        let image = case.images.narrow(0, 0, 1).unwrap();
        for layer in layers {
            let tokens = layer.name.strip_suffix("~map").unwrap();
            let tokens = network.graph.find(tokens).unwrap();
            let found = network.forward(&case.images, &[layer.id, tokens]).unwrap();
            let patches = found[1].narrow(1, 1, 9).unwrap().transpose(1, 2).unwrap();
            let n_images = patches.dims()[0];
            let map = patches.reshape((n_images, 8, 3, 3)).unwrap();
            assert_eq!(values(&found[0]), values(&map), "{}", layer.name);
            let (h, at) = (found[0].narrow(0, 0, 1).unwrap(), [(2, 1)]);
            // What a normalisation gives hardly changes as a token grows; held, it passes the token on.
            let most = |relaxation| {
                let found = network.attribution_in(&image, (layer.id, &h), &at, relaxation);
                found
                    .unwrap()
                    .iter()
                    .fold(0f32, |most, v| most.max(v.abs()))
            };
            let (plain, held) = (most(Relaxation::Plain), most(Relaxation::Average));
            assert!(
                held > 1e-3 && held > 3.0 * plain,
                "{}: {held} {plain}",
                layer.name
            );
        }
    }
}

/// Central differences of the logits along a random direction, where no kink lies between.
#[test]
fn derivatives_of_files_are_finite_differences() {
    let step = 1e-3;
    for folder in folders() {
        let case = Case::open(&folder);
        let network = case.network(Compute::Reference).unwrap();
        let logits = network.logits.unwrap();
        let x = case.images.narrow(0, 0, 1).unwrap();
        let v = noise(x.dims(), 5);
        let at = |t: f64| {
            let x = (&x + (&v * t).unwrap()).unwrap();
            values(&network.forward(&x, &[logits]).unwrap()[0])
        };
        let (before, middle, after) = (at(-step), at(0.0), at(step));
        let plain = Relaxation::Plain;
        let jv = values(&network.jvp(NodeId(0), &x, &v, logits, plain).unwrap());
        let largest = jv.iter().fold(1f32, |most, x| most.max(x.abs()));
        for (class, &found) in jv.iter().enumerate() {
            let left = f64::from(middle[class] - before[class]) / step;
            let right = f64::from(after[class] - middle[class]) / step;
            // A kink moves the derivative between the two sides; it lies between them then.
            let slack = 2e-2 * f64::from(largest) + (left - right).abs();
            let difference = f64::from(found) - f64::midpoint(left, right);
            assert!(
                difference.abs() < slack,
                "{}, class {class}: {found}, differences {left} {right}",
                name(&folder)
            );
        }
    }
}

/// One batch gives what its images give alone, whatever the file's own batch.
#[test]
fn images_do_not_mix() {
    for folder in folders() {
        let case = Case::open(&folder);
        let network = case.network(Compute::Reference).unwrap();
        let last = network.logits.unwrap();
        let three = Tensor::cat(&[&case.images, &case.images.narrow(0, 0, 1).unwrap()], 0).unwrap();
        let together = values(&network.forward(&three, &[last]).unwrap()[0]);
        let n = together.len() / 3;
        for idx in 0..3 {
            let one = three.narrow(0, idx, 1).unwrap();
            let alone = values(&network.forward(&one, &[last]).unwrap()[0]);
            let error = apart(&together[idx * n..(idx + 1) * n], &alone);
            assert!(error < 1e-5, "{}, image {idx}: {error}", name(&folder));
        }
    }
}

/// ⟨w, J·v⟩ = ⟨Jᵀ·w, v⟩ from the image to every single node, so that each operator is met alone.
#[test]
fn every_node_is_adjoint() {
    for folder in folders() {
        let case = Case::open(&folder);
        let network = case.network(Compute::Reference).unwrap();
        let x = case.images.narrow(0, 0, 1).unwrap();
        for idx in 1..network.graph.nodes.len() {
            check_adjoint(&network, NodeId(idx), &x, &name(&folder));
        }
    }
}

fn check_adjoint(network: &Network, id: NodeId, x: &Tensor, file: &str) {
    let v = noise(x.dims(), id.0 as u32);
    let jv = network
        .jvp(NodeId(0), x, &v, id, Relaxation::Plain)
        .unwrap();
    let w = noise(jv.dims(), 1000 + id.0 as u32);
    let (_, jw) = network.vjp(x, id, &mut |_| Ok(w.clone())).unwrap();
    let (a, b) = (dot(&w, &jv), dot(&jw, &v));
    let scale = (dot(&w, &w) * dot(&jv, &jv)).sqrt() + 1e-3;
    let node = network.graph.node(id);
    assert!(
        (a - b).abs() < 1e-4 * scale,
        "{file}, {}: {a} and {b}, {:?}",
        node.name,
        node.op
    );
}
