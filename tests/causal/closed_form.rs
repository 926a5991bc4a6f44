//! A network whose every effect is known: mean colour, times a matrix.

use atlascope::atlas::Class;
use atlascope::causal::ablate::{Ablation, Ablator};
use atlascope::causal::paste::{self, At, Paste, Piece};
use atlascope::causal::pixels::Corner;
use atlascope::causal::retest::{self, Fate};
use atlascope::causal::transfer::{self, Transfer};
use atlascope::causal::{Album, Lab};
use atlascope::network::ops::{Conv, Linear};
use atlascope::network::{Channels, Graph, InputSpec, Network, NodeId, Op, Resize};
use atlascope::suspects::claim::{Claim, Estimate, Method, Outcome};
use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;

/// Side of its input.
pub(super) const SIDE: u32 = 16;

/// Logits per unit of a mean channel.
const GAIN: f32 = 10.0;

/// Logits of red, green, blue: the mean of a channel, 0..=1, times the gain.
fn network() -> Network {
    let tensor =
        |values: Vec<f32>, shape: &[usize]| Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
    let one: Vec<f32> = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let mut graph = Graph::default();
    let input = graph.push("input", Op::Input, &[]).unwrap();
    let same = Conv {
        weight: tensor(one.clone(), &[3, 3, 1, 1]),
        bias: tensor(vec![0.0; 3], &[3]),
        stride: [1, 1],
        pads: [0; 4],
        groups: 1,
        dilation: [1, 1],
    };
    let same = graph.push("same", Op::Conv(same), &[input]).unwrap();
    let mean = graph.push("mean", Op::GlobalAvgPool, &[same]).unwrap();
    let linear = Linear {
        weight: tensor(one.iter().map(|v| v * GAIN).collect(), &[3, 3]),
        bias: tensor(vec![0.0; 3], &[3]),
    };
    let logits = graph.push("logits", Op::Linear(linear), &[mean]).unwrap();
    graph.block_ends = vec![same];
    let input = InputSpec {
        size: SIDE as usize,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [255.0; 3],
    };
    let class = |name: &&str| Class {
        id: (*name).to_owned(),
        names: (*name).to_owned(),
    };
    Network::new("means", graph, input, Device::Cpu)
        .unwrap()
        .with_classes(logits, ["red", "green", "blue"].iter().map(class).collect())
        .unwrap()
}

/// Flat pictures: `n` of each class, in shades.
pub(super) fn folder(root: &Path, n: u32) {
    for (class, name) in ["red", "green", "blue"].iter().enumerate() {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for idx in 0..n {
            let mut colour = [40; 3];
            colour[class] = 100 + (idx * 3) as u8;
            let image = RgbImage::from_pixel(SIDE, SIDE, Rgb(colour));
            image.save(folder.join(format!("{idx:02}.png"))).unwrap();
        }
    }
}

pub(super) fn lab(root: &Path) -> Lab {
    let network = network();
    let album = Album::of_folders(&[root.to_owned()], &network.classes).unwrap();
    Lab::new(network, album, 5).unwrap()
}

pub(super) fn go_on(_: &Estimate) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

pub(super) fn red_paste(side: u32) -> Paste {
    Paste {
        method: Method::Picture,
        target: 0,
        avoid: vec![0],
        without: HashSet::new(),
        pieces: vec![Piece {
            picture: RgbImage::from_pixel(side, side, Rgb([255, 0, 0])),
            shape: None,
            from: None,
        }],
        at: At::Corner(Corner::BottomLeft),
        n: 12,
        class: Vec::new(),
        early: false,
    }
}

/// A red square of share a on a flat background (r, g, b): each logit moves by a (piece − background), so the centred
/// logit of red moves by a (255 − r − ((255 − r) − g − b) / 3) / 255 times the gain.
#[test]
fn a_paste_moves_the_logit_by_its_share() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 12);
    let mut lab = lab(root.path());
    let pasted = paste::paste(&mut lab, &red_paste(8), &mut go_on).unwrap();
    let estimate = pasted.estimate;
    assert_eq!((estimate.n, estimate.done), (12, true));
    let share = 0.25;
    let mut expected = 0.0;
    for trial in &pasted.trials {
        assert_ne!(lab.album().class(trial.background), Some(0));
        let [r, g, b] = lab
            .square(trial.background)
            .unwrap()
            .get_pixel(0, 0)
            .0
            .map(f32::from);
        let change = GAIN * share * (255.0 - r - ((255.0 - r) - g - b) / 3.0) / 255.0;
        let found = trial.pasted[0][0]
            - trial.clean[0]
            - ((trial.pasted[0].iter().sum::<f32>() - trial.clean.iter().sum::<f32>()) / 3.0);
        assert!((found - change).abs() < 1e-4, "{found}, expected {change}");
        expected += change / 12.0;
    }
    assert!((estimate.delta - expected).abs() < 1e-4);
    assert!(estimate.ci[0] <= expected && expected <= estimate.ci[1]);
    // Controls are green or blue and never red.
    assert!(estimate.controls.delta.abs() < 1.0 && estimate.outcome() == Outcome::Used);
    // Flips: red wins when its mean exceeds the others'.
    let flips = pasted.trials.iter().filter(|trial| {
        let logits = &trial.pasted[0];
        logits[0] > logits[1] && logits[0] > logits[2]
    });
    assert_eq!(estimate.flips as usize, flips.count());
}

/// Beside the class's own crops: those of red images bring a quarter of what red images have. A red that is no redder
/// is used slightly, one that is much redder is used.
#[test]
fn what_the_class_has_anyway_is_no_find() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 12);
    let mut lab = lab(root.path());
    let reds = lab.album().of_class(0);
    let mut test = |colour: [u8; 3]| {
        let mut paste = red_paste(8);
        paste.method = Method::Paste;
        paste.pieces[0].picture = RgbImage::from_pixel(8, 8, Rgb(colour));
        paste.class.clone_from(&reds);
        paste::paste(&mut lab, &paste, &mut go_on).unwrap().estimate
    };
    let usual = test([130, 40, 40]);
    // Reds have 100 to 133 of red, the others 40.
    let scale = usual.scale.unwrap();
    assert!((scale - GAIN * 76.5 / 255.0).abs() < 0.05, "{usual:?}");
    let class = usual.controls.class.unwrap();
    assert!((class - 0.25 * scale).abs() < 0.1 * scale, "{usual:?}");
    assert_eq!(usual.outcome(), Outcome::Slight, "{usual:?}");
    let red = test([255, 0, 0]);
    let [low, high] = red.controls.over_class.unwrap();
    let more = red.delta - red.controls.class.unwrap();
    assert!(low <= more && more <= high && low > 0.0, "{red:?}");
    assert_eq!(red.outcome(), Outcome::Used, "{red:?}");
}

#[test]
fn a_grey_square_is_not_used_and_a_break_is_obeyed() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 12);
    let mut lab = lab(root.path());
    let mut grey = red_paste(8);
    grey.pieces[0].picture = RgbImage::from_pixel(8, 8, Rgb([0, 120, 120]));
    let estimate = paste::paste(&mut lab, &grey, &mut go_on).unwrap().estimate;
    assert_eq!(estimate.outcome(), Outcome::NotShown, "{estimate:?}");
    let mut told = 0;
    let broken = paste::paste(&mut lab, &red_paste(8), &mut |_| {
        told += 1;
        ControlFlow::Break(())
    });
    let broken = broken.unwrap().estimate;
    assert_eq!((told, broken.n, broken.done), (1, 4, false));
}

/// The same test twice, and after others have filled the caches: the same numbers.
#[test]
fn a_seed_gives_the_same_numbers() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 12);
    let (mut first, mut second) = (lab(root.path()), lab(root.path()));
    paste::paste(&mut second, &red_paste(4), &mut go_on).unwrap();
    let a = paste::paste(&mut first, &red_paste(8), &mut go_on).unwrap();
    let b = paste::paste(&mut second, &red_paste(8), &mut go_on).unwrap();
    assert_eq!(a.estimate, b.estimate);
}

/// Fewer backgrounds than asked for are told; none at all is an error with the number.
#[test]
fn few_backgrounds_are_said() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 1);
    let estimate = paste::paste(&mut lab(root.path()), &red_paste(8), &mut go_on)
        .unwrap()
        .estimate;
    assert_eq!((estimate.n, estimate.outcome()), (2, Outcome::TooFew));
    std::fs::remove_dir_all(root.path().join("green")).unwrap();
    std::fs::remove_dir_all(root.path().join("blue")).unwrap();
    let error = paste::paste(&mut lab(root.path()), &red_paste(8), &mut go_on).unwrap_err();
    assert!(error.to_string().contains("0 images"), "{error}");
}

/// Layer "same" has the colours themselves. Half of the reds have one more unit of green in a quarter of the picture;
/// removing that direction takes it away there and nothing elsewhere.
#[test]
fn an_ablation_takes_out_what_exceeds_the_mean() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 8);
    for idx in 0..4 {
        let path = root.path().join(format!("red/{idx:02}.png"));
        let mut image = image::open(&path).unwrap().to_rgb8();
        for (_, _, pixel) in image
            .enumerate_pixels_mut()
            .filter(|(x, y, _)| *x < 8 && *y < 8)
        {
            pixel.0[1] = 240;
        }
        image.save(&path).unwrap();
    }
    let mut lab = lab(root.path());
    let layer = lab.network().layer("same").unwrap();
    assert_eq!(layer.id, NodeId(1));
    let reds: Vec<u32> = lab.album().of_class(0);
    let (with, without) = reds.split_at(4);
    // The class's mean: red as it is; green 40 and in 4 of 8 images a quarter of it at 240.
    let red = (100.0 + 3.0 * 3.5) / 255.0;
    let green = (40.0 + 200.0 / 8.0) / 255.0;
    let ablation = Ablation {
        layer,
        target: 1,
        cell: vec![red, 240.0 / 255.0, 40.0 / 255.0],
        with: with.to_vec(),
        without: without.to_vec(),
    };
    let estimate = Ablator::default().ablate(&mut lab, &ablation).unwrap();
    // In a quarter of each image with it green falls from 240 to the mean; two thirds of that are centred.
    let expected = GAIN * 0.25 * (240.0 / 255.0 - green) * 2.0 / 3.0;
    assert!(
        (estimate.delta - expected).abs() < 2e-2,
        "{estimate:?}, expected {expected}"
    );
    assert!(estimate.controls.delta.abs() < 1e-5);
    assert_eq!((estimate.outcome(), estimate.n), (Outcome::Used, 4));
}

/// Half of the reds in a new folder have a blue cast: those with it and those without.
fn blue_cast(root: &Path) -> (Lab, Transfer) {
    folder(root, 24);
    for idx in 0..8 {
        let path = root.join(format!("red/{idx:02}.png"));
        let mut image = image::open(&path).unwrap().to_rgb8();
        image.pixels_mut().for_each(|pixel| pixel.0[2] += 60);
        image.save(&path).unwrap();
    }
    let lab = lab(root);
    let reds = lab.album().of_class(0);
    let groups = Transfer {
        target: 2,
        avoid: vec![2],
        with: reds[..8].to_vec(),
        without: reds[8..].to_vec(),
        n: 12,
        early: false,
    };
    (lab, groups)
}

/// A claim that rests on a transfer is tested again from the photographs that it names.
#[test]
fn a_transfer_is_tested_again() {
    let root = tempfile::tempdir().unwrap();
    let (mut lab, groups) = blue_cast(root.path());
    let before = transfer::transfer(&mut lab, &groups, Method::Colour, &mut go_on).unwrap();
    let paths = |images: &[u32]| -> Vec<Value> {
        images
            .iter()
            .map(|&idx| json!(lab.album().path(idx)))
            .collect()
    };
    let claim = json!({
        "subject": {"kind": "colour", "class": "blue", "class_name": "blue",
            "with": paths(&groups.with), "without": paths(&groups.without)},
        "estimates": [before],
        "provenance": {"network": "means", "weights_sha256": "", "size": SIDE, "resize": "warp", "seed": 5,
            "backgrounds": 12, "at": "own", "command": ""},
    });
    let mut claim: Claim = serde_json::from_value(claim).unwrap();
    let after = retest::retest(&mut lab, &claim).unwrap().unwrap();
    assert_eq!((after.method, after.delta), (Method::Colour, before.delta));
    assert_eq!(retest::fate(Some(&after)), Fate::StillUsed);
    // Photographs that are gone are a clear word, not a verdict.
    claim
        .subject
        .with
        .iter_mut()
        .for_each(|path| path.push('x'));
    let error = retest::retest(&mut lab, &claim).unwrap_err().to_string();
    assert!(
        error.starts_with("0 images of the class with the feature"),
        "{error}"
    );
    // A claim that only an ablation carries cannot be repeated on another network.
    claim.estimates[0].method = Method::Ablate;
    assert!(retest::retest(&mut lab, &claim).unwrap().is_none());
    assert_eq!(retest::fate(None), Fate::Undecided);
}

/// What moves the class no more than noise does is not called used.
#[test]
fn noise_is_weighed() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 24);
    let mut lab = lab(root.path());
    // A grey a little redder than noise's own mean on dark pictures: brighter, as noise is, and hardly more.
    let paste = |colour: [u8; 3]| Paste {
        pieces: vec![Piece {
            picture: RgbImage::from_pixel(12, 12, Rgb(colour)),
            shape: None,
            from: None,
        }],
        avoid: vec![0, 1],
        ..red_paste(12)
    };
    let red = paste::paste(&mut lab, &paste([255, 60, 60]), &mut go_on).unwrap();
    assert_eq!(red.estimate.outcome(), Outcome::Used);
    let [low, high] = red.estimate.controls.over_noise.unwrap();
    let over = red.estimate.delta - red.estimate.controls.noise.unwrap();
    assert!(
        low > 0.0 && low <= over && over <= high,
        "{:?}",
        red.estimate
    );
    let grey = paste::paste(&mut lab, &paste([127, 127, 127]), &mut go_on).unwrap();
    let noise = grey.estimate.controls.noise.unwrap();
    assert!(
        (grey.estimate.delta - noise).abs() < 0.5,
        "{:?}",
        grey.estimate
    );
    assert_eq!(
        grey.estimate.outcome(),
        Outcome::NotSpecific,
        "{:?}",
        grey.estimate
    );
}

/// Half of the reds have a blue cast: the transfer of colours gives it to green images, an equal split gives nothing.
#[test]
fn a_cast_is_transferred() {
    let root = tempfile::tempdir().unwrap();
    let (mut lab, groups) = blue_cast(root.path());
    for method in [Method::Colour, Method::Difference] {
        let estimate = transfer::transfer(&mut lab, &groups, method, &mut go_on).unwrap();
        // 60 of 255 more blue and a little less red.
        let expected = GAIN * 60.0 / 255.0 * 2.0 / 3.0;
        assert!(
            (estimate.delta - expected).abs() < 0.6,
            "{estimate:?}, expected {expected}"
        );
        assert_eq!(estimate.outcome(), Outcome::Used, "{estimate:?}");
    }
    let few = Transfer {
        with: groups.with[..2].to_vec(),
        ..groups
    };
    let error = transfer::transfer(&mut lab, &few, Method::Colour, &mut go_on).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("2 images of the class with the feature"),
        "{error}"
    );
}
