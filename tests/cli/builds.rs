//! Builds that are cut short: a full disk, a signal, a kill.

use super::holds;
use crate::support;
use atlascope::images::world::World;
use atlascope::store;
use std::path::Path;
use std::process::{Command, Stdio};

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
