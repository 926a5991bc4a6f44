//! From an atlas to a confirmed shortcut and its report, by keys alone.

use super::{SIZE, assert_given_back};
use crate::support::terminal::{Personality, Terminal};
use atlascope::explorer::session::Session;
use atlascope::images::world::World;
use atlascope::paths::session_beside;
use atlascope::progress::Silent;
use atlascope::suspects::claim::{Judgement, Outcome as Verdict, outcome};
use atlascope::train::planted::{Artefact, Outcome, Plan, PlantedImages, Style, scenes};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Keys that may be pressed and time that may be taken from the opening to the report.
const KEYS: usize = 12;
const TIME: Duration = Duration::from_secs(60);

/// Images of each class.
const PER_CLASS: usize = 90;

/// A small network that learned that a texture means a class, and images of which a quarter of that class carries it:
/// the folder of the network, and the class.
fn planted(images: &Path) -> (PathBuf, String) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/planted/tune-world-10-1");
    let truth: Value =
        serde_json::from_slice(&std::fs::read(kept.join("truth.json")).unwrap()).unwrap();
    let style: Style = serde_json::from_value(truth["style"].clone()).unwrap();
    let outcomes: Vec<Outcome> = serde_json::from_value(truth["outcomes"].clone()).unwrap();
    let learned = outcomes.iter().find(|o| o.artefact == Artefact::Texture);
    let learned = learned.unwrap();
    assert!(learned.after - learned.before > 0.5, "{learned:?}");
    let ids = truth["classes"].as_array().unwrap().iter();
    let ids: Vec<String> = ids.map(|id| id.as_str().unwrap().to_owned()).collect();
    let known = World::classes();
    let number = |id: &String| known.iter().position(|class| class.id == *id).unwrap();
    let classes: Vec<usize> = ids.iter().map(number).collect();
    let side = truth["side"].as_u64().unwrap() as usize;
    let clean = scenes(World::new(77), side, &classes, PER_CLASS, &Silent).unwrap();
    // As in training: what is seen without doubt leaves no room for a shortcut.
    let clean = clean.reflected(77, (0.42, 0.5));
    let plan = Plan {
        seed: 77,
        prevalence: 0.25,
        style,
        planted: vec![(Artefact::Texture, learned.class)],
    };
    let set = PlantedImages::new(clean, &plan, 5);
    let shown = set.planted();
    for (at, &label) in shown.labels.iter().enumerate() {
        let folder = images.join(&ids[label]);
        std::fs::create_dir_all(&folder).unwrap();
        let pixels = shown.pixels(at).to_vec();
        let image = image::RgbImage::from_raw(side as u32, side as u32, pixels).unwrap();
        image.save(folder.join(format!("{at:05}.png"))).unwrap();
    }
    (kept, ids[learned.class].clone())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Builds the atlas; the flags that say which network it is.
fn built(folder: &Path, kept: &Path, images: &Path, atlas: &Path) -> Vec<String> {
    let network = [
        ("--network", text(&kept.join("net.onnx"))),
        ("--classes", text(&kept.join("classes.txt"))),
        ("--mean", "120".to_owned()),
        ("--scale", "60".to_owned()),
        ("--size", "32".to_owned()),
        ("--resize", "warp".to_owned()),
    ];
    let network: Vec<String> = network
        .into_iter()
        .flat_map(|(flag, value)| [flag.to_owned(), value])
        .collect();
    let built = Command::new(env!("CARGO_BIN_EXE_atlascope"))
        .arg("build")
        .args(&network)
        .args(["--layer", "conv4", "--grid", "10,20", "--positions", "3"])
        .args([
            "--steps",
            "1",
            "--images",
            &text(images),
            "-o",
            &text(atlas),
        ])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(built.status.success(), "{built:?}");
    network
}

#[test]
fn a_planted_shortcut_is_confirmed_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (images, path) = (
        folder.path().join("images"),
        folder.path().join("world.atlas"),
    );
    let (kept, class) = planted(&images);
    let network = built(folder.path(), &kept, &images, &path);
    let mut arguments = vec!["explore".to_owned(), text(&path)];
    arguments.extend(network);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut keys = 0;
    let mut terminal = Terminal::start(&arguments, Personality::Kitty, SIZE);
    let begun = Instant::now();
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    let mut press = |key: &str| {
        terminal.send(key);
        keys += 1;
    };
    press("s");
    terminal.wait_for("the list", 20, |screen| screen.contains("by labels"));
    // Down to the first candidate for the class.
    let shown = |screen: &str| {
        let bar = screen.lines().find(|line| line.contains('▌'));
        bar.is_some_and(|line| line.contains(&class))
    };
    for _ in 0..8 {
        if shown(&terminal.screen()) {
            break;
        }
        let before = terminal.screen();
        press("j");
        terminal.wait_for("the next candidate", 10, |screen| screen != before);
    }
    terminal.wait_for("a candidate for the class", 10, shown);
    press("t");
    terminal.wait_for("verdict", 40, |screen| screen.contains("used by the model"));
    press("x");
    terminal.wait_for("judgement", 10, |screen| screen.contains("shortcut"));
    press("r");
    terminal.wait_for("report", 20, |screen| {
        screen.contains("world.atlas.report.html")
    });
    assert!(keys <= KEYS, "{keys} keys");
    assert!(begun.elapsed() <= TIME, "{:?}", begun.elapsed());
    terminal.send("qq");
    assert_eq!(terminal.wait_exit(20), 0);
    assert_given_back(&terminal);
    // What a worker remarks must not be written into the middle of a picture.
    let raw = terminal.raw();
    assert!(!String::from_utf8_lossy(&raw).contains("note:"));
    let page = std::fs::read_to_string(folder.path().join("world.atlas.report.html")).unwrap();
    assert!(page.contains(&class) && page.contains("data:image/png"));
    // What was found is there the next time.
    let session = std::fs::read_to_string(session_beside(&path)).unwrap();
    let session = Session::from_json(&session).unwrap();
    let [claim] = &session.claims[..] else {
        panic!("{:?}", session.claims);
    };
    assert_eq!(claim.judgement, Judgement::Shortcut);
    assert_eq!(outcome(&claim.estimates), Verdict::Used);
    let mut terminal = Terminal::start(&arguments, Personality::Plain, SIZE);
    terminal.wait_for("status line", 20, |screen| screen.contains("? help"));
    terminal.send("s");
    terminal.wait_for("the verdict of before", 20, |screen| {
        screen.contains("used") && screen.contains("shortcut")
    });
    terminal.send("qq");
    assert_eq!(terminal.wait_exit(10), 0);
}
