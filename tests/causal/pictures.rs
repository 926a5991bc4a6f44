//! `atlascope patch` with a picture of the person's own.

use super::commands::{fails_any, of_schema, run};
use image::{Rgb, RgbImage};

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
