//! Whole graphs: fusion, concatenations of every kind, taps anywhere.

use super::operators::{check, conv};
use super::{assert_close, engines, max_error, noise, reference};
use atlascope::atlas::{Class, Relaxation};
use atlascope::network::kernels::Segment;
use atlascope::network::ops::{Conv, Linear, Lrn, MaxPool};
use atlascope::network::{Graph, NodeId, Op};
use candle_core::Var;

/// A graph with everything that a plan can get wrong: parts of 20 and 24 channels, a concatenation inside
/// another, a part that others read as well, one that is read before its ReLU, and one that stands in two.
pub(super) fn tangle(seed: u32) -> Graph {
    let (mut graph, input) = Graph::with_input();
    let mut push = |name: &str, op: Op, inputs: &[NodeId]| graph.push(name, op, inputs).unwrap();
    let pool = |kernel: usize, stride: usize, pad: usize| {
        Op::MaxPool(MaxPool {
            kernel: [kernel; 2],
            stride: [stride; 2],
            pads: [pad; 4],
            ceil: true,
        })
    };
    let stem = push("stem", conv([24, 3, 7, 7], [2, 2], [3; 4], seed), &[input]);
    let stem = push("stem_relu", Op::Relu, &[stem]);
    let stem = push("stem_pool", pool(3, 2, 0), &[stem]);
    let lrn = Lrn {
        size: 5,
        alpha: 0.01,
        beta: 0.75,
        k: 1.0,
    };
    let stem = push("lrn", Op::Lrn(lrn), &[stem]);
    let a = push("a", conv([20, 24, 1, 1], [1, 1], [0; 4], seed + 2), &[stem]);
    let a = push("a_relu", Op::Relu, &[a]);
    let b_pre = push("b", conv([24, 24, 3, 3], [1, 1], [1; 4], seed + 4), &[stem]);
    let b = push("b_relu", Op::Relu, &[b_pre]);
    let inner = push("inner", Op::Concat, &[a, b]);
    let c = push(
        "c",
        conv([32, 24, 5, 5], [1, 1], [2; 4], seed + 6),
        &[b_pre],
    );
    let c = push("c_relu", Op::Relu, &[c]);
    let d = push("d", pool(3, 1, 1), &[stem]);
    let outer = push("outer", Op::Concat, &[inner, c, d, a]);
    let e = push(
        "e",
        conv([40, 120, 3, 3], [2, 1], [1, 0, 1, 2], seed + 8),
        &[outer],
    );
    let e = push("e_relu", Op::Relu, &[e]);
    // Reads what became part of a concatenation, and the concatenation: two writers of gradients.
    let f = push(
        "f",
        conv([40, 44, 3, 3], [2, 1], [1, 0, 1, 2], seed + 10),
        &[inner],
    );
    let g = push("g", Op::Concat, &[e, f]);
    // Grows densely: its own input is its first part.
    let h = push("h", conv([12, 80, 1, 1], [1, 1], [0; 4], seed + 12), &[g]);
    let h = push("h_relu", Op::Relu, &[h]);
    let dense = push("dense", Op::Concat, &[g, h]);
    let mean = push("mean", Op::GlobalAvgPool, &[dense]);
    let linear = Linear {
        weight: noise(&[10, 92], seed + 14),
        bias: noise(&[10], seed + 15),
    };
    let logits = push("logits", Op::Linear(linear), &[mean]);
    push("logits_relu", Op::Relu, &[logits]);
    graph
}

#[test]
fn every_tap_of_a_tangled_graph() {
    let graph = tangle(3);
    for idx in 0..graph.nodes.len() {
        check(&graph, NodeId(idx), [31, 38], 2, 11);
    }
}

#[test]
fn all_taps_at_once_and_in_any_order() {
    let graph = tangle(4);
    let images = noise(&[3, 3, 33, 27], 1);
    let mut taps: Vec<NodeId> = (0..graph.nodes.len()).rev().map(NodeId).collect();
    taps.push(taps[4]);
    let expected = reference(graph.clone(), 33)
        .forward(&images, &taps)
        .unwrap();
    for engine in engines(&graph) {
        // Twice: the second time the plan and the buffers are old.
        for _ in 0..2 {
            let found = engine.forward(&images, &taps).unwrap();
            for ((tap, found), expected) in taps.iter().zip(&found).zip(&expected) {
                let name = &graph.node(*tap).name;
                assert_close(&format!("{:?} {name}", engine.isa()), found, expected, 1e-4);
            }
        }
    }
}

#[test]
fn what_it_cannot_do_it_declines() {
    let (mut graph, input) = Graph::with_input();
    let grouped = Op::Conv(Conv {
        weight: noise(&[3, 1, 3, 3], 0),
        bias: noise(&[3], 1),
        stride: [1, 1],
        pads: [1; 4],
        groups: 3,
        dilation: [1; 2],
    });
    graph.push("depthwise", grouped, &[input]).unwrap();
    assert!(atlascope::network::kernels::Engine::new(&graph).is_none());
}

#[test]
fn bad_images_are_errors() {
    let graph = tangle(5);
    let last = NodeId(graph.nodes.len() - 1);
    for engine in engines(&graph) {
        for shape in [&[1, 4, 32, 32][..], &[1, 3, 2, 2], &[3, 32, 32]] {
            assert!(
                engine.forward(&noise(shape, 1), &[last]).is_err(),
                "{shape:?}"
            );
        }
        let images = noise(&[1, 3, 32, 32], 2);
        assert!(engine.forward(&images, &[NodeId(99)]).is_err());
        let wrong = noise(&[1, 9], 3);
        assert!(
            engine
                .vjp(&images, last, &mut |_| Ok(wrong.clone()))
                .is_err()
        );
    }
}

/// Attribution at every position of a middle layer, against the reference's.
#[test]
fn attribution_of_a_tangled_graph() {
    let graph = tangle(6);
    let images = noise(&[1, 3, 45, 38], 21);
    let logits = graph.find("logits").unwrap();
    let class = |idx: usize| Class {
        id: format!("c{idx}"),
        names: format!("class {idx}"),
    };
    let network = reference(graph.clone(), 45)
        .with_classes(logits, (0..10).map(class).collect())
        .unwrap();
    for name in ["lrn", "outer", "dense", "stem_relu"] {
        let tap = graph.find(name).unwrap();
        let activation = network.forward(&images, &[tap]).unwrap().remove(0);
        let (_, _, rows, cols) = activation.dims4().unwrap();
        let positions: Vec<_> = (0..rows * cols).map(|i| (i / cols, i % cols)).collect();
        for relaxation in [Relaxation::Plain, Relaxation::Average] {
            // Nothing but what follows from the tap alone can be asked for.
            let Ok(expected) = network.attribution(tap, &activation, &positions, relaxation) else {
                for engine in engines(&graph) {
                    let ends = (tap, logits);
                    assert!(
                        engine
                            .attribution(ends, &activation, &positions, relaxation)
                            .is_err()
                    );
                }
                continue;
            };
            for engine in engines(&graph) {
                let found = engine
                    .attribution((tap, logits), &activation, &positions, relaxation)
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
fn a_segment_is_a_candle_operator() {
    let graph = tangle(7);
    let tap = graph.find("outer").unwrap();
    let engine = std::sync::Arc::new(engines(&graph).remove(0));
    let images = Var::from_tensor(&noise(&[2, 3, 29, 31], 1)).unwrap();
    let segment = Segment {
        engine: engine.clone(),
        tap,
    };
    let activation = images.apply_op1(segment).unwrap();
    let weights = noise(activation.dims(), 2);
    let objective = (activation * &weights).unwrap().sum_all().unwrap();
    let gradients = objective.backward().unwrap();
    let found = gradients.get(&images).unwrap();
    let (_, expected) = engine
        .vjp(&images, tap, &mut |_| Ok(weights.clone()))
        .unwrap();
    assert_close("segment", found, &expected, 1e-6);
}
