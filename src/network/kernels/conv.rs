//! Convolution over one image: padding, parallelism, and the gradient to the input.
//!
//! The gradient of a convolution with stride s is again a convolution with stride 1. Per axis, with padding p
//! in front, y\[o\] = Σ w\[t\] x\[o s − p + t\]; for x at i = s q + φ the outputs that read it are o = q + u with
//! t = φ + p − s u, so gx\[s q + φ\] = Σᵤ w\[φ + p − s u\] g\[q + u\] with u from ⌈(p − k + 1) / s⌉ to
//! ⌊(s − 1 + p) / s⌋ (outside 0..k the weight is 0). The s² phases φ become output channels and are put
//! back in their places afterwards. With stride 1 this is the flipped kernel.

use super::pack::{Packed, Slots};
use super::simd::{Isa, LANES, Start, Sweep};
use rayon::prelude::*;

/// Where windows lie: input size, first window's offset, output size, stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Input rows and columns.
    pub input: [usize; 2],
    /// Zeros in front of the first row and column; negative: the first windows start inside the map.
    pub before: [isize; 2],
    /// Output rows and columns.
    pub output: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
}

/// How to run a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// Instruction set.
    pub isa: Isa,
    /// Share the output blocks among threads.
    pub parallel: bool,
}

/// What becomes of the sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// Bias added, stored.
    Bias,
    /// Bias added, clamped at 0, stored.
    BiasRelu,
    /// Stored.
    Plain,
    /// Added to the output.
    Add,
}

/// Convolves one image's blocks `x` into `y`, `[out blocks][rows][columns][LANES]`.
pub(super) fn convolve(
    mode: Mode,
    packed: &Packed,
    at: &Geometry,
    x: &[f32],
    (y, finish): (&mut [f32], Finish),
    scratch: &mut Vec<f32>,
) {
    let mut at = *at;
    let depth = packed.depth;
    let pointwise = packed.kernel == [1, 1] && at.stride == [1, 1];
    if pointwise && at.before == [0, 0] && at.input == at.output {
        let pixels = at.input[0] * at.input[1];
        at.input = [1, pixels];
        at.output = [1, pixels];
    }
    let need = [0, 1].map(|axis| (at.output[axis] - 1) * at.stride[axis] + packed.kernel[axis]);
    let fits = |axis: usize| at.before[axis] == 0 && need[axis] <= at.input[axis];
    let (x, held) = if fits(0) && fits(1) {
        (x, at.input)
    } else {
        pad(x, depth, &at, need, scratch);
        (
            &scratch[..packed.in_blocks * need[0] * need[1] * depth],
            need,
        )
    };
    let y_block = at.output[0] * at.output[1] * LANES;
    let w_block = packed.per_block();
    let sweep = |first: usize, y: &mut [f32]| {
        let n = y.len() / y_block;
        let start = match finish {
            Finish::Bias | Finish::BiasRelu if !packed.bias.is_empty() => {
                Start::Bias(&packed.bias[first * LANES..(first + n) * LANES])
            }
            Finish::Add => Start::Add,
            _ => Start::Zero,
        };
        Sweep {
            x,
            x_block: held[0] * held[1] * depth,
            x_row: held[1] * depth,
            row_step: at.stride[0] * held[1] * depth,
            col_step: at.stride[1] * depth,
            in_blocks: packed.in_blocks,
            depth,
            kernel: packed.kernel,
            weights: &packed.weights[first * w_block..(first + n) * w_block],
            start,
            relu: finish == Finish::BiasRelu,
            size: at.output,
            y,
        }
        .run(mode.isa);
    };
    if mode.parallel {
        let threads = rayon::current_num_threads();
        let share = packed.out_blocks.div_ceil(threads).min(4);
        y.par_chunks_mut(share * y_block)
            .enumerate()
            .for_each(|(idx, y)| sweep(idx * share, y));
    } else {
        sweep(0, y);
    }
}

/// Copies the part of `x` that the windows see, with zeros around it, to the start of `to`.
fn pad(x: &[f32], depth: usize, at: &Geometry, need: [usize; 2], to: &mut Vec<f32>) {
    let [rows, cols] = at.input;
    let blocks = x.len() / (rows * cols * depth);
    let len = blocks * need[0] * need[1] * depth;
    if to.len() < len {
        to.resize(len, 0.0);
    }
    // Columns of the padded row that hold columns of the input: [left, right).
    let clamp = |value: isize, most: usize| value.clamp(0, most as isize) as usize;
    let left = clamp(at.before[1], need[1]);
    let right = clamp(at.before[1] + cols as isize, need[1]).max(left);
    let source = (left as isize - at.before[1]).max(0) as usize;
    let wide = need[1] * depth;
    for (idx, row) in to[..len].chunks_exact_mut(wide).enumerate() {
        let (block, row_idx) = (idx / need[0], idx % need[0]);
        let from = row_idx as isize - at.before[0];
        if from < 0 || from >= rows as isize || left == right {
            row.fill(0.0);
            continue;
        }
        row[..left * depth].fill(0.0);
        row[right * depth..].fill(0.0);
        let start = ((block * rows + from as usize) * cols + source) * depth;
        row[left * depth..right * depth].copy_from_slice(&x[start..start + (right - left) * depth]);
    }
}

/// The weights of a convolution: `[out][in][rows][columns]`.
#[derive(Debug)]
pub(super) struct Dense {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub kernel: [usize; 2],
}

/// Packs weights for the forward pass. `depth` is 1 for planar input, where lanes are channels.
pub(super) fn pack(dense: &Dense, out: &Slots, input: &Slots, planar: bool) -> Packed {
    let [rows, cols] = dense.kernel;
    let mut packed = if planar {
        Packed::zeros(out.blocks, input.channels(), 1, dense.kernel)
    } else {
        Packed::zeros(out.blocks, input.blocks, LANES, dense.kernel)
    };
    let mut values = dense.weight.iter();
    for &o in &out.of_channel {
        for &i in &input.of_channel {
            for row in 0..rows {
                for col in 0..cols {
                    if let Some(&value) = values.next() {
                        packed.set(o as usize, i as usize, row, col, value);
                    }
                }
            }
        }
    }
    packed.bias = vec![0.0; out.blocks * LANES];
    for (&o, &value) in out.of_channel.iter().zip(&dense.bias) {
        packed.bias[o as usize] = value;
    }
    packed
}

/// The gradient of a convolution to its input, as a convolution of the cotangent (see the module's text).
#[derive(Debug)]
pub(super) struct Transposed {
    packed: Packed,
    stride: [usize; 2],
    /// Smallest u per axis.
    first: [isize; 2],
    /// Lanes per phase.
    per_phase: usize,
    planar: bool,
}

impl Transposed {
    /// Packs the weights; `pads` in front (rows, columns).
    pub(super) fn new(
        dense: &Dense,
        (out, input): (&Slots, &Slots),
        stride: [usize; 2],
        before: [usize; 2],
        planar: bool,
    ) -> Self {
        let mut first = [0; 2];
        let mut kernel = [0; 2];
        for axis in 0..2 {
            let (s, p) = (stride[axis] as isize, before[axis] as isize);
            let k = dense.kernel[axis] as isize;
            // ⌈a / s⌉ = −⌊−a / s⌋
            first[axis] = -(-(p - k + 1)).div_euclid(s);
            kernel[axis] = ((s - 1 + p).div_euclid(s) - first[axis] + 1) as usize;
        }
        let per_phase = if planar {
            input.channels()
        } else {
            input.blocks * LANES
        };
        let lanes = stride[0] * stride[1] * per_phase;
        let mut packed = Packed::zeros(lanes.div_ceil(LANES), out.blocks, LANES, kernel);
        let [rows, cols] = dense.kernel;
        let mut values = dense.weight.iter();
        // t = φ + p − s u  ⇔  φ = (t − p) mod s, u = (φ + p − t) / s
        let place = |axis: usize, t: usize| {
            let (s, p) = (stride[axis] as isize, before[axis] as isize);
            let phase = (t as isize - p).rem_euclid(s);
            let u = (phase + p - t as isize) / s;
            (phase as usize, (u - first[axis]) as usize)
        };
        for &o in &out.of_channel {
            for &i in &input.of_channel {
                for row in 0..rows {
                    let (row_phase, v_row) = place(0, row);
                    for col in 0..cols {
                        let (col_phase, v_col) = place(1, col);
                        let phase = row_phase * stride[1] + col_phase;
                        if let Some(&value) = values.next() {
                            let lane = phase * per_phase + i as usize;
                            packed.set(lane, o as usize, v_row, v_col, value);
                        }
                    }
                }
            }
        }
        Self {
            packed,
            stride,
            first,
            per_phase,
            planar,
        }
    }

    /// Gradient to an input of `at.input` rows and columns from the cotangent `g` of its output.
    pub(super) fn run(
        &self,
        mode: Mode,
        at: &Geometry,
        g: &[f32],
        (gx, add): (&mut [f32], bool),
        scratch: &mut [Vec<f32>; 2],
    ) {
        let [padded, phases] = scratch;
        let mut back = Geometry {
            input: at.output,
            before: self.first.map(|first| -first),
            output: at.input,
            stride: [1, 1],
        };
        if self.stride == [1, 1] && !self.planar {
            let finish = if add { Finish::Add } else { Finish::Plain };
            convolve(mode, &self.packed, &back, g, (gx, finish), padded);
            return;
        }
        back.output = [0, 1].map(|axis| at.input[axis].div_ceil(self.stride[axis]));
        let pixels = back.output[0] * back.output[1];
        let len = self.packed.out_blocks * pixels * LANES;
        if phases.len() < len {
            phases.resize(len, 0.0);
        }
        let out = (&mut phases[..len], Finish::Plain);
        convolve(mode, &self.packed, &back, g, out, padded);
        self.spread(at.input, back.output, &phases[..len], (gx, add));
    }

    /// Puts phases back in their places.
    fn spread(
        &self,
        size: [usize; 2],
        coarse: [usize; 2],
        phases: &[f32],
        (gx, add): (&mut [f32], bool),
    ) {
        let width = if self.planar { 1 } else { LANES };
        let planes = self.per_phase / width;
        let pixels = coarse[0] * coarse[1];
        for plane in 0..planes {
            for row in 0..size[0] {
                for col in 0..size[1] {
                    let phase = row % self.stride[0] * self.stride[1] + col % self.stride[1];
                    let lane = phase * self.per_phase + plane * width;
                    let pixel = row / self.stride[0] * coarse[1] + col / self.stride[1];
                    let from = (lane / LANES * pixels + pixel) * LANES + lane % LANES;
                    let to = ((plane * size[0] + row) * size[1] + col) * width;
                    let to = &mut gx[to..to + width];
                    for (to, from) in to.iter_mut().zip(&phases[from..from + width]) {
                        *to = if add { *to + from } else { *from };
                    }
                }
            }
        }
    }
}
