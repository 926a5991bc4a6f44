//! What cannot be tested is said, and what remains is done.

use super::commands::{atlas, changed, fails, fails_any, of_schema, run, scrambled};

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

#[test]
fn a_picture_of_which_nothing_is_there_is_refused() {
    let (folder, atlas, _) = atlas();
    let path = folder.path().join("nothing.png");
    let nothing = image::RgbaImage::from_pixel(6, 6, image::Rgba([200, 0, 0, 0]));
    nothing.save(&path).unwrap();
    let path = path.to_str().unwrap();
    let error = fails(1, &["patch", atlas, "--patch", path, "--class", "barn"]);
    assert!(
        error.contains("nothing.png") && error.contains("transparent"),
        "{error}"
    );
}

/// Reports that cannot be tested again say why.
#[test]
fn a_report_without_claims_or_of_another_form_is_refused() {
    let (folder, _, _) = atlas();
    let refused = |text: &str| {
        let path = folder.path().join("bad.json");
        std::fs::write(&path, text).unwrap();
        fails(1, &["retest", path.to_str().unwrap(), "--network", "demo"])
    };
    let empty = refused(r#"{"version": 1, "program": "atlascope", "claims": []}"#);
    assert!(
        empty.contains("bad.json holds no claims") && empty.contains("--claims"),
        "{empty}"
    );
    let newer = refused(r#"{"version": 7, "program": "atlascope", "assertions": 3}"#);
    assert!(
        newer.contains("version 7") && newer.contains("version 1"),
        "{newer}"
    );
    assert!(refused("{}").contains("no report"));
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
