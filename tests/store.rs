//! Reading, writing, exporting atlases.

mod export;

use atlascope::atlas::Atlas;
use atlascope::atlas::sample::{SampleSpec, atlas};
use atlascope::store::{self, Error};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Command;

/// Every cell has an icon, so that no score is NaN and `==` means equal.
fn small() -> Atlas {
    atlas(&SampleSpec {
        min_samples: 1,
        n_samples: 300,
        n_images: 60,
        depth: 8,
        layers: vec!["mixed4c".to_owned()],
        grids: vec![4, 6],
        icon_size: 8,
        head: true,
        ..SampleSpec::default()
    })
}

fn bytes(atlas: &Atlas) -> Vec<u8> {
    store::to_bytes(atlas, Path::new("a.atlas")).unwrap()
}

fn read(bytes: &[u8]) -> Result<Atlas, Error> {
    store::from_bytes(bytes, Path::new("a.atlas"))
}

/// The same file with one entry changed, added or (when `change` gives `None`) left out.
fn with_entry(file: &[u8], name: &str, change: impl Fn(Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for idx in 0..archive.len() {
        let mut entry = archive.by_index(idx).unwrap();
        let entry_name = entry.name().unwrap().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let content = if entry_name == name {
            change(content)
        } else {
            Some(content)
        };
        if let Some(content) = content {
            out.start_file(entry_name, options).unwrap();
            out.write_all(&content).unwrap();
        }
    }
    out.finish().unwrap().into_inner()
}

/// The same file with a piece of its manifest replaced.
fn with_manifest(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    with_entry(file, "manifest.json", |text| {
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(from), "{from} is not in the manifest");
        Some(text.replacen(from, to, 1).into_bytes())
    })
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.atlas");
    let specs = [
        SampleSpec::default(),
        SampleSpec {
            n_classes: 0,
            head: true,
            ..SampleSpec::default()
        },
        SampleSpec {
            keep_activations: true,
            n_images: 70_000,
            grids: vec![3, 20, 40],
            ..SampleSpec::default()
        },
        SampleSpec {
            n_samples: 1,
            n_images: 1,
            icon_size: 1,
            ..SampleSpec::default()
        },
        SampleSpec {
            n_classes: 300,
            depth: 100,
            n_samples: 3000,
            ..SampleSpec::default()
        },
    ];
    for spec in specs {
        let made = atlas(&SampleSpec {
            min_samples: 1,
            ..spec
        });
        store::write(&path, &made).unwrap();
        assert_eq!(store::read(&path).unwrap(), made);
    }
}

#[test]
fn truth_and_missing_parts_are_read_back() {
    use atlascope::atlas::{Planted, PlantedKind, Quantized, Truth};
    let mut made = small();
    made.complete = false;
    made.images.label[3] = None;
    made.images.prediction[4] = None;
    made.layers[0].position_cells = ndarray::Array2::zeros((0, 0));
    made.layers[0].pooled = Quantized::default();
    made.truth = Some(Truth {
        planted: vec![Planted {
            name: "watermark".to_owned(),
            what: "Small white letters.".to_owned(),
            kind: PlantedKind::Shortcut,
            classes: vec!["red fox".to_owned()],
            prevalence: 0.7,
            leak: 0.01,
        }],
        present: (0..60).map(|idx| idx % 2).collect(),
        boxes: (0..60)
            .map(|idx| vec![[0.1 * idx as f32, 1.0 / 3.0, 12.5, 7.0]])
            .collect(),
    });
    assert_eq!(read(&bytes(&made)).unwrap(), made);
}

/// Files from before the head was kept have no such entry in their manifest.
#[test]
fn a_file_without_a_head_still_opens() {
    let mut made = small();
    made.head = None;
    let file = bytes(&made);
    with_entry(&file, "manifest.json", |text| {
        assert!(!String::from_utf8(text.clone()).unwrap().contains("head"));
        Some(text)
    });
    assert_eq!(read(&file).unwrap(), made);
    let told = store::summary(&made);
    assert!(told["head"].is_null());
    assert!(!store::describe(&made, None).contains("head"));
    let told = store::describe(&small(), None);
    assert!(told.contains("head       mixed4c: 8 channels"), "{told}");
    let lacking = with_entry(&bytes(&small()), "head/weights.npy", |_| None);
    assert!(
        matches!(read(&lacking), Err(Error::Damaged { entry, .. }) if entry == "head/weights.npy")
    );
}

#[test]
fn cells_without_an_icon_have_no_score() {
    let made = atlas(&SampleSpec {
        min_samples: 20,
        ..SampleSpec::default()
    });
    let back = read(&bytes(&made)).unwrap();
    for (a, b) in made
        .layers
        .iter()
        .zip(&back.layers)
        .flat_map(|(a, b)| a.levels.iter().zip(&b.levels))
    {
        assert_eq!(a.icons.steps, b.icons.steps);
        assert!(
            a.icons
                .score
                .iter()
                .zip(&b.icons.score)
                .all(|(a, b)| a.total_cmp(b).is_eq())
        );
        assert!(a.icons.steps.contains(&0));
    }
}

#[test]
fn positions_are_kept_to_half_a_step_of_the_file() {
    let mut made = small();
    made.layers[0]
        .samples
        .position
        .mapv_inplace(|p| p * 0.987_654);
    let back = read(&bytes(&made)).unwrap();
    for (a, b) in made.layers[0]
        .samples
        .position
        .iter()
        .zip(&back.layers[0].samples.position)
    {
        assert!((a - b).abs() <= 0.5 / 65535.0 + f32::EPSILON, "{a} {b}");
    }
}

#[test]
fn the_same_atlas_is_the_same_bytes() {
    assert_eq!(bytes(&small()), bytes(&small()));
    assert_eq!(bytes(&read(&bytes(&small())).unwrap()), bytes(&small()));
}

#[test]
fn styles_come_back_and_must_fit_the_images() {
    use atlascope::atlas::STYLE;
    use half::f16;
    let mut made = small();
    let n = made.images.len();
    made.images.style = ndarray::Array2::from_shape_fn((n, STYLE), |(row, col)| {
        f16::from_f32(row as f32 - 0.25 * col as f32)
    });
    assert_eq!(read(&bytes(&made)).unwrap().images, made.images);
    made.images.style = ndarray::Array2::zeros((n, STYLE - 1));
    assert!(made.check().is_err());
    made.images.style = ndarray::Array2::zeros((n + 1, STYLE));
    assert!(made.check().is_err());
}

#[test]
fn an_atlas_that_contradicts_itself_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.atlas");
    store::write(&path, &small()).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut made = small();
    made.layers[0].samples.row.pop();
    assert!(matches!(
        store::write(&path, &made),
        Err(Error::Inconsistent { .. })
    ));
    let mut made = small();
    made.layers[0].quality.trustworthiness = f32::NAN;
    assert!(matches!(
        store::write(&path, &made),
        Err(Error::Inconsistent { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "a temporary file was left behind"
    );
    let nowhere = folder.path().join("missing/a.atlas");
    assert!(matches!(
        store::write(&nowhere, &small()),
        Err(Error::Write { .. })
    ));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_with_a_hint() {
    let error = Error::Write {
        path: "a.atlas".into(),
        source: std::fs::write("/dev/full", b"x").unwrap_err(),
    };
    assert!(error.hint().unwrap().contains("space"), "{error}");
}

#[test]
fn other_files_are_not_atlases() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        store::read(folder.path()),
        Err(Error::NotAnAtlas { .. })
    ));
    let missing = store::read(&folder.path().join("missing.atlas")).unwrap_err();
    assert!(missing.to_string().contains("missing.atlas"));
    assert!(missing.hint().unwrap().contains("build"));
    for content in [&b""[..], b"a", b"PNG", b"\x93NUMPY\x01\0", &[0; 5000]] {
        assert!(
            matches!(read(content), Err(Error::NotAnAtlas { .. })),
            "{content:?}"
        );
    }
    assert!(matches!(read(b"PK"), Err(Error::Truncated { .. })));
    let file = bytes(&small());
    let empty = zip::ZipWriter::new(Cursor::new(Vec::new()))
        .finish()
        .unwrap()
        .into_inner();
    assert!(read(&empty).is_err());
    let without = with_entry(&file, "manifest.json", |_| None);
    assert!(matches!(read(&without), Err(Error::NotAnAtlas { .. })));
    let other = with_manifest(&file, "atlascope atlas", "another format");
    assert!(matches!(read(&other), Err(Error::NotAnAtlas { .. })));
}

#[test]
fn newer_versions_say_what_is_read() {
    let newer = with_manifest(&bytes(&small()), "\"version\":1", "\"version\":7");
    let error = read(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.atlas has format version 7, this program reads up to 1"
    );
    assert!(error.hint().unwrap().contains("update"));
    // Even when nothing else of the manifest is what this version knows.
    let foreign = with_entry(&bytes(&small()), "manifest.json", |_| {
        Some(br#"{"format":"atlascope atlas","version":2,"layers":"elsewhere"}"#.to_vec())
    });
    assert!(matches!(
        read(&foreign),
        Err(Error::Newer {
            found: 2,
            supported: 1,
            ..
        })
    ));
}

#[test]
fn cut_files_are_errors_at_every_sixteenth() {
    let file = bytes(&small());
    for part in 1..16 {
        let cut = &file[..file.len() * part / 16];
        assert!(
            matches!(read(cut), Err(Error::Truncated { .. })),
            "{part}/16"
        );
    }
    for missing in 1..200 {
        assert!(
            read(&file[..file.len() - missing]).is_err(),
            "{missing} bytes less"
        );
    }
}

#[test]
fn no_flipped_bit_goes_unnoticed_in_an_entry() {
    let file = bytes(&small());
    let made = small();
    let mut archive = zip::ZipArchive::new(Cursor::new(&file)).unwrap();
    for idx in 0..archive.len() {
        let (start, length) = {
            let entry = archive.by_index(idx).unwrap();
            (
                entry.data_start().unwrap() as usize,
                entry.compressed_size() as usize,
            )
        };
        for step in 0..8 {
            let at = start + length * step / 8;
            let mut flipped = file.clone();
            flipped[at] ^= 1 << step;
            // DEFLATE has a few bits that mean nothing.
            match read(&flipped) {
                Ok(back) => assert_eq!(back, made, "entry {idx}, byte {at}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn flipped_bits_anywhere_never_panic() {
    let file = bytes(&small());
    let made = small();
    let headers = file.len().saturating_sub(4000);
    for (round, at) in (0..file.len())
        .step_by(97)
        .chain((headers..file.len()).step_by(5))
        .enumerate()
    {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (round % 8);
        if let Ok(back) = read(&flipped) {
            assert_eq!(back, made, "byte {at}");
        }
    }
}

#[test]
fn promises_of_the_manifest_are_checked() {
    let file = bytes(&small());
    let cases = [
        ("\"n_images\":60,\"label", "\"n_images\":61,\"label"),
        ("\"n_images\":60,\"label", "\"n_images\":4294967295,\"label"),
        ("\"n_samples\":300", "\"n_samples\":4294967295"),
        ("\"n_top\":12", "\"n_top\":4294967295"),
        ("\"depth\":8", "\"depth\":9"),
        ("\"map_size\":[14,14]", "\"map_size\":[7,7]"),
        ("\"grid\":4", "\"grid\":3"),
        ("\"grid\":4", "\"grid\":7"),
        ("\"grid\":6", "\"grid\":4294967295"),
        ("\"icon_size\":8", "\"icon_size\":16"),
        ("\"icon_size\":8", "\"icon_size\":4000000000"),
        ("\"tiles\":[[0,0]", "\"tiles\":[[0,0],[0,9]"),
        ("\"rows\":300", "\"rows\":299"),
        ("\"truth\":false", "\"truth\":true"),
        ("\"n_clusters\":", "\"n_clusters\":9"),
        (
            "\"head\":{\"layer\":\"mixed4c\",\"depth\":8",
            "\"head\":{\"layer\":\"mixed4c\",\"depth\":7",
        ),
        (
            "\"position_cosines\":{\"rows\":60,\"zero\":",
            "\"position_cosines\":{\"rows\":60,\"zero\":1e99",
        ),
        ("\"activations\":false", "\"activations\":true"),
        ("\"version\":1", "\"version\":-1"),
    ];
    for (from, to) in cases {
        let Err(error) = read(&with_manifest(&file, from, to)) else {
            panic!("{to} was believed")
        };
        assert!(error.to_string().contains("a.atlas"), "{error}");
    }
}

#[test]
fn hostile_entries_are_named() {
    let file = bytes(&small());
    let npy = |dict: &str, data: &[u8]| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(dict.len() as u16).to_le_bytes());
        [&bytes, dict.as_bytes(), data].concat()
    };
    let name = "layers/0/row.npy";
    let contents = [
        Vec::new(),
        b"\x93NUMPY".to_vec(),
        vec![0; 1 << 20],
        npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (300,), }",
            &[0; 299],
        ),
        npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (299,), }",
            &[0; 299],
        ),
        npy(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (75,), }",
            &[0; 300],
        ),
        npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (18446744073709551615, 300), }",
            &[0; 300],
        ),
        npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (300,), }",
            &[200; 300],
        ),
    ];
    for content in contents {
        let error = read(&with_entry(&file, name, |_| Some(content.clone()))).unwrap_err();
        match error {
            Error::Damaged { ref entry, .. } => assert_eq!(entry, name),
            Error::Inconsistent { ref source, .. } => {
                assert!(source.part.contains("samples"), "{error}");
            }
            error => panic!("{error}"),
        }
    }
    let error = read(&with_entry(&file, name, |_| None)).unwrap_err();
    assert!(matches!(error, Error::Damaged { entry, .. } if entry == name));
    let tile = "layers/0/levels/0/tiles/0_0.png";
    let error = read(&with_entry(&file, tile, |_| Some(b"GIF89a".to_vec()))).unwrap_err();
    assert!(matches!(error, Error::Damaged { entry, .. } if entry == tile));
}

#[test]
fn a_bomb_is_refused_before_it_inflates() {
    let bomb = with_entry(&bytes(&small()), "layers/0/position.npy", |_| {
        Some(vec![0; 80 << 20])
    });
    assert!(bomb.len() < 200_000);
    assert!(matches!(read(&bomb), Err(Error::Damaged { .. })));
}

/// A Python with numpy and pandas: `ATLASCOPE_PYTHON`, else `python3`.
#[allow(clippy::print_stdout, reason = "says what is skipped")]
fn python() -> Option<std::ffi::OsString> {
    let python = std::env::var_os("ATLASCOPE_PYTHON").unwrap_or_else(|| "python3".into());
    let tried = Command::new(&python)
        .args(["-c", "import numpy, pandas"])
        .output();
    if tried.is_ok_and(|out| out.status.success()) {
        return Some(python);
    }
    println!("skipped: no Python with numpy and pandas (set ATLASCOPE_PYTHON)");
    None
}

fn close(told: &serde_json::Value, key: &str, ours: f64) {
    let theirs = told[key].as_f64().unwrap();
    assert!(
        (theirs - ours).abs() <= 1e-4 * ours.abs().max(1.0),
        "{key}: {theirs} there, {ours} here"
    );
}

/// What the script told of the head against what was written.
fn python_reads_the_head(told: &serde_json::Value, head: &atlascope::atlas::Head) {
    let close = |key: &str, ours: f64| close(told, key, ours);
    assert_eq!(told["head_layer"], head.layer.as_str());
    let bias: f64 = head.bias.iter().map(|&v| f64::from(v)).sum();
    close("logits", {
        let logit = |idx: usize| {
            let pooled = ndarray::Array1::from(head.pooled.row(idx));
            head.weights.mapv(f32::from).dot(&pooled).sum()
        };
        (0..60).map(|idx| f64::from(logit(idx)) + bias).sum()
    });
    let clusters = |idx: usize| head.position_clusters.row(idx);
    close(
        "position_clusters",
        (0..60)
            .map(|idx| clusters(idx).iter().map(|&c| f64::from(c)).sum::<f64>())
            .sum(),
    );
    for (key, table) in [
        ("position_cosines", &head.position_cosines),
        ("position_norms", &head.position_norms),
    ] {
        close(
            key,
            (0..60).flat_map(|idx| table.row(idx)).map(f64::from).sum(),
        );
    }
}

#[test]
fn python_reads_the_same_numbers() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.atlas");
    let made = small();
    store::write(&path, &made).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/read_atlas.py");
    let out = Command::new(python)
        .arg(script)
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let layer = &made.layers[0];
    let level = &layer.levels[1];
    let samples = &layer.samples;
    let close = |key: &str, ours: f64| close(&told, key, ours);
    assert_eq!(told["n_samples"], 300);
    assert_eq!(told["n_images"], 60);
    assert_eq!(told["grids"], serde_json::json!([4, 6]));
    assert_eq!(told["classes"][0], "tench, Tinca tinca");
    assert_eq!(told["first_path"], made.images.path[0].as_str());
    assert_eq!(
        told["first_cell_members"],
        serde_json::json!(level.members_of(0))
    );
    assert_eq!(told["cells"], level.cells.len());
    close(
        "position",
        samples.position.iter().map(|&v| f64::from(v)).sum(),
    );
    close(
        "top",
        (0..300)
            .flat_map(|idx| samples.top(idx))
            .map(|(_, v)| f64::from(v))
            .sum(),
    );
    close(
        "directions",
        level.directions.iter().map(|v| f64::from(v.to_f32())).sum(),
    );
    close(
        "attributions",
        level
            .attributions
            .iter()
            .map(|v| f64::from(v.to_f32()))
            .sum(),
    );
    close(
        "pooled",
        (0..60)
            .flat_map(|idx| layer.pooled.row(idx))
            .map(f64::from)
            .sum(),
    );
    close(
        "position_cells",
        layer.position_cells.iter().map(|&v| f64::from(v)).sum(),
    );
    close(
        "coordinates",
        (0..300)
            .flat_map(|idx| samples.pca.coordinates.row(idx))
            .map(f64::from)
            .sum(),
    );
    python_reads_the_head(&told, made.head.as_ref().unwrap());
    assert!(told["head"].as_str().unwrap().contains("n_samples"));
    assert_eq!(told["tile_is_png"], true);
}
