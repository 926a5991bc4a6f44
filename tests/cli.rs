//! The command line as a user meets it: what it prints, where, and the exit code.

mod exports;

use crate::support;
use atlascope::atlas::sample::{self, SampleSpec};
use atlascope::images::world::World;
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

/// Forty scenes as image files, and the arguments of a small build of them into `output`.
fn small_build(folder: &Path, output: &Path, steps: u32) -> Vec<String> {
    let images = folder.join("scenes");
    std::fs::create_dir(&images).unwrap();
    let world = World::new(5);
    for idx in 0..40 {
        let path = images.join(format!("{idx}.png"));
        world.scene(idx).image.save(path).unwrap();
    }
    let mut args: Vec<String> = ["build", "--network", "demo", "--layer", "mixed4b"]
        .map(str::to_owned)
        .into();
    args.extend(
        [
            "--positions",
            "8",
            "--grid",
            "4",
            "--epochs",
            "20",
            "--steps",
        ]
        .map(str::to_owned),
    );
    args.push(steps.to_string());
    for (flag, path) in [("--images", images.as_path()), ("-o", output)] {
        args.extend([flag.to_owned(), path.to_str().unwrap().to_owned()]);
    }
    args
}

/// Files may not grow past `blocks` of 512 bytes, which writes meet as a full disk: a build that meets it at any
/// point says so, leaves the old atlas as it was and no half one, and goes on once there is room.
#[test]
fn a_full_disk_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.atlas");
    let args = small_build(folder.path(), &output, 2);
    let limited = |blocks: u32, extra: &[&str]| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_atlascope")])
            .args(&args)
            .args(extra)
            .output()
            .unwrap()
    };
    let mut met = 0;
    // From almost nothing to almost enough, so that stage files, snapshots and the atlas itself are met.
    for blocks in [1, 8, 40, 120, 200] {
        let outcome = limited(blocks, &[]);
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        if outcome.status.success() {
            break;
        }
        met += 1;
        assert_eq!(outcome.status.code(), Some(1), "{blocks} blocks: {stderr}");
        holds(&stderr, &["error: ", "hint: ", "free some space"]);
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(!output.exists(), "half an atlas at {blocks} blocks");
    }
    assert!(met >= 3, "only {met} limits were met");
    assert!(limited(1_000_000, &[]).status.success());
    let whole = std::fs::read(&output).unwrap();
    let again = limited(40, &["--force", "--seed", "3"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        std::fs::read(&output).unwrap(),
        whole,
        "the old atlas changed"
    );
}

/// The same on a file system that is really full, where the test may mount one.
#[test]
fn a_full_file_system_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let args = small_build(folder.path(), &disk.join("x.atlas"), 2);
    let script =
        r#"mount -t tmpfs -o size=96k none "$0" || exit 77; "$@"; code=$?; ls "$0"; exit $code"#;
    let outcome = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(&disk)
        .arg(env!("CARGO_BIN_EXE_atlascope"))
        .args(&args)
        .output();
    let Ok(outcome) = outcome else {
        eprintln!("skipped: no unshare to mount a small file system with");
        return;
    };
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    if stderr.contains("unshare") || outcome.status.code() == Some(77) {
        eprintln!("skipped: not allowed to mount a small file system");
        return;
    }
    assert_eq!(outcome.status.code(), Some(1), "{stderr}");
    holds(
        &stderr,
        &["No space left", "free some space", "same command"],
    );
    let left = String::from_utf8_lossy(&outcome.stdout);
    assert!(!left.lines().any(|name| name == "x.atlas"), "{left}");
}

#[test]
fn a_stopped_build_ends_with_the_signal_s_code() {
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("x.atlas");
        let args = small_build(folder.path(), &output, 100_000);
        let child = Command::new(env!("CARGO_BIN_EXE_atlascope"))
            .args(&args)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let part = folder.path().join("x.atlas.part");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while !has_stage_file(&part) {
            assert!(std::time::Instant::now() < deadline, "no stage file");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let outcome = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{stderr}");
        holds(&stderr, &["the same command goes on"]);
    }
}

/// The whole command on real weights and photographs, cut by a signal and resumed.
#[test]
fn a_killed_build_of_the_real_network_goes_on() {
    let Some(data) = support::data("building with InceptionV1") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("real.atlas");
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atlascope"));
        command
            .args([
                "build",
                "--network",
                "inception_v1",
                "--layer",
                "mixed4d",
                "--layer",
                "mixed5b",
            ])
            .args([
                "--positions",
                "4",
                "--max-images",
                "160",
                "--grid",
                "4",
                "--steps",
                "2",
                "--epochs",
                "50",
            ])
            .arg("--weights")
            .arg(data.join("inception_v1/weights.safetensors"))
            .arg("--images")
            .arg(data.join("photos/imagenette"))
            .arg("-o")
            .arg(&output)
            .stderr(Stdio::piped());
        command
    };
    let part = folder.path().join("real.atlas.part");
    let mut child = command().spawn().unwrap();
    // Killed as rudely as can be once the first stage file is whole.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !has_stage_file(&part) {
        assert!(std::time::Instant::now() < deadline, "no stage file");
        assert!(
            child.try_wait().unwrap().is_none(),
            "the build ended before it could be killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!output.exists());
    let resumed = command().output().unwrap();
    let stderr = String::from_utf8_lossy(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{stderr}");
    assert!(
        !part.exists(),
        "the state of a finished build is left behind"
    );
    let atlas = store::read(&output).unwrap();
    assert_eq!(atlas.layers.len(), 2);
    assert_eq!(atlas.layers[0].samples.len(), 160 * 4);
    // imagenette's folders are WordNet ids, so its labels are classes of the network; most are recognised.
    let hits = (atlas.images.label.iter().zip(&atlas.images.prediction))
        .filter(|(label, prediction)| {
            label.and_then(|l| atlas.images.label_class[usize::from(l)]) == **prediction
        })
        .count();
    assert!(hits * 10 >= 160 * 7, "{hits} of 160 photographs recognised");
}

fn has_stage_file(part: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(part) else {
        return false;
    };
    entries.flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with("collect-")
            && std::fs::read_dir(entry.path()).is_ok_and(|files| {
                files
                    .flatten()
                    .any(|file| file.path().extension().is_some_and(|e| e == "safetensors"))
            })
    })
}
