//! `atlascope patch`, `report` and `retest` as a user meets them.

use super::schema;
use image::{Rgb, RgbImage};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

struct Outcome {
    stdout: String,
    stderr: String,
    code: i32,
}

fn run(args: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let outcome = Outcome {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    };
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    outcome
}

fn fails(code: i32, args: &[&str]) -> String {
    let outcome = run(args);
    assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
    outcome.stderr
}

/// A small atlas of the synthetic world, made once.
fn atlas() -> &'static (tempfile::TempDir, String, String) {
    static ATLAS: OnceLock<(tempfile::TempDir, String, String)> = OnceLock::new();
    ATLAS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.atlas");
        let path = path.to_str().unwrap().to_owned();
        let made = run(&[
            "demo",
            "--save",
            &path,
            "--no-explore",
            "--scenes",
            "480",
            "--steps",
            "1",
        ]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        // The largest cell of the map, by what the tables say.
        let tables = folder.path().join("tables");
        let tables = tables.to_str().unwrap();
        assert_eq!(run(&["export", &path, "--csv", tables]).code, 0);
        let cells = std::fs::read_to_string(Path::new(tables).join("0-mixed4b-cells.csv")).unwrap();
        let rows = cells
            .lines()
            .skip(1)
            .map(|line| line.split(',').collect::<Vec<_>>());
        let largest = rows
            .filter(|row| row[0] == "10")
            .max_by_key(|row| row[4].parse::<u32>().unwrap());
        let largest = largest.unwrap();
        let cell = format!("mixed4b,10,{},{}", largest[2], largest[3]);
        (folder, path, cell)
    })
}

fn of_schema(text: &str) -> Value {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema/patch.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let value: Value = serde_json::from_str(text).unwrap();
    let faults = schema::faults(&schema, &value);
    assert!(faults.is_empty(), "{faults:#?}");
    value
}

#[test]
fn a_cell_is_tested_and_the_same_seed_gives_the_same_bytes() {
    let (folder, atlas, cell) = atlas();
    let png = folder.path().join("sheet.png");
    let args = [
        "patch",
        atlas,
        "--cell",
        cell,
        "--ablate",
        "--transfer",
        "--sweep",
        "--json",
        "--seed",
        "4",
        "--png",
        png.to_str().unwrap(),
        "--force",
    ];
    let first = run(&args);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(first.stdout, run(&args).stdout);
    let told = of_schema(&first.stdout);
    let methods: Vec<&str> = told["estimates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["method"].as_str().unwrap())
        .collect();
    assert!(
        methods.starts_with(&["paste"]) && methods.contains(&"ablate"),
        "{methods:?}"
    );
    assert_eq!(told["delta"], told["estimates"][0]["delta"]);
    assert_eq!(told["sweep"].as_array().unwrap().len(), 9);
    assert_eq!(told["sweep"][0]["delta"], 0.0);
    assert_eq!(told["best_flips"]["trials"], 32);
    assert!(image::open(&png).unwrap().width() > 300);
    // The command that the claim names gives the claim again.
    let command = told["provenance"]["command"].as_str().unwrap();
    let again: Vec<&str> = command.split(' ').skip(1).chain(["--json"]).collect();
    assert_eq!(of_schema(&run(&again).stdout), told);
    let words = run(&["patch", atlas, "--cell", cell]).stdout;
    assert!(
        words.contains("logit [")
            && words.contains("controls")
            && words.contains("backgrounds, flips"),
        "{words}"
    );
}

#[test]
fn claims_become_reports_and_are_tested_again() {
    let (folder, atlas, _) = atlas();
    let patch = folder.path().join("barn.png");
    barn(&patch);
    let (patch, claims) = (patch.to_str().unwrap(), folder.path().join("claims.json"));
    let claims = claims.to_str().unwrap();
    for _ in 0..2 {
        let made = run(&[
            "patch",
            atlas,
            "--patch",
            patch,
            "--class",
            "barn",
            "--ratio",
            "0.9",
            "--claims",
            claims,
            "--judge",
            "shortcut",
            "--note",
            "a whole barn",
        ]);
        assert_eq!(made.code, 0, "{}", made.stderr);
        assert!(made.stdout.contains("used by the model"), "{}", made.stdout);
    }
    let out = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let write = |suffix: &str| {
        let (md, html, json) = (
            out(&format!("{suffix}.md")),
            out(&format!("{suffix}.html")),
            out(&format!("{suffix}.json")),
        );
        let args = [
            "report",
            atlas,
            "--claims",
            claims,
            "--markdown",
            &md,
            "--html",
            &html,
            "--json",
            &json,
        ];
        let done = run(&args);
        assert_eq!(done.code, 0, "{}", done.stderr);
        assert_eq!(
            fails(1, &args).lines().next().map(|l| l.contains("exists")),
            Some(true)
        );
        [md, html, json].map(|path| std::fs::read_to_string(path).unwrap())
    };
    let [md, html, json] = write("a");
    assert_eq!([md.clone(), html.clone(), json.clone()], write("b"));
    // Twice the same feature is one claim.
    assert_eq!(
        serde_json::from_str::<Value>(&json).unwrap()["claims"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for text in [&md, &html] {
        assert!(
            text.contains("a whole barn")
                && text.contains("atlascope patch")
                && text.contains(" backgrounds, flips")
        );
    }
    assert!(html.contains("data:image/png;base64,"));
    no_photos(atlas, claims, &out("bare.html"));
    retested(folder.path(), &out("a.json"));
}

fn no_photos(atlas: &str, claims: &str, page: &str) {
    assert_eq!(
        run(&[
            "report",
            atlas,
            "--claims",
            claims,
            "--html",
            page,
            "--no-photos"
        ])
        .code,
        0
    );
    assert!(!std::fs::read_to_string(page).unwrap().contains("<img"));
}

/// The same network still uses it; one that tells no class from another does not.
fn retested(folder: &Path, report: &str) {
    let again = run(&["retest", report, "--network", "demo"]);
    assert_eq!(again.code, 3, "{}{}", again.stdout, again.stderr);
    assert!(again.stdout.contains("still used"));
    let noise = folder.join("noise.safetensors");
    scrambled(&noise);
    let noise = noise.to_str().unwrap();
    let gone = run(&[
        "retest",
        report,
        "--network",
        "demo",
        "--weights",
        noise,
        "--json",
    ]);
    assert_eq!(gone.code, 0, "{}{}", gone.stdout, gone.stderr);
    let told: Value = serde_json::from_str(&gone.stdout).unwrap();
    assert_eq!(told["claims"][0]["fate"], "gone");
}

/// A picture that surely moves the network: a whole barn.
fn barn(path: &Path) {
    let world = atlascope::images::world::World::new(5);
    let index = (0..64).find(|&index| world.class(index) == barn_class());
    world.scene(index.unwrap()).image.save(path).unwrap();
}

fn barn_class() -> usize {
    let classes = atlascope::images::world::World::classes();
    classes.iter().position(|class| class.id == "barn").unwrap()
}

/// The shipped weights with the last layer's rows all alike, so that no class is told from another.
fn scrambled(path: &Path) {
    use candle_core::{Device, Tensor, safetensors};
    let bytes = atlascope::network::demo::WEIGHTS;
    let mut tensors = safetensors::load_buffer(bytes, &Device::Cpu).unwrap();
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| name.contains("logits"))
        .cloned()
        .collect();
    assert!(!names.is_empty());
    for name in names {
        let zero = Tensor::zeros_like(&tensors[&name]).unwrap();
        tensors.insert(name, zero);
    }
    safetensors::save(&tensors, path).unwrap();
}

#[test]
fn a_picture_is_tested_without_an_atlas() {
    let folder = tempfile::tempdir().unwrap();
    let world = atlascope::images::world::World::new(9);
    let classes = atlascope::images::world::World::classes();
    for index in 0..48 {
        let scene = world.scene(index);
        let inside = folder.path().join("images").join(&classes[scene.class].id);
        std::fs::create_dir_all(&inside).unwrap();
        scene
            .image
            .save(inside.join(format!("{index}.png")))
            .unwrap();
    }
    let images = folder.path().join("images").to_str().unwrap().to_owned();
    let patch = folder.path().join("large.png");
    RgbImage::from_pixel(300, 200, Rgb([200, 30, 30]))
        .save(&patch)
        .unwrap();
    let patch = patch.to_str().unwrap();
    let args = [
        "patch",
        "--network",
        "demo",
        "--images",
        &images,
        "--patch",
        patch,
        "--class",
        "barn",
        "--json",
    ];
    let outcome = run(&args);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let told = of_schema(&outcome.stdout);
    assert_eq!(told["method"], "picture");
    assert_eq!(told["n"], 32);
    // Larger than the network's input: it is scaled, and that is said.
    assert!(outcome.stderr.contains("300 × 200"), "{}", outcome.stderr);
    let none = folder.path().join("none.png");
    std::fs::write(&none, "no picture").unwrap();
    let with = |patch: &str, class: &str, images: &str| {
        fails_any(&[
            "patch",
            "--network",
            "demo",
            "--images",
            images,
            "--patch",
            patch,
            "--class",
            class,
        ])
    };
    assert!(with(none.to_str().unwrap(), "barn", &images).contains("none.png"));
    let unknown = with(patch, "shed", &images);
    assert!(
        unknown.contains("no class shed") && unknown.contains("its 16 classes"),
        "{unknown}"
    );
    assert!(with(patch, "barn", "/nowhere/at/all").contains("/nowhere/at/all"));
    // Labels that are no class: the network's own predictions stand for them.
    let renamed = folder.path().join("renamed");
    std::fs::create_dir(&renamed).unwrap();
    std::fs::rename(folder.path().join("images"), renamed.join("x")).unwrap();
    let outcome = run(&[
        "patch",
        "--network",
        "demo",
        "--images",
        renamed.to_str().unwrap(),
        "--patch",
        patch,
        "--class",
        "barn",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("no label of the images"),
        "{}",
        outcome.stderr
    );
}

fn fails_any(args: &[&str]) -> String {
    let outcome = run(args);
    assert!(
        outcome.code == 1 || outcome.code == 2,
        "{args:?}: {}",
        outcome.code
    );
    outcome.stderr
}

#[test]
fn what_cannot_be_tested_is_said() {
    let (folder, atlas, cell) = atlas();
    let empty = cell.replace("mixed4b,10", "mixed4b,11");
    assert!(fails_any(&["patch", atlas, "--cell", &empty]).contains("no level of 11"));
    assert!(fails_any(&["patch", atlas, "--cell", "conv9,10,1,1"]).contains("no layer conv9"));
    assert!(fails(2, &["patch", atlas, "--cell", "10,1,1"]).contains("LAYER,GRID,ROW,COL"));
    assert!(fails(2, &["patch", atlas]).contains("--cell"));
    assert!(
        fails_any(&["patch", atlas, "--cell", cell, "--class", "shed"]).contains("no class shed")
    );
    let noise = folder.path().join("other.safetensors");
    scrambled(&noise);
    let other = fails(
        1,
        &[
            "patch",
            atlas,
            "--cell",
            cell,
            "--weights",
            noise.to_str().unwrap(),
        ],
    );
    assert!(
        other.contains("not the weights") && other.contains("retest"),
        "{other}"
    );
    // An atlas whose photographs moved, and one that does not say what made it.
    let moved = changed(folder.path(), atlas, "moved.atlas", |atlas| {
        for path in &mut atlas.images.path {
            *path = path.replace("scene:", "scene-") + ".png";
        }
    });
    let error = fails(1, &["patch", &moved, "--cell", cell]);
    assert!(
        error.contains("where the photographs are") && error.contains("--images"),
        "{error}"
    );
    let bare = changed(folder.path(), atlas, "bare.atlas", |atlas| {
        atlas.recipe.weights_sha256.clear();
    });
    let tested = run(&["patch", &bare, "--cell", cell]);
    assert_eq!(tested.code, 0, "{}", tested.stderr);
    assert!(
        tested.stderr.contains("does not say which weights"),
        "{}",
        tested.stderr
    );
    let reported = fails(1, &["report", atlas]);
    assert!(
        reported.contains("holds no claims") && reported.contains("--claims"),
        "{reported}"
    );
    assert!(fails(1, &["retest", atlas, "--network", "demo"]).contains("small.atlas"));
}

fn changed(
    folder: &Path,
    atlas: &str,
    name: &str,
    change: impl Fn(&mut atlascope::atlas::Atlas),
) -> String {
    let mut read = atlascope::store::read(Path::new(atlas)).unwrap();
    change(&mut read);
    let path: PathBuf = folder.join(name);
    atlascope::store::write(&path, &read).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Three images of a class: no verdict from them, a clear word, and the tests that remain.
#[test]
fn a_class_of_three_images() {
    let (folder, atlas, cell) = atlas();
    let three = changed(folder.path(), atlas, "three.atlas", |atlas| {
        let barn = atlas
            .images
            .label_names
            .iter()
            .position(|name| name == "barn");
        let barn = barn.unwrap() as u16;
        let other = u16::from(barn == 0);
        let mut left = 3;
        for label in atlas.images.label.iter_mut().flatten() {
            if *label == barn {
                if left == 0 {
                    *label = other;
                }
                left = left.max(1) - 1;
            }
        }
    });
    let list = run(&["suspects", &three]);
    assert_eq!(list.code, 0, "{}", list.stderr);
    assert!(
        list.stdout.contains("too few images (below 10)"),
        "{}",
        list.stdout
    );
    let tested = run(&[
        "patch",
        &three,
        "--cell",
        cell,
        "--class",
        "barn",
        "--ablate",
        "--transfer",
        "--json",
    ]);
    assert_eq!(tested.code, 0, "{}", tested.stderr);
    let told = of_schema(&tested.stdout);
    let left_out = told["left_out"].as_array().unwrap();
    assert!(
        left_out
            .iter()
            .any(|why| why.as_str().unwrap().contains("images of the class")),
        "{left_out:?}"
    );
    assert_eq!(told["estimates"][0]["method"], "paste");
}

/// The cell that the list shows is the cell that is tested: the same exemplars, by its link and its number.
#[test]
fn the_lists_cell_is_tested_with_its_exemplars() {
    let (_, atlas, _) = atlas();
    let listed = run(&[
        "suspects", atlas, "--json", "--top", "400", "--kind", "cell", "--kind", "colour",
    ]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let all = listed.as_array().unwrap();
    let at = |one: &Value| {
        one["link"]
            .as_str()
            .unwrap()
            .rsplit_once('#')
            .unwrap()
            .1
            .to_owned()
    };
    // The last of those that share a cell and a class is not the one that a cell alone would name.
    let twice = all.iter().rev().find(|one| {
        let same = |other: &&Value| {
            at(other) == at(one) && other["class"] == one["class"] && other["kind"] == one["kind"]
        };
        all.iter().filter(same).count() > 1
    });
    let colour = all.iter().find(|one| one["kind"] == "colour");
    for one in twice.into_iter().chain(colour).chain(all.first()) {
        let number = one["component"].to_string();
        let mut args = vec![
            "patch",
            atlas,
            "--class",
            one["class"].as_str().unwrap(),
            "--json",
            "--backgrounds",
            "4",
        ];
        let link = at(one);
        args.extend(["--cell", &link]);
        if one["component"].is_number() {
            args.extend([
                "--kind",
                one["kind"].as_str().unwrap(),
                "--component",
                &number,
            ]);
        }
        let tested = run(&args);
        assert_eq!(tested.code, 0, "{args:?}: {}", tested.stderr);
        let told = of_schema(&tested.stdout);
        let places = |list: &Value| -> Vec<(String, u64, u64)> {
            let list = list.as_array().unwrap().iter();
            let place = |e: &Value| {
                (
                    e["image"].as_str().unwrap().to_owned(),
                    e["row"].as_u64().unwrap(),
                    e["col"].as_u64().unwrap(),
                )
            };
            list.map(place).collect()
        };
        assert_eq!(
            places(&told["subject"]["exemplars"]),
            places(&one["exemplars"])
        );
        let command = told["provenance"]["command"].as_str().unwrap();
        if one["component"].is_number() {
            assert!(
                command.contains(&format!("--component {number}")),
                "{command}"
            );
        }
    }
}

/// Hands and fish: the real network, where its weights are at hand.
#[test]
fn a_cell_of_the_real_network() {
    let Some(data) = crate::support::data("testing a cell of InceptionV1") else {
        return;
    };
    let atlas = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inception_v1-mixed4d.atlas");
    let at = |part: &str| data.join(part).to_str().unwrap().to_owned();
    let outcome = run(&[
        "patch",
        atlas.to_str().unwrap(),
        "--cell",
        "mixed4d,20,13,16",
        "--class",
        "golf ball",
        "--weights",
        &at("inception_v1/weights.safetensors"),
        "--images",
        &at("photos/imagenette"),
        "--images",
        &at("photos/imagenet-sample"),
        "--json",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let told = of_schema(&outcome.stdout);
    // The ball itself: golf balls' other crops from the same places show balls, too.
    let outcome = told["outcome"].as_str().unwrap();
    assert!(["used", "slight"].contains(&outcome), "{}", told["verdict"]);
    let number = |value: &Value| value.as_f64().unwrap();
    let controls = &told["controls"];
    assert!(number(&told["delta"]) > 2.0 && number(&controls["delta"]) < 1.0);
    assert!(number(&controls["class"]) > 0.3 && number(&told["scale"]) > 5.0);
}
