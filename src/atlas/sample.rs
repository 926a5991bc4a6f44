//! Invented atlases for tests, benchmarks and pictures of screens: small, valid, drawn without any network.
//!
//! Everything is consistent with everything else, as in a built atlas: an activation is `mean + coordinates ·
//! components`, a cell's direction is the mean of its samples' activations, and attributions are smooth over the
//! map, so that colouring by a class shows a hill. Icons are coloured shapes whose hue follows the position.

use super::{
    Atlas, AttributionRecipe, Cell, Class, ClassId, CollectRecipe, Head, IconRecipe, Icons, Images,
    LayerAtlas, LayoutQuality, LayoutRecipe, Level, Palette, Pca, Quantized, Recipe, Samples,
    Source, TOP_ATTRIBUTIONS, Tile, snap_position,
};
use half::f16;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

mod drawing;
mod head;
mod noise;

use noise::{Hill, Noise};

/// What to invent. Start from [`SampleSpec::default`].
#[derive(Debug, Clone, PartialEq)]
pub struct SampleSpec {
    /// Samples per layer.
    pub n_samples: usize,
    /// Images.
    pub n_images: usize,
    /// Classes; 0 makes a network without a classifier.
    pub n_classes: usize,
    /// Channels of every layer.
    pub depth: usize,
    /// Names of the layers; the last one is 7 × 7 when there are several, the others are 14 × 14.
    pub layers: Vec<String>,
    /// Rows and columns of the levels, coarse to fine.
    pub grids: Vec<u32>,
    /// Side of an icon in pixels.
    pub icon_size: u32,
    /// Cells with fewer samples get no icon.
    pub min_samples: u32,
    /// Grain of the icons, 0..=1; 0.7 compresses about as badly as real icons do.
    pub grain: f32,
    /// Whether every sample's whole activation is kept.
    pub keep_activations: bool,
    /// Whether the network ends in a mean and a linear map.
    pub head: bool,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for SampleSpec {
    fn default() -> Self {
        Self {
            n_samples: 1500,
            n_images: 300,
            n_classes: 12,
            depth: 24,
            layers: vec!["mixed4c".to_owned(), "mixed5b".to_owned()],
            grids: vec![5, 10],
            icon_size: 16,
            min_samples: 3,
            grain: 0.0,
            keep_activations: false,
            head: false,
            seed: 1,
        }
    }
}

const CLASS_NAMES: [&str; 16] = [
    "tench, Tinca tinca",
    "great white shark",
    "grey whale, gray whale",
    "scuba diver",
    "snorkel",
    "steam locomotive",
    "fireboat",
    "streetcar, tram, tramcar",
    "baseball",
    "Persian cat",
    "red fox, Vulpes vulpes",
    "bookcase",
    "lighthouse, beacon",
    "volcano",
    "crème brûlée",
    "daisy",
];

/// Number of clusters in the map.
const N_CLUSTERS: usize = 9;

/// Invents an atlas.
pub fn atlas(spec: &SampleSpec) -> Atlas {
    let mut rng = Noise::new(spec.seed);
    let classes: Vec<Class> = (0..spec.n_classes).map(class).collect();
    let hills: Vec<Hill> = (0..spec.n_classes)
        .map(|_| Hill::random(&mut rng))
        .collect();
    let n_layers = spec.layers.len();
    let layers: Vec<LayerAtlas> = (0..n_layers)
        .map(|idx| {
            layer(
                spec,
                idx,
                &hills,
                spec.seed.wrapping_add(1000 * (idx as u64 + 1)),
            )
        })
        .collect();
    let images = images(
        spec,
        &classes,
        layers.first().map(|layer| &layer.samples),
        &mut rng,
    );
    let mut atlas = Atlas {
        recipe: recipe(spec),
        classes,
        images,
        layers,
        truth: None,
        head: None,
        complete: true,
    };
    if spec.head {
        atlas.head = head::head(&atlas, spec.seed);
    }
    atlas
}

fn class(idx: usize) -> Class {
    let names = CLASS_NAMES.get(idx).map_or_else(
        || format!("class {idx}, number {idx}"),
        |name| (*name).to_owned(),
    );
    Class {
        id: format!("n{:08}", 1_440_764 + 131 * idx),
        names,
    }
}

fn recipe(spec: &SampleSpec) -> Recipe {
    Recipe {
        network: "invented".to_owned(),
        weights_sha256: "0".repeat(64),
        input: None,
        sources: vec![Source {
            name: "invented".to_owned(),
            path: None,
            n_images: spec.n_images as u64,
            n_skipped: 0,
            positions: spec.n_samples.div_ceil(spec.n_images.max(1)) as u32,
            mirrored: false,
        }],
        layers: spec.layers.clone(),
        grids: spec.grids.clone(),
        collect: CollectRecipe::default(),
        layout: LayoutRecipe::default(),
        attribution: AttributionRecipe::default(),
        icons: IconRecipe {
            size: spec.icon_size,
            min_samples: spec.min_samples,
            ..IconRecipe::default()
        },
        seed: spec.seed,
        device: "cpu".to_owned(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn images(
    spec: &SampleSpec,
    classes: &[Class],
    samples: Option<&Samples>,
    rng: &mut Noise,
) -> Images {
    let n_classes = spec.n_classes;
    // An image is of the class that its first sample speaks for most.
    let class_of = |idx: usize| {
        let samples = samples.filter(|samples| idx < samples.len())?;
        samples
            .top(idx)
            .find(|&(_, v)| v > 0.0)
            .map(|(class, _)| class)
    };
    let mut images = Images {
        label_names: classes.iter().map(|class| class.id.clone()).collect(),
        label_class: (0..n_classes).map(|c| Some(c as ClassId)).collect(),
        ..Images::default()
    };
    for idx in 0..spec.n_images {
        let class = class_of(idx);
        let label = class.filter(|_| idx % 10 != 9);
        let slip = n_classes > 0 && rng.uniform() < 0.2;
        let folder = label.map_or("unlabelled", |class| {
            classes[usize::from(class)].id.as_str()
        });
        images.path.push(format!("{folder}/{idx:06}.jpg"));
        images.source.push(0);
        images.label.push(label);
        images.prediction.push(if slip {
            Some(rng.below(n_classes) as ClassId)
        } else {
            class
        });
    }
    images
}

fn layer(spec: &SampleSpec, idx: usize, hills: &[Hill], seed: u64) -> LayerAtlas {
    let mut rng = Noise::new(seed);
    let side = if idx > 0 && idx + 1 == spec.layers.len() {
        7
    } else {
        14
    };
    let samples = samples(spec, side, hills, &mut rng);
    let palette = drawing::palette();
    let levels: Vec<Level> = spec
        .grids
        .iter()
        .map(|&grid| level(spec, grid, &samples, hills, &palette, seed))
        .collect();
    let position_cells = position_cells(spec, side, &samples, levels.last(), &mut rng);
    LayerAtlas {
        name: spec.layers[idx].clone(),
        depth: spec.depth,
        map_size: (side, side),
        receptive_field: 120 + 80 * idx as u32,
        stride: 224 / side,
        pooled: pooled(spec, &samples, &mut rng),
        samples,
        levels,
        palette,
        quality: LayoutQuality {
            trustworthiness: 0.93,
            neighbour_recall: 0.31,
            k: 15,
            n_queries: 500,
        },
        position_cells,
    }
}

fn samples(spec: &SampleSpec, side: u32, hills: &[Hill], rng: &mut Noise) -> Samples {
    let n = spec.n_samples;
    let centres: Vec<(f32, f32, f32)> = (0..N_CLUSTERS)
        .map(|_| {
            (
                0.1 + 0.8 * rng.uniform(),
                0.1 + 0.8 * rng.uniform(),
                0.03 + 0.07 * rng.uniform(),
            )
        })
        .collect();
    let mut position = Array2::zeros((n, 2));
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for mut row in position.rows_mut() {
        let (x, y, spread) = centres[rng.below(N_CLUSTERS)];
        row[0] = snap_position(x + spread * rng.normal());
        row[1] = snap_position(y + spread * rng.normal());
        let idx = columns.0.len();
        columns.0.push((idx % spec.n_images.max(1)) as u32);
        columns.1.push(1 + rng.below(side as usize - 2) as u8);
        columns.2.push(1 + rng.below(side as usize - 2) as u8);
    }
    let pca = pca(spec.depth, &position.view(), rng);
    let activations = spec.keep_activations.then(|| {
        let mut all = Array2::from_elem((n, spec.depth), f16::ZERO);
        for (idx, mut row) in all.rows_mut().into_iter().enumerate() {
            row.assign(&activation(&pca, &pca.coordinates.row(idx)).mapv(f16::from_f32));
        }
        all
    });
    let (image, row, col) = columns;
    let mut samples = Samples {
        image,
        row,
        col,
        position,
        pca,
        activations,
        ..Samples::default()
    };
    set_top(&mut samples, hills);
    samples
}

fn set_top(samples: &mut Samples, hills: &[Hill]) {
    let k = TOP_ATTRIBUTIONS.min(hills.len());
    let rows: Vec<Vec<(ClassId, f32)>> = (0..samples.len())
        .into_par_iter()
        .map(|idx| {
            let values = attributions(samples, idx, hills);
            let mut ranked: Vec<(ClassId, f32)> = values
                .into_iter()
                .enumerate()
                .map(|(c, v)| (c as ClassId, v))
                .collect();
            ranked.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
            ranked.truncate(k);
            ranked
        })
        .collect();
    let classes = Array2::from_shape_fn((rows.len(), k), |(r, c)| rows[r][c].0);
    let values = Array2::from_shape_fn((rows.len(), k), |(r, c)| rows[r][c].1);
    samples.set_top(classes, &values.view());
}

/// Attributions of one sample to every class: the class's hill at its place, and some noise of its own.
fn attributions(samples: &Samples, idx: usize, hills: &[Hill]) -> Vec<f32> {
    let mut noise = Noise::new(idx as u64 + 7);
    let (x, y) = (samples.position[(idx, 0)], samples.position[(idx, 1)]);
    hills
        .iter()
        .map(|hill| hill.at(x, y) + 0.2 * (noise.uniform() - 0.5))
        .collect()
}

/// Cosine components, coordinates that follow the position with falling variance.
fn pca(depth: usize, position: &ArrayView2<'_, f32>, rng: &mut Noise) -> Pca {
    let k = depth.min(64);
    let components = Array2::from_shape_fn((k, depth), |(row, col)| {
        let norm = if row == 0 { 1.0 } else { 2.0 } / depth as f32;
        let angle = std::f32::consts::PI * row as f32 * (col as f32 + 0.5) / depth as f32;
        norm.sqrt() * angle.cos()
    });
    let waves: Vec<[f32; 3]> = (0..k)
        .map(|_| [6.0 * rng.normal(), 6.0 * rng.normal(), 6.3 * rng.uniform()])
        .collect();
    let mut coordinates = Array2::zeros((position.nrows(), k));
    for (mut row, at) in coordinates.rows_mut().into_iter().zip(position.rows()) {
        for (i, (v, wave)) in row.iter_mut().zip(&waves).enumerate() {
            let smooth = (wave[0] * at[0] + wave[1] * at[1] + wave[2]).sin();
            *v = (smooth + 0.5 * rng.normal()) * 40.0 / (1.0 + i as f32).sqrt();
        }
    }
    Pca {
        mean: Array1::from_shape_fn(depth, |_| 20.0 + 10.0 * rng.uniform()),
        components,
        coordinates: Quantized::from_f32(&coordinates.view()),
        explained: 0.8,
    }
}

fn activation(pca: &Pca, coordinates: &[f32]) -> Array1<f32> {
    let coordinates = ArrayView2::from_shape((1, coordinates.len()), coordinates);
    coordinates.map_or_else(
        |_| pca.mean.clone(),
        |row| row.dot(&pca.components).index_axis(Axis(0), 0).to_owned() + &pca.mean,
    )
}

fn pooled(spec: &SampleSpec, samples: &Samples, rng: &mut Noise) -> Quantized {
    let mut values = Array2::zeros((spec.n_images, spec.depth));
    for (idx, mut row) in values.rows_mut().into_iter().enumerate() {
        if idx < samples.len() {
            row.assign(&activation(&samples.pca, &samples.pca.coordinates.row(idx)));
        }
        row.mapv_inplace(|v| (v + 4.0 * rng.normal()).max(0.0));
    }
    Quantized::from_f32(&values.view())
}

/// The square of a grid that holds a position.
fn square(samples: &Samples, idx: usize, grid: u32) -> (u32, u32) {
    let along = |axis: usize| ((samples.position[(idx, axis)] * grid as f32) as u32).min(grid - 1);
    (along(1), along(0))
}

fn level(
    spec: &SampleSpec,
    grid: u32,
    samples: &Samples,
    hills: &[Hill],
    palette: &Palette,
    seed: u64,
) -> Level {
    let mut groups = std::collections::BTreeMap::<(u32, u32), Vec<u32>>::new();
    for idx in 0..samples.len() {
        groups
            .entry(square(samples, idx, grid))
            .or_default()
            .push(idx as u32);
    }
    let cells: Vec<Cell> = groups
        .iter()
        .map(|(&(row, col), members)| Cell {
            row,
            col,
            n_samples: members.len() as u32,
        })
        .collect();
    let means: Vec<(Vec<f16>, Vec<f16>)> = groups
        .par_iter()
        .map(|(_, members)| cell_means(samples, members, hills))
        .collect();
    let mut starts = vec![0];
    starts.extend(cells.iter().scan(0, |end, cell| {
        *end += cell.n_samples;
        Some(*end)
    }));
    Level {
        grid,
        directions: Array2::from_shape_fn((cells.len(), spec.depth), |(r, c)| means[r].0[c]),
        attributions: Array2::from_shape_fn((cells.len(), hills.len()), |(r, c)| means[r].1[c]),
        members: groups.into_values().flatten().collect(),
        starts,
        icons: icons(spec, grid, &cells, palette, seed),
        cells,
    }
}

/// Mean activation and mean attributions of a cell's samples.
fn cell_means(samples: &Samples, members: &[u32], hills: &[Hill]) -> (Vec<f16>, Vec<f16>) {
    let mut coordinates = vec![0.0; samples.pca.coordinates.data.ncols()];
    let mut logits = vec![0.0; hills.len()];
    let add = |sum: &mut [f32], row: Vec<f32>| {
        sum.iter_mut()
            .zip(row)
            .for_each(|(s, v)| *s += v / members.len() as f32);
    };
    for &member in members {
        add(
            &mut coordinates,
            samples.pca.coordinates.row(member as usize),
        );
        add(&mut logits, attributions(samples, member as usize, hills));
    }
    let direction = activation(&samples.pca, &coordinates);
    (
        direction.iter().map(|&v| f16::from_f32(v)).collect(),
        logits.iter().map(|&v| f16::from_f32(v)).collect(),
    )
}

fn icons(spec: &SampleSpec, grid: u32, cells: &[Cell], palette: &Palette, seed: u64) -> Icons {
    let mut noise = Noise::new(seed ^ u64::from(grid));
    let drawn: Vec<bool> = cells
        .iter()
        .map(|cell| cell.n_samples >= spec.min_samples)
        .collect();
    let with_icon: Vec<Cell> = cells
        .iter()
        .zip(&drawn)
        .filter(|&(_, &drawn)| drawn)
        .map(|(cell, _)| *cell)
        .collect();
    let tiles: Vec<Tile> = drawing::tiles(grid, &with_icon, palette, spec.icon_size, spec.grain);
    Icons {
        size: spec.icon_size,
        tiles,
        steps: drawn
            .iter()
            .map(|&drawn| if drawn { 512 } else { 0 })
            .collect(),
        score: drawn
            .iter()
            .map(|&drawn| {
                if drawn {
                    10.0 + noise.normal()
                } else {
                    f32::NAN
                }
            })
            .collect(),
    }
}

/// Patches of 3 × 3 positions that look like some sample; a sample's own position has the sample's own cell.
fn position_cells(
    spec: &SampleSpec,
    side: u32,
    samples: &Samples,
    finest: Option<&Level>,
    rng: &mut Noise,
) -> Array2<u16> {
    let Some(level) = finest.filter(|_| !samples.is_empty()) else {
        return Array2::zeros((0, 0));
    };
    let side = side as usize;
    let cell_of = |sample: usize| {
        let (row, col) = square(samples, sample, level.grid);
        level.cell_at(row, col).unwrap_or(0) as u16
    };
    let mut cells = Array2::zeros((spec.n_images, side * side));
    for mut row in cells.rows_mut() {
        let patches = side.div_ceil(3);
        let looks: Vec<u16> = (0..patches * patches)
            .map(|_| cell_of(rng.below(samples.len())))
            .collect();
        for (idx, cell) in row.iter_mut().enumerate() {
            *cell = looks[(idx / side / 3) * patches + idx % side / 3];
        }
    }
    for idx in 0..samples.len() {
        let at = usize::from(samples.row[idx]) * side + usize::from(samples.col[idx]);
        cells[(samples.image[idx] as usize, at)] = cell_of(idx);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_atlas_is_valid_and_reproducible() {
        let made = atlas(&SampleSpec {
            min_samples: 1,
            ..SampleSpec::default()
        });
        made.check().unwrap();
        assert_eq!(made.layers.len(), 2);
        assert_eq!(
            made,
            atlas(&SampleSpec {
                min_samples: 1,
                ..SampleSpec::default()
            })
        );
        assert_ne!(
            made,
            atlas(&SampleSpec {
                seed: 2,
                min_samples: 1,
                ..SampleSpec::default()
            })
        );
    }

    #[test]
    fn corners_of_the_spec_are_valid() {
        atlas(&SampleSpec {
            n_classes: 0,
            ..SampleSpec::default()
        })
        .check()
        .unwrap();
        atlas(&SampleSpec {
            n_samples: 1,
            n_images: 1,
            ..SampleSpec::default()
        })
        .check()
        .unwrap();
        atlas(&SampleSpec {
            n_classes: 200,
            keep_activations: true,
            ..SampleSpec::default()
        })
        .check()
        .unwrap();
    }

    #[test]
    fn cells_of_a_class_hill_stand_out() {
        let made = atlas(&SampleSpec::default());
        let level = made.layers[0].levels.last().unwrap();
        for class in 0..12 {
            let column = level.attributions.column(class);
            let spread = column
                .iter()
                .map(|v| v.to_f32())
                .fold((9.0_f32, -9.0_f32), |m, v| (m.0.min(v), m.1.max(v)));
            assert!(
                spread.1 - spread.0 > 0.3,
                "class {class} is flat: {spread:?}"
            );
        }
    }

    #[test]
    fn tiles_are_indexed_pictures_with_the_palette() {
        let made = atlas(&SampleSpec::default());
        let layer = &made.layers[0];
        let icons = &layer.levels[1].icons;
        let mut reader = png::Decoder::new(std::io::Cursor::new(&icons.tiles[0].png[..]))
            .read_info()
            .unwrap();
        let info = reader.info();
        assert_eq!((info.width, info.height), (64, 64));
        assert_eq!(info.color_type, png::ColorType::Indexed);
        assert_eq!(
            info.palette.as_deref().unwrap(),
            layer.palette.colours.as_flattened()
        );
        assert_eq!(info.trns.as_deref().unwrap(), [0]);
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels.iter().any(|&index| index > 0));
    }
}
