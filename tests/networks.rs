//! The commands about networks as a user meets them: `layers`, `predict`, `pull`, and `build` with networks of one's own.

mod pull;

use crate::support::{self, terminal::Personality, terminal::Terminal};
use atlascope::images::world::World;
use atlascope::store;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/reference");

/// Preprocessing of the tiny networks of `make_tiny_onnx.py`.
const FLAGS: [&str; 8] = [
    "--resize",
    "warp",
    "--channels",
    "rgb",
    "--mean",
    "127",
    "--scale",
    "128",
];

/// What onnxruntime says of tiny.onnx for an image of the colour (200, 100, 50).
const LOGITS: [f64; 5] = [-1.135_192, -0.159_838, -0.592_314, -0.837_464, -0.542_5];

struct Outcome {
    stdout: String,
    stderr: String,
    code: i32,
}

/// Runs a command with a cache of its own and without the user's Hugging Face settings.
fn run_in(home: &Path, variables: &[(&str, &str)], args: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atlascope"));
    command
        .args(args)
        .env("NO_COLOR", "1")
        .env("HOME", home)
        .stdin(Stdio::null());
    for name in [
        "XDG_CACHE_HOME",
        "HF_HOME",
        "HF_TOKEN",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
    ] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().unwrap();
    let outcome = Outcome {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    };
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    outcome
}

fn run(args: &[&str]) -> Outcome {
    let home = tempfile::tempdir().unwrap();
    run_in(home.path(), &[], args)
}

fn succeeds(args: &[&str]) -> Outcome {
    let outcome = run(args);
    assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.stderr);
    outcome
}

fn fails(code: i32, args: &[&str], said: &[&str]) {
    let outcome = run(args);
    assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
    holds(&outcome.stderr, said);
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn reference(name: &str) -> String {
    format!("{REFERENCE}/{name}")
}

fn one_colour(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = image::Rgb([200, 100, 50]);
    image::RgbImage::from_pixel(40, 30, pixel)
        .save(path)
        .unwrap();
}

/// A folder of scenes.
fn scenes(folder: &Path, n: usize) -> PathBuf {
    let photos = folder.join("photos");
    std::fs::create_dir_all(&photos).unwrap();
    for idx in 0..n {
        let scene = World::new(3).scene(idx as u64);
        scene
            .image
            .save(photos.join(format!("{idx:02}.png")))
            .unwrap();
    }
    photos
}

/// A small build; `network` are the flags that name it.
fn build(folder: &Path, network: &[&str]) -> (Outcome, PathBuf) {
    let photos = scenes(folder, 12);
    let output = folder.join("x.atlas");
    let mut args = vec![
        "build",
        "--images",
        photos.to_str().unwrap(),
        "-o",
        output.to_str().unwrap(),
    ];
    args.extend(network);
    args.extend([
        "--positions",
        "8",
        "--grid",
        "2,4",
        "--steps",
        "2",
        "--icon-size",
        "16",
    ]);
    args.extend(["--epochs", "20", "--neighbors", "5", "--min-samples", "2"]);
    (run(&args), output)
}

#[test]
fn layers_are_told_as_a_tree_and_as_json() {
    let model = reference("tiny.onnx");
    let text = succeeds(&["layers", "--network", &model]).stdout;
    holds(
        &text,
        &[
            "16 × 8 × 8",
            "8 × 16 × 16",
            "Conv",
            "5 classes",
            "layers worth an atlas",
        ],
    );
    // 8·3·9 weights at 16² positions and 16·8·9 at 8², and 5·16.
    let json = succeeds(&["layers", "--network", &model, "--json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["macs"], 216 * 256 + 1152 * 64 + 80);
    let layers = value["layers"].as_array().unwrap();
    let last = layers
        .iter()
        .rfind(|layer| layer["block_end"] == true)
        .unwrap();
    assert_eq!(last["shape"], serde_json::json!([16, 8, 8]));
    // Two 3 × 3 windows, the second two pixels apart.
    assert_eq!(
        (&last["receptive_field"], &last["stride"]),
        (&7.into(), &4.into())
    );
    let ends = succeeds(&["layers", "--network", &model, "--block-ends"]).stdout;
    assert!(ends.lines().count() < text.lines().count());
    let demo = succeeds(&["layers", "--network", "demo"]).stdout;
    holds(
        &demo,
        &[
            "├ mixed4b_1x1",
            "└ mixed4b_pool_reduce",
            "+ mixed4b",
            "* mixed5a",
        ],
    );
}

#[test]
fn predictions_are_onnxruntimes() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, npy) = (folder.path().join("a.png"), folder.path().join("out.npy"));
    one_colour(&picture);
    let model = reference("tiny.onnx");
    let mut args = vec!["predict", "--network", &model, picture.to_str().unwrap()];
    args.extend(FLAGS);
    let json: serde_json::Value =
        serde_json::from_str(&succeeds(&[&args[..], &["--json"]].concat()).stdout).unwrap();
    let top = json["images"][0]["top"].as_array().unwrap();
    let order: Vec<u64> = top
        .iter()
        .map(|row| row["class"].as_u64().unwrap())
        .collect();
    assert_eq!(order, [1, 4, 2, 3, 0]);
    for row in top {
        let expected = LOGITS[row["class"].as_u64().unwrap() as usize];
        assert!(
            (row["logit"].as_f64().unwrap() - expected).abs() < 1e-5,
            "{row}"
        );
    }
    let text = succeeds(&args).stdout;
    holds(&text, &["a.png", "-0.160  1  class 1"]);
    // Broken pictures keep their row.
    let broken = folder.path().join("b.png");
    std::fs::write(&broken, b"no picture").unwrap();
    let more = [broken.to_str().unwrap(), "--npy", npy.to_str().unwrap()];
    let outcome = succeeds(&[&args[..], &more].concat());
    holds(&outcome.stderr, &["b.png"]);
    let bytes = std::fs::read(&npy).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    assert_eq!(file.shape(), [2, 5]);
    let rows: Vec<f32> = file.into_vec().unwrap();
    for (found, expected) in rows.iter().zip(LOGITS) {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{rows:?}");
    }
    assert!(rows[5..].iter().all(|value| value.is_nan()));
    fails(
        1,
        &[&args[..], &more].concat(),
        &["out.npy exists", "--force"],
    );
}

#[test]
fn labelled_folders_give_the_hit_rate() {
    let folder = tempfile::tempdir().unwrap();
    for label in ["1", "class 3", "nonsense"] {
        one_colour(&folder.path().join(label).join("a.png"));
    }
    let model = reference("tiny.onnx");
    let mut args = vec![
        "predict",
        "--network",
        &model,
        folder.path().to_str().unwrap(),
    ];
    args.extend(FLAGS);
    let text = succeeds(&args).stdout;
    // Class 1 is first, class 3 fourth.
    holds(
        &text,
        &[
            "top-1 50.0 % (1 of 2), top-5 100.0 % (2 of 2)",
            "1 images have labels that are no class",
        ],
    );
}

#[test]
fn wrong_preprocessing_and_names_are_usage() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("a.png");
    one_colour(&picture);
    let model = reference("tiny.onnx");
    let with = |more: &[&'static str]| {
        let mut args = vec!["predict", "--network", &model, picture.to_str().unwrap()];
        args.extend(more);
        args.iter()
            .map(|arg| (*arg).to_owned())
            .collect::<Vec<String>>()
    };
    for (flags, said) in [
        (vec!["--scale", "0"], "divided by 0"),
        (vec!["--mean", "1,2"], "one number or three"),
        (vec!["--resize", "stretch"], "warp, crop"),
        (vec!["--channels", "gray"], "rgb or bgr"),
        (vec!["--size", "224"], "32 × 32"),
        (vec!["--weights", "x.safetensors"], "its own weights"),
    ] {
        let args = with(&flags);
        fails(
            2,
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
            &[said],
        );
    }
    let names = folder.path().join("names.txt");
    std::fs::write(&names, "one\ntwo\nthree\n").unwrap();
    let outcome = run(&[
        "predict",
        "--network",
        &model,
        picture.to_str().unwrap(),
        "--classes",
        names.to_str().unwrap(),
    ]);
    assert_eq!(outcome.code, 1);
    holds(&outcome.stderr, &["3 class names", "tiny", "5"]);
    std::fs::write(&names, "one\ntwo\nthree\nfour\nfive\n").unwrap();
    let named = succeeds(&[
        "predict",
        "--network",
        &model,
        picture.to_str().unwrap(),
        "--classes",
        names.to_str().unwrap(),
    ]);
    holds(&named.stdout, &["three"]);
    // What was guessed is said.
    holds(
        &named.stderr,
        &["nothing is known of this network's preprocessing", "--mean"],
    );
    fails(
        2,
        &["layers", "--network", "resnet18"],
        &["resnet18 needs its weights", "atlascope pull resnet18"],
    );
    let weights = reference("vit.safetensors");
    fails(
        2,
        &["layers", "--network", &weights],
        &["--network NAME --weights FILE"],
    );
}

#[test]
fn an_onnx_file_becomes_an_atlas() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("tiny.onnx");
    let network = [&["--network", model.as_str()], &FLAGS[..]].concat();
    let (outcome, path) = build(folder.path(), &network);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let atlas = store::read(&path).unwrap();
    assert_eq!(
        (atlas.classes.len(), atlas.recipe.network.as_str()),
        (5, "tiny")
    );
    assert_eq!(atlas.layers[0].depth, 16);
    assert!(atlas.images.prediction.iter().all(Option::is_some));
    let drawn = atlas.layers[0]
        .levels
        .iter()
        .flat_map(|level| &level.icons.steps);
    assert!(drawn.filter(|&&steps| steps > 0).count() > 3);
}

/// No classifier: no attribution, no predictions, and everything else works.
#[test]
fn a_network_without_classifier_gives_an_atlas_without_classes() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("tiny_headless.onnx");
    let network = [&["--network", model.as_str()], &FLAGS[..]].concat();
    let (outcome, path) = build(folder.path(), &network);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    holds(&outcome.stderr, &["no classifier", "no attribution"]);
    let atlas = store::read(&path).unwrap();
    assert!(atlas.classes.is_empty() && atlas.layers[0].samples.len() > 50);
    assert!(atlas.images.prediction.iter().all(Option::is_none));
    let path = path.to_str().unwrap();
    holds(&succeeds(&["info", path]).stdout, &["tiny_headless"]);
    succeeds(&["show", path]);
    let cell = atlas.layers[0].levels[0].cells[0];
    succeeds(&[
        "show",
        path,
        "--cell",
        &format!("{},{}", cell.row, cell.col),
    ]);
    let tables = folder.path().join("tables");
    let page = folder.path().join("page");
    succeeds(&[
        "export",
        path,
        "--csv",
        tables.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ]);
    let mut terminal = Terminal::start(&["explore", path], Personality::Kitty, (100, 30));
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    terminal.send("/");
    terminal.wait_for("notice", 10, |screen| screen.contains("no classes"));
    terminal.send("q");
    assert_eq!(terminal.wait_exit(10), 0);
    let mut args = vec!["predict", "--network", &model, "photo.png"];
    args.extend(FLAGS);
    let photo = folder.path().join("photo.png");
    one_colour(&photo);
    args[3] = photo.to_str().unwrap();
    fails(1, &args, &["no classifier", "atlascope layers"]);
}

#[test]
fn activations_that_are_no_numbers_end_a_build_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let model = reference("tiny_overflow.onnx");
    let network = [&["--network", model.as_str()], &FLAGS[..]].concat();
    let (outcome, path) = build(folder.path(), &network);
    assert_eq!(outcome.code, 1);
    holds(
        &outcome.stderr,
        &[
            "NaN or infinity for",
            ".png",
            "the weights or the preprocessing",
        ],
    );
    assert!(!path.exists());
    let photo = folder.path().join("photo.png");
    one_colour(&photo);
    let mut args = vec!["predict", "--network", &model, photo.to_str().unwrap()];
    args.extend(FLAGS);
    fails(1, &args, &["NaN or infinity for", "photo.png"]);
}

/// A manifest of one's own: `extra` comes after the input.
fn manifest(folder: &Path, architecture: &str, source: &str, extra: &str) -> PathBuf {
    let text = format!(
        r#"
        name = "mine"
        title = "a network of mine"
        licence = "none"
        architecture = "{architecture}"
        tested = "not at all"
        classes = "none"
        {extra}
        [[source]]
        {source}
        [input]
        size = 32
        resize = "warp"
        channels = "rgb"
        mean = [127.0, 127.0, 127.0]
        scale = [128.0, 128.0, 128.0]
        "#
    );
    let path = folder.join("model.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_vision_transformer_becomes_an_atlas_of_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let weights = "file = \"vit.safetensors\"";
    let path = manifest(
        folder.path(),
        "vit",
        weights,
        "heads = 2\ndefault_layers = [\"blocks.1\"]",
    );
    std::fs::copy(
        reference("vit.safetensors"),
        folder.path().join("vit.safetensors"),
    )
    .unwrap();
    let (outcome, output) = build(folder.path(), &["--network", path.to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let atlas = store::read(&output).unwrap();
    let layer = &atlas.layers[0];
    assert_eq!(
        (layer.name.as_str(), layer.depth, layer.map_size),
        ("blocks.1", 32, (8, 8))
    );
    assert_eq!(atlas.classes.len(), 7);
    let level = &layer.levels[0];
    assert!(level.attributions.iter().any(|value| value.to_f32() != 0.0));
    assert!(level.icons.score.iter().any(|score| score.is_finite()));
}

/// The hit rates that onnxruntime reaches on the same files with Pillow's bilinear resize: 659 and 861 of 1000 for
/// SqueezeNet.
#[test]
fn squeezenet_recognises_photographs() {
    let Some(data) = support::data("predicting photographs") else {
        return;
    };
    let photos = data.join("photos/imagenet-sample");
    let squeezenet = data.join("squeezenet1_1/weights.safetensors");

    let outcome = succeeds(&[
        "predict",
        "--network",
        "squeezenet1_1_caffe",
        "--weights",
        squeezenet.to_str().unwrap(),
        photos.to_str().unwrap(),
        "--json",
    ]);
    assert!(
        !outcome.stderr.contains("other weights"),
        "{}",
        outcome.stderr
    );
    let value: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let found = |name: &str| value[name].as_u64().unwrap();
    assert_eq!(found("n_labelled"), 1000);
    assert!(found("top1").abs_diff(659) <= 3, "top-1 {}", found("top1"));
    assert!(found("top5").abs_diff(861) <= 3, "top-5 {}", found("top5"));
}
