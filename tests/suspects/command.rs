//! `atlascope suspects` as people and programs meet it.

use super::schema::{check, schema};
use super::{invented, plant};
use atlascope::store;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .arg("suspects")
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap_or(-1),
        text(output.stdout),
        text(output.stderr),
    )
}

fn file(folder: &Path) -> PathBuf {
    let mut atlas = invented(300, 5);
    plant(
        &mut atlas,
        1,
        &(0..300).filter(|image| image % 15 == 1).collect::<Vec<_>>(),
    );
    let path = folder.join("a.atlas");
    store::write(&path, &atlas).unwrap();
    path
}

fn json(args: &[&str]) -> Value {
    let (code, out, err) = run(args);
    assert_eq!(code, 0, "{err}");
    let value = serde_json::from_str(&out).unwrap();
    check(&schema("suspects.json"), &value, "list").unwrap();
    value
}

#[test]
fn json_follows_its_schema_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let atlas = store::read(&path).unwrap();
    let path = path.to_str().unwrap();
    let list = json(&[path, "--json", "--top", "50"]);
    let found = atlascope::suspects::find(&atlas);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 50.min(found.candidates.len()));
    for (told, candidate) in list.iter().zip(&found.candidates) {
        assert_eq!(told["class_index"], candidate.class);
        assert_eq!(
            told["class"],
            atlas.classes[usize::from(candidate.class)].id.as_str()
        );
        let first = &candidate.exemplars[0];
        assert_eq!(told["exemplars"][0]["index"], first.image);
        assert_eq!(
            told["exemplars"][0]["image"],
            atlas.images.path[first.image as usize].as_str()
        );
        let cell = candidate.cell;
        let link = format!("{path}#mixed5b,{},{},{}", cell.grid, cell.row, cell.col);
        assert_eq!(told["link"], link.as_str());
    }
    for args in [
        &["--kind", "multi-use"][..],
        &["--pair", "tench,scuba diver"],
    ] {
        let list = json(&[&[path, "--json"], args].concat());
        assert!(
            list.as_array()
                .unwrap()
                .iter()
                .all(|one| one["other"].is_string())
        );
    }
    let list = json(&[
        path,
        "--json",
        "--class",
        "n01440764",
        "--kind",
        "component",
    ]);
    let list = list.as_array().unwrap();
    assert!(!list.is_empty());
    for one in list {
        assert_eq!(
            (one["kind"].as_str(), one["class_name"].as_str()),
            (Some("component"), Some("tench"))
        );
    }
    let list = json(&[path, "--json", "--kind", "cell", "--sort", "presence"]);
    let values: Vec<f64> = (list.as_array().unwrap().iter())
        .map(|one| one["scores"]["presence"].as_f64().unwrap())
        .collect();
    assert!(
        values.len() > 5 && values.is_sorted_by(|a, b| a >= b),
        "{values:?}"
    );
}

#[test]
fn the_table_says_what_it_rests_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let path = path.to_str().unwrap();
    let (code, out, err) = run(&[path, "--top", "7", "--columns", "share,outlier"]);
    assert_eq!((code, err.as_str()), (0, ""));
    for part in [
        "300 images, classes by label",
        "false discovery rate",
        "share",
        "outlier",
        "mixed5b,10,",
        "paste",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    let rows = out
        .lines()
        .skip_while(|line| !line.contains("kind"))
        .skip(1);
    assert_eq!(rows.count(), 7, "{out}");
    let (code, out, _) = run(&[path, "--columns"]);
    assert_eq!(code, 0);
    for column in atlascope::suspects::COLUMNS {
        assert!(
            out.contains(column.name) && out.contains(column.what),
            "{}",
            column.name
        );
    }
}

/// As after folders were taken for the outputs in another order.
#[test]
fn labels_that_are_never_predicted_are_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.atlas");
    let mut atlas = invented(300, 5);
    for label in atlas.images.label.iter_mut().flatten() {
        *label = (*label + 1) % 5;
    }
    store::write(&path, &atlas).unwrap();
    let (_, out, _) = run(&[path.to_str().unwrap()]);
    assert!(
        out.contains("only 0 % of the labels are predicted") && out.contains("--classes"),
        "{out}"
    );
    let (_, out, _) = run(&[file(folder.path()).to_str().unwrap()]);
    assert!(!out.contains("of the labels are predicted"), "{out}");
}

#[test]
fn wrong_names_are_told_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let path = path.to_str().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["--class", "diver"], "scuba diver"),
        (&["--class", "xyz"], "identifier"),
        (&["--pair", "tench"], "two classes"),
        (&["--pair", "tench,tench"], "two different"),
        (&["--sort", "shares"], "the columns: attribution"),
        (
            &["--sort", "paste"],
            "no candidate of this list has a value for paste",
        ),
        (&["--columns", "q,w"], "the columns: attribution"),
    ];
    for (args, part) in cases {
        let (code, out, err) = run(&[&[path], args].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(part), "{args:?}: {err}");
    }
}
