//! `atlascope report` and `retest` as a user meets them.

use super::commands::{atlas, fails, run, scrambled};
use serde_json::Value;
use std::path::Path;

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
    left_out_and_undecided(folder.path(), &json);
}

/// Claims that nobody judged a shortcut are left out with a word, and one that cannot be repeated says why.
fn left_out_and_undecided(folder: &Path, report: &str) {
    let mut report: Value = serde_json::from_str(report).unwrap();
    let mut other = report["claims"][0].clone();
    other["judgement"] = "unsure".into();
    other["estimates"][0]["method"] = "ablate".into();
    report["claims"].as_array_mut().unwrap().push(other);
    let path = folder.join("two.json");
    std::fs::write(&path, report.to_string()).unwrap();
    let args = ["retest", path.to_str().unwrap(), "--network", "demo"];
    let one = run(&args);
    assert_eq!(one.code, 3, "{}{}", one.stdout, one.stderr);
    assert!(
        one.stderr
            .contains("1 claim that is not judged a shortcut is left out"),
        "{}",
        one.stderr
    );
    assert!(one.stderr.contains("--all") && !one.stdout.contains("cannot be repeated"));
    let both = run(&[&args[..], &["--all"]].concat());
    assert!(!both.stderr.contains("left out"));
    let why = "cannot be repeated (it rests on an ablation";
    assert!(both.stdout.contains(why), "{}", both.stdout);
    let json = run(&[&args[..], &["--all", "--json"]].concat()).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["claims"][0]["why"].is_null() && json["left_out"] == 0);
    assert!(
        json["claims"][1]["why"]
            .as_str()
            .unwrap()
            .contains("ablation")
    );
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
