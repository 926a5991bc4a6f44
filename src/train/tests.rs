use super::*;
use crate::network::ops::{AvgPool, Conv, Linear, Lrn, MaxPool};
use crate::network::{Channels, Op, Resize};
use crate::progress::Silent;
use candle_core::Var;

/// Squares of two colours on noise, three classes.
struct Toy {
    pixels: Vec<u8>,
}

const SIDE: usize = 12;

impl Toy {
    fn new(n: usize) -> Self {
        let mut stream = Stream::new(9);
        let mut pixels = Vec::with_capacity(3 * SIDE * SIDE * n);
        for index in 0..n {
            for pixel in 0..SIDE * SIDE {
                let inside = (3..9).contains(&(pixel % SIDE)) && (3..9).contains(&(pixel / SIDE));
                for channel in 0..3 {
                    let lit = inside && channel == index % 3;
                    let base = if lit { 150.0 } else { 60.0 };
                    pixels.push((base + 60.0 * stream.unit()) as u8);
                }
            }
        }
        Self { pixels }
    }
}

impl Dataset for Toy {
    fn len(&self) -> usize {
        self.pixels.len() / (3 * SIDE * SIDE)
    }
    fn side(&self) -> usize {
        SIDE
    }
    fn pixels(&self, index: usize) -> &[u8] {
        let size = 3 * SIDE * SIDE;
        &self.pixels[index * size..(index + 1) * size]
    }
    fn label(&self, index: usize) -> usize {
        index % 3
    }
}

fn spec() -> InputSpec {
    InputSpec {
        size: SIDE,
        resize: Resize::Warp,
        filter: crate::atlas::Filter::Bilinear,
        channels: Channels::Rgb,
        mean: [110.0; 3],
        scale: [50.0; 3],
    }
}

fn random(stream: &mut Stream, shape: &[usize], scale: f32) -> Tensor {
    let n = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| scale * stream.bell()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn conv(stream: &mut Stream, out: usize, depth: usize, kernel: usize, stride: usize) -> Op {
    Op::Conv(Conv {
        weight: random(stream, &[out, depth, kernel, kernel], 0.4),
        bias: random(stream, &[out], 0.2),
        stride: [stride; 2],
        pads: [kernel / 2; 4],
        groups: 1,
        dilation: [1; 2],
    })
}

/// Every operator that can be trained, with a branch.
fn tiny(seed: u64) -> (Graph, NodeId) {
    let mut stream = Stream::new(seed);
    let (mut graph, input) = Graph::with_input();
    let stem = conv(&mut stream, 4, 3, 3, 2);
    let stem = graph.push("stem_pre_relu", stem, &[input]).unwrap();
    let stem = graph.push("stem", Op::Relu, &[stem]).unwrap();
    let lrn = Op::Lrn(Lrn {
        size: 3,
        alpha: 0.1,
        beta: 0.75,
        k: 1.0,
    });
    let stem = graph.push("lrn", lrn, &[stem]).unwrap();
    let max = Op::MaxPool(MaxPool {
        kernel: [3; 2],
        stride: [1; 2],
        pads: [1; 4],
        ceil: false,
    });
    let left = graph.push("max", max, &[stem]).unwrap();
    let mean = Op::AvgPool(AvgPool {
        kernel: [3; 2],
        stride: [1; 2],
        pads: [1; 4],
        count_include_pad: false,
        ceil: false,
    });
    let right = graph.push("mean", mean, &[stem]).unwrap();
    let left = graph
        .push("left", conv(&mut stream, 4, 4, 1, 1), &[left])
        .unwrap();
    let joined = graph.push("joined", Op::Concat, &[left, right]).unwrap();
    let joined = graph.push("joined_relu", Op::Relu, &[joined]).unwrap();
    let last = graph.push("pool", Op::GlobalAvgPool, &[joined]).unwrap();
    let linear = Op::Linear(Linear {
        weight: random(&mut stream, &[3, 8], 0.5),
        bias: random(&mut stream, &[3], 0.1),
    });
    let logits = graph.push("logits", linear, &[last]).unwrap();
    (graph, logits)
}

fn loss_of(model: &Model<'_>, images: &Tensor, labels: &[u32]) -> Tensor {
    smoothed_cross_entropy(&model.logits(images).unwrap(), labels, 0.1).unwrap()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (graph, logits) = tiny(4);
    let model = Model::new(&graph, logits).unwrap();
    let mut stream = Stream::new(8);
    let images = random(&mut stream, &[5, 3, 9, 8], 1.0);
    let labels = [0, 1, 2, 1, 0];
    let gradients = loss_of(&model, &images, &labels).backward().unwrap();
    // Sums over all entries of a variable along a random direction: a few kinks do not matter there.
    for (index, var) in model.variables().iter().enumerate() {
        let direction = random(&mut stream, var.dims(), 1.0);
        let analytic = gradients.get(var).unwrap().mul(&direction).unwrap();
        let analytic = analytic.sum_all().unwrap().to_scalar::<f32>().unwrap();
        let start = var.as_detached_tensor().copy().unwrap();
        let at = |step: f64| {
            var.set(&(&start + (&direction * step).unwrap()).unwrap())
                .unwrap();
            let loss = loss_of(&model, &images, &labels)
                .to_scalar::<f32>()
                .unwrap();
            var.set(&start).unwrap();
            f64::from(loss)
        };
        let step = 2e-3;
        let numeric = (at(step) - at(-step)) / (2.0 * step);
        let error = (numeric - f64::from(analytic)).abs();
        assert!(
            error < 2e-3 + 0.02 * numeric.abs(),
            "variable {index}: {analytic} for {numeric}"
        );
    }
}

#[test]
fn the_convolution_agrees_with_candle_both_ways() {
    let mut stream = Stream::new(2);
    for (kernel, stride, pad, map) in [
        (1, 1, 0, 4),
        (3, 1, 1, 5),
        (5, 2, 2, 9),
        (3, 2, 0, 8),
        (5, 1, 2, 3),
    ] {
        let x = Var::from_tensor(&random(&mut stream, &[3, 4, map, map], 1.0)).unwrap();
        let w = Var::from_tensor(&random(&mut stream, &[6, 4, kernel, kernel], 1.0)).unwrap();
        let b = Var::from_tensor(&random(&mut stream, &[6], 1.0)).unwrap();
        let op = conv::Conv2d {
            stride: [stride; 2],
            pads: [pad; 4],
            image_gradient: true,
        };
        let ours = x.apply_op3(&w, &b, op).unwrap();
        let bias = b.reshape((1, 6, 1, 1)).unwrap();
        let theirs = x
            .conv2d(&w, pad, stride, 1, 1)
            .unwrap()
            .broadcast_add(&bias)
            .unwrap();
        let weights = random(&mut stream, ours.dims(), 1.0);
        let grads = |y: &Tensor| {
            y.mul(&weights)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap()
        };
        let (a, b_) = (grads(&ours), grads(&theirs));
        let close = |a: &Tensor, b: &Tensor| {
            let gap = (a - b).unwrap().abs().unwrap().max_all().unwrap();
            assert!(
                gap.to_scalar::<f32>().unwrap() < 1e-3,
                "kernel {kernel}, stride {stride}"
            );
        };
        close(&ours, &theirs);
        for var in [&x, &w, &b] {
            close(a.get(var).unwrap(), b_.get(var).unwrap());
        }
    }
}

#[test]
fn equalised_convolutions_have_mean_0_and_variance_1() {
    let (graph, logits) = tiny(6);
    let model = Model::new(&graph, logits).unwrap();
    let toy = Toy::new(24);
    let augment = Augment::new(&spec(), 0, 0.0);
    let all: Vec<usize> = (0..24).collect();
    let (images, _) = batch(&toy, &all, &augment, None).unwrap();
    model.equalise(&images).unwrap();
    let weights = model.weights();
    let op = conv::Conv2d {
        stride: [2; 2],
        pads: [1; 4],
        image_gradient: false,
    };
    let (w, b) = (
        &weights["stem_pre_relu.weight"],
        &weights["stem_pre_relu.bias"],
    );
    let y = images.apply_op3(w, b, op).unwrap();
    for channel in 0..4 {
        let values = y.narrow(1, channel, 1).unwrap().flatten_all().unwrap();
        let mean = values.mean_all().unwrap().to_scalar::<f32>().unwrap();
        let variance = values
            .sqr()
            .unwrap()
            .mean_all()
            .unwrap()
            .to_scalar::<f32>()
            .unwrap();
        assert!(
            mean.abs() < 1e-3 && (variance - 1.0).abs() < 2e-3,
            "{mean} {variance}"
        );
    }
}

fn run(seed: u64) -> Trained {
    let (graph, logits) = tiny(1);
    let (training, held_out, input) = (Toy::new(48), Toy::new(30), spec());
    let task = Task {
        graph: &graph,
        logits,
        input: &input,
        training: &training,
        held_out: &held_out,
        trunk: None,
    };
    let recipe = TrainRecipe {
        epochs: 12,
        batch: 8,
        learning_rate: 0.02,
        warmup: 5,
        shift: 1,
        seed,
        ..TrainRecipe::default()
    };
    fit(&task, &recipe, &Silent, &mut |_, _, _| Ok(())).unwrap()
}

#[test]
fn loss_falls_and_the_task_is_learned() {
    let trained = run(1);
    let (first, last) = (trained.history[0], trained.history[11]);
    assert!(last.loss < 0.6 * first.loss, "{first:?} {last:?}");
    assert!(
        trained.held_out_accuracy > 0.95,
        "{}",
        trained.held_out_accuracy
    );
}

#[test]
fn a_seed_means_the_same_weights() {
    let flat = |trained: &Trained| {
        trained.weights["stem_pre_relu.weight"]
            .flatten_all()
            .unwrap()
            .to_vec1::<f32>()
            .unwrap()
    };
    assert_eq!(flat(&run(3)), flat(&run(3)));
    assert_ne!(flat(&run(3)), flat(&run(4)));
}

#[test]
fn cancellation_and_empty_data_are_errors() {
    struct Stop;
    impl Progress for Stop {
        fn begin(&self, _name: &str, _total: u64, _unit: &str) {}
        fn advance(&self, _n: u64) {}
        fn note(&self, _text: &str) {}
        fn cancelled(&self) -> bool {
            true
        }
    }
    let (graph, logits) = tiny(1);
    let (training, empty, input) = (Toy::new(8), Toy::new(0), spec());
    let mut task = Task {
        graph: &graph,
        logits,
        input: &input,
        training: &training,
        held_out: &empty,
        trunk: None,
    };
    let recipe = TrainRecipe::default();
    let stopped = fit(&task, &recipe, &Stop, &mut |_, _, _| Ok(()));
    assert!(matches!(stopped, Err(TrainError::Interrupted(_))));
    task.training = &empty;
    let nothing = fit(&task, &recipe, &Silent, &mut |_, _, _| Ok(()));
    assert!(matches!(nothing, Err(TrainError::Empty)));
}
