//! What a test is compared with: a picture with its scrambled self, a retest with the class's own crops.

use super::closed_form::{SIDE, folder, go_on, lab, red_paste};
use atlascope::causal::paste;
use atlascope::causal::retest::{self, Fate};
use atlascope::suspects::claim::{Claim, Controls, Estimate, Method, Outcome};
use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::{Value, json};
use std::sync::Arc;

/// The network sees mean colours, and scrambling phases keeps them: the picture's colours do all that it does.
#[test]
fn a_picture_is_told_beside_its_scrambled_self() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 12);
    let mut lab = lab(root.path());
    let reds = lab.album().of_class(0);
    let mut test = |red: u8| {
        let mut paste = red_paste(8);
        // Stripes, so that there is something to scramble, within what bytes can hold.
        paste.pieces[0].picture = RgbImage::from_fn(8, 8, |x, _| {
            Rgb([red, if x % 2 == 0 { 45 } else { 35 }, 40])
        });
        paste.class.clone_from(&reds);
        paste::paste(&mut lab, &paste, &mut go_on).unwrap().estimate
    };
    let red = test(220);
    let scrambled = red.controls.scrambled.unwrap();
    let [low, high] = red.controls.over_scrambled.unwrap();
    assert!((scrambled - red.delta).abs() < 0.05 && low - 0.05 < 0.0 && 0.0 < high + 0.05);
    // No crops of the class: a picture comes from none of its images. Its images are the measure.
    assert!(red.controls.class.is_none() && red.scale.unwrap() > 2.0);
    assert_eq!(red.outcome(), Outcome::Used, "{red:?}");
    assert!(red.text().contains(", scrambled +"), "{}", red.text());
    // A fifth of what makes the class is more than a quarter of a picture in a faint red brings.
    let faint = test(80);
    assert!(faint.contrast[0] > 0.0, "{faint:?}");
    assert_eq!(faint.outcome(), Outcome::Slight, "{faint:?}");
}

/// What is not there does nothing: half a picture moves means by half, and so do its controls, which have its shape.
#[test]
fn half_a_picture_does_half() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 24);
    let mut lab = lab(root.path());
    let mut test = |shape: Option<u8>| {
        let mut paste = red_paste(8);
        paste.early = false;
        // Where nothing is, the file may hold any colour.
        paste.pieces[0].picture = RgbImage::from_fn(8, 8, |x, y| match shape {
            Some(0) if x >= 4 => Rgb([0, 255, 0]),
            _ => Rgb([200, if y % 2 == 0 { 45 } else { 35 }, 40]),
        });
        paste.pieces[0].shape = shape.map(|right| {
            let there = |x: u32, _| Luma([if x < 4 { 255 } else { right }]);
            Arc::new(GrayImage::from_fn(8, 8, there))
        });
        paste::paste(&mut lab, &paste, &mut go_on).unwrap().estimate
    };
    let (whole, same, half) = (test(None), test(Some(255)), test(Some(0)));
    assert_eq!(whole.delta.to_bits(), same.delta.to_bits());
    let near = |found: f32, expected: f32, slack: f32| {
        assert!(
            (found - expected).abs() < slack,
            "{found}, not {expected}: {whole:?} {half:?}"
        );
    };
    assert!(whole.delta > 1.0);
    near(half.delta, whole.delta / 2.0, 0.03);
    // The colours of the other half are not scrambled into this one.
    near(half.controls.scrambled.unwrap(), half.delta, 0.05);
    near(
        half.controls.noise.unwrap(),
        whole.controls.noise.unwrap() / 2.0,
        0.1,
    );
    near(half.controls.delta, whole.controls.delta / 2.0, 0.1);
}

/// A claim about crops of these photographs, which once were used.
fn claim(images: &[String]) -> Claim {
    let exemplars = images
        .iter()
        .map(|image| json!({"image": image, "row": 0, "col": 0, "window": [0, 0, 8]}));
    let used = json!({"method": "paste", "delta": 3.0, "ci": [2.0, 4.0], "contrast": [2.0, 4.0], "n": 12, "flips": 0,
        "done": true, "controls": {"delta": 0.0, "ci": [-0.1, 0.1]}});
    let claim = json!({
        "subject": {"kind": "cell", "class": "red", "class_name": "red",
            "exemplars": exemplars.collect::<Vec<Value>>()},
        "estimates": [used],
        "provenance": {"network": "means", "weights_sha256": "", "size": SIDE, "resize": "warp", "seed": 5,
            "backgrounds": 12, "at": "own", "command": ""},
    });
    serde_json::from_value(claim).unwrap()
}

/// What crops of any red image do is the class, not the shortcut; what is much redder is still used.
#[test]
fn a_retest_knows_what_the_class_has_anyway() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path(), 24);
    for idx in 0..6 {
        let path = root.path().join(format!("red/strong{idx}.png"));
        let image = RgbImage::from_pixel(SIDE, SIDE, Rgb([255, 0, 0]));
        image.save(path).unwrap();
    }
    let mut lab = lab(root.path());
    let mut retested = |images: &[String]| {
        let after = retest::retest(&mut lab, &claim(images)).unwrap().unwrap();
        (after, retest::fate(Some(&after)))
    };
    let usual: Vec<String> = (9..15).map(|idx| format!("red/{idx:02}.png")).collect();
    let (after, fate) = retested(&usual);
    assert_eq!(after.method, Method::Paste);
    assert!(
        after.controls.class.is_some() && after.contrast[0] > 0.0,
        "{after:?}"
    );
    assert_eq!(
        (after.outcome(), fate),
        (Outcome::Slight, Fate::Gone),
        "{after:?}"
    );
    let strong: Vec<String> = (0..6).map(|idx| format!("red/strong{idx}.png")).collect();
    let (after, fate) = retested(&strong);
    assert_eq!(
        (after.outcome(), fate),
        (Outcome::Used, Fate::StillUsed),
        "{after:?}"
    );
    // Less than it was, but more than the class's own: not gone.
    let less = Estimate {
        controls: Controls {
            over_class: Some([0.05, 0.3]),
            class: Some(after.delta - 0.2),
            ..after.controls
        },
        scale: Some(5.0),
        ..after
    };
    assert_eq!(less.outcome(), Outcome::Slight);
    assert_eq!(retest::fate(Some(&less)), Fate::StillUsed);
}
