//! What bad weights files, unknown layers and unfit shapes get.

use super::{inception, inception_weights, noise};
use atlascope::atlas::Relaxation;
use atlascope::network::{NetworkError, inception_v1};
use candle_core::safetensors::load_buffer;
use candle_core::{Device, Tensor};
use std::collections::HashMap;

/// A tensor to spoil.
const NAME: &str = "mixed4c_3x3_pre_relu_conv.weight";

fn load_error(bytes: &[u8]) -> NetworkError {
    inception_v1::load(bytes, &Device::Cpu).unwrap_err()
}

/// The file's tensors after `change`, as a file again.
fn changed(bytes: &[u8], change: impl FnOnce(&mut HashMap<String, Tensor>)) -> Vec<u8> {
    let mut tensors = load_buffer(bytes, &Device::Cpu).unwrap();
    change(&mut tensors);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn damaged_files_are_refused() {
    assert!(matches!(load_error(b""), NetworkError::BadWeights(_)));
    assert!(matches!(
        load_error(b"PK\x03\x04 not weights"),
        NetworkError::BadWeights(_)
    ));
    let Some(bytes) = inception_weights() else {
        return;
    };
    for length in [7, 8, 1000, bytes.len() / 2, bytes.len() - 1] {
        let error = load_error(&bytes[..length]);
        assert!(
            matches!(error, NetworkError::BadWeights(_)),
            "{length} bytes: {error}"
        );
    }
}

#[test]
fn tensors_are_checked_by_name_shape_and_value() {
    let Some(bytes) = inception_weights() else {
        return;
    };
    let missing = changed(&bytes, |tensors| {
        tensors.remove(NAME);
    });
    assert_eq!(
        load_error(&missing).to_string(),
        format!("weights lack the tensor {NAME} ([256, 128, 3, 3])")
    );

    let extra = changed(&bytes, |tensors| {
        tensors.insert("head0.weight".into(), noise(&[2], 1));
    });
    assert!(matches!(
        load_error(&extra),
        NetworkError::ExtraTensors { count: 1, first } if first == "head0.weight"
    ));

    let reshaped = changed(&bytes, |tensors| {
        tensors.insert(NAME.into(), noise(&[256, 128, 5, 5], 1));
    });
    assert!(matches!(
        load_error(&reshaped),
        NetworkError::WrongShape { name, expected, found }
            if name == NAME && expected == [256, 128, 3, 3] && found == [256, 128, 5, 5]
    ));

    let not_finite = changed(&bytes, |tensors| {
        let value = (&tensors[NAME] * f64::NAN).unwrap();
        tensors.insert(NAME.into(), value);
    });
    assert!(
        matches!(load_error(&not_finite), NetworkError::BadWeights(what) if what.contains(NAME))
    );
}

#[test]
fn layers_are_where_the_graph_puts_them() {
    let Some(network) = inception() else {
        return;
    };
    // Name, depth, side, receptive field, stride.
    let expected = [
        ("mixed3a", 256, 28, 59, 8),
        ("mixed3b", 480, 28, 91, 8),
        ("mixed4a", 512, 14, 171, 16),
        ("mixed4b", 512, 14, 235, 16),
        ("mixed4c", 512, 14, 299, 16),
        ("mixed4d", 528, 14, 363, 16),
        ("mixed4e", 832, 14, 427, 16),
        ("mixed5a", 832, 7, 587, 32),
        ("mixed5b", 1024, 7, 715, 32),
    ];
    let layers = network.layers();
    assert_eq!(layers.len(), expected.len());
    for (layer, expected) in layers.iter().zip(expected) {
        assert_eq!(
            (
                layer.name.as_str(),
                layer.depth,
                layer.map_size,
                layer.receptive_field,
                layer.stride
            ),
            (
                expected.0,
                expected.1,
                (expected.2, expected.2),
                expected.3,
                expected.4
            )
        );
    }
    assert_eq!(network.layer("maxpool0").unwrap().receptive_field, 11);
    let manifest = inception_v1::manifest().unwrap();
    assert_eq!(Some(network.weights_sha256.as_str()), manifest.sha256());
    for layer in &manifest.default_layers {
        network.layer(layer).unwrap();
    }
}

#[test]
fn unknown_layers_name_the_nearest() {
    let Some(network) = inception() else {
        return;
    };
    let nearest = |name: &str| match network.layer(name).unwrap_err() {
        NetworkError::UnknownLayer { nearest, .. } => nearest,
        error => panic!("{error}"),
    };
    assert_eq!(nearest("mixed4dd")[0], "mixed4d");
    assert_eq!(nearest("inception4d").len(), 9);
    assert_eq!(nearest("mixed4d_3x4")[0], "mixed4d_3x3");
    // Without positions there is no layer.
    assert!(network.layer("logits").is_err());
}

#[test]
fn unfit_input_is_an_error() {
    let Some(network) = inception() else {
        return;
    };
    let tap = network.layer("mixed4d").unwrap().id;
    let inner = network.layer("mixed4d_3x3").unwrap().id;
    assert!(network.forward(&noise(&[1, 4, 32, 32], 1), &[tap]).is_err());
    assert!(network.forward(&noise(&[3, 32, 32], 1), &[tap]).is_err());
    let activation = noise(&[1, 528, 14, 14], 1);
    let attribute =
        |tap, position| network.attribution(tap, &activation, &[position], Relaxation::Average);
    assert!(attribute(tap, (14, 0)).is_err());
    let bypassed = network
        .attribution(
            inner,
            &noise(&[1, 288, 14, 14], 1),
            &[(0, 0)],
            Relaxation::Average,
        )
        .unwrap_err();
    assert!(
        bypassed.to_string().contains("take the end of a block"),
        "{bypassed}"
    );
}

/// Icons are smaller than photographs.
#[test]
fn images_of_any_size_reach_the_tap() {
    let Some(network) = inception() else {
        return;
    };
    let tap = network.layer("mixed4a").unwrap().id;
    for (side, map) in [(71, 4), (80, 5), (96, 6)] {
        let x = noise(&[1, 3, side, side], 1);
        let (activation, gradient) = network.vjp(&x, tap, &mut |h| Ok(h.ones_like()?)).unwrap();
        assert_eq!(activation.dims(), [1, 512, map, map], "{side}");
        assert_eq!(gradient.dims(), x.dims());
    }
}

/// One branch of a block: what it speaks for is its share of what the joined branches speak for. The other paths go past
/// it, so the image is needed to tell what they carry.
#[test]
fn attribution_of_the_branches_adds_up_to_the_block() {
    let Some(network) = inception() else {
        return;
    };
    let image = noise(&[1, 3, 224, 224], 5).affine(40.0, 0.0).unwrap();
    let positions = [(0, 0), (6, 7), (13, 2)];
    let attribution = |name: &str| {
        let tap = network.layer(name).unwrap().id;
        let activation = &network.forward(&image, &[tap]).unwrap()[0];
        network
            .attribution_in(&image, (tap, activation), &positions, Relaxation::Average)
            .unwrap()
    };
    let whole = attribution("mixed4d");
    let mut sum = attribution("mixed4d_1x1");
    for branch in ["3x3", "5x5", "pool_reduce"] {
        let part = attribution(&format!("mixed4d_{branch}"));
        assert!(part.iter().any(|v| v.abs() > 1e-3));
        sum += &part;
    }
    let scale = whole.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    for (sum, whole) in sum.iter().zip(&whole) {
        assert!((sum - whole).abs() < 1e-4 * scale, "{sum} {whole}");
    }
    let outside = network.attribution_in(
        &image,
        (
            network.layer("mixed4d_3x3").unwrap().id,
            &noise(&[1, 288, 14, 14], 1),
        ),
        &[(0, 14)],
        Relaxation::Average,
    );
    assert!(outside.is_err());
}
