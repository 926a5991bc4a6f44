//! Tests of the synthetic world and of the network that was trained on it.

use atlascope::images::world::{World, planted};
use atlascope::network::{self, Compute, Network};
use atlascope::progress::Silent;
use atlascope::train;
use candle_core::{Device, Tensor};
use std::fmt::Write as _;

/// Present is decided without drawing, so many scenes cost little.
const MANY: u64 = 16_000;

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_seed_means_the_same_pixels_everywhere() {
    let world = World::new(11);
    let mut hashes = String::new();
    for index in 0..16 {
        let scene = world.scene(index);
        assert_eq!(scene.image, World::new(11).scene(index).image);
        let name = World::classes()[scene.class].id.clone();
        writeln!(hashes, "{name} {:016x}", fnv(scene.image.as_raw())).unwrap();
    }
    insta::assert_snapshot!(hashes);
    assert_ne!(world.scene(0).image, World::new(12).scene(0).image);
}

#[test]
fn every_run_of_sixteen_has_each_class_once() {
    let world = World::new(3);
    let n = World::classes().len();
    assert!(n >= 12);
    for block in 0..50 {
        let mut seen = vec![false; n];
        for index in 0..n as u64 {
            seen[world.class(block * n as u64 + index)] = true;
        }
        assert!(seen.iter().all(|seen| *seen));
    }
    assert_ne!(
        world.class(0),
        world.class(16),
        "the order differs from run to run"
    );
}

#[test]
fn planted_features_are_as_frequent_as_declared() {
    let world = World::new(5);
    let classes = World::classes();
    let scenes: Vec<(usize, u32)> = (0..MANY)
        .map(|index| (world.class(index), world.present(index)))
        .collect();
    for (bit, row) in World::planted().iter().enumerate() {
        for own in [true, false] {
            let chosen: Vec<bool> = scenes
                .iter()
                .filter(|(class, _)| {
                    row.classes
                        .iter()
                        .any(|name| classes[*class].name() == name)
                        == own
                })
                .map(|(_, present)| present & (1 << bit) != 0)
                .collect();
            if chosen.is_empty() {
                continue;
            }
            let n = chosen.len() as f64;
            let share = chosen.iter().filter(|carries| **carries).count() as f64 / n;
            let expected = f64::from(if own { row.prevalence } else { row.leak });
            let error = (expected * (1.0 - expected) / n).sqrt();
            assert!(
                (share - expected).abs() < 4.0 * error,
                "{}: {share} for {expected}",
                row.name
            );
        }
    }
}

#[test]
fn truth_agrees_with_the_scenes() {
    let world = World::new(8);
    let truth = world.truth(48);
    assert_eq!(truth.planted.len(), World::planted().len());
    for index in 0..48 {
        let scene = world.scene(index as u64);
        assert_eq!(truth.present[index], scene.present);
        assert_eq!(truth.boxes[index], scene.boxes);
    }
}

#[test]
fn boxes_lie_in_the_picture_and_belong_to_what_is_there() {
    let all = (1 << World::planted().len()) - 1;
    for side in [64, 96] {
        let world = World::new(21).with_side(side);
        for index in 0..64 {
            for mask in [0, all, world.present(index)] {
                let scene = world.scene_with(index, mask);
                assert_eq!(scene.image.dimensions(), (side as u32, side as u32));
                for (bit, [x, y, wide, high]) in scene.boxes.iter().enumerate() {
                    let inside = *x >= 0.0
                        && *y >= 0.0
                        && x + wide <= side as f32
                        && y + high <= side as f32;
                    assert!(
                        inside,
                        "feature {bit} of scene {index}: {:?}",
                        scene.boxes[bit]
                    );
                    if mask & (1 << bit) == 0 {
                        assert!(scene.boxes[bit].iter().all(|value| value.abs() < 1e-9));
                    }
                }
            }
        }
    }
}

#[test]
fn most_forced_features_are_in_view() {
    let world = World::new(22);
    let n = 64;
    for bit in 0..World::planted().len() {
        let seen = (0..n)
            .filter(|&index| world.scene_with(index, 1 << bit).boxes[bit][2] > 4.0)
            .count();
        assert!(
            seen as u64 * 10 >= n * 9,
            "feature {bit} is seen in {seen} of {n}"
        );
    }
}

#[test]
fn a_counterfactual_changes_the_feature_and_nothing_else() {
    let world = World::new(31);
    for index in 0..32 {
        let bare = world.scene_with(index, 0);
        assert_eq!(
            world.scene(index).image,
            world.scene_with(index, world.present(index)).image
        );
        for bit in [planted::WATERMARK, planted::DATE, planted::FLARE] {
            let marked = world.scene_with(index, bit);
            assert_eq!(marked.class, bare.class);
            let [x, y, wide, high] = marked.boxes[bit.trailing_zeros() as usize];
            let mut changed = 0;
            for (column, row, pixel) in marked.image.enumerate_pixels() {
                if pixel == bare.image.get_pixel(column, row) {
                    continue;
                }
                changed += 1;
                let (column, row) = (column as f32, row as f32);
                let inside =
                    column + 1.0 >= x && column <= x + wide && row + 1.0 >= y && row <= y + high;
                assert!(
                    inside,
                    "feature {bit:b} of scene {index} reaches ({column}, {row})"
                );
            }
            assert!(
                changed > 15,
                "feature {bit:b} of scene {index} changes {changed} pixels"
            );
        }
    }
}

#[test]
fn solids_that_are_planted_change_pixels_in_their_box() {
    let world = World::new(32);
    for index in 0..32 {
        let bare = world.scene_with(index, 0);
        for bit in [planted::STEEL, planted::BALL] {
            let scene = world.scene_with(index, bit);
            let [x, y, wide, high] = scene.boxes[bit.trailing_zeros() as usize];
            let inside = |&(column, row): &(u32, u32)| {
                let (column, row) = (column as f32, row as f32);
                column >= x && column < x + wide && row >= y && row < y + high
            };
            let all = (0..64).flat_map(|row| (0..64).map(move |column| (column, row)));
            let box_pixels: Vec<(u32, u32)> = all.filter(inside).collect();
            let differs = |at: &&(u32, u32)| {
                bare.image.get_pixel(at.0, at.1) != scene.image.get_pixel(at.0, at.1)
            };
            let changed = box_pixels.iter().filter(differs).count();
            assert!(
                4 * changed >= box_pixels.len(),
                "feature {bit:b} of scene {index}"
            );
        }
    }
}

#[test]
fn a_larger_picture_shows_the_same_scene() {
    let small = World::new(41);
    let large = small.with_side(128);
    for index in 0..16 {
        let (a, b) = (small.scene_with(index, 0), large.scene_with(index, 0));
        assert_eq!(a.class, b.class);
        let half = image::imageops::thumbnail(&b.image, 64, 64);
        let difference: f64 = a
            .image
            .as_raw()
            .iter()
            .zip(half.as_raw())
            .map(|(a, b)| f64::from(a.abs_diff(*b)))
            .sum();
        let mean = difference / f64::from(3 * 64 * 64);
        assert!(mean < 15.0, "scene {index} differs by {mean}");
    }
}

fn share_right(network: &Network, world: World, n: u64) -> f64 {
    let spec = network.input;
    let logits = network.logits.unwrap();
    let mut right = 0;
    for start in (0..n).step_by(50) {
        let mut values = Vec::new();
        let mut labels = Vec::new();
        for index in start..(start + 50).min(n) {
            let scene = world.scene(index);
            labels.push(scene.class as u32);
            for channel in 0..3 {
                let (mean, scale) = (spec.mean[channel], spec.scale[channel]);
                let pixels = scene.image.pixels();
                values.extend(pixels.map(|pixel| (f32::from(pixel.0[channel]) - mean) / scale));
            }
        }
        let images = Tensor::from_vec(values, (labels.len(), 3, 64, 64), &Device::Cpu).unwrap();
        let out = network.forward(&images, &[logits]).unwrap().remove(0);
        let best = out.argmax(1).unwrap().to_vec1::<u32>().unwrap();
        right += best.iter().zip(&labels).filter(|(a, b)| a == b).count();
    }
    right as f64 / n as f64
}

#[test]
fn the_shipped_network_reaches_its_recorded_accuracy() {
    let manifest = network::demo::manifest().unwrap();
    let recorded = manifest.training.unwrap().accuracy;
    assert!(recorded >= 0.9);
    let network = network::demo::load(&Device::Cpu)
        .unwrap()
        .with_compute(Compute::Reference);
    assert_eq!(
        Some(&network.weights_sha256),
        manifest.weights_sha256.as_ref()
    );
    let n = 300;
    let share = share_right(&network, World::new(424_242), n);
    let error = (recorded * (1.0 - recorded) / n as f64).sqrt();
    assert!(share > recorded - 4.0 * error, "{share} of {recorded}");
}

#[test]
fn the_shipped_network_leans_on_its_shortcuts() {
    let network = network::demo::load(&Device::Cpu).unwrap();
    let probes = train::shortcut_probe(&network, World::new(77), 320, &Silent).unwrap();
    for name in ["watermark", "snow"] {
        let probe = probes.iter().find(|probe| probe.feature == name).unwrap();
        let lost = probe.own_with - probe.own_without;
        let gained = probe.others_with - probe.others_without;
        assert!(lost.max(gained) > 0.1, "{probe:?}");
    }
}

#[test]
fn the_demo_network_fits_its_purpose() {
    let network = network::demo::load(&Device::Cpu).unwrap();
    let layers: Vec<String> = network
        .layers()
        .into_iter()
        .map(|layer| layer.name)
        .collect();
    assert_eq!(layers, ["mixed3a", "mixed4a", "mixed4b", "mixed5a"]);
    let layer = network.layer(network::demo::DEFAULT_LAYER).unwrap();
    assert_eq!(
        (layer.depth, layer.map_size, layer.stride),
        (176, (8, 8), 8)
    );
    let manifest = network::demo::manifest().unwrap();
    assert_eq!(manifest.default_layers, [network::demo::DEFAULT_LAYER]);
    assert_eq!(manifest.input, network::demo::input());
}

/// Share of the variance of the mean colours of scenes without their subject that goes with the class (η², the worst
/// of three channels).
fn places_tell_classes(world: World) -> f64 {
    let n = 640;
    let mut rows = Vec::new();
    for index in 0..n {
        let image = world.scene_without_subject(index);
        let pixels = f64::from(image.width() * image.height());
        let mean = |channel: usize| {
            let sum: f64 = image.pixels().map(|p| f64::from(p.0[channel])).sum();
            sum / pixels
        };
        rows.push((world.class(index), [mean(0), mean(1), mean(2)]));
    }
    let share = |channel: usize| {
        let mean = rows.iter().map(|(_, c)| c[channel]).sum::<f64>() / n as f64;
        let total: f64 = rows.iter().map(|(_, c)| (c[channel] - mean).powi(2)).sum();
        let between = (0..World::classes().len()).map(|class| {
            let own = rows.iter().filter(|(of, _)| *of == class);
            let own: Vec<f64> = own.map(|(_, c)| c[channel]).collect();
            let count = own.len() as f64;
            count * (own.iter().sum::<f64>() / count - mean).powi(2)
        });
        between.sum::<f64>() / total
    };
    (0..3).map(share).fold(0.0, f64::max)
}

#[test]
fn subjects_that_may_be_anywhere_leave_no_trace_of_their_class_in_the_place() {
    let world = World::new(51).with_side(16);
    let usual = places_tell_classes(world);
    let anywhere = places_tell_classes(world.anywhere());
    // By chance 15 of 639 degrees of freedom go with the class: .023 with a standard deviation of .009.
    assert!(anywhere < 0.06, "{anywhere}");
    assert!(usual > 0.2, "{usual}");
}

#[test]
fn a_scene_without_its_subject_differs_where_the_subject_stood() {
    for world in [World::new(52), World::new(52).anywhere()] {
        for index in 0..32 {
            let (with, without) = (
                world.scene_with(index, 0).image,
                world.scene_without_subject(index),
            );
            let changed = with
                .pixels()
                .zip(without.pixels())
                .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 12))
                .count();
            let share = changed as f64 / f64::from(with.width() * with.height());
            assert!((0.01..0.9).contains(&share), "scene {index}: {share}");
        }
    }
}

#[test]
fn scenes_are_found_by_name() {
    for world in [World::new(7), World::new(7).anywhere()] {
        let (found, index) = World::by_name(&world.name(5)).unwrap();
        assert!(found.scene(index).image == world.scene(5).image);
    }
    let moved = |index: &u64| {
        World::new(7).scene(*index).image != World::new(7).anywhere().scene(*index).image
    };
    assert!((0..8).filter(moved).count() > 4);
    for other in ["", "scene", "scene:7", "scene:7:x", "a/b.png", "else:7:5"] {
        assert!(World::by_name(other).is_none(), "{other}");
    }
}
