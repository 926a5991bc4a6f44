//! Networks of today's shapes: depthwise and grouped kernels, residuals, squeeze-and-excite, and operators that only
//! candle has, in the middle of everything.

use super::operators::{check, conv};
use super::{assert_close, engines, max_error, noise, reference};
use atlascope::atlas::{Class, Relaxation};
use atlascope::network::ops::{
    Affine, AvgPool, Binary, Conv, Linear, Pad, Part, Reduce, Reduction, Reshape, Slice, Softmax,
    Unary,
};
use atlascope::network::{Graph, NodeId, Op};
use proptest::prelude::*;

/// A grouped, dilated convolution.
fn grouped(dims: [usize; 4], groups: usize, dilation: usize, stride: usize, seed: u32) -> Op {
    let pad = dilation * (dims[2] / 2);
    Op::Conv(Conv {
        weight: noise(&dims, seed),
        bias: noise(&dims[..1], seed + 1),
        stride: [stride; 2],
        pads: [pad; 4],
        groups,
        dilation: [dilation; 2],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn grouped_and_dilated(
        groups in prop_oneof![Just(1usize), Just(2), Just(3), Just(8)],
        per_group in [1usize..20, 1..20],
        kernel in prop_oneof![Just(1usize), Just(3), Just(5)],
        dilation in 1usize..4,
        stride in 1usize..3,
        size in [9usize..20, 9..20],
        seed in 0u32..1000,
    ) {
        let [inputs, outputs] = per_group.map(|n| n * groups);
        let (mut graph, input) = Graph::with_input();
        let first = conv([inputs, 3, 1, 1], [1, 1], [0; 4], seed + 7);
        let x = graph.push("first", first, &[input]).unwrap();
        let dims = [outputs, per_group[0], kernel, kernel];
        let op = grouped(dims, groups, dilation, stride, seed);
        let tap = graph.push("op", op, &[x]).unwrap();
        check(&graph, tap, size, 2, seed);
    }

    #[test]
    fn depthwise(
        channels in 1usize..40,
        kernel in prop_oneof![Just(1usize), Just(3), Just(5), Just(4)],
        dilation in 1usize..3,
        stride in 1usize..4,
        size in [9usize..24, 9..24],
        seed in 0u32..1000,
    ) {
        let (mut graph, input) = Graph::with_input();
        let first = conv([channels, 3, 1, 1], [1, 1], [0; 4], seed + 7);
        let x = graph.push("first", first, &[input]).unwrap();
        let op = grouped([channels, 1, kernel, kernel], channels, dilation, stride, seed);
        let tap = graph.push("op", op, &[x]).unwrap();
        check(&graph, tap, size, 2, seed);
    }
}

#[test]
fn functions_of_one_number() {
    for (idx, unary) in [
        Unary::Clip { min: 0.0, max: 0.6 },
        Unary::Clip { min: 0.2, max: 0.9 },
        Unary::LeakyRelu(0.1),
        Unary::Elu(0.8),
        Unary::Sigmoid,
        Unary::HardSigmoid {
            alpha: 0.3,
            beta: 0.4,
        },
        Unary::HardSwish,
        Unary::Silu,
        Unary::Gelu,
        Unary::Tanh,
        Unary::Mish,
        Unary::Abs,
    ]
    .into_iter()
    .enumerate()
    {
        let (mut graph, input) = Graph::with_input();
        // 21 channels: some lanes of the second block are unused, and what stands there must not leak.
        let first = conv([21, 3, 3, 3], [1, 1], [1; 4], 3);
        let x = graph.push("first", first, &[input]).unwrap();
        let y = graph.push("f", Op::Unary(unary), &[x]).unwrap();
        check(&graph, y, [7, 9], 2, idx as u32);
        let mean = graph.push("mean", Op::GlobalAvgPool, &[y]).unwrap();
        check(&graph, mean, [7, 9], 2, idx as u32);
    }
}

/// An image through a stem of padding and a strided convolution, an inverted residual with a depthwise kernel and
/// squeeze-and-excite, a channel shuffle and a softmax gate that only candle knows, a grouped block, and a classifier.
fn modern(seed: u32) -> Graph {
    let (mut graph, input) = Graph::with_input();
    let mut push = |name: &str, op: Op, inputs: &[NodeId]| graph.push(name, op, inputs).unwrap();
    let relu6 = || Op::Unary(Unary::Clip { min: 0.0, max: 6.0 });
    let pad = Pad {
        ends: vec![(0, 0), (0, 0), (0, 1), (1, 2)],
        value: 0.0,
    };
    let padded = push("pad", Op::Pad(pad), &[input]);
    let stem = push("stem", conv([20, 3, 3, 3], [2, 2], [0; 4], seed), &[padded]);
    let stem = push("stem_relu", relu6(), &[stem]);
    let wide = push(
        "wide",
        conv([40, 20, 1, 1], [1, 1], [0; 4], seed + 2),
        &[stem],
    );
    let wide = push("wide_silu", Op::Unary(Unary::Silu), &[wide]);
    let deep = push("deep", grouped([40, 1, 3, 3], 40, 1, 1, seed + 4), &[wide]);
    let deep = push("deep_act", Op::Unary(Unary::HardSwish), &[deep]);
    let squeeze = Reduce {
        reduction: Reduction::Mean,
        axes: vec![2, 3],
        keep: true,
    };
    let squeeze = push("squeeze", Op::Reduce(squeeze), &[deep]);
    let excite = push(
        "excite_a",
        conv([8, 40, 1, 1], [1, 1], [0; 4], seed + 6),
        &[squeeze],
    );
    let excite = push("excite_relu", Op::Relu, &[excite]);
    let excite = push(
        "excite_b",
        conv([40, 8, 1, 1], [1, 1], [0; 4], seed + 8),
        &[excite],
    );
    let gate = push("gate", Op::Unary(Unary::Sigmoid), &[excite]);
    let gated = push("gated", Op::Binary(Binary::Mul), &[gate, deep]);
    let narrow = push(
        "narrow",
        conv([20, 40, 1, 1], [1, 1], [0; 4], seed + 10),
        &[gated],
    );
    let sum = push("sum", Op::Binary(Binary::Add), &[narrow, stem]);
    let sum = push("sum_relu", Op::Relu, &[sum]);
    behind_the_residual(&mut graph, sum, seed);
    graph
}

/// The second half of [`modern`].
fn behind_the_residual(graph: &mut Graph, sum: NodeId, seed: u32) {
    let mut push = |name: &str, op: Op, inputs: &[NodeId]| graph.push(name, op, inputs).unwrap();
    // Only candle: every other channel, and a softmax across channels.
    let even = Slice {
        axis: 1,
        part: Part::Range {
            start: 0,
            end: 20,
            step: 2,
        },
    };
    let even = push("even", Op::Slice(even), &[sum]);
    let soft = push(
        "soft",
        Op::Softmax(Softmax {
            axis: 1,
            log: false,
        }),
        &[even],
    );
    let spread = push(
        "spread",
        conv([24, 10, 3, 3], [2, 2], [1; 4], seed + 12),
        &[soft],
    );
    let spread = push("spread_relu", Op::Relu, &[spread]);
    let group = push(
        "group",
        grouped([24, 6, 3, 3], 4, 2, 1, seed + 14),
        &[spread],
    );
    let less = push("less", Op::Binary(Binary::Sub), &[group, spread]);
    let affine = Affine {
        mul: noise(&[24], seed + 16),
        add: noise(&[24], seed + 17),
    };
    let less = push("affine", Op::Affine(affine), &[less]);
    let pool = AvgPool {
        kernel: [3, 3],
        stride: [2, 2],
        pads: [1, 1, 0, 0],
        count_include_pad: true,
        ceil: true,
    };
    let pooled = push("pool", Op::AvgPool(pool), &[less]);
    let squared = push("squared", Op::Binary(Binary::Mul), &[pooled, pooled]);
    let mean = Reduce {
        reduction: Reduction::Mean,
        axes: vec![2, 3],
        keep: true,
    };
    let mean = push("mean", Op::Reduce(mean), &[squared]);
    let flat = Reshape::between(&[24, 1, 1], &[24]).unwrap();
    let flat = push("flat", Op::Reshape(flat), &[mean]);
    let linear = Linear {
        weight: noise(&[10, 24], seed + 18),
        bias: noise(&[10], seed + 19),
    };
    push("logits", Op::Linear(linear), &[flat]);
}

#[test]
fn every_tap_of_a_modern_graph() {
    let graph = modern(3);
    for idx in 0..graph.nodes.len() {
        check(&graph, NodeId(idx), [31, 38], 2, 11);
    }
}

#[test]
fn only_what_the_kernels_lack_runs_in_candle() {
    let graph = modern(3);
    for engine in engines(&graph, 40) {
        assert_eq!(engine.plain_nodes(), ["pad", "even", "soft"]);
    }
    let (mut graph, input) = Graph::with_input();
    graph
        .push(
            "softmax",
            Op::Softmax(Softmax {
                axis: 1,
                log: false,
            }),
            &[input],
        )
        .unwrap();
    let extents = graph.extents((8, 8)).unwrap();
    let engine = atlascope::network::kernels::Engine::new(&graph, &extents);
    assert!(engine.is_none(), "nothing to gain");
}

#[test]
fn attribution_of_a_modern_graph() {
    let graph = modern(6);
    let images = noise(&[1, 3, 45, 38], 21);
    let logits = graph.find("logits").unwrap();
    let class = |idx: usize| Class {
        id: format!("c{idx}"),
        names: format!("class {idx}"),
    };
    let network = reference(graph.clone(), 45)
        .with_classes(logits, (0..10).map(class).collect())
        .unwrap();
    for name in ["stem_relu", "sum_relu", "spread_relu", "less"] {
        let tap = graph.find(name).unwrap();
        let activation = network.forward(&images, &[tap]).unwrap().remove(0);
        let (_, _, rows, cols) = activation.dims4().unwrap();
        let positions: Vec<_> = (0..rows * cols)
            .step_by(3)
            .map(|i| (i / cols, i % cols))
            .collect();
        for relaxation in [Relaxation::Plain, Relaxation::Average] {
            let Ok(expected) = network.attribution(tap, &activation, &positions, relaxation) else {
                continue;
            };
            for engine in engines(&graph, 45) {
                let ends = (tap, logits);
                let found = engine
                    .attribution(ends, &activation, &positions, relaxation)
                    .unwrap();
                let error = max_error(found.as_slice().unwrap(), expected.as_slice().unwrap());
                assert!(
                    error < 1e-4,
                    "{:?} {name} {relaxation:?}: {error}",
                    engine.isa()
                );
            }
        }
    }
}

#[test]
fn another_image_size_than_the_graph_was_made_for_is_an_error_or_right() {
    // Flattening a map ties the classifier to one size.
    let (mut graph, input) = Graph::with_input();
    let x = graph
        .push("conv", conv([4, 3, 3, 3], [1, 1], [1; 4], 1), &[input])
        .unwrap();
    let flat = Reshape::between(&[4, 6, 6], &[144]).unwrap();
    let flat = graph.push("flat", Op::Reshape(flat), &[x]).unwrap();
    let linear = Linear {
        weight: noise(&[5, 144], 2),
        bias: noise(&[5], 3),
    };
    let logits = graph.push("logits", Op::Linear(linear), &[flat]).unwrap();
    check(&graph, logits, [6, 6], 2, 4);
    for engine in engines(&graph, 6) {
        assert!(engine.forward(&noise(&[1, 3, 7, 6], 1), &[logits]).is_err());
        let other = engine
            .forward(&noise(&[1, 3, 7, 6], 1), &[x])
            .unwrap()
            .remove(0);
        let expected = reference(graph.clone(), 6).forward(&noise(&[1, 3, 7, 6], 1), &[x]);
        assert_close("conv", &other, &expected.unwrap().remove(0), 1e-5);
    }
}
