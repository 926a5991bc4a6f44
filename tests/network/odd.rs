//! Files that spell things oddly beside onnxruntime (`fixtures/reference/make_odd.py`): each computes what that does, or
//! is refused with the node, the number and the way out.

use super::reference_case::apart;
use crate::support::values;
use atlascope::atlas::IconRecipe;
use atlascope::featurevis::{check_size, fitting_size};
use atlascope::network::onnx::{Source, load};
use atlascope::network::{Channels, Compute, InputSpec, Network, NetworkError, Resize};
use candle_core::safetensors::load_buffer;
use candle_core::{Device, Tensor};
use std::collections::HashMap;

const FILES: &[u8] = include_bytes!("../../fixtures/reference/odd.safetensors");

/// What begins with this is a file that onnxruntime refuses.
const REFUSED: &str = "no_";

fn files() -> HashMap<String, Tensor> {
    load_buffer(FILES, &Device::Cpu).unwrap()
}

fn open(files: &HashMap<String, Tensor>, name: &str) -> Result<Network, NetworkError> {
    let model: Vec<u8> = files[name].to_vec1().unwrap();
    let source = Source {
        name,
        model: &model,
        external: &|_, _, _| Err(std::io::Error::other("nothing lies beside it")),
    };
    let spec = InputSpec {
        size: 8,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    load(&source, spec, None, &Device::Cpu)
}

fn error(name: &str) -> String {
    open(&files(), name).unwrap_err().to_string()
}

/// Files that onnxruntime takes and that are refused here: two of carried moments, one of too many windows.
const NOT_TAKEN: [&str; 3] = ["carried_rm", "carried_rv", "windows_96"];

#[test]
fn odd_files_compute_what_onnxruntime_does_or_are_refused() {
    let files = files();
    let mut n = [0; 2];
    for name in files
        .keys()
        .filter(|name| !name.contains('.') && *name != "image")
    {
        let opened = open(&files, name);
        if name.starts_with(REFUSED) || NOT_TAKEN.contains(&name.as_str()) {
            let error = opened.expect_err(name).to_string();
            assert!(error.len() > 30, "{name}: {error}");
            n[0] += 1;
            continue;
        }
        let mut network = opened.unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = values(&files[&format!("{name}.logits")]);
        for compute in [Compute::Reference, Compute::Auto] {
            network = network.with_compute(compute);
            let last = network
                .logits
                .unwrap_or_else(|| network.graph.find("y").unwrap_or_else(|| panic!("{name}")));
            let found = network.forward(&files["image"], &[last]).unwrap();
            let error = apart(&values(&found[0]), &expected);
            assert!(error < 1e-4, "{name} {compute:?}: {error}");
        }
        n[1] += 1;
    }
    assert!(n[0] >= 38 && n[1] >= 60, "{n:?}");
}

/// The message of a file that is refused: what is wrong, by its node and number, and what to do.
#[test]
fn refusals_name_the_node_the_number_and_the_way_out() {
    for (name, words) in [
        (
            "no_stride_of_one_axis",
            &["Conv c", "strides [2] for 2 axes", "export"][..],
        ),
        (
            "no_strides_of_three_axes",
            &["strides [1, 2, 1] for 2 axes"],
        ),
        ("no_dilation_of_one_axis", &["dilations [2] for 2 axes"]),
        (
            "no_pads_of_one_axis",
            &["pads [1, 2] for 2 axes", "two numbers"],
        ),
        ("no_negative_pads", &["pads [-1, 0, 1, 0]", "Slice"]),
        (
            "no_pads_beside_auto_pad",
            &["SAME_UPPER", "[1, 1]", "leave one"],
        ),
        (
            "no_other_kernel_shape",
            &["kernel_shape [5, 5]", "[3, 3]", "export"],
        ),
        (
            "no_composed_other_kernel_shape",
            &["Conv q", "kernel_shape [7, 7]", "[1, 1]"],
        ),
        ("no_unknown_auto_pad", &["banana", "SAME_LOWER"]),
        ("no_composed_unknown_auto_pad", &["Conv q", "banana"]),
        ("no_group_0", &["Conv c", "group 0", "export"]),
        ("no_composed_group_0", &["Conv q", "group 0"]),
        ("no_wide_bias", &["[4, 1]", "4 channels"]),
        ("no_line_of_two_strides", &["strides [1, 2] for 1 axis"]),
        (
            "no_line_max_over_two",
            &["MaxPool v", "kernel_shape [1, 3] for 1 axis"],
        ),
        ("no_pool_over_one_axis", &["kernel_shape [3] for 2 axes"]),
        (
            "no_volume_without_dilations",
            &["AveragePool v", "dilations [2, 1, 1]"],
        ),
        (
            "no_instance_without_scale",
            &["InstanceNormalization c", "[0]", "3 channels"],
        ),
        ("no_instance_of_one_scale", &["[1]", "3 channels"]),
        ("no_groups_of_two_scales", &["[2]", "4 channels"]),
        ("no_groups_before_21_of_four_scales", &["[4]", "2 groups"]),
        ("no_layer_64x3x1", &["LayerNormalization c", "[64, 3, 1]"]),
        ("no_layer_2x8x8", &["[2, 8, 8]"]),
        (
            "no_batch_training_2",
            &["BatchNormalization c", "training_mode 2"],
        ),
        ("no_batch_of_a_constant_training_7", &["training_mode 7"]),
        ("no_batch_spatial_0", &["spatial 0"]),
        (
            "no_sums_axis_of_two",
            &["CumSum s", "[2]", "one whole number"],
        ),
        ("no_sums_axis_of_a_matrix", &["[1, 1]"]),
        ("no_sums_reverse_2", &["reverse 2"]),
        ("no_batch_of_0", &["input x", "0", "open"]),
        ("carried_rm", &["BatchNormalization bn", "first outputs"]),
        ("carried_rv", &["BatchNormalization bn", "first outputs"]),
        (
            "windows_96",
            &["Conv c", "96 windows", "at most 64", "larger windows"],
        ),
    ] {
        let error = error(name);
        for word in words {
            assert!(error.contains(word), "{name}: {error:?} lacks {word:?}");
        }
    }
}

/// The patches of a map are the tokens that they were, with class tokens behind them or on both sides.
#[test]
fn maps_hold_the_patches_wherever_class_tokens_stand() {
    let files = files();
    for (name, first) in [("tokens_behind", 0), ("tokens_on_both_sides", 2)] {
        let network = open(&files, name).unwrap();
        let layer = network.layer("b0~map").unwrap();
        assert_eq!(layer.map_size, (4, 4), "{name}");
        let found = network.forward(&files["image"], &[layer.id]).unwrap();
        let tokens = files[&format!("{name}.b0")].narrow(1, first, 16).unwrap();
        let map = tokens.transpose(1, 2).unwrap().reshape((1, 6, 4, 4));
        let error = apart(&values(&found[0]), &values(&map.unwrap()));
        assert!(error < 1e-5, "{name}: {error}");
    }
}

/// Of two grids that are joined no token has a place in one map.
#[test]
fn two_joined_grids_are_no_map() {
    let network = open(&files(), "two_grids").unwrap();
    let names: Vec<String> = network.layers().into_iter().map(|l| l.name).collect();
    assert!(
        !names.iter().any(|name| name.starts_with('b')),
        "{names:?} have a map of two grids"
    );
    assert!(network.graph.find("b0").is_some());
}

/// Features with something made of them added are features; two heads that are added are a classifier.
#[test]
fn added_features_are_no_classifier() {
    let files = files();
    let features = open(&files, "residual_of_features").unwrap();
    assert!(features.logits.is_none() && features.classes.is_empty());
    assert_eq!(open(&files, "two_heads").unwrap().classes.len(), 4);
}

/// A transformer with a code for each position takes images of one size: icons of it have that, unless told otherwise.
#[test]
fn icons_have_the_size_of_a_network_that_takes_one_alone() {
    let files = files();
    let recipe = IconRecipe::default();
    let fixed = open(&files, "tokens_behind").unwrap();
    let layer = fixed.layer("b0~map").unwrap();
    assert_eq!(
        fitting_size(&fixed, std::slice::from_ref(&layer), &recipe),
        8
    );
    let error = check_size(&fixed, &layer, &recipe).unwrap_err().to_string();
    for word in ["80 × 80", "b0~map", "takes 8 × 8 alone"] {
        assert!(error.contains(word), "{error}");
    }
    let own = IconRecipe { size: 8, ..recipe };
    assert!(check_size(&fixed, &layer, &own).is_ok());
    // Convolutions take any size.
    let free = open(&files, "two_heads").unwrap();
    let layer = free.layer("d").unwrap();
    assert_eq!(fitting_size(&free, &[layer], &IconRecipe::default()), 80);
}
