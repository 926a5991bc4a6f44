//! The command line as a user meets it: what it prints, where, and the exit code.

mod builds;

use atlascope::atlas::sample::{self, SampleSpec};
use atlascope::store;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a command did.
struct Outcome {
    stdout: String,
    stderr: String,
    code: i32,
}

fn run(args: &[&str]) -> Outcome {
    run_in(Path::new("."), args)
}

fn run_in(folder: &Path, args: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .args(args)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Outcome {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// Runs a command that must fail with `code`, and gives its stderr.
fn fails(code: i32, args: &[&str]) -> String {
    let outcome = run(args);
    assert_eq!(outcome.code, code, "{args:?}: {}", outcome.stderr);
    assert!(
        outcome.stdout.is_empty(),
        "{args:?} wrote to stdout: {}",
        outcome.stdout
    );
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    outcome.stderr
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn sample_file(folder: &Path) -> PathBuf {
    let path = folder.join("sample.atlas");
    store::write(&path, &sample::atlas(&SampleSpec::default())).unwrap();
    path
}

#[test]
fn every_command_has_help_with_examples() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    holds(
        &help.stdout,
        &[
            "demo",
            "build",
            "explore",
            "show",
            "export",
            "info",
            "doctor",
            "completions",
            "Examples:",
        ],
    );
    for command in [
        "demo",
        "build",
        "explore",
        "show",
        "suspects",
        "export",
        "info",
        "predict",
        "layers",
        "pull",
        "patch",
        "report",
        "retest",
        "train-demo",
        "completions",
        "man",
    ] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, 0, "{command}");
        holds(&help.stdout, &["Example", "atlascope"]);
    }
}

#[test]
fn completions_and_manual_are_generated() {
    for shell in ["bash", "zsh", "fish"] {
        holds(
            &run(&["completions", shell]).stdout,
            &["atlascope", "train-demo"],
        );
    }
    holds(
        &run(&["man"]).stdout,
        &[".TH", "atlascope", "\\-\\-weights"],
    );
}

#[test]
fn wrong_usage_is_2_and_names_the_way_out() {
    fails(2, &["frobnicate"]);
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(8, 8)
        .save(folder.path().join("a.png"))
        .unwrap();
    let images = folder.path().to_str().unwrap();
    let output = folder.path().join("x.atlas");
    let output = output.to_str().unwrap();
    let cases: [(&[&str], &[&str]); 5] = [
        (&["inception_v1"], &["--weights FILE"]),
        (&["resnet"], &["no network named resnet", "inception_v1"]),
        (
            &["demo", "--layer", "mixed4"],
            &["no layer named mixed4", "nearest", "mixed"],
        ),
        (
            &["demo", "--positions", "1,2"],
            &["2 numbers for 1 image folders"],
        ),
        (
            &["demo", "--device", "tpu"],
            &["no device named tpu", "cpu"],
        ),
    ];
    for (network, said) in cases {
        let mut args = vec!["build", "--images", images, "-o", output, "--network"];
        args.extend(network);
        holds(&fails(2, &args), said);
    }
    assert!(!Path::new(output).exists());
}

#[test]
fn a_folder_without_images_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let output = folder.path().join("x.atlas");
    let error = fails(
        1,
        &[
            "build",
            "--network",
            "demo",
            "--images",
            folder.path().to_str().unwrap(),
            "-o",
            output.to_str().unwrap(),
        ],
    );
    holds(&error, &["no images under", "1 other files", "hint:"]);
    assert!(!output.exists());
}

#[test]
fn bad_tables_of_labels_name_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (missing, short) = (
        folder.path().join("none.csv"),
        folder.path().join("short.csv"),
    );
    std::fs::write(&short, "a.jpg\n").unwrap();
    let output = folder.path().join("x.atlas");
    for (table, parts) in [
        (&missing, ["none.csv", "hint: check the path"]),
        (
            &short,
            ["row 1 has 1 columns", "hint: a table of labels is CSV"],
        ),
    ] {
        let stderr = fails(
            1,
            &[
                "build",
                "--network",
                "demo",
                "--images",
                folder.path().to_str().unwrap(),
                "--labels",
                table.to_str().unwrap(),
                "-o",
                output.to_str().unwrap(),
            ],
        );
        holds(&stderr, &parts);
    }
}

#[test]
fn bad_weights_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(8, 8)
        .save(folder.path().join("a.png"))
        .unwrap();
    let weights = folder.path().join("weights.safetensors");
    std::fs::write(&weights, b"not weights").unwrap();
    let (images, weights) = (folder.path().to_str().unwrap(), weights.to_str().unwrap());
    let output = folder.path().join("x.atlas");
    let args = |weights: &str| {
        let args = [
            "build",
            "--network",
            "inception_v1",
            "--weights",
            weights,
            "--images",
            images,
            "-o",
        ];
        args.iter()
            .map(|&arg| arg.to_owned())
            .chain([output.display().to_string()])
            .collect::<Vec<_>>()
    };
    let fails_with = |weights: &str| {
        let args = args(weights);
        fails(1, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    holds(
        &fails_with(weights),
        &["weights.safetensors", "not a readable weights file"],
    );
    holds(
        &fails_with("/nonexistent/w.safetensors"),
        &["cannot read", "/nonexistent/w.safetensors"],
    );
    assert!(!output.exists());
}

#[test]
fn an_existing_output_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    image::RgbImage::new(8, 8)
        .save(folder.path().join("a.png"))
        .unwrap();
    let output = folder.path().join("x.atlas");
    std::fs::write(&output, b"precious").unwrap();
    let images = folder.path().to_str().unwrap();
    let error = fails(
        1,
        &[
            "build",
            "--network",
            "demo",
            "--images",
            images,
            "-o",
            output.to_str().unwrap(),
        ],
    );
    holds(&error, &["exists", "--force"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
}

#[test]
fn what_is_no_atlas_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.atlas");
    std::fs::write(&path, b"hello").unwrap();
    let name = path.to_str().unwrap();
    for command in ["info", "show", "explore"] {
        holds(&fails(1, &[command, name]), &["x.atlas", "error:"]);
    }
    let whole = std::fs::read(sample_file(folder.path())).unwrap();
    std::fs::write(&path, &whole[..whole.len() * 2 / 3]).unwrap();
    holds(
        &fails(1, &["info", name]),
        &["x.atlas", "cut short", "hint:"],
    );
    holds(
        &fails(1, &["info", "/nonexistent/y.atlas"]),
        &["/nonexistent/y.atlas"],
    );
}

#[test]
fn info_tells_people_and_programs() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    let atlas = store::read(&path).unwrap();
    let text = run(&["info", path.to_str().unwrap()]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    holds(&text.stdout, &[&atlas.layers[0].name, "file "]);
    let json = run(&["info", path.to_str().unwrap(), "--json"]).stdout;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        value["layers"].as_array().unwrap().len(),
        atlas.layers.len()
    );
    assert!(value["bytes"].as_u64().unwrap() > 0);
}

#[test]
fn exports_are_written_where_asked_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    let outcome = run_in(
        folder.path(),
        &[
            "export",
            path.to_str().unwrap(),
            "--png",
            "map.png",
            "--html",
            "page",
            "--csv",
            "tables",
        ],
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(image::open(folder.path().join("map.png")).unwrap().width() > 100);
    assert!(folder.path().join("page/index.html").is_file());
    assert!(
        std::fs::read_dir(folder.path().join("tables"))
            .unwrap()
            .count()
            >= 3
    );
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["map.png", "page", "sample.atlas", "tables"]);
    let again = run_in(
        folder.path(),
        &["export", path.to_str().unwrap(), "--png", "map.png"],
    );
    assert_eq!(again.code, 1);
    holds(&again.stderr, &["map.png", "--force"]);
}

#[test]
fn show_without_a_terminal_prints_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    let atlas = store::read(&path).unwrap();
    let level = &atlas.layers.last().unwrap().levels[0];
    let cell = level.cells[level.cells.len() / 2];
    let at = format!("{},{}", cell.row, cell.col);
    let grid = level.grid.to_string();
    let outcome = run(&[
        "show",
        path.to_str().unwrap(),
        "--level",
        &grid,
        "--cell",
        &at,
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    holds(&outcome.stdout, &[&cell.n_samples.to_string()]);
    assert!(
        !outcome.stdout.contains('\u{1b}'),
        "escape sequences in a pipe: {:?}",
        outcome.stdout
    );
    holds(
        &fails(2, &["show", path.to_str().unwrap(), "--level", "7"]),
        &["no level of 7", "hint:"],
    );
    let empty = (0..level.grid * level.grid)
        .map(|n| (n / level.grid, n % level.grid))
        .find(|&(row, col)| level.cell_at(row, col).is_none())
        .unwrap();
    let at = format!("{},{}", empty.0, empty.1);
    let grid = level.grid.to_string();
    let error = fails(
        1,
        &[
            "show",
            path.to_str().unwrap(),
            "--level",
            &grid,
            "--cell",
            &at,
        ],
    );
    holds(&error, &[&at, "no activations", "hint:"]);
}

#[test]
fn a_bad_link_says_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = sample_file(folder.path());
    let link = format!("{}#mixed4c,10,99,1", file.display());
    let stderr = fails(2, &["explore", &link]);
    holds(
        &stderr,
        &["row 99", "outside a grid of 10", "LAYER,GRID,ROW,COL"],
    );
}

#[test]
fn the_explorer_refuses_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    holds(
        &fails(1, &["explore", path.to_str().unwrap()]),
        &["needs a terminal", "show"],
    );
    holds(&fails(1, &["demo"]), &["needs a terminal"]);
}

#[test]
fn doctor_works_anywhere() {
    let outcome = run(&["doctor"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    holds(
        &outcome.stdout,
        &["terminal", "compute", "kernels", "paths"],
    );
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}
