//! Whole graphs put together by dice: convolutions of all kinds between pairs of maps, rows, columns and single
//! numbers that stand for each other, slices, sums, and what only candle computes.
//!
//! Everything is smooth but ReLU, and the dice are fixed, so no rounding flips a choice from one run to the next.

use super::operators::check;
use super::{noise, reference};
use atlascope::network::ops::{
    Affine, AvgPool, Binary, Conv, Pad, Part, Reduce, Reduction, Slice, Softmax, Unary,
    WithConstant,
};
use atlascope::network::{Graph, NodeId, Op};
use candle_core::Tensor;

/// A graph of up to 14 nodes over an image of `side` pixels.
struct Maker {
    graph: Graph,
    /// Sizes of every node's map: channels, rows, columns.
    dims: Vec<[usize; 3]>,
    state: u32,
}

impl Maker {
    fn dice(&mut self, sides: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.state >> 8) as usize % sides
    }

    fn values(&mut self, dims: &[usize]) -> Tensor {
        let seed = self.dice(1 << 20) as u32;
        noise(dims, seed)
    }

    fn push(&mut self, op: Op, inputs: &[usize], dims: [usize; 3]) {
        let inputs: Vec<NodeId> = inputs.iter().map(|&idx| NodeId(idx)).collect();
        let name = format!("n{}", self.dims.len());
        self.graph.push(name, op, &inputs).unwrap();
        self.dims.push(dims);
    }

    fn conv(&mut self, x: usize) {
        let [c, h, w] = self.dims[x];
        let kernel = [1, 3, 5][self.dice(3)].min(2 * h.min(w) - 1);
        let (groups, per_group, out) = match self.dice(3) {
            0 => (c, 1, c),
            1 if c.is_multiple_of(2) => (2, c / 2, 2 * (1 + self.dice(9))),
            _ => (1, c, 1 + self.dice(20)),
        };
        let conv = Conv {
            weight: self.values(&[out, per_group, kernel, kernel]),
            bias: self.values(&[out]),
            stride: [1; 2],
            pads: [kernel / 2; 4],
            groups,
            dilation: [1; 2],
        };
        self.push(Op::Conv(conv), &[x], [out, h, w]);
    }

    fn function(&mut self, x: usize) {
        let op = match self.dice(7) {
            0 => Op::Relu,
            1 => Op::Unary(Unary::Sigmoid),
            2 => Op::Unary(Unary::Tanh),
            3 => Op::Unary(Unary::Silu),
            4 => Op::Softmax(Softmax {
                axis: 1 + self.dice(3),
                log: false,
            }),
            5 => Op::Affine(Affine {
                mul: self.values(&[self.dims[x][0]]),
                add: self.values(&[self.dims[x][0]]),
            }),
            _ => {
                let mut dims = self.dims[x];
                for size in &mut dims {
                    if self.dice(2) == 0 {
                        *size = 1;
                    }
                }
                Op::WithConstant(WithConstant {
                    binary: [Binary::Add, Binary::Mul, Binary::Sub][self.dice(3)],
                    constant: self.values(&[1, dims[0], dims[1], dims[2]]),
                    constant_first: self.dice(2) == 0,
                })
            }
        };
        self.push(op, &[x], self.dims[x]);
    }

    /// A function of `x` and any earlier node that can be repeated to fit.
    fn pair(&mut self, x: usize) {
        let fits = |a: [usize; 3], b: [usize; 3]| {
            let mut sizes = a.iter().zip(b);
            sizes.all(|(&a, b)| a == b || a == 1 || b == 1)
        };
        let others: Vec<usize> = (0..self.dims.len())
            .filter(|&other| fits(self.dims[x], self.dims[other]))
            .collect();
        let y = others[self.dice(others.len())];
        let binary = [Binary::Add, Binary::Mul, Binary::Sub][self.dice(3)];
        let dims = std::array::from_fn(|axis| self.dims[x][axis].max(self.dims[y][axis]));
        let inputs = if self.dice(2) == 0 { [x, y] } else { [y, x] };
        self.push(Op::Binary(binary), &inputs, dims);
    }

    fn reduce(&mut self, x: usize) {
        let axes = [vec![2, 3], vec![2], vec![3], vec![1], vec![1, 3]][self.dice(5)].clone();
        let mut dims = self.dims[x];
        for &axis in &axes {
            dims[axis - 1] = 1;
        }
        let reduction = [Reduction::Mean, Reduction::Sum][self.dice(2)];
        let reduce = Reduce {
            reduction,
            axes,
            keep: true,
        };
        self.push(Op::Reduce(reduce), &[x], dims);
    }

    fn shape(&mut self, x: usize) {
        let [c, h, w] = self.dims[x];
        match self.dice(4) {
            0 => {
                let same: Vec<usize> = (0..self.dims.len())
                    .filter(|&other| self.dims[other][1..] == [h, w])
                    .collect();
                let y = same[self.dice(same.len())];
                self.push(Op::Concat, &[x, y], [c + self.dims[y][0], h, w]);
            }
            1 => {
                let axis = 1 + self.dice(3);
                let size = self.dims[x][axis - 1];
                let start = self.dice(size);
                let end = start + 1 + self.dice(size - start);
                let part = Part::Range {
                    start: start as i64,
                    end: end as i64,
                    step: 1,
                };
                let mut dims = self.dims[x];
                dims[axis - 1] = end - start;
                self.push(Op::Slice(Slice { axis, part }), &[x], dims);
            }
            2 => {
                let ends = [self.dice(3) as isize, self.dice(2) as isize];
                let pad = Pad {
                    ends: vec![(0, 0), (0, 0), (ends[0], ends[1]), (ends[1], ends[0])],
                    value: 0.0,
                };
                let more = (ends[0] + ends[1]) as usize;
                self.push(Op::Pad(pad), &[x], [c, h + more, w + more]);
            }
            _ => {
                let kernel = [1 + self.dice(3.min(h)), 1 + self.dice(3.min(w))];
                let pool = AvgPool {
                    kernel,
                    stride: [1; 2],
                    pads: [0; 4],
                    count_include_pad: false,
                    ceil: false,
                };
                let dims = [c, h + 1 - kernel[0], w + 1 - kernel[1]];
                self.push(Op::AvgPool(pool), &[x], dims);
            }
        }
    }
}

fn made(seed: u32, side: usize) -> Graph {
    let (graph, _) = Graph::with_input();
    let mut maker = Maker {
        graph,
        dims: vec![[3, side, side]],
        state: seed.wrapping_mul(0x9e37_79b9),
    };
    maker.conv(0);
    for _ in 0..12 {
        // Rather the newest nodes, or most of the graph would hang in the air.
        let n = maker.dims.len();
        let x = n - 1 - maker.dice(n.min(3));
        match maker.dice(6) {
            0 | 1 => maker.conv(x),
            2 => maker.function(x),
            3 => maker.pair(x),
            4 => maker.reduce(x),
            _ => maker.shape(x),
        }
    }
    maker.graph
}

#[test]
fn graphs_by_dice() {
    let (mut compared, mut seed) = (0, 0);
    while compared < 120 {
        seed += 1;
        let side = 5 + seed as usize % 6;
        let graph = made(seed, side);
        let tap = NodeId(graph.nodes.len() - 1);
        let images = noise(&[2, 3, side, side], seed);
        let network = reference(graph.clone(), side);
        let output = network.forward(&images, &[tap]).unwrap().remove(0);
        let (_, gradient) = network
            .vjp(&images, tap, &mut |output| Ok(output.ones_like()?))
            .unwrap();
        // Products of products, and what hardly depends on the image (the sum of a softmax), leave the range in
        // which a share of the largest value means something.
        let largest = |x: &Tensor| super::values(x).iter().fold(0f32, |m, v| m.max(v.abs()));
        let (value, slope) = (largest(&output), largest(&gradient));
        if !(1e-3..1e4).contains(&value) || slope < 1e-2 * value {
            continue;
        }
        check(&graph, tap, [side, side], 2, seed);
        compared += 1;
    }
    assert!(
        seed < 400,
        "most graphs must be comparable, {seed} were made"
    );
}
