//! `atlascope patch` of cells as a user meets it, and what the other commands are tested with.

use super::schema;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub(super) struct Outcome {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) code: i32,
}

pub(super) fn run(args: &[&str]) -> Outcome {
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

pub(super) fn fails(code: i32, args: &[&str]) -> String {
    let outcome = run(args);
    assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
    outcome.stderr
}

/// A small atlas of the synthetic world, made once.
pub(super) fn atlas() -> &'static (tempfile::TempDir, String, String) {
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

pub(super) fn of_schema(text: &str) -> Value {
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

pub(super) fn fails_any(args: &[&str]) -> String {
    let outcome = run(args);
    assert!(
        outcome.code == 1 || outcome.code == 2,
        "{args:?}: {}",
        outcome.code
    );
    outcome.stderr
}

pub(super) fn changed(
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

/// The shipped weights with the last layer's rows all alike, so that no class is told from another.
pub(super) fn scrambled(path: &Path) {
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

/// The number that `suspects` prints is that of its JSON, of `patch --component` and of the claim; a cell beside it must
/// be the candidate's.
#[test]
fn a_candidates_number_is_the_same_everywhere() {
    let (_, atlas, cell) = atlas();
    let list = ["suspects", atlas, "--top", "40", "--kind", "component"];
    let listed: Value =
        serde_json::from_str(&run(&[&list[..], &["--json"]].concat()).stdout).unwrap();
    let listed = listed.as_array().unwrap();
    let words = run(&list).stdout;
    let rows: Vec<&str> = words
        .lines()
        .filter(|row| row.contains(" component "))
        .collect();
    assert!(rows.len() == listed.len() && rows.len() > 5, "{words}");
    for (row, one) in rows.iter().zip(listed) {
        let name = format!(" component {} ", one["component"]);
        assert!(row.contains(&name), "{row} lacks{name}");
    }
    let one = listed.iter().find(|one| one["component"] != 0).unwrap();
    let (number, class) = (one["component"].to_string(), one["class"].as_str().unwrap());
    let asked = [
        "patch",
        atlas,
        "--component",
        &number,
        "--class",
        class,
        "--backgrounds",
        "4",
    ];
    let told = run(&[&asked[..], &["--json"]].concat());
    assert_eq!(told.code, 0, "{}", told.stderr);
    let told = of_schema(&told.stdout);
    let link = one["link"].as_str().unwrap().rsplit_once('#').unwrap().1;
    assert_eq!(told["subject"]["component"], one["component"]);
    assert_eq!(told["subject"]["cell"], link);
    let elsewhere = fails(2, &[&asked[..], &["--cell", cell]].concat());
    for word in [link, "not at the --cell given", "leave --cell out"] {
        assert!(elsewhere.contains(word), "{elsewhere}");
    }
    let none = ["patch", atlas, "--component", "999", "--class", class];
    assert!(fails(2, &none).contains("no component 999 of"));
    let picture = [&asked[..], &["--patch", "a.png"]].concat();
    assert!(fails(2, &picture).contains("cannot be used with"));
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
