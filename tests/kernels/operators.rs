//! One operator at a time, forward and back, with odd sizes and channel counts.

use super::{assert_close, engines, noise, reference};
use atlascope::atlas::Precision;
use atlascope::network::ops::{AvgPool, Conv, Linear, Lrn, MaxPool};
use atlascope::network::{Graph, NodeId, Op};
use candle_core::Tensor;
use proptest::prelude::*;

/// A convolution of any shape.
pub(super) fn conv(dims: [usize; 4], stride: [usize; 2], pads: [usize; 4], seed: u32) -> Op {
    Op::Conv(Conv {
        weight: noise(&dims, seed),
        bias: noise(&dims[..1], seed + 1),
        stride,
        pads,
        groups: 1,
        dilation: [1; 2],
    })
}

/// Image → 1 × 1 convolution to `channels` → `op`: the operator reads blocks, not planes.
fn behind_a_conv(channels: usize, op: Op, seed: u32) -> (Graph, NodeId) {
    let (mut graph, input) = Graph::with_input();
    let first = conv([channels, 3, 1, 1], [1, 1], [0; 4], seed + 7);
    let x = graph.push("first", first, &[input]).unwrap();
    let y = graph.push("op", op, &[x]).unwrap();
    (graph, y)
}

/// Forward and gradient at `tap` agree with the reference for every instruction set.
pub(super) fn check(graph: &Graph, tap: NodeId, size: [usize; 2], batch: usize, seed: u32) {
    let images = noise(&[batch, 3, size[0], size[1]], seed + 100);
    // The input's own size must fit the graph; images may differ from it.
    let network = reference(graph.clone(), size[0].max(size[1]));
    let expected = network.forward(&images, &[tap]).unwrap().remove(0);
    let cotangent = noise(expected.dims(), seed + 101);
    let (_, gradient) = network
        .vjp(&images, tap, &mut |_| Ok(cotangent.clone()))
        .unwrap();
    for engine in engines(graph, size[0].max(size[1])) {
        let what = format!("{:?} {size:?} × {batch}", engine.isa());
        let found = engine.forward(&images, &[tap]).unwrap().remove(0);
        assert_close(&what, &found, &expected, 1e-4);
        let (activation, found) = engine
            .vjp(&images, tap, &mut |_| Ok(cotangent.clone()))
            .unwrap();
        assert_close(&what, &activation, &expected, 1e-4);
        assert_close(&format!("{what}, gradient"), &found, &gradient, 1e-4);
    }
    if expected.rank() == 4 {
        check_position(graph, tap, &images, (&expected, &cotangent), seed);
    }
}

/// The gradient of one position is that of a cotangent that is zero elsewhere.
fn check_position(
    graph: &Graph,
    tap: NodeId,
    images: &Tensor,
    (expected, cotangent): (&Tensor, &Tensor),
    seed: u32,
) {
    let (_, _, rows, cols) = expected.dims4().unwrap();
    let (row, col) = (seed as usize % rows, seed as usize / 3 % cols);
    let here = |x: &Tensor| x.narrow(2, row, 1).unwrap().narrow(3, col, 1).unwrap();
    let wide = here(cotangent)
        .pad_with_zeros(2, row, rows - row - 1)
        .unwrap();
    let wide = wide.pad_with_zeros(3, col, cols - col - 1).unwrap();
    let (_, _, height, width) = images.dims4().unwrap();
    let network = reference(graph.clone(), height.max(width));
    let (_, gradient) = network.vjp(images, tap, &mut |_| Ok(wide.clone())).unwrap();
    for engine in engines(graph, height.max(width)) {
        let what = format!("{:?} {row}, {col} of {rows} × {cols}", engine.isa());
        let at = |size| {
            assert_eq!(size, (rows, cols));
            (row, col)
        };
        let (activation, found) = engine
            .vjp_at(images, (tap, &at, Precision::Full), &mut |_| {
                Ok(here(cotangent))
            })
            .unwrap();
        let wanted = here(expected).contiguous().unwrap();
        assert_close(&what, &activation, &wanted, 1e-4);
        assert_close(&format!("{what}, gradient"), &found, &gradient, 1e-4);
        // Rounding to 8 bits shows as such only where no value decides which others count.
        let mut ops = graph.nodes.iter().map(|node| &node.op);
        if ops.all(|op| matches!(op, Op::Input | Op::Conv(_))) {
            let what = format!("{what}, half precision");
            let (activation, found) = engine
                .vjp_at(images, (tap, &at, Precision::Half), &mut |_| {
                    Ok(here(cotangent))
                })
                .unwrap();
            assert_close(&what, &activation, &wanted, 2e-2);
            assert_close(&format!("{what}, gradient"), &found, &gradient, 2e-2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn convolutions(
        kernel in [1usize..6, 1..6],
        stride in [1usize..4, 1..4],
        pads in [0usize..4, 0..4, 0..4, 0..4],
        size in [6usize..20, 6..20],
        channels in [1usize..40, 1..70],
        batch in 1usize..7,
        seed in 0u32..1000,
    ) {
        let pads = std::array::from_fn(|i| pads[i].min(kernel[i % 2] - 1));
        let dims = [channels[1], channels[0], kernel[0], kernel[1]];
        let (graph, tap) = behind_a_conv(channels[0], conv(dims, stride, pads, seed), seed);
        check(&graph, tap, size, batch, seed);

        let (mut graph, input) = Graph::with_input();
        let dims = [channels[1], 3, kernel[0], kernel[1]];
        let tap = graph.push("stem", conv(dims, stride, pads, seed), &[input]).unwrap();
        check(&graph, tap, size, batch, seed);
    }

    #[test]
    fn pools(
        kernel in [1usize..5, 1..5],
        stride in [1usize..4, 1..4],
        pads in [0usize..4, 0..4, 0..4, 0..4],
        size in [5usize..14, 5..14],
        channels in 1usize..40,
        flag: bool,
        seed in 0u32..1000,
    ) {
        let pads = std::array::from_fn(|i| pads[i].min(kernel[i % 2] - 1));
        let pool = Op::MaxPool(MaxPool { kernel, stride, pads, ceil: flag });
        let (graph, tap) = behind_a_conv(channels, pool, seed);
        check(&graph, tap, size, 2, seed);
        let pool = Op::AvgPool(AvgPool { kernel, stride, pads, count_include_pad: flag, ceil: false });
        let (graph, tap) = behind_a_conv(channels, pool, seed);
        check(&graph, tap, size, 2, seed);
    }

    #[test]
    fn the_rest(
        channels in 1usize..40,
        size in [1usize..9, 1..9],
        beta in prop_oneof![Just(0.75), Just(0.6)],
        seed in 0u32..1000,
    ) {
        let lrn = Op::Lrn(Lrn { size: 5, alpha: 0.7, beta, k: 1.3 });
        let (graph, tap) = behind_a_conv(channels, lrn, seed);
        check(&graph, tap, size, 2, seed);

        let (graph, tap) = behind_a_conv(channels, Op::Relu, seed);
        check(&graph, tap, size, 2, seed);

        let (mut graph, mean) = behind_a_conv(channels, Op::GlobalAvgPool, seed);
        check(&graph, mean, size, 3, seed);
        let linear = Linear { weight: noise(&[21, channels], seed), bias: noise(&[21], seed + 1) };
        let tap = graph.push("linear", Op::Linear(linear), &[mean]).unwrap();
        check(&graph, tap, size, 3, seed);
    }
}

#[test]
fn pools_and_relu_of_the_image_itself() {
    for op in [
        Op::Relu,
        Op::MaxPool(MaxPool {
            kernel: [3, 3],
            stride: [2, 2],
            pads: [1; 4],
            ceil: true,
        }),
    ] {
        let (mut graph, input) = Graph::with_input();
        let tap = graph.push("op", op, &[input]).unwrap();
        check(&graph, tap, [9, 8], 3, 5);
    }
}
