//! Tests of layout: what holds for any data, and how good neighbours and maps are.

use atlascope::atlas::{LayoutMetric, LayoutRecipe};
use atlascope::layout::{LayoutError, Points, Trained, layout, neighbours, quality, transform};
use atlascope::math::Rng;
use atlascope::progress::{Progress, Silent};
use ndarray::{Array2, ArrayView2, Axis, s};
use std::sync::atomic::{AtomicU64, Ordering};

/// Rectified low-dimensional clusters, like activations: n × depth.
fn clusters(n: usize, depth: usize, seed: u64) -> Array2<f32> {
    let mut rng = Rng::new(seed);
    let latent = 12;
    let centres = Array2::from_shape_fn((20, latent), |_| 1.5 * rng.normal());
    let mixing = Array2::from_shape_fn((latent, depth), |_| rng.normal());
    let mut points = Array2::zeros((n, latent));
    for mut point in points.rows_mut() {
        let centre = centres.row(rng.below(20));
        point.zip_mut_with(&centre, |p, &c| *p = c + rng.normal());
    }
    points.dot(&mixing).mapv(|v: f32| v.max(0.0))
}

fn recipe(n_neighbors: u32, n_epochs: u32) -> LayoutRecipe {
    LayoutRecipe {
        n_neighbors,
        n_epochs,
        ..LayoutRecipe::default()
    }
}

fn on_threads<T: Send>(n: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build()
        .unwrap();
    pool.install(work)
}

#[test]
fn same_seed_same_map_on_any_number_of_threads() {
    let activations = clusters(1500, 24, 1);
    let run = |seed| layout(&activations.view(), &recipe(15, 60), seed, &Silent).unwrap();
    let one = on_threads(1, || run(7));
    assert_eq!(one, on_threads(3, || run(7)));
    assert_ne!(one, run(8));
}

#[test]
fn descent_of_neighbours_is_reproducible_and_right() {
    let activations = clusters(6000, 48, 2);
    for metric in [LayoutMetric::Cosine, LayoutMetric::Euclidean] {
        let points = Points::new(&activations.view(), metric).unwrap();
        let run = || neighbours::find_by_descent(&points, 16, 5, &Silent).unwrap();
        let found = on_threads(1, run);
        assert_eq!(found, on_threads(3, run));
        let truth = neighbours::find_exact(&points, 16, &Silent).unwrap();
        let hits: usize = (0..found.len())
            .map(|v| {
                found
                    .of(v)
                    .0
                    .iter()
                    .filter(|j| truth.of(v).0.contains(j))
                    .count()
            })
            .sum();
        let recall = hits as f64 / found.index.len() as f64;
        assert!(recall > 0.97, "{metric:?}: {recall}");
    }
}

#[test]
fn exact_neighbours_are_those_of_a_double_loop() {
    let mut activations = clusters(900, 10, 3);
    activations.row_mut(5).fill(0.0);
    activations.row_mut(6).fill(0.0);
    let points = Points::new(&activations.view(), LayoutMetric::Cosine).unwrap();
    let found = neighbours::find_exact(&points, 9, &Silent).unwrap();
    assert_eq!((found.k, found.len()), (8, 900));
    let wide = activations.mapv(f64::from);
    let norm: Vec<f64> = wide.rows().into_iter().map(|r| r.dot(&r).sqrt()).collect();
    for v in (0..900).step_by(37).chain([5, 6]) {
        let mut truth: Vec<f64> = (0..900)
            .filter(|&j| j != v)
            .map(|j| match (norm[v] == 0.0, norm[j] == 0.0) {
                (true, true) => 0.0,
                (false, false) => 1.0 - wide.row(v).dot(&wide.row(j)) / (norm[v] * norm[j]),
                _ => 1.0,
            })
            .collect();
        truth.sort_by(f64::total_cmp);
        let (index, distance) = found.of(v);
        assert!(!index.contains(&(v as u32)));
        for (d, t) in distance.iter().zip(&truth) {
            assert!(
                (f64::from(*d) - t).abs() < 1e-5,
                "{v}: {distance:?} {truth:?}"
            );
        }
    }
}

#[test]
fn maps_keep_neighbourhoods() {
    let activations = clusters(2000, 64, 4);
    for (metric, n_neighbors) in [(LayoutMetric::Cosine, 15), (LayoutMetric::Euclidean, 50)] {
        let recipe = LayoutRecipe {
            metric,
            ..recipe(n_neighbors, 200)
        };
        let map = layout(&activations.view(), &recipe, 1, &Silent).unwrap();
        assert!(map.position.iter().all(|p| (0.0..=1.0).contains(p)));
        let raw = map.raw.view();
        let found = quality(&activations.view(), &raw, metric, 15, 500, 1);
        assert!(found.trustworthiness > 0.95, "{metric:?}: {found:?}");
        assert!(found.neighbour_recall > 0.3, "{metric:?}: {found:?}");
    }
}

#[test]
fn any_number_of_points() {
    for n in [0, 1, 2, 3, 4, 5, 9, 20] {
        for activations in [
            clusters(n, 6, 5),
            Array2::zeros((n, 6)),
            Array2::ones((n, 6)),
        ] {
            let map = layout(&activations.view(), &recipe(50, 20), 1, &Silent).unwrap();
            assert_eq!(map.position.dim(), (n, 2));
            assert!(map.position.iter().all(|p| (0.0..=1.0).contains(p)), "{n}");
        }
    }
    let no_channels = Array2::<f32>::zeros((7, 0));
    let map = layout(&no_channels.view(), &recipe(3, 20), 1, &Silent).unwrap();
    assert_eq!(map.position.nrows(), 7);
}

#[test]
fn many_duplicates_and_separate_clusters() {
    let mut activations = clusters(600, 8, 6);
    for row in 0..300 {
        activations.row_mut(row).fill(1.0);
    }
    // Two groups that share no channel: the graph falls into parts.
    let apart = ndarray::concatenate(
        Axis(1),
        &[activations.view(), Array2::zeros((600, 8)).view()],
    )
    .unwrap();
    let mut swapped = apart.clone();
    swapped.invert_axis(Axis(1));
    let both = ndarray::concatenate(Axis(0), &[apart.view(), swapped.view()]).unwrap();
    let map = layout(&both.view(), &recipe(10, 50), 1, &Silent).unwrap();
    assert!(map.position.iter().all(|p| (0.0..=1.0).contains(p)));
    let found = quality(
        &both.view(),
        &map.raw.view(),
        LayoutMetric::Cosine,
        10,
        300,
        1,
    );
    assert!(found.trustworthiness > 0.8, "{found:?}");
}

#[test]
fn values_that_are_not_finite_are_named() {
    let mut activations = clusters(50, 6, 7);
    activations[(31, 4)] = f32::NAN;
    let error = layout(&activations.view(), &recipe(5, 5), 1, &Silent).unwrap_err();
    let (row, channel) = (31, 4);
    assert_eq!(error, LayoutError::NotFinite { row, channel });
    assert!(error.to_string().contains("31"));
}

/// Cancels after so many steps, and counts them.
struct Stop {
    after: u64,
    done: AtomicU64,
}

impl Progress for Stop {
    fn begin(&self, _name: &str, _total: u64, _unit: &str) {}
    fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }
    fn note(&self, _text: &str) {}
    fn cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.after
    }
}

#[test]
fn it_stops_when_asked() {
    let activations = clusters(400, 6, 8);
    for after in [0, 200, 410] {
        let stop = Stop {
            after,
            done: AtomicU64::new(0),
        };
        let error = layout(&activations.view(), &recipe(5, 500), 1, &stop).unwrap_err();
        assert!(matches!(error, LayoutError::Interrupted(_)));
        assert!(stop.done.into_inner() < after + 400);
    }
}

/// The `k` nearest rows of `among` to `point`, by plain comparison.
fn nearest(point: &[f32], among: &ArrayView2<'_, f32>, k: usize) -> Vec<usize> {
    let far = |row: usize| -> f32 {
        let row = among.row(row);
        row.iter().zip(point).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let mut order: Vec<usize> = (0..among.nrows()).collect();
    order.sort_by(|&a, &b| far(a).total_cmp(&far(b)));
    order.truncate(k);
    order
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}

/// Activations of a generated world, laid out without the last rows, which are then placed.
struct HeldOut {
    activations: Array2<f32>,
    n_train: usize,
    recipe: LayoutRecipe,
    train: atlascope::layout::Layout,
    placed: atlascope::layout::Layout,
}

impl HeldOut {
    fn new() -> Self {
        let (activations, n_train) = (clusters(2200, 40, 11), 2000);
        let recipe = recipe(15, 200);
        let known = activations.slice(s![..n_train, ..]);
        let train = layout(&known, &recipe, 1, &Silent).unwrap();
        let trained = Trained {
            activations: known,
            raw: train.raw.view(),
        };
        let new = activations.slice(s![n_train.., ..]);
        let placed = transform(&trained, &new, &recipe, 1, &Silent).unwrap();
        Self {
            activations,
            n_train,
            recipe,
            train,
            placed,
        }
    }
}

/// A held-out point belongs where the training points lie that a layout of all points puts next to it.
#[test]
fn new_points_go_where_a_joint_layout_has_their_neighbours() {
    let held = HeldOut::new();
    let joint = layout(&held.activations.view(), &held.recipe, 1, &Silent).unwrap();
    let known = joint.raw.slice(s![..held.n_train, ..]);
    let map = held.train.position.view();
    let centre = |joint_place: &[f32]| {
        let near = nearest(joint_place, &known, 15);
        let along = |axis| median(near.iter().map(|&i| map[(i, axis)]).collect());
        [along(0), along(1)]
    };
    let placed = &held.placed.position;
    let errors: Vec<f32> = (0..placed.nrows())
        .map(|i| {
            let joint_place = joint.raw.row(held.n_train + i).to_vec();
            distance(&placed.row(i).to_vec(), &centre(&joint_place))
        })
        .collect();
    let chance: Vec<f32> = (0..placed.nrows())
        .map(|i| distance(&placed.row(i).to_vec(), &map.row(7 * i).to_vec()))
        .collect();
    let near = errors.iter().filter(|&&e| e < 0.1).count() as f32 / errors.len() as f32;
    let (error, chance) = (median(errors), median(chance));
    assert!(
        error < 0.03 && near > 0.9,
        "median {error}, near {near}, by chance {chance}"
    );
    assert!(chance > 0.2, "{chance}");
}

#[test]
fn new_points_lie_among_their_true_neighbours() {
    let held = HeldOut::new();
    let known = held.activations.slice(s![..held.n_train, ..]);
    let unit = |v: ndarray::ArrayView1<'_, f32>| (&v / v.dot(&v).sqrt()).to_vec();
    let rows: Vec<f32> = known.rows().into_iter().flat_map(unit).collect();
    let known = Array2::from_shape_vec(known.dim(), rows).unwrap();
    let recall = |n: usize, place: &dyn Fn(usize) -> Vec<f32>, row: &dyn Fn(usize) -> usize| {
        let hits: usize = (0..n)
            .map(|i| {
                let point = unit(held.activations.row(row(i)));
                let truth = nearest(&point, &known.view(), 30);
                let on_map = nearest(&place(i), &held.train.raw.view(), 30);
                on_map.iter().filter(|j| truth.contains(j)).count()
            })
            .sum();
        hits as f32 / (30 * n) as f32
    };
    let new = recall(200, &|i| held.placed.raw.row(i).to_vec(), &|i| {
        held.n_train + i
    });
    let known = recall(200, &|i| held.train.raw.row(i).to_vec(), &|i| i);
    assert!(new > 0.8 * known && new > 0.25, "new {new}, known {known}");
}

#[test]
fn a_point_is_placed_alike_in_any_batch_and_on_any_number_of_threads() {
    let held = HeldOut::new();
    let trained = Trained {
        activations: held.activations.slice(s![..held.n_train, ..]),
        raw: held.train.raw.view(),
    };
    let place =
        |rows: ArrayView2<'_, f32>| transform(&trained, &rows, &held.recipe, 1, &Silent).unwrap();
    let all = held.activations.slice(s![held.n_train.., ..]);
    assert_eq!(on_threads(1, || place(all)), held.placed);
    assert_eq!(on_threads(3, || place(all)), held.placed);
    let some = place(all.slice(s![70..120, ..]));
    assert_eq!(some.raw, held.placed.raw.slice(s![70..120, ..]));
    let none = place(all.slice(s![..0, ..]));
    assert_eq!(none.position.dim(), (0, 2));
}

#[test]
fn known_points_stay_near_their_places() {
    let held = HeldOut::new();
    let known = held.activations.slice(s![..held.n_train, ..]);
    let trained = Trained {
        activations: known,
        raw: held.train.raw.view(),
    };
    let again = transform(&trained, &known, &held.recipe, 1, &Silent).unwrap();
    let moved: Vec<f32> = (0..held.n_train)
        .map(|i| {
            let (a, b) = (again.position.row(i), held.train.position.row(i));
            distance(&a.to_vec(), &b.to_vec())
        })
        .collect();
    let moved = median(moved);
    assert!(moved < 0.02, "{moved}");
}

/// The same map and the same new points as umap-learn had (`fixtures/reference/make_umap_transform.py`).
#[test]
fn new_points_go_where_umap_learn_puts_them() {
    let read = |name: &str| {
        let path = format!("{}/fixtures/reference/{name}", env!("CARGO_MANIFEST_DIR"));
        let file = npyz::NpyFile::new(std::fs::File::open(path).unwrap()).unwrap();
        let (n, width) = (file.shape()[0] as usize, file.shape()[1] as usize);
        Array2::from_shape_vec((n, width), file.into_vec::<f32>().unwrap()).unwrap()
    };
    let (train, new) = (read("umap_train.npy"), read("umap_new.npy"));
    let trained = Trained {
        activations: train.slice(s![.., ..12]),
        raw: train.slice(s![.., 12..]),
    };
    let recipe = LayoutRecipe {
        min_dist: 0.1,
        ..recipe(15, 0)
    };
    let placed = transform(&trained, &new.slice(s![.., ..12]), &recipe, 3, &Silent).unwrap();
    let extent = trained.raw.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let off: Vec<f32> = (0..new.nrows())
        .map(|i| {
            distance(
                &placed.raw.row(i).to_vec(),
                &new.slice(s![i, 12..]).to_vec(),
            )
        })
        .collect();
    let near = off.iter().filter(|&&d| d < 0.1 * extent).count() as f32 / off.len() as f32;
    let off = median(off);
    assert!(
        near > 0.9 && off < 0.03 * extent,
        "{off} of {extent}, near {near}"
    );
}

#[test]
fn what_cannot_be_placed_is_said() {
    let known = clusters(60, 6, 3);
    let recipe = recipe(10, 20);
    let map = layout(&known.view(), &recipe, 1, &Silent).unwrap();
    let place = |activations: ArrayView2<'_, f32>, raw: ArrayView2<'_, f32>, new: &Array2<f32>| {
        let trained = Trained { activations, raw };
        transform(&trained, &new.view(), &recipe, 1, &Silent)
    };
    let (all, raw) = (known.view(), map.raw.view());
    let error = place(all, raw, &clusters(5, 7, 1)).unwrap_err();
    let (expected, found) = (6, 7);
    assert_eq!(error, LayoutError::Depth { expected, found });
    let mut bad = clusters(5, 6, 1);
    bad[(3, 2)] = f32::INFINITY;
    let (row, channel) = (3, 2);
    let error = place(all, raw, &bad).unwrap_err();
    assert_eq!(error, LayoutError::NotFinite { row, channel });
    let new = clusters(5, 6, 1);
    let none = place(all.slice(s![..0, ..]), raw.slice(s![..0, ..]), &new);
    assert_eq!(none.unwrap_err(), LayoutError::Untrained);
    let short = place(all, raw.slice(s![..59, ..]), &new);
    assert_eq!(short.unwrap_err(), LayoutError::Untrained);
    let lost = Array2::from_elem(raw.dim(), f32::NAN);
    assert!(place(all, lost.view(), &new).is_err());
    // One training point: everything goes there.
    let one = place(all.slice(s![..1, ..]), raw.slice(s![..1, ..]), &new).unwrap();
    assert!(one.position.iter().all(|v| (0.0..=1.0).contains(v)));
}
