//! Tests of layout: what holds for any data, and how good neighbours and maps are.

use atlascope::atlas::{LayoutMetric, LayoutRecipe};
use atlascope::layout::{LayoutError, Points, layout, neighbours, quality};
use atlascope::math::Rng;
use atlascope::progress::{Progress, Silent};
use ndarray::{Array2, Axis};
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
