//! ONNX files that are damaged, hostile, or hold what cannot be run: every one is an error that says why.

use atlascope::atlas::{Class, Relaxation};
use atlascope::network::onnx::{Source, input_size, load};
use atlascope::network::{Channels, InputSpec, Network, NetworkError, Resize};
use candle_core::{Device, Tensor};
use std::path::Path;

/// A field that holds bytes: number, type 2, length, bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(number << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

fn int(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value as u64)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = inputs
        .iter()
        .flat_map(|name| field(1, name.as_bytes()))
        .collect();
    bytes.extend(field(2, output.as_bytes()));
    bytes.extend(field(3, format!("the_{output}").as_bytes()));
    bytes.extend(field(4, op.as_bytes()));
    bytes.extend(attributes.iter().flat_map(|attribute| field(5, attribute)));
    field(1, &bytes)
}

/// An attribute of whole numbers.
fn ints(name: &str, values: &[i64]) -> Vec<u8> {
    let mut bytes = field(1, name.as_bytes());
    bytes.extend(values.iter().flat_map(|&value| int(8, value)));
    bytes
}

/// An initialiser of single-precision numbers with the given shape, whatever its bytes.
fn tensor(name: &str, dims: &[i64], raw: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = dims.iter().flat_map(|&size| int(1, size)).collect();
    bytes.extend(int(2, 1));
    bytes.extend(field(8, name.as_bytes()));
    if rest.is_empty() {
        bytes.extend(field(9, raw));
    }
    bytes.extend(rest);
    field(5, &bytes)
}

fn weights(name: &str, dims: &[i64], value: f32) -> Vec<u8> {
    let n: i64 = dims.iter().product();
    tensor(name, dims, &value.to_le_bytes().repeat(n as usize), &[])
}

/// Where a tensor's data lie beside the file.
fn beside(location: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pair = |key: &str, value: &str| {
        field(
            13,
            &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
        )
    };
    let mut bytes = pair("location", location);
    bytes.extend(more.iter().flat_map(|(key, value)| pair(key, value)));
    bytes.extend(int(14, 1));
    bytes
}

fn shaped(name: &str, dims: &[i64]) -> Vec<u8> {
    let dims: Vec<u8> = dims
        .iter()
        .flat_map(|&size| field(1, &int(1, size)))
        .collect();
    let tensor = [int(1, 1), field(2, &dims)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// A file of these nodes and initialisers from `x` to `y`.
fn file(shape: &[i64], parts: &[Vec<u8>]) -> Vec<u8> {
    let mut graph = parts.concat();
    graph.extend(field(11, &shaped("x", shape)));
    graph.extend(field(12, &field(1, b"y")));
    [field(7, &graph), field(8, &int(2, 17))].concat()
}

const IMAGE: [i64; 4] = [1, 3, 8, 8];

fn spec() -> InputSpec {
    InputSpec {
        size: 8,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    }
}

fn open(model: &[u8], classes: Option<usize>) -> Result<Network, NetworkError> {
    let source = Source {
        name: "hostile",
        model,
        external: &|location, offset, length| {
            let text = format!("{location} {offset} {length:?}");
            match location {
                "folder/data.bin" => Ok(2f32.to_le_bytes().repeat(6)),
                _ => Err(std::io::Error::other(text)),
            }
        },
    };
    let class = |idx: usize| Class {
        id: idx.to_string(),
        names: idx.to_string(),
    };
    let classes = classes.map(|n| (0..n).map(class).collect());
    load(&source, spec(), classes, &Device::Cpu)
}

/// The error of a file, which must hold all of `words`.
fn refused(model: &[u8], words: &[&str]) {
    let error = open(model, None)
        .expect_err("a hostile file was loaded")
        .to_string();
    for word in words {
        assert!(error.contains(word), "{error:?} lacks {word:?}");
    }
}

/// Convolution to two channels, mean over positions, two logits.
fn classifier() -> Vec<Vec<u8>> {
    vec![
        weights("w", &[2, 3, 1, 1], 0.5),
        weights("v", &[2, 2], 1.0),
        node("Conv", &["x", "w"], "a", &[]),
        node("GlobalAveragePool", &["a"], "b", &[]),
        node("Flatten", &["b"], "c", &[]),
        node("Gemm", &["c", "v"], "y", &[]),
    ]
}

#[test]
fn a_sound_file_is_loaded() {
    let network = open(&file(&IMAGE, &classifier()), None).unwrap();
    assert_eq!(network.classes.len(), 2);
    let x = Tensor::ones((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = &network.forward(&x, &[network.logits.unwrap()]).unwrap()[0];
    // Three channels of ½ are 1½, twice.
    assert_eq!(y.to_vec2::<f32>().unwrap(), [[3.0, 3.0]]);
}

#[test]
fn files_that_are_cut_off_or_flipped_never_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reference/onnx");
    for name in ["forms_old", "channels_last"] {
        let whole = std::fs::read(folder.join(name).join("model.onnx")).unwrap();
        for end in (0..whole.len()).step_by(7) {
            // Only a cut between two fields may leave a model, which then lacks something.
            assert!(open(&whole[..end], None).is_err(), "{name} cut at {end}");
        }
        let mut seed = 1u32;
        for _ in 0..1500 {
            let mut bytes = whole.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let at = seed as usize >> 8;
                let n = bytes.len();
                bytes[at % n] ^= 1 << (seed >> 5 & 7);
            }
            // What is left may still be a network; it must not end the program.
            drop(open(&bytes, None));
            drop(input_size(&bytes));
        }
    }
}

#[test]
fn cycles_and_missing_makers_are_named() {
    let cycle = [
        node("Add", &["x", "b"], "a", &[]),
        node("Relu", &["a"], "b", &[]),
        node("Relu", &["b"], "y", &[]),
    ];
    refused(&file(&IMAGE, &cycle), &["cycle", "the_"]);
    refused(
        &file(&IMAGE, &[node("Add", &["x", "gone"], "y", &[])]),
        &["the_y", "gone"],
    );
    let twice = [
        node("Relu", &["x"], "y", &[]),
        node("Abs", &["x"], "y", &[]),
    ];
    refused(&file(&IMAGE, &twice), &["two things are named y"]);
    refused(&file(&IMAGE, &[]), &["y"]);
    refused(b"", &["no graph"]);
    refused(b"PK\x03\x04 a zip", &["ONNX"]);
}

#[test]
fn branches_inside_branches_end() {
    let mut graph = node("Relu", &["x"], "y", &[]);
    for _ in 0..200 {
        let attribute = [field(1, b"then_branch"), field(6, &graph)].concat();
        graph = node("If", &["x"], "y", &[attribute]);
    }
    refused(&field(7, &graph), &["nested"]);
}

#[test]
fn absurd_shapes_ask_for_no_memory() {
    let convolution =
        |weight: Vec<u8>| file(&IMAGE, &[weight, node("Conv", &["x", "w"], "y", &[])]);
    let huge = tensor("w", &[1 << 40, 1 << 40, 3, 3], &[0; 8], &[]);
    refused(&convolution(huge), &["tensor w", "absurd"]);
    // Two gigabytes that are not there.
    let claimed = tensor("w", &[1 << 20, 3, 13, 13], &[0; 8], &[]);
    refused(&convolution(claimed), &["tensor w", "bytes", "8 are there"]);
    refused(
        &convolution(tensor("w", &[-1, 3, 1, 1], &[], &[])),
        &["tensor w"],
    );
    refused(
        &convolution(weights("w", &[2, 5, 1, 1], 0.5)),
        &["the_y", "channels"],
    );
    refused(
        &convolution(weights("w", &[2, 3, 1, 1], f32::NAN)),
        &["the_y", "NaN"],
    );
    let around = ints("pads", &[1 << 19, 1 << 19, 1 << 19, 1 << 19]);
    let far = [
        weights("w", &[64, 3, 1, 1], 0.5),
        node("Conv", &["x", "w"], "y", &[around]),
    ];
    refused(&file(&IMAGE, &far), &["the_y"]);
    // Gaps as wide as the padding: little comes out, but what goes in would be 13 terabytes.
    let wide = [
        ints("pads", &[1 << 20; 4]),
        ints("dilations", &[1 << 20; 2]),
    ];
    let spread = [
        weights("w", &[2, 3, 3, 3], 0.5),
        node("Conv", &["x", "w"], "y", &wide),
    ];
    let most = (1usize << 30).to_string();
    refused(
        &file(&IMAGE, &spread),
        &["the_y", "with its padding", "2097160", &most],
    );
    refused(&file(&[1, 3, 1 << 40, 8], &classifier()), &["absurd"]);
    refused(&file(&[1, 7, 8, 8], &classifier()), &["7 channels"]);
    refused(&file(&[1, 3, 8], &classifier()), &["3 axes"]);
}

#[test]
fn data_beside_the_file_stay_in_its_folder() {
    let with = |location: &str, more: &[(&str, &str)]| {
        let weight = tensor("w", &[2, 3, 1, 1], &[], &beside(location, more));
        let mut parts = classifier();
        parts[0] = weight;
        file(&IMAGE, &parts)
    };
    let inside = open(&with("folder/data.bin", &[]), None).unwrap();
    let x = Tensor::ones((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let y = &inside.forward(&x, &[inside.logits.unwrap()]).unwrap()[0];
    assert_eq!(y.to_vec2::<f32>().unwrap(), [[12.0, 12.0]]);
    for location in [
        "../data.bin",
        "/etc/passwd",
        "a/../../b",
        "..\\data.bin",
        "C:data.bin",
        "",
    ] {
        refused(&with(location, &[]), &["tensor w"]);
    }
    refused(
        &with("../data.bin", &[]),
        &["outside of the model's folder"],
    );
    refused(&with("missing.bin", &[]), &["tensor w", "missing.bin"]);
    refused(
        &with("folder/data.bin", &[("length", "8")]),
        &["24 bytes", "8"],
    );
    refused(&with("folder/data.bin", &[("offset", "-1")]), &["offset"]);
}

#[test]
fn unsupported_operators_are_named_with_what_is_supported() {
    let file = file(&IMAGE, &[node("NonMaxSuppression", &["x"], "y", &[])]);
    refused(&file, &["NonMaxSuppression", "the_y", "Conv", "Resize"]);
}

#[test]
fn shapes_that_the_pixels_decide_are_refused() {
    let parts = [node("Reshape", &["x", "x"], "y", &[])];
    refused(&file(&IMAGE, &parts), &["the_y", "depends on the image"]);
}

#[test]
fn a_network_without_a_classifier_says_so() {
    let parts = [
        weights("w", &[2, 3, 1, 1], 0.5),
        node("Conv", &["x", "w"], "y", &[]),
    ];
    let model = file(&IMAGE, &parts);
    let network = open(&model, None).unwrap();
    assert!(network.logits.is_none() && network.classes.is_empty());
    let tap = network.layer("y").unwrap().id;
    let h = Tensor::ones((1, 2, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = network
        .attribution(tap, &h, &[(0, 0)], Relaxation::Plain)
        .unwrap_err();
    assert!(error.to_string().contains("no classes"), "{error}");
    let error = open(&model, Some(2)).unwrap_err().to_string();
    assert!(error.contains("2 class names"), "{error}");
}

#[test]
fn a_wrong_number_of_class_names_gives_both_numbers() {
    let model = file(&IMAGE, &classifier());
    let error = open(&model, Some(3)).unwrap_err().to_string();
    assert!(
        error.contains("3 class names") && error.contains("[2]"),
        "{error}"
    );
    assert_eq!(open(&model, Some(2)).unwrap().classes.len(), 2);
}
