//! `atlascope locate`: a photograph of the atlas comes back to the cells that the build found for it.

use atlascope::store;
use std::path::Path;
use std::process::Command;

#[test]
fn a_photograph_of_the_atlas_lies_where_the_build_put_it() {
    let Some(data) = crate::support::data("locating a photograph") else {
        return;
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inception_v1-mixed4d.atlas");
    let atlas = store::read(&file).unwrap();
    let layer = &atlas.layers[0];
    let level = layer.levels.last().unwrap();
    for idx in [0, 500, 1200] {
        let folder = ["imagenet-sample", "imagenette"][usize::from(atlas.images.source[idx])];
        let photograph = data
            .join("photos")
            .join(folder)
            .join(&atlas.images.path[idx]);
        let output = Command::new(env!("CARGO_BIN_EXE_atlascope"))
            .args(["locate", "--json", "--weights"])
            .arg(data.join("inception_v1/weights.safetensors"))
            .arg(&file)
            .arg(&photograph)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["layers"][0]["grid"], level.grid);
        let class = said["predictions"][0]["class"]
            .as_u64()
            .map(|class| class as u16);
        assert_eq!(class, atlas.images.prediction[idx]);
        let rows = said["layers"][0]["cells"].as_array().unwrap();
        let found: Vec<(u64, u64)> = rows
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|cell| (cell[0].as_u64().unwrap(), cell[1].as_u64().unwrap()))
            .collect();
        let stored = layer.position_cells.row(idx);
        let expected = stored.iter().map(|&cell| {
            let cell = level.cells[usize::from(cell)];
            (u64::from(cell.row), u64::from(cell.col))
        });
        // Directions are stored in 16 bits, so a position between two cells may change sides.
        let same = found
            .iter()
            .zip(expected)
            .filter(|(a, b)| **a == *b)
            .count();
        assert!(
            found.len() == 196 && same >= 190,
            "{same} of {}",
            found.len()
        );
    }
}

#[test]
fn what_cannot_be_located_is_said() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inception_v1-mixed4d.atlas");
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("cat.jpg");
    std::fs::write(&text, "no picture").unwrap();
    let failed = |photograph: &Path| {
        let output = Command::new(env!("CARGO_BIN_EXE_atlascope"))
            .arg("locate")
            .args([&file, photograph])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(failed(&text).contains("cat.jpg"));
    assert!(failed(&folder.path().join("none.png")).contains("none.png"));
}
