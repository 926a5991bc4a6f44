//! Icons, drawn for a toy in the network's place: what must hold whatever the network is.

use atlascope::atlas::{IconRecipe, ObjectiveForm, Precision, TransformForm};
use atlascope::featurevis::transform::{Draw, Resampling};
use atlascope::featurevis::{
    Error, Icon, Job, NetworkTap, Renderer, Tap, check_size, look, total_steps,
};
use atlascope::math::rng::Rng;
use atlascope::network::ops::Conv;
use atlascope::network::{
    Channels, Graph, InputSpec, Network, NetworkError, Op, Resize, inception_v1,
};
use atlascope::progress::{Progress, Silent};
use candle_core::{Device, Tensor};
use ndarray::Array2;
use std::sync::atomic::{AtomicU64, Ordering};

/// Per block of 8 × 8 pixels six channels: how far blue, green, red (in this order) lie above grey, and below it.
/// A linear network with blue first, in units of -2..2.
struct Toy {
    /// Batches whose answer is NaN, counted from the first.
    broken: std::ops::Range<u64>,
    calls: AtomicU64,
}

const BLOCK: usize = 8;
const DEPTH: usize = 6;

impl Toy {
    fn new() -> Self {
        Self::broken(0..0)
    }

    fn broken(broken: std::ops::Range<u64>) -> Self {
        Self {
            broken,
            calls: AtomicU64::new(0),
        }
    }

    fn channels(images: &Tensor) -> candle_core::Result<Tensor> {
        let means = images.avg_pool2d(BLOCK)?;
        Tensor::cat(&[&means, &means.neg()?], 1)
    }
}

impl Tap for Toy {
    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn unit_affine(&self) -> [(usize, f32, f32); 3] {
        [(2, 4.0, -2.0), (1, 4.0, -2.0), (0, 4.0, -2.0)]
    }

    fn activation(&self, images: &Tensor) -> Result<Tensor, NetworkError> {
        Ok(Self::channels(images)?)
    }

    fn vjp(
        &self,
        images: &Tensor,
        _: Precision,
        cotangent: &mut dyn FnMut(&Tensor) -> Result<Tensor, NetworkError>,
    ) -> Result<Tensor, NetworkError> {
        let activation = Self::channels(images)?;
        let cotangent = cotangent(&activation)?;
        assert_eq!(cotangent.dims(), activation.dims());
        let blocks = (cotangent.narrow(1, 0, 3)? - cotangent.narrow(1, 3, 3)?)?;
        let (batch, _, height, width) = images.dims4()?;
        let (rows, cols) = (height / BLOCK, width / BLOCK);
        let spread = blocks.upsample_nearest2d(rows * BLOCK, cols * BLOCK)?;
        let spread = (spread / (BLOCK * BLOCK) as f64)?;
        let spread = spread
            .pad_with_zeros(2, 0, height - rows * BLOCK)?
            .pad_with_zeros(3, 0, width - cols * BLOCK)?;
        assert_eq!(spread.dims(), [batch, 3, height, width]);
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.broken.contains(&call) {
            return Ok((spread * f64::NAN)?);
        }
        Ok(spread)
    }
}

fn recipe() -> IconRecipe {
    IconRecipe {
        size: 40,
        steps: 12,
        ..IconRecipe::default()
    }
}

/// Red, and neither green nor blue.
const RED: [f32; DEPTH] = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0];

fn jobs(n: u64) -> Vec<Job> {
    (0..n)
        .map(|key| Job {
            key,
            direction: (0..DEPTH as u64)
                .map(|c| ((key * 7 + c * 3) % 5) as f32)
                .collect(),
        })
        .collect()
}

fn red() -> Vec<Job> {
    vec![Job {
        key: 0,
        direction: RED.to_vec(),
    }]
}

fn draw(toy: &Toy, jobs: &[Job], recipe: &IconRecipe, seed: u64) -> Vec<Icon> {
    let mut icons = vec![None; jobs.len()];
    Renderer::new(toy, None, recipe, seed)
        .render(jobs, &Silent, &mut |idx, icon| icons[idx] = Some(icon))
        .unwrap();
    icons.into_iter().map(Option::unwrap).collect()
}

#[test]
fn ascent_raises_every_objective_under_every_transform() {
    for objective in [ObjectiveForm::Article, ObjectiveForm::Lucid] {
        for transforms in [TransformForm::Recipe, TransformForm::Notebook] {
            let score = |steps| {
                let recipe = IconRecipe {
                    objective,
                    transforms,
                    steps,
                    ..recipe()
                };
                draw(&Toy::new(), &red(), &recipe, 1)[0].score
            };
            let scores = [0, 3, 12].map(score);
            assert!(
                scores.is_sorted(),
                "{objective:?} {transforms:?}: {scores:?}"
            );
            assert!(scores[2] > 2.0 * scores[0].abs(), "{scores:?}");
        }
    }
}

#[test]
fn wanting_red_draws_red_although_the_network_reads_blue_first() {
    let icons = draw(
        &Toy::new(),
        &red(),
        &IconRecipe {
            steps: 64,
            ..recipe()
        },
        0,
    );
    let size = icons[0].size();
    let middle = (size / 2 * size + size / 2) * 3;
    let [r, g, b] = icons[0].rgb[middle..middle + 3] else {
        unreachable!("three values")
    };
    assert!(r > 160 && g < 110 && b < 110, "{r} {g} {b}");
}

#[test]
fn an_icon_depends_on_seed_and_key_but_not_on_its_company() {
    let all = draw(&Toy::new(), &jobs(20), &recipe(), 5);
    assert_eq!(all, draw(&Toy::new(), &jobs(20), &recipe(), 5));
    let resumed = draw(&Toy::new(), &jobs(20)[13..], &recipe(), 5);
    assert_eq!(all[13..], resumed);
    let other_seed = draw(&Toy::new(), &jobs(20), &recipe(), 6);
    assert!(all.iter().zip(&other_seed).all(|(a, b)| a.rgb != b.rgb));
    let twice = [
        red(),
        vec![Job {
            key: 1,
            ..red()[0].clone()
        }],
    ]
    .concat();
    let twins = draw(&Toy::new(), &twice, &recipe(), 5);
    assert_ne!(twins[0].rgb, twins[1].rgb, "another key, another start");
}

#[test]
fn more_attempts_never_score_lower() {
    let with = |attempts| {
        draw(
            &Toy::new(),
            &jobs(6),
            &IconRecipe {
                attempts,
                ..recipe()
            },
            2,
        )
    };
    let (one, four) = (with(1), with(4));
    assert!(one.iter().zip(&four).all(|(a, b)| b.score >= a.score));
    assert!(one.iter().zip(&four).any(|(a, b)| b.score > a.score));
}

#[test]
fn whitening_changes_the_icon_and_only_when_the_recipe_says_so() {
    let mut inverse = Array2::eye(DEPTH);
    // turns the wish for red round
    inverse[[2, 2]] = -1.0;
    let with = |whiten| {
        let mut drawn = None;
        Renderer::new(
            &Toy::new(),
            Some(&inverse),
            &IconRecipe { whiten, ..recipe() },
            1,
        )
        .render(&red(), &Silent, &mut |_, icon| drawn = Some(icon))
        .unwrap();
        drawn.unwrap()
    };
    let (plain, white) = (with(false), with(true));
    assert_eq!(plain, draw(&Toy::new(), &red(), &recipe(), 1)[0]);
    let (plain, white) = (look(&[&plain]), look(&[&white]));
    assert!(plain.mean[0] > white.mean[0] + 0.02, "{plain:?} {white:?}");
}

#[test]
fn the_boundary_penalty_calms_the_rim() {
    let rim = |boundary_penalty| {
        let recipe = IconRecipe {
            boundary_penalty,
            steps: 32,
            ..recipe()
        };
        let icons = draw(&Toy::new(), &red(), &recipe, 1);
        let size = icons[0].size();
        let rim: Vec<f32> = (0..size)
            .flat_map(|k| icons[0].rgb[3 * k..3 * k + 3].to_vec())
            .map(|v| (f32::from(v) - 127.5).abs())
            .collect();
        rim.iter().sum::<f32>() / rim.len() as f32
    };
    assert!(rim(1.0) < 0.7 * rim(0.0), "{} {}", rim(1.0), rim(0.0));
}

#[test]
fn nan_starts_the_icon_again_and_is_never_delivered() {
    let steps = u64::from(recipe().steps);
    // the first try breaks down half way
    let toy = Toy::broken(steps / 2..steps / 2 + 1);
    let icons = draw(&toy, &red(), &recipe(), 1);
    assert!(icons[0].score.is_finite());
    assert_eq!(toy.calls.load(Ordering::Relaxed), 2 * steps);
    // a network that never answers
    let mut delivered = 0;
    let notes = Listener::default();
    Renderer::new(&Toy::broken(0..u64::MAX), None, &recipe(), 1)
        .render(&red(), &notes, &mut |_, _| delivered += 1)
        .unwrap();
    assert_eq!(delivered, 0);
    assert_eq!(notes.notes.load(Ordering::Relaxed), 1);
}

/// Counts what it hears and cancels after a number of steps.
#[derive(Default)]
struct Listener {
    steps: AtomicU64,
    notes: AtomicU64,
    stop_after: Option<u64>,
}

impl Progress for Listener {
    fn begin(&self, _name: &str, _total: u64, _unit: &str) {}
    fn advance(&self, n: u64) {
        self.steps.fetch_add(n, Ordering::Relaxed);
    }
    fn note(&self, _text: &str) {
        self.notes.fetch_add(1, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.stop_after
            .is_some_and(|n| self.steps.load(Ordering::Relaxed) >= n)
    }
}

#[test]
fn every_icon_step_is_reported_and_cancelling_stops_between_steps() {
    let recipe = IconRecipe {
        attempts: 2,
        ..recipe()
    };
    let listener = Listener::default();
    let mut delivered = Vec::new();
    let toy = Toy::new();
    let renderer = Renderer::new(&toy, None, &recipe, 0);
    renderer
        .render(&jobs(20), &listener, &mut |idx, _| delivered.push(idx))
        .unwrap();
    assert_eq!(delivered, (0..20).collect::<Vec<_>>());
    assert_eq!(
        listener.steps.load(Ordering::Relaxed),
        total_steps(20, &recipe)
    );

    // in the second batch: the first one's icons have been delivered, the others have not
    let listener = Listener {
        stop_after: Some(16 * 2 * 12 + 4),
        ..Listener::default()
    };
    delivered.clear();
    let stopped = renderer.render(&jobs(20), &listener, &mut |idx, _| delivered.push(idx));
    assert!(matches!(stopped, Err(Error::Interrupted(_))));
    assert_eq!(delivered.len(), 16);
    assert_eq!(listener.steps.load(Ordering::Relaxed), 16 * 2 * 12 + 4);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let short = [Job {
        key: 0,
        direction: vec![1.0; 5],
    }];
    let toy = Toy::new();
    let error = |whitening| {
        Renderer::new(&toy, whitening, &recipe(), 0)
            .render(&short, &Silent, &mut |_, _| {})
            .unwrap_err()
    };
    assert!(matches!(
        error(None),
        Error::WrongDepth {
            index: 0,
            expected: 6,
            found: 5
        }
    ));
    let inverse = Array2::eye(6);
    assert!(matches!(
        error(Some(&inverse)),
        Error::WrongWhitening { expected: 5, .. }
    ));
}

#[test]
fn a_real_network_is_drawn_from() {
    let Some(data) = crate::support::data("an icon of InceptionV1") else {
        return;
    };
    let weights = std::fs::read(data.join("inception_v1/weights.safetensors")).unwrap();
    let network = inception_v1::load(&weights, &Device::Cpu).unwrap();
    let layer = network.layer("mixed3a").unwrap();
    let tap = NetworkTap {
        network: &network,
        node: layer.id,
    };
    // what the layer says to a white disc
    let disc = |at: usize| {
        f64::from(u8::from(
            (at / 64).abs_diff(32).pow(2) + (at % 64).abs_diff(32).pow(2) < 300,
        ))
    };
    let image: Vec<f32> = (0..3 * 64 * 64)
        .map(|at| (255.0 * disc(at % 4096) - 110.0) as f32)
        .collect();
    let image = Tensor::from_vec(image, (1, 3, 64, 64), &Device::Cpu).unwrap();
    let activation = tap.activation(&image).unwrap();
    let (_, _, rows, cols) = activation.dims4().unwrap();
    let centre = activation
        .narrow(2, rows / 2, 1)
        .unwrap()
        .narrow(3, cols / 2, 1)
        .unwrap();
    let direction = centre.flatten_all().unwrap().to_vec1().unwrap();
    let jobs = [Job { key: 0, direction }];
    let score = |steps| {
        let recipe = IconRecipe { steps, ..recipe() };
        let mut score = f32::NAN;
        Renderer::new(&tap, None, &recipe, 3)
            .render(&jobs, &Silent, &mut |_, icon| score = icon.score)
            .unwrap();
        score
    };
    let scores = [0, 4, 12].map(score);
    assert!(
        scores.is_sorted() && scores[2] > 4.0 * scores[0].abs(),
        "{scores:?}"
    );
}

/// A network whose one window of 9 × 9 pixels has no padding.
fn wide_eyed() -> Network {
    let (mut graph, input) = Graph::with_input();
    let zeros =
        |dims: &[usize]| Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu).unwrap();
    let conv = Conv {
        weight: zeros(&[2, 3, 9, 9]),
        bias: zeros(&[2]),
        stride: [1; 2],
        pads: [0; 4],
        groups: 1,
        dilation: [1; 2],
    };
    graph.push("wide", Op::Conv(conv), &[input]).unwrap();
    let input = InputSpec {
        size: 32,
        resize: Resize::Warp,
        filter: atlascope::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [0.0; 3],
        scale: [1.0; 3],
    };
    Network::new("wide", graph, input, Device::Cpu).unwrap()
}

/// The least size is the first of which no draw leaves fewer than nine pixels.
#[test]
fn icons_too_small_for_a_layer_are_told_the_least_size() {
    let network = wide_eyed();
    let layer = network.layer("wide").unwrap();
    for form in [TransformForm::Recipe, TransformForm::Notebook] {
        let fits = |size: usize| {
            let side = |seed| Resampling::new(&Draw::new(form, size, &mut Rng::new(seed)), size);
            size >= 9 && (0..600).all(|seed| side(seed).out_size >= 9)
        };
        let expected = (1..80).find(|&size| fits(size)).unwrap();
        let of = |size: usize| {
            let recipe = IconRecipe {
                size: size as u32,
                transforms: form,
                ..recipe()
            };
            check_size(&network, &layer, &recipe)
        };
        assert!(of(expected).is_ok(), "{form:?} {expected}");
        let text = of(expected - 1).unwrap_err().to_string();
        let least = format!("at least {expected} × {expected}");
        assert!(text.contains(&least) && text.contains("wide"), "{text}");
    }
}
