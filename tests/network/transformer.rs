//! A tiny vision transformer with random weights against what PyTorch says of it in double precision
//! (`fixtures/reference/make_vit.py`).

use super::{noise, values};
use atlascope::atlas::Relaxation;
use atlascope::network::catalogue::{self, build};
use atlascope::network::manifest::Manifest;
use atlascope::network::{Network, NetworkError};
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::dinov2::DinoVisionTransformer;
use std::collections::HashMap;

const WEIGHTS: &[u8] = include_bytes!("../../fixtures/reference/vit.safetensors");
const TRUTH: &[u8] = include_bytes!("../../fixtures/reference/vit_truth.safetensors");

pub(crate) fn manifest() -> Manifest {
    let mut manifest = catalogue::find("dinov2_small").unwrap().unwrap();
    manifest.heads = Some(2);
    manifest.input.size = 16;
    manifest
}

fn load(bytes: &[u8]) -> Result<Network, NetworkError> {
    let manifest = manifest();
    build(&manifest, manifest.input, Vec::new(), bytes, &Device::Cpu)
}

/// The tiny transformer with its classifier.
pub(crate) fn network() -> Network {
    load(WEIGHTS).unwrap()
}

fn truth() -> HashMap<String, Tensor> {
    load_buffer(TRUTH, &Device::Cpu).unwrap()
}

fn error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (found, expected) = (values(found), values(expected));
    let square = |x: f32| f64::from(x) * f64::from(x);
    let wrong: f64 = found
        .iter()
        .zip(&expected)
        .map(|(a, b)| square(a - b))
        .sum();
    let norm: f64 = expected.iter().map(|&b| square(b)).sum();
    (wrong / norm).sqrt()
}

fn changed(change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Vec<u8> {
    let mut tensors = load_buffer(WEIGHTS, &Device::Cpu).unwrap();
    change(&mut tensors);
    let file = tempfile::NamedTempFile::new().unwrap();
    candle_core::safetensors::save(&tensors, file.path()).unwrap();
    std::fs::read(file.path()).unwrap()
}

/// At the trained size, and at one whose positions are interpolated and whose rim is lost.
#[test]
fn tokens_and_logits_are_pytorchs() {
    let (network, truth) = (load(WEIGHTS).unwrap(), truth());
    let names = ["patch_embed", "blocks.0", "blocks.1", "blocks.2"];
    let mut taps: Vec<_> = names
        .iter()
        .map(|name| network.layer(name).unwrap().id)
        .collect();
    taps.push(network.logits.unwrap());
    for side in [16, 22] {
        let of = |what: &str| &truth[&format!("{side}.{what}")];
        let found = network.forward(of("image"), &taps).unwrap();
        for (found, what) in found
            .iter()
            .zip(["patches", "block0", "block1", "block2", "logits"])
        {
            let error = error(found, of(what));
            assert!(error < 1e-5, "{side}, {what}: {error}");
        }
    }
}

#[test]
fn the_image_gradient_is_pytorchs() {
    let (network, truth) = (load(WEIGHTS).unwrap(), truth());
    let tap = network.layer("blocks.1").unwrap().id;
    for side in [16, 22] {
        let of = |what: &str| &truth[&format!("{side}.{what}")];
        let cotangent = of("cotangent").clone();
        let (activation, gradient) = network
            .vjp(of("image"), tap, &mut |_| Ok(cotangent.clone()))
            .unwrap();
        assert!(error(&activation, of("block1")) < 1e-5);
        let error = error(&gradient, of("gradient"));
        assert!(error < 1e-5, "{side}: {error}");
    }
    let wrong = network.vjp(&truth["16.image"], tap, &mut |a| Ok(a.narrow(1, 0, 1)?));
    assert!(wrong.unwrap_err().to_string().contains("a gradient of"));
}

/// Every position of block 0 to every class, which PyTorch takes class by class with its own gradients.
#[test]
fn attribution_is_pytorchs() {
    let (network, truth) = (load(WEIGHTS).unwrap(), truth());
    let tap = network.layer("blocks.0").unwrap().id;
    for (side, n) in [(16, 4), (22, 5)] {
        let image = truth[&format!("{side}.image")].narrow(0, 0, 1).unwrap();
        let activation = &network.forward(&image, &[tap]).unwrap()[0];
        let positions: Vec<_> = (0..n * n).map(|at| (at / n, at % n)).collect();
        for (relaxation, name) in [
            (Relaxation::Plain, "attribution"),
            (Relaxation::Average, "attribution_held"),
        ] {
            let found = network.attribution_in(&image, (tap, activation), &positions, relaxation);
            let found = found.unwrap();
            let (values, shape) = (found.iter().copied().collect::<Vec<_>>(), found.dim());
            let found = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            let error = error(&found, &truth[&format!("{side}.{name}")]);
            assert!(error < 1e-5, "{side}, {name}: {error}");
        }
        let outside =
            network.attribution_in(&image, (tap, activation), &[(n, 0)], Relaxation::Average);
        assert!(outside.unwrap_err().to_string().contains("outside"));
    }
}

#[test]
fn its_layers_are_maps_of_tokens() {
    let network = load(WEIGHTS).unwrap();
    let ends: Vec<String> = network
        .layers()
        .into_iter()
        .map(|layer| layer.name)
        .collect();
    assert_eq!(ends, ["blocks.0", "blocks.1", "blocks.2"]);
    let layer = network.layer("blocks.1").unwrap();
    assert_eq!((layer.depth, layer.map_size, layer.stride), (32, (4, 4), 4));
    assert_eq!(layer.receptive_field, 16);
    assert_eq!(network.classes.len(), 7);
    // 17 tokens: four dense layers of 32 · 96 + 32 · 32 + 2 · 32 · 64 weights, and attention.
    assert_eq!(layer.macs, 17 * 8192 + 2 * 17 * 17 * 32);

    assert!(network.layer("logits").is_err());
    let small = Tensor::zeros((1, 3, 3, 16), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = network.forward(&small, &[layer.id]).unwrap_err();
    assert!(
        error.to_string().contains("smaller than a patch of 4"),
        "{error}"
    );
}

/// The same tensors under DINOv2's and timm's names, queries, keys and values in one.
#[test]
fn both_families_of_names_are_read() {
    let renamed = changed(|tensors| {
        let old = std::mem::take(tensors);
        for (name, tensor) in &old {
            let name = name.trim_start_matches("dinov2.");
            if name.contains(".key.") || name.contains(".value.") {
                continue;
            }
            let (mut name, mut tensor) = (name.to_owned(), tensor.clone());
            if name.contains(".query.") {
                let part = |what: &str| {
                    let name = format!("dinov2.{}", name.replace(".query.", &format!(".{what}.")));
                    old[&name].clone()
                };
                tensor = Tensor::cat(&[tensor, part("key"), part("value")], 0).unwrap();
                name = name.replace("attention.attention.query", "attn.qkv");
            }
            for (theirs, dino) in [
                ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
                ("embeddings.position_embeddings", "pos_embed"),
                ("embeddings.", ""),
                ("encoder.layer", "blocks"),
                ("attention.output.dense", "attn.proj"),
                ("layer_scale1.lambda1", "ls1.gamma"),
                ("layer_scale2.lambda1", "ls2.gamma"),
                ("layernorm", "norm"),
                ("classifier", "head"),
            ] {
                name = name.replace(theirs, dino);
            }
            tensors.insert(name, tensor);
        }
    });
    let (network, truth) = (load(&renamed).unwrap(), truth());
    let logits = network
        .forward(&truth["16.image"], &[network.logits.unwrap()])
        .unwrap();
    assert!(error(&logits[0], &truth["16.logits"]) < 1e-5);
}

#[test]
fn unfit_weights_are_named() {
    let said = |change: &dyn Fn(&mut HashMap<String, Tensor>)| {
        load(&changed(|tensors| change(tensors)))
            .unwrap_err()
            .to_string()
    };
    let missing = said(&|tensors| {
        tensors.remove("dinov2.encoder.layer.1.mlp.fc2.bias");
    });
    assert!(
        missing.contains("dinov2.encoder.layer.1.mlp.fc2.bias"),
        "{missing}"
    );
    // A gated network has other dense layers.
    let gated = said(&|tensors| {
        let tensor = tensors["classifier.bias"].clone();
        tensors.insert(
            "dinov2.encoder.layer.0.mlp.weights_in.bias".to_owned(),
            tensor,
        );
    });
    assert!(gated.contains("weights_in"), "{gated}");
    let no_transformer = said(&|tensors| tensors.retain(|name, _| name.starts_with("classifier")));
    assert!(
        no_transformer.contains("vision transformer"),
        "{no_transformer}"
    );
    let manifest = Manifest {
        heads: Some(5),
        ..manifest()
    };
    let heads = build(&manifest, manifest.input, Vec::new(), WEIGHTS, &Device::Cpu).unwrap_err();
    assert!(heads.to_string().contains("has no 5 heads"), "{heads}");
}

/// Features only: an atlas without classes.
#[test]
fn without_a_head_there_are_no_classes() {
    let bare = changed(|tensors| tensors.retain(|name, _| !name.starts_with("classifier")));
    let network = load(&bare).unwrap();
    assert!(network.logits.is_none() && network.classes.is_empty());
    assert_eq!(network.layers().len(), 3);
}

/// candle-transformers' DINOv2, written by others from the same paper, with the same weights at the only size that it
/// knows. It takes 1e-5 for the normalisation's ε and the approximate GELU, so it agrees to three digits.
#[test]
fn tokens_and_logits_are_those_of_candle_transformers() {
    const WIDTH: usize = 16;
    const SIDE: usize = 518;
    let mut tensors = HashMap::new();
    let mut put = |name: &str, shape: &[usize], around: f64, by: f64| {
        let values = noise(shape, tensors.len() as u32)
            .affine(by, around)
            .unwrap();
        tensors.insert(name.to_owned(), values);
    };
    put("patch_embed.proj.weight", &[WIDTH, 3, 14, 14], 0.0, 0.1);
    put("patch_embed.proj.bias", &[WIDTH], 0.0, 0.1);
    put("cls_token", &[1, 1, WIDTH], 0.0, 1.0);
    put("pos_embed", &[1, 37 * 37 + 1, WIDTH], 0.0, 0.5);
    for block in ["blocks.0", "blocks.1"] {
        let mut put = |name: &str, shape: &[usize], around, by| {
            put(&format!("{block}.{name}"), shape, around, by);
        };
        for (dense, outputs, inputs) in [
            ("attn.qkv", 3 * WIDTH, WIDTH),
            ("attn.proj", WIDTH, WIDTH),
            ("mlp.fc1", 4 * WIDTH, WIDTH),
            ("mlp.fc2", WIDTH, 4 * WIDTH),
        ] {
            put(&format!("{dense}.weight"), &[outputs, inputs], 0.0, 0.5);
            put(&format!("{dense}.bias"), &[outputs], 0.0, 0.2);
        }
        for norm in ["norm1", "norm2"] {
            put(&format!("{norm}.weight"), &[WIDTH], 1.0, 0.2);
            put(&format!("{norm}.bias"), &[WIDTH], 0.0, 0.2);
        }
        put("ls1.gamma", &[WIDTH], 0.7, 0.2);
        put("ls2.gamma", &[WIDTH], 0.7, 0.2);
    }
    put("norm.weight", &[WIDTH], 1.0, 0.2);
    put("norm.bias", &[WIDTH], 0.0, 0.2);
    put("head.weight", &[1000, 2 * WIDTH], 0.0, 0.5);
    put("head.bias", &[1000], 0.0, 0.2);

    let device = Device::Cpu;
    let file = tempfile::NamedTempFile::new().unwrap();
    candle_core::safetensors::save(&tensors, file.path()).unwrap();
    let mut manifest = manifest();
    manifest.input.size = SIDE;
    let bytes = std::fs::read(file.path()).unwrap();
    let network = build(&manifest, manifest.input, Vec::new(), &bytes, &device).unwrap();
    let weights = VarBuilder::from_tensors(tensors, DType::F32, &device);
    let theirs = DinoVisionTransformer::new(weights, 2, WIDTH, 2).unwrap();

    let image = noise(&[1, 3, SIDE, SIDE], 77);
    let taps = ["blocks.0", "blocks.1"].map(|name| network.layer(name).unwrap().id);
    let maps = theirs
        .get_intermediate_layers(&image, &[0, 1], true, false, false)
        .unwrap();
    for (index, found) in network.forward(&image, &taps).unwrap().iter().enumerate() {
        let error = error(found, &maps.get(index).unwrap());
        assert!(error < 2e-3, "block {index}: {error}");
    }
    let logits = network.forward(&image, &[network.logits.unwrap()]).unwrap();
    let expected = candle_core::Module::forward(&theirs, &image).unwrap();
    let error = error(&logits[0], &expected);
    assert!(error < 2e-3, "logits: {error}");
}
