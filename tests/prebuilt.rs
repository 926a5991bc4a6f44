//! The atlas that ships with the program keeps what the README says of it.

use atlascope::atlas::Atlas;
use atlascope::featurevis::{Icon, look};
use atlascope::store;
use std::path::Path;

fn path() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inception_v1-mixed4d.atlas")
}

fn atlas() -> Atlas {
    store::read(&path()).unwrap()
}

/// Icons of a level as pixels, cut out of their tiles.
fn icons(atlas: &Atlas, level: usize) -> Vec<Icon> {
    let level = &atlas.layers[0].levels[level];
    let side = level.icons.size;
    let drawn = level
        .cells
        .iter()
        .zip(&level.icons.steps)
        .filter(|(_, steps)| **steps > 0);
    drawn
        .map(|(cell, &steps)| {
            let tile = level.icons.tile(cell.row / 4, cell.col / 4).unwrap();
            let picture = image::load_from_memory(&tile.png).unwrap().to_rgb8();
            let (x, y) = (cell.col % 4 * side, cell.row % 4 * side);
            let icon = image::imageops::crop_imm(&picture, x, y, side, side).to_image();
            Icon {
                rgb: icon.into_raw(),
                score: 0.0,
                steps,
            }
        })
        .collect()
}

#[test]
fn it_is_large_enough_and_small_enough() {
    let atlas = atlas();
    let layer = &atlas.layers[0];
    assert!(atlas.complete);
    assert_eq!(layer.name, "mixed4d");
    assert!(
        layer.samples.len() >= 50_000,
        "{} activations",
        layer.samples.len()
    );
    assert_eq!(
        layer
            .levels
            .iter()
            .map(|level| level.grid)
            .collect::<Vec<_>>(),
        [10, 20, 40]
    );
    assert!(std::fs::metadata(path()).unwrap().len() <= 20_000_000);
    assert_eq!(atlas.classes.len(), 1000);
    assert_eq!(layer.position_cells.nrows(), atlas.images.len());
    for level in &layer.levels {
        for (cell, steps) in level.cells.iter().zip(&level.icons.steps) {
            assert_eq!(
                *steps >= 512,
                cell.n_samples >= atlas.recipe.icons.min_samples,
                "{cell:?}"
            );
        }
    }
}

/// The published atlas fills 67 to 82 % of its 20 × 20 grids from mixed4a on.
#[test]
fn its_map_is_as_full_as_published_ones() {
    let atlas = atlas();
    let occupancy = atlas.layers[0].levels[1].occupancy();
    assert!((0.67..=0.82).contains(&occupancy), "{occupancy}");
}

/// Measured on the icons of the published mixed4c atlas: mean RGB (.468, .447, .424), spread (.208, .197, .204).
#[test]
fn its_icons_look_like_published_ones() {
    let icons = icons(&atlas(), 1);
    let look = look(&icons.iter().collect::<Vec<_>>());
    for (found, published) in look.mean.iter().zip([0.468, 0.447, 0.424]) {
        assert!((found - published).abs() <= 0.06, "{look:?}");
    }
    for (found, published) in look.spread.iter().zip([0.208, 0.197, 0.204]) {
        assert!((found - published).abs() <= 0.04, "{look:?}");
    }
    assert!(look.central_spread >= 0.20, "{look:?}");
}

/// Names come from the network's class list: a photograph's folder is found again among the classes.
#[test]
fn its_photographs_are_named_not_stored() {
    let atlas = atlas();
    assert!(
        atlas
            .recipe
            .sources
            .iter()
            .all(|source| source.path.is_none())
    );
    let hits = (atlas.images.label.iter().zip(&atlas.images.prediction))
        .filter(|(label, prediction)| {
            label.is_some_and(|label| atlas.images.label_class[usize::from(label)] == **prediction)
        })
        .count();
    assert!(
        hits * 10 > atlas.images.len() * 7,
        "{hits} of {} recognised",
        atlas.images.len()
    );
}
