//! Candidates for spurious correlations: what is planted is found, what stands everywhere is not, and the list says
//! what it could not do.

mod command;
mod schema;

use atlascope::atlas::sample::{self, SampleSpec};
use atlascope::atlas::{Atlas, Quantized, STYLE};
use atlascope::suspects::{self, COLUMNS, Candidate, Evidence, Kind, MIN_IMAGES, column};
use half::f16;
use ndarray::{Array2, Axis};
use std::collections::HashSet;

/// An invented atlas whose every image has a label.
fn invented(n_images: usize, n_classes: usize) -> Atlas {
    let mut atlas = sample::atlas(&SampleSpec {
        n_images,
        n_classes,
        n_samples: 2 * n_images,
        layers: vec!["mixed5b".to_owned()],
        head: true,
        min_samples: 1,
        ..SampleSpec::default()
    });
    for image in 0..n_images {
        let class = (image % n_classes) as u16;
        atlas.images.label[image] = Some(class);
        atlas.images.prediction[image] = Some(class);
    }
    atlas
}

/// Plants one feature that speaks for `class` in the upper left corner of some images: a cluster of its own, and the
/// means that go with it.
fn plant(atlas: &mut Atlas, class: usize, images: &[usize]) {
    let head = atlas.head.as_mut().unwrap();
    let depth = head.weights.ncols();
    let n_positions = head.position_clusters.ncols() as f32;
    let mut weights = head.weights.mapv(f32::from);
    let mean = weights.mean_axis(Axis(0)).unwrap();
    weights -= &mean;
    let feature = weights.row(class).mapv(|w| 60.0 * w.max(0.0));
    let mut clusters = head.clusters.mapv(f32::from);
    clusters.push_row(feature.view()).unwrap();
    head.clusters = clusters.mapv(f16::from_f32);
    let cluster = (head.clusters.nrows() - 1) as u16;
    let values = |table: &Quantized| {
        let rows: Vec<f32> = (0..table.n_rows()).flat_map(|idx| table.row(idx)).collect();
        Array2::from_shape_vec(table.data.dim(), rows).unwrap()
    };
    let mut pooled = values(&head.pooled);
    let mut cosines = values(&head.position_cosines);
    let mut norms = values(&head.position_norms);
    for &image in images {
        for position in [0, 1, 14, 15] {
            head.position_clusters[(image, position)] = cluster;
            cosines[(image, position)] = 0.99;
            norms[(image, position)] = feature.dot(&feature).sqrt();
        }
        let mut row = pooled.row_mut(image);
        row.scaled_add(4.0 / n_positions, &feature);
    }
    assert_eq!(pooled.ncols(), depth);
    head.pooled = Quantized::from_f32(&pooled.view());
    head.position_cosines = Quantized::from_f32(&cosines.view());
    head.position_norms = Quantized::from_f32(&norms.view());
    atlas.check().unwrap();
}

/// Whether at least eight of ten exemplars are of these images.
fn shows(candidate: &Candidate, images: &HashSet<usize>) -> bool {
    let hits = candidate
        .exemplars
        .iter()
        .filter(|one| images.contains(&(one.image as usize)));
    hits.count() >= 8
}

fn value(candidate: &Candidate, name: &str) -> f32 {
    candidate.scores[column(name).unwrap()].unwrap()
}

#[test]
fn a_planted_feature_comes_first_and_a_decoy_does_not() {
    let mut atlas = invented(600, 6);
    // A tenth of class 2, and a sixth of everything.
    let shortcut: Vec<usize> = (0..600)
        .filter(|image| image % 60 == 2 || image % 60 == 32)
        .collect();
    let decoy: Vec<usize> = (0..600)
        .filter(|image| image % 11 == 3 && !shortcut.contains(image))
        .collect();
    plant(&mut atlas, 2, &shortcut);
    plant(&mut atlas, 4, &decoy);
    let found = suspects::find(&atlas);
    assert_eq!(
        (found.evidence, found.agreement),
        (Evidence::Labels, Some(1.0))
    );
    let (shortcut, decoy): (HashSet<usize>, HashSet<usize>) =
        (shortcut.into_iter().collect(), decoy.into_iter().collect());
    let of_shortcut = |candidate: &&Candidate| candidate.class == 2 && shows(candidate, &shortcut);
    let first = found
        .candidates
        .iter()
        .take(4)
        .find(of_shortcut)
        .expect("it is among the first four");
    assert!(first.q.unwrap() < 1e-6, "{first:?}");
    let cell = found
        .candidates
        .iter()
        .find(|c| c.kind == Kind::Cell && shows(c, &shortcut))
        .unwrap();
    assert!((value(cell, "share") - 1.0).abs() < 1e-6);
    assert!((value(cell, "presence") - 0.2).abs() < 1e-6);
    assert!((value(cell, "rarity") - 0.8).abs() < 1e-6);
    assert!((value(cell, "lift") - 6.0_f32.ln()).abs() < 1e-5);
    assert!(
        (value(cell, "border") - 0.75).abs() < 1e-6,
        "three of four positions"
    );
    assert!(value(cell, "concentration") > 2.0);
    assert!(value(cell, "attribution") > 0.0 && value(cell, "dominance") > 0.0);
    let of_decoy = found
        .candidates
        .iter()
        .take(10)
        .find(|candidate| shows(candidate, &decoy));
    assert!(of_decoy.is_none(), "{of_decoy:?}");
    // What stands everywhere goes with no class.
    for candidate in found
        .candidates
        .iter()
        .filter(|c| c.kind == Kind::Cell && shows(c, &decoy))
    {
        assert!(candidate.q.unwrap() > 0.05, "{candidate:?}");
    }
}

/// How pictures look: noise, in which some look alike.
fn styled(atlas: &mut Atlas, alike: &[(&[usize], usize)]) {
    let n = atlas.images.len();
    let mut state = 7_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let mut style = Array2::from_shape_fn((n, STYLE), |_| noise());
    for &(images, first) in alike {
        for &image in images {
            for column in first..first + 6 {
                style[(image, column)] = 2.5 + 0.1 * noise();
            }
        }
    }
    atlas.images.style = style.mapv(f16::from_f32);
}

#[test]
fn pictures_that_look_alike_are_found_where_their_class_has_them_alone() {
    let mut atlas = invented(600, 6);
    let tinted: Vec<usize> = (0..600).filter(|image| image % 36 == 2).collect();
    let striped: Vec<usize> = (0..600).filter(|image| image % 36 == 27).collect();
    let decoy: Vec<usize> = (0..600).filter(|image| image % 11 == 3).collect();
    // Those of class 3 are not surer than others: their own logits fall.
    styled(&mut atlas, &[(&decoy, 3), (&tinted, 0), (&striped, 15)]);
    // As many others of class 2 are as sure, so that no other candidate shows just the tinted ones.
    let sure: Vec<usize> = (0..600).filter(|image| image % 18 == 2).collect();
    plant(&mut atlas, 2, &sure);
    let found = suspects::find(&atlas);
    let set = |images: &[usize]| images.iter().copied().collect::<HashSet<usize>>();
    let first = |kind: Kind, images: &[usize]| {
        let images = set(images);
        let mut of_kind = found.candidates.iter().filter(|c| c.kind == kind);
        of_kind.position(|c| shows(c, &images))
    };
    assert_eq!(first(Kind::Colour, &tinted), Some(0));
    let colour = found
        .candidates
        .iter()
        .find(|c| c.kind == Kind::Colour)
        .unwrap();
    assert!(
        colour.class == 2 && colour.q.unwrap() <= 0.05 && value(colour, "closeness") > 2.0,
        "{colour:?}"
    );
    assert!(value(colour, "ease") > 0.0 && colour.score > 1.0);
    let texture = found
        .candidates
        .iter()
        .find(|c| c.kind == Kind::Texture && shows(c, &set(&striped)))
        .unwrap();
    assert!(
        texture.class == 3 && texture.q.unwrap() <= 0.05,
        "{texture:?}"
    );
    for candidate in found.candidates.iter().filter(|c| c.kind.fills_pictures()) {
        let of_decoy = shows(candidate, &set(&decoy));
        assert!(!of_decoy || candidate.q.unwrap() > 0.05, "{candidate:?}");
    }
    assert!(found.missing.iter().all(|m| m.column != "closeness"));
    // A class of three images is not searched, and the others still are.
    for image in 0..600 {
        if atlas.images.label[image] == Some(5) && image > 20 {
            atlas.images.label[image] = Some(4);
        }
    }
    let found = suspects::find(&atlas);
    assert_eq!(found.too_small, [5]);
    assert!(found.candidates.iter().all(|c| c.class != 5));
    assert!(
        found
            .candidates
            .iter()
            .any(|c| c.kind == Kind::Colour && c.class == 2)
    );
}

#[test]
fn the_list_is_the_same_every_time_and_its_indices_are_good() {
    let mut atlas = invented(300, 5);
    plant(
        &mut atlas,
        1,
        &(0..300).filter(|image| image % 15 == 1).collect::<Vec<_>>(),
    );
    let found = suspects::find(&atlas);
    assert_eq!(found, suspects::find(&atlas));
    assert!(found.candidates.len() > 10);
    let layer = &atlas.layers[0];
    let level = layer.levels.last().unwrap();
    for candidate in &found.candidates {
        assert_eq!(candidate.scores.len(), COLUMNS.len());
        assert!(
            level
                .cell_at(candidate.cell.row, candidate.cell.col)
                .is_some()
        );
        assert!(!candidate.exemplars.is_empty() && candidate.exemplars.len() <= 10);
        let images: HashSet<u32> = candidate.exemplars.iter().map(|one| one.image).collect();
        assert_eq!(
            images.len(),
            candidate.exemplars.len(),
            "one place per image"
        );
        for one in &candidate.exemplars {
            assert!(u32::from(one.row) < layer.map_size.0 && u32::from(one.col) < layer.map_size.1);
            assert_eq!(
                atlas.images.label[one.image as usize],
                Some(candidate.class)
            );
        }
        assert!(
            candidate.scores.iter().flatten().all(|v| v.is_finite()),
            "{candidate:?}"
        );
        assert!((0.0..=1.0).contains(&candidate.q.unwrap()));
    }
    let kinds: Vec<Kind> = found.candidates.iter().take(6).map(|c| c.kind).collect();
    assert!(
        kinds.contains(&Kind::Cell) && kinds.contains(&Kind::Component),
        "{kinds:?}"
    );
}

#[test]
fn what_an_atlas_lacks_is_said() {
    let mut atlas = invented(200, 4);
    atlas.head = None;
    let found = suspects::find(&atlas);
    assert!(
        found
            .candidates
            .iter()
            .all(|candidate| candidate.kind == Kind::Cell)
    );
    let missing: Vec<&str> = found.missing.iter().map(|missing| missing.column).collect();
    for column in [
        "eigenvalue",
        "alpha",
        "ease",
        "closeness",
        "paste",
        "ablation",
    ] {
        assert!(missing.contains(&column), "{missing:?}");
    }
    // Predictions alone: nothing to compare them with.
    atlas.images.label.fill(None);
    let found = suspects::find(&atlas);
    assert_eq!(
        (found.evidence, found.agreement),
        (Evidence::Predictions, None)
    );
    assert!(!found.candidates.is_empty());
    assert!(
        found
            .missing
            .iter()
            .any(|missing| missing.column == "necessity")
    );
    atlas.images.prediction.fill(None);
    let found = suspects::find(&atlas);
    assert_eq!(
        (found.evidence, found.candidates.len()),
        (Evidence::Nothing, 0)
    );
    atlas.layers[0].position_cells = Array2::zeros((0, 0));
    assert!(suspects::find(&atlas).candidates.is_empty());
}

#[test]
fn two_classes_a_thousand_and_tiny_ones() {
    let two = suspects::find(&invented(120, 2));
    assert!(two.candidates.iter().any(|candidate| candidate.class == 1));
    // Three images of each of a thousand classes, but thirty of one.
    let mut many = invented(3000, 1000);
    for image in 0..27 {
        many.images.label[image * 100 + 1] = Some(7);
    }
    let found = suspects::find(&many);
    assert!(
        found
            .candidates
            .iter()
            .all(|candidate| candidate.class == 7)
    );
    assert!(found.too_small.len() > 900, "{}", found.too_small.len());
    assert!(!found.too_small.contains(&7) && MIN_IMAGES > 3);
}

#[test]
fn a_cell_of_two_unlike_classes_and_cells_between_two() {
    let mut atlas = invented(300, 6);
    let level = atlas.layers[0].levels.last_mut().unwrap();
    level.attributions.fill(f16::ZERO);
    for (class, logits) in [(1, 3.0), (4, 2.5)] {
        level.attributions[(5, class)] = f16::from_f32(logits);
    }
    // Class 2 is like class 1 and has a cell with it; that is no news.
    for class in [1, 2] {
        level.attributions[(9, class)] = f16::from_f32(4.0);
    }
    let place = |cell: usize| (level.cells[cell].row, level.cells[cell].col);
    let (both, alike) = (place(5), place(9));
    let head = atlas.head.as_mut().unwrap();
    let row = head.weights.row(1).to_owned();
    head.weights.row_mut(2).assign(&row);
    head.weights.row_mut(4).assign(&row.mapv(|w| -w));
    let found = suspects::multi_use(&atlas);
    let first = &found.candidates[0];
    assert_eq!(
        (first.kind, first.class, first.other),
        (Kind::MultiUse, 1, Some(4))
    );
    assert_eq!((first.cell.row, first.cell.col), both);
    assert!(!first.exemplars.is_empty());
    assert!(
        found
            .candidates
            .iter()
            .all(|c| (c.cell.row, c.cell.col) != alike)
    );

    let found = suspects::contrast(&atlas, 4, 2);
    let first = &found.candidates[0];
    assert_eq!(
        (first.kind, first.class, first.other),
        (Kind::Contrast, 2, Some(4))
    );
    assert_eq!((first.cell.row, first.cell.col), alike);
    let of_four = found.candidates.iter().find(|c| c.class == 4).unwrap();
    assert_eq!((of_four.cell.row, of_four.cell.col), both);
}
