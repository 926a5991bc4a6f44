//! torchvision's networks and Google's InceptionV1 with weights that depend on the tensors' names alone, against the
//! logits that PyTorch gives (`fixtures/reference/make_torchvision.py`).

use super::{noise, values};
use atlascope::network::manifest::Manifest;
use atlascope::network::{InputSpec, Network, NetworkError, catalogue};
use candle_core::{DType, Device, Tensor};
use std::collections::{BTreeMap, HashMap};

#[derive(serde::Deserialize)]
struct Truth {
    side: usize,
    shapes: BTreeMap<String, Vec<usize>>,
    logits: Vec<f32>,
}

fn truth() -> HashMap<String, Truth> {
    serde_json::from_str(include_str!("../../fixtures/reference/torchvision.json")).unwrap()
}

/// CRC-32 as in ZIP files and Python's zlib.
fn crc32(text: &str) -> u32 {
    !text.bytes().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

fn weight(name: &str, shape: &[usize]) -> Tensor {
    if name.ends_with("num_batches_tracked") {
        return Tensor::zeros((), DType::I64, &Device::Cpu).unwrap();
    }
    let x = noise(shape, crc32(name));
    let scaled = match shape {
        [_] if name.ends_with("running_var") || name.ends_with("weight") => x.affine(0.3, 1.0),
        [_] => x.affine(0.2, 0.0),
        _ => {
            let inputs: usize = shape[1..].iter().product();
            x.affine((6.0 / inputs as f64).sqrt(), 0.0)
        }
    };
    scaled.unwrap()
}

fn file(truth: &Truth) -> Vec<u8> {
    let tensors: HashMap<String, Tensor> = truth
        .shapes
        .iter()
        .map(|(name, shape)| (name.clone(), weight(name, shape)))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    candle_core::safetensors::save(&tensors, file.path()).unwrap();
    std::fs::read(file.path()).unwrap()
}

fn load(manifest: &Manifest, side: usize, bytes: &[u8]) -> Result<Network, NetworkError> {
    let input = InputSpec {
        size: side,
        ..manifest.input
    };
    catalogue::build(manifest, input, Vec::new(), bytes, &Device::Cpu)
}

fn check(name: &str) {
    let truth = truth().remove(name).unwrap();
    let manifest = catalogue::find(name).unwrap().unwrap();
    let network = load(&manifest, truth.side, &file(&truth)).unwrap();
    for layer in &manifest.default_layers {
        let layer = network.layer(layer).unwrap();
        assert!(
            network.layers().contains(&layer),
            "{name}: {} is no block end",
            layer.name
        );
    }
    let image = noise(&[1, 3, truth.side, truth.side], 7);
    let logits = network.forward(&image, &[network.logits.unwrap()]).unwrap();
    let found = values(&logits[0]);
    let scale = truth.logits.iter().fold(0f32, |most, v| most.max(v.abs()));
    for (class, (found, expected)) in found.iter().zip(&truth.logits).enumerate() {
        assert!(
            (found - expected).abs() < 1e-4 * scale,
            "{name}, logit {class}: {found}, expected {expected}"
        );
    }
}

#[test]
fn googlenet_is_pytorchs() {
    check("googlenet");
}

#[test]
fn resnet18_is_pytorchs() {
    check("resnet18");
}

#[test]
fn resnet50_is_pytorchs() {
    check("resnet50");
}

#[test]
fn vgg16_is_pytorchs() {
    check("vgg16");
}

#[test]
fn squeezenet_is_pytorchs() {
    check("squeezenet1_1");
}

#[test]
fn mobilenet_is_pytorchs() {
    check("mobilenet_v2");
}

#[test]
fn googles_inception_is_pytorchs() {
    check("inception5h");
}

#[test]
fn the_wrong_number_of_names_is_said() {
    let truth = truth().remove("squeezenet1_1").unwrap();
    let manifest = catalogue::find("squeezenet1_1").unwrap().unwrap();
    let imagenet = catalogue::classes(&manifest.classes).unwrap();
    let error = catalogue::build(
        &manifest,
        manifest.input,
        imagenet,
        &file(&truth),
        &Device::Cpu,
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "1000 class names for the 10 outputs of squeezenet1_1"
    );
}

/// Both formats of `torch.save`: views of one storage, a parameter, other number types.
#[test]
fn pytorchs_own_files_are_read() {
    use atlascope::network::weights::Weights;
    let files: [&[u8]; 2] = [
        include_bytes!("../../fixtures/reference/tiny.pth"),
        include_bytes!("../../fixtures/reference/tiny_legacy.pth"),
    ];
    for bytes in files {
        let mut weights = Weights::open(bytes, &Device::Cpu).unwrap();
        weights.ignore(|name| name.ends_with("num_batches_tracked"));
        let counted = |from: u32, n: u32| (from..from + n).map(|v| v as f32).collect::<Vec<_>>();
        assert_eq!(
            values(&weights.take("a.weight", &[3, 4]).unwrap()),
            counted(0, 12)
        );
        assert_eq!(
            values(&weights.take("a.bias", &[3]).unwrap()),
            counted(12, 3)
        );
        let quarters: Vec<f32> = counted(0, 6).iter().map(|v| v / 4.0).collect();
        assert_eq!(
            values(&weights.take("b.weight", &[2, 3]).unwrap()),
            quarters
        );
        assert_eq!(values(&weights.take("b.half", &[2]).unwrap()), [1.5, -2.0]);
        weights.finish().unwrap();
        // Damage anywhere is an error, never a panic.
        for n in 0..bytes.len() {
            if let Ok(mut weights) = Weights::open(&bytes[..n], &Device::Cpu) {
                assert!(
                    n + 8 > bytes.len() || weights.take("a.weight", &[3, 4]).is_err(),
                    "{n} bytes"
                );
            }
            let mut spoilt = bytes.to_vec();
            spoilt[n] ^= 0x55;
            let _ = Weights::open(&spoilt, &Device::Cpu);
        }
    }
}
