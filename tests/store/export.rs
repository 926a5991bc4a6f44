//! Pictures, pages, tables and the summary.

use super::{bytes, read, small};
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store::export::{self, PictureOptions};
use atlascope::store::{self, Error};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[test]
fn a_picture_shows_every_icon_at_its_cell() {
    let made = small();
    let level = &made.layers[0].levels[1];
    let options = PictureOptions {
        density: None,
        background: None,
        cell_size: None,
    };
    let picture = export::picture(&made, 0, 1, &options).unwrap();
    assert_eq!(picture.dimensions(), (6 * 8, 6 * 8));
    for row in 0..6 {
        for col in 0..6 {
            let corner = picture.get_pixel(col * 8 + 3, row * 8 + 5);
            let Some(cell) = level.cell_at(row, col) else {
                assert_eq!(corner.0[3], 0, "a colour where no cell is");
                continue;
            };
            let tile = level.icons.tile(row / 4, col / 4).unwrap();
            let tile = image::load_from_memory(&tile.png).unwrap().into_rgba8();
            assert_eq!(
                corner,
                tile.get_pixel(col % 4 * 8 + 3, row % 4 * 8 + 5),
                "cell {cell}"
            );
        }
    }
}

#[test]
fn density_shrinks_icons_of_few_samples() {
    let made = small();
    let (layer, level) = (&made.layers[0], &made.layers[0].levels[1]);
    let options = PictureOptions {
        density: Some(1.0),
        background: Some([255; 3]),
        cell_size: Some(40),
    };
    let picture = export::picture(&made, 0, 1, &options).unwrap();
    let mean = layer.samples.len() as f32 / 36.0;
    for cell in &level.cells {
        let pixels =
            (0..1600).map(|at| picture.get_pixel(cell.col * 40 + at % 40, cell.row * 40 + at / 40));
        let drawn = pixels.filter(|pixel| pixel.0 != [255; 4]).count() as f32;
        let side = 40.0 * (cell.n_samples as f32 / mean).sqrt().min(1.0);
        assert!(
            (drawn.sqrt() - side).abs() <= 1.0,
            "{cell:?}: {} drawn, {side} expected",
            drawn.sqrt()
        );
    }
}

#[test]
fn a_picture_is_written_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.png");
    export::png(&small(), 0, 0, &PictureOptions::default(), &path).unwrap();
    assert_eq!(image::image_dimensions(&path).unwrap(), (32, 32));
    let wrong = export::png(&small(), 0, 2, &PictureOptions::default(), &path).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "no level 2 of mixed4c in this atlas, which has 2 levels"
    );
    let vast = PictureOptions {
        cell_size: Some(u32::MAX),
        ..PictureOptions::default()
    };
    assert!(export::png(&small(), 0, 0, &vast, &path).is_err());
    assert!(export::png(&small(), 3, 0, &PictureOptions::default(), &path).is_err());
}

fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn tables_hold_what_the_atlas_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = small();
    made.images.path[0] = "=HYPERLINK(\"evil\"), \"quoted\"\nline".to_owned();
    made.classes
        .iter_mut()
        .for_each(|class| class.names = format!("@{}", class.names));
    export::csv(&made, folder.path()).unwrap();
    let images = table(&folder.path().join("images.csv"));
    assert_eq!(images.len(), 60);
    assert_eq!(images[0]["path"], "'=HYPERLINK(\"evil\"), \"quoted\"\nline");
    assert!(images[0]["prediction"].starts_with("'@"));
    assert_eq!(images[9]["label"], "");
    let layer = &made.layers[0];
    let cells = table(&folder.path().join("0-mixed4c-cells.csv"));
    assert_eq!(
        cells.len(),
        layer.levels[0].cells.len() + layer.levels[1].cells.len()
    );
    let level = &layer.levels[1];
    for (cell, row) in cells.iter().skip(layer.levels[0].cells.len()).enumerate() {
        assert_eq!(row["n_samples"], level.cells[cell].n_samples.to_string());
        let (class, value) = level.ranked_classes(cell)[4];
        assert_eq!(row["class_5"], format!("'{}", made.class_name(class)));
        assert_eq!(row["attribution_5"], value.to_string());
    }
    let samples = table(&folder.path().join("0-mixed4c-samples.csv"));
    assert_eq!(samples.len(), 300);
    for (idx, row) in samples.iter().enumerate() {
        assert_eq!(row["image"], layer.samples.image[idx].to_string());
        assert_eq!(row["x"], layer.samples.position[(idx, 0)].to_string());
        let cell: usize = row["cell_6"].parse().unwrap();
        assert!(level.members_of(cell).contains(&(idx as u32)));
    }
}

#[test]
fn a_page_holds_every_cell_and_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = small();
    made.recipe.network = "<script>alert(1)</script>".to_owned();
    export::html(&made, folder.path()).unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let index = text("index.html");
    assert!(!index.contains("alert(1)</script>") && index.contains("&lt;script&gt;alert(1)"));
    assert!(!index.contains("{{"));
    for name in ["index.html", "page.js", "page.css"] {
        let elsewhere = text(name).replace("http://www.w3.org/2000/svg", "");
        assert!(
            !elsewhere.contains("http:") && !elsewhere.contains("https:"),
            "{name} reaches out"
        );
    }
    let data = text("atlas.js");
    let data = data
        .strip_prefix("const ATLAS = ")
        .unwrap()
        .trim_end()
        .strip_suffix(';')
        .unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let level = &made.layers[0].levels[1];
    let told = &data["layers"][0]["levels"][1];
    assert_eq!(told["cells"].as_array().unwrap().len(), level.cells.len());
    for (idx, cell) in level.cells.iter().enumerate() {
        let row = &told["cells"][idx];
        assert_eq!(
            (row[0].as_u64(), row[1].as_u64()),
            (Some(cell.row.into()), Some(cell.col.into()))
        );
        assert_eq!(row[2].as_u64(), Some(cell.n_samples.into()));
        let scale = row[4].as_f64().unwrap() as f32;
        for class in 0..12 {
            let there = row[5][class].as_i64().unwrap() as f32 * scale;
            assert!((there - level.attribution(idx, class as u16)).abs() <= scale);
        }
    }
    for tile in told["tiles"].as_array().unwrap() {
        let png = std::fs::read(folder.path().join(tile[2].as_str().unwrap())).unwrap();
        let place = (
            tile[0].as_u64().unwrap() as u32,
            tile[1].as_u64().unwrap() as u32,
        );
        assert_eq!(
            png,
            level.icons.tile(place.0, place.1).unwrap().png.to_vec()
        );
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "says what is skipped")]
fn the_page_runs_against_a_stand_in_for_a_browser() {
    if !Command::new("node")
        .arg("--version")
        .output()
        .is_ok_and(|out| out.status.success())
    {
        println!("skipped: no node");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    export::html(&atlas(&SampleSpec::default()), folder.path()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/open_page.js");
    let out = Command::new("node")
        .arg(script)
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn an_export_replaces_its_own_files_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("new/page");
    export::html(&small(), &dir).unwrap();
    export::html(&small(), &dir).unwrap();
    export::csv(&small(), &dir).unwrap();
    std::fs::write(dir.join("notes.txt"), "mine").unwrap();
    export::html(&small(), &dir).unwrap();
    assert_eq!(
        std::fs::read_to_string(dir.join("notes.txt")).unwrap(),
        "mine"
    );

    let mine = folder.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("index.html"), "mine").unwrap();
    let error = export::html(&small(), &mine).unwrap_err();
    assert!(matches!(&error, Error::Occupied { found, .. } if found == "index.html"));
    assert!(error.hint().unwrap().contains("folder"));
    assert!(matches!(
        export::csv(&small(), &mine),
        Err(Error::Occupied { .. })
    ));
    assert_eq!(std::fs::read_dir(&mine).unwrap().count(), 1);

    let tables = folder.path().join("tables");
    export::csv(&small(), &tables).unwrap();
    std::fs::write(tables.join("page.js"), "mine").unwrap();
    assert!(
        matches!(export::html(&small(), &tables), Err(Error::Occupied { found, .. }) if found == "page.js")
    );
    assert!(!tables.join("index.html").exists());
}

#[test]
fn a_summary_counts_what_is_there() {
    let made = read(&bytes(&small())).unwrap();
    let told = store::summary(&made);
    let level = &made.layers[0].levels[1];
    assert_eq!(told["images"]["n"], 60);
    assert_eq!(told["images"]["n_labelled"], 54);
    assert_eq!(told["layers"][0]["n_samples"], 300);
    assert_eq!(told["layers"][0]["levels"][1]["n_cells"], level.cells.len());
    assert_eq!(told["layers"][0]["levels"][1]["n_icons"], level.cells.len());
    assert_eq!(told["recipe"]["icons"]["size"], 8);
    let right = (0..60).filter(|&idx| {
        made.images.label[idx].is_some() && made.images.label[idx] == made.images.prediction[idx]
    });
    assert!(
        (told["images"]["accuracy"].as_f64().unwrap() - right.count() as f64 / 54.0).abs() < 1e-9
    );
    let text = store::describe(&made, Some(2_500_000));
    assert!(
        text.contains("mixed4c: 8 channels, 14 × 14, 300 activations"),
        "{text}"
    );
    assert!(text.contains("2.5 MB"), "{text}");
}
