//! Convolution over one image: padding, parallelism, and the gradient to the input.
//!
//! The gradient of a convolution with stride s is again a convolution with stride 1. Per axis, with padding p
//! in front, y\[o\] = Σ w\[t\] x\[o s − p + t\]; for x at i = s q + φ the outputs that read it are o = q + u with
//! t = φ + p − s u, so gx\[s q + φ\] = Σᵤ w\[φ + p − s u\] g\[q + u\] with u from ⌈(p − k + 1) / s⌉ to
//! ⌊(s − 1 + p) / s⌋ (outside 0..k the weight is 0). The s² phases φ become output channels and are put
//! back in their places afterwards. With stride 1 this is the flipped kernel.

use super::pack::{Packed, Slots};
use super::pool::Window;
use super::simd::{Depthwise, Isa, LANES, PAIRS, Start, Sweep, halve};
use super::winograd;
use rayon::prelude::*;
use std::ops::Range;

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
    /// Input elements between neighbouring elements of the kernel.
    pub dilation: [usize; 2],
}

/// How to run a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// Instruction set.
    pub isa: Isa,
    /// Share the output blocks among threads.
    pub parallel: bool,
    /// Multiply in half precision: only with an instruction set that can.
    pub half: bool,
}

/// What becomes of the sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Finish {
    /// Bias added, stored.
    Bias,
    /// Bias added, held between two values, stored.
    BiasClamp(f32, f32),
    /// Stored.
    Plain,
    /// Added to the output.
    Add,
}

impl Finish {
    /// What the sums of these output blocks start from.
    pub(super) fn start<'a>(self, packed: &'a Packed, out: &Range<usize>) -> Start<'a> {
        match self {
            Finish::Bias | Finish::BiasClamp(..) if !packed.bias.is_empty() => {
                Start::Bias(&packed.bias[out.start * LANES..out.end * LANES])
            }
            Finish::Add => Start::Add,
            _ => Start::Zero,
        }
    }

    /// Least and largest value in the end.
    pub(super) fn clamp(self) -> Option<(f32, f32)> {
        match self {
            Finish::BiasClamp(low, high) => Some((low, high)),
            _ => None,
        }
    }
}

/// Output blocks whose weights are used for one image after another before the next ones are read: few enough that
/// they stay in the cache.
const TOGETHER: usize = 4;

/// Convolves the blocks `x` of each image into its `y`, `[out blocks][rows][columns][LANES]`.
pub(super) fn convolve(
    mode: Mode,
    packed: &Packed,
    at: &Geometry,
    images: &mut [(&[f32], &mut [f32])],
    finish: Finish,
    scratch: &mut Scratch,
) {
    let half = mode.half && packed.depth == LANES;
    if let Some(tile) = winograd::tile(packed, at, half) {
        winograd::convolve(mode, (packed, tile), at, images, finish, scratch);
        return;
    }
    let mut at = *at;
    let depth = if half { PAIRS } else { packed.depth };
    let pointwise = packed.kernel == [1, 1] && at.stride == [1, 1];
    if pointwise && at.before == [0, 0] && at.input == at.output {
        let pixels = at.input[0] * at.input[1];
        at.input = [1, pixels];
        at.output = [1, pixels];
    }
    let need = [0, 1].map(|axis| {
        (at.output[axis] - 1) * at.stride[axis] + (packed.kernel[axis] - 1) * at.dilation[axis] + 1
    });
    let fits = |axis: usize| at.before[axis] == 0 && need[axis] <= at.input[axis];
    let padded = !(fits(0) && fits(1));
    let held = if padded { need } else { at.input };
    let len = packed.in_blocks * held[0] * held[1] * depth;
    let Scratch {
        padded: copies,
        halves,
        ..
    } = scratch;
    let per_image = packed.in_blocks * at.input[0] * at.input[1] * depth;
    if half {
        let room = grown(halves, images.len() * per_image);
        for ((x, _), to) in images.iter().zip(room.chunks_exact_mut(per_image)) {
            halve(mode.isa, x, to);
        }
    }
    // What is multiplied, before padding.
    let plain = |idx: usize, x| {
        if half {
            &halves[idx * per_image..(idx + 1) * per_image]
        } else {
            x
        }
    };
    if padded {
        let room = grown(copies, images.len() * len);
        let parts = images.iter().zip(room.chunks_exact_mut(len));
        for (idx, ((x, _), to)) in parts.enumerate() {
            pad(plain(idx, x), depth, &at, need, to);
        }
    }
    let direct = Direct {
        isa: mode.isa,
        half,
        packed,
        at,
        held,
        finish,
    };
    let source = |idx: usize, x| {
        if padded {
            &copies[idx * len..(idx + 1) * len]
        } else {
            plain(idx, x)
        }
    };
    let (blocks, y_block) = (packed.out_blocks, at.output[0] * at.output[1] * LANES);
    if let (true, [(x, y)]) = (mode.parallel, &mut *images) {
        let share = blocks.div_ceil(rayon::current_num_threads()).min(4);
        let x = source(0, x);
        y.par_chunks_mut(share * y_block)
            .enumerate()
            .for_each(|(idx, y)| direct.run(x, idx * share, y));
        return;
    }
    let share = if images.len() > 1 { TOGETHER } else { blocks };
    for first in (0..blocks).step_by(share) {
        let part = first * y_block..blocks.min(first + share) * y_block;
        for (idx, (x, y)) in images.iter_mut().enumerate() {
            direct.run(source(idx, x), first, &mut y[part.clone()]);
        }
    }
}

/// Products in place, without transforms.
struct Direct<'a> {
    isa: Isa,
    half: bool,
    packed: &'a Packed,
    at: Geometry,
    /// Rows and columns of the input as it lies there, padding included.
    held: [usize; 2],
    finish: Finish,
}

impl Direct<'_> {
    /// The output blocks from `first` on that `y` holds.
    fn run(&self, x: &[f32], first: usize, y: &mut [f32]) {
        let (packed, at, held) = (self.packed, &self.at, self.held);
        let y_block = at.output[0] * at.output[1] * LANES;
        let depth = if self.half { PAIRS } else { packed.depth };
        let x_block = held[0] * held[1] * depth;
        let end = first + y.len() / y_block;
        for run in &packed.runs {
            let out = run.out.start.max(first)..run.out.end.min(end);
            if out.is_empty() {
                continue;
            }
            Sweep {
                x: &x[run.input.start * x_block..],
                x_block,
                x_row: at.dilation[0] * held[1] * depth,
                x_col: at.dilation[1] * depth,
                row_step: at.stride[0] * held[1] * depth,
                col_step: at.stride[1] * depth,
                in_blocks: run.input.len(),
                depth,
                half: self.half,
                kernel: packed.kernel,
                weights: packed.weights_of(run, &out, self.half),
                start: self.finish.start(packed, &out),
                clamp: self.finish.clamp(),
                size: at.output,
                y: &mut y[(out.start - first) * y_block..(out.end - first) * y_block],
                y_block,
            }
            .run(self.isa);
        }
    }
}

/// Convolves each block's channels with their own kernels, into `y`.
pub(super) fn depthwise(
    isa: Isa,
    (window, weights): (&Window, &[f32]),
    at: &Geometry,
    x: &[f32],
    (y, start, clamp): (&mut [f32], Start, Option<(f32, f32)>),
    scratch: &mut Scratch,
) {
    let need = [0, 1].map(|axis| {
        (at.output[axis] - 1) * at.stride[axis] + (window.kernel[axis] - 1) * at.dilation[axis] + 1
    });
    let taps = window.kernel[0] * window.kernel[1] * LANES;
    let [x_block, y_block] = [at.input, at.output].map(|size| size[0] * size[1] * LANES);
    let fits = (0..2).all(|axis| at.before[axis] == 0 && need[axis] <= at.input[axis]);
    for (block, y) in y.chunks_exact_mut(y_block).enumerate() {
        let mut x = &x[block * x_block..(block + 1) * x_block];
        let mut held = at.input;
        if !fits {
            // One block at a time, so that its padded copy is still in the nearest cache.
            let len = need[0] * need[1] * LANES;
            pad(x, LANES, at, need, grown(&mut scratch.padded, len));
            (x, held) = (&scratch.padded[..len], need);
        }
        let start = match start {
            Start::Bias(bias) => Start::Bias(&bias[block * LANES..(block + 1) * LANES]),
            other => other,
        };
        Depthwise {
            x,
            x_block: 0,
            x_row: at.dilation[0] * held[1] * LANES,
            x_col: at.dilation[1] * LANES,
            row_step: at.stride[0] * held[1] * LANES,
            col_step: at.stride[1] * LANES,
            kernel: window.kernel,
            weights: &weights[block * taps..(block + 1) * taps],
            start,
            clamp,
            size: at.output,
            y,
        }
        .run(isa);
    }
}

/// The gradient of [`depthwise`] to its input, added to `gx`; `turned` are the weights turned by 180°.
pub(super) fn depthwise_back(
    isa: Isa,
    (window, turned): (&Window, &[f32]),
    at: &Geometry,
    g: &[f32],
    (gx, add): (&mut [f32], bool),
    scratch: &mut Scratch,
) {
    // With zeros between its elements the cotangent is one of stride 1.
    let wide = [0, 1].map(|axis| (at.output[axis] - 1) * at.stride[axis] + 1);
    let mut spread = std::mem::take(&mut scratch.phases);
    let g = if at.stride == [1, 1] {
        g
    } else {
        spread.clear();
        let blocks = g.len() / (at.output[0] * at.output[1] * LANES);
        spread.resize(blocks * wide[0] * wide[1] * LANES, 0.0);
        for (idx, g) in g.chunks_exact(LANES).enumerate() {
            let (row, col) = (idx / at.output[1], idx % at.output[1]);
            let (block, row) = (row / at.output[0], row % at.output[0]);
            let row = block * wide[0] + row * at.stride[0];
            let to = (row * wide[1] + col * at.stride[1]) * LANES;
            spread[to..to + LANES].copy_from_slice(g);
        }
        &spread
    };
    let back = Geometry {
        input: wide,
        before: [0, 1].map(|axis| window.extent(axis) as isize - 1 - at.before[axis]),
        output: at.input,
        stride: [1, 1],
        dilation: at.dilation,
    };
    let start = if add { Start::Add } else { Start::Zero };
    depthwise(isa, (window, turned), &back, g, (gx, start, None), scratch);
    scratch.phases = spread;
}

/// Buffers that a convolution uses on the way.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The input in half precision.
    pub halves: Vec<f32>,
    /// The input with zeros around.
    pub padded: Vec<f32>,
    /// Phases of a gradient before they are put in their places.
    pub phases: Vec<f32>,
    /// Winograd's transformed input and products.
    pub tiles: [Vec<f32>; 2],
}

/// The first `len` floats of a buffer, which grows to hold them.
pub(super) fn grown(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Copies the part of `x` that the windows see, with zeros around it, to `to`: `need` rows and columns per block.
fn pad(x: &[f32], depth: usize, at: &Geometry, need: [usize; 2], to: &mut [f32]) {
    let [rows, cols] = at.input;
    // Columns of the padded row that hold columns of the input: [left, right).
    let clamp = |value: isize, most: usize| value.clamp(0, most as isize) as usize;
    let left = clamp(at.before[1], need[1]);
    let right = clamp(at.before[1] + cols as isize, need[1]).max(left);
    let source = (left as isize - at.before[1]).max(0) as usize;
    let wide = need[1] * depth;
    for (idx, row) in to.chunks_exact_mut(wide).enumerate() {
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

/// The weights of a convolution: `[out][in / groups][rows][columns]`.
#[derive(Debug)]
pub(super) struct Dense {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub kernel: [usize; 2],
    pub groups: usize,
}

impl Dense {
    /// Calls `each` with output channel, input channel, kernel row and column of every weight.
    fn for_each(
        &self,
        (outputs, inputs): (usize, usize),
        mut each: impl FnMut([usize; 2], [usize; 2], f32),
    ) {
        let (out_per, in_per) = (outputs / self.groups, inputs / self.groups);
        let [rows, cols] = self.kernel;
        let mut values = self.weight.iter();
        for o in 0..outputs {
            for i in 0..in_per {
                let channels = [o, o / out_per * in_per + i];
                for row in 0..rows {
                    for col in 0..cols {
                        if let Some(&value) = values.next() {
                            each(channels, [row, col], value);
                        }
                    }
                }
            }
        }
    }

    /// For each block of `to` the blocks of `from` that share a group with it.
    fn reach(&self, to: &Slots, from: &Slots) -> Vec<Range<usize>> {
        let (to_per, from_per) = (to.channels() / self.groups, from.channels() / self.groups);
        let mut reach = vec![0..0; to.blocks];
        for (channel, &slot) in to.of_channel.iter().enumerate() {
            let first = channel / to_per * from_per;
            let ends = [first, first + from_per - 1].map(|c| from.of_channel[c] as usize / LANES);
            let range = &mut reach[slot as usize / LANES];
            *range = if range.end == 0 {
                ends[0]..ends[1] + 1
            } else {
                range.start.min(ends[0])..range.end.max(ends[1] + 1)
            };
        }
        for range in &mut reach {
            // A block without channels still has an output: zero.
            if range.end == 0 {
                *range = 0..1;
            }
        }
        reach
    }
}

/// Packs weights for the forward pass. `depth` is 1 for planar input, where lanes are channels.
pub(super) fn pack(dense: &Dense, out: &Slots, input: &Slots, planar: bool) -> Packed {
    let mut packed = if planar {
        let reach = vec![0..input.channels(); out.blocks];
        Packed::zeros(&reach, input.channels(), 1, dense.kernel)
    } else {
        let reach = dense.reach(out, input);
        Packed::zeros(&reach, input.blocks, LANES, dense.kernel)
    };
    let channels = (out.channels(), input.channels());
    dense.for_each(channels, |[o, i], [row, col], value| {
        let (o, i) = (out.of_channel[o] as usize, input.of_channel[i] as usize);
        packed.set(o, i, row, col, value);
    });
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
    /// Of the convolution of the cotangent; with phases its kernel has zeros instead.
    dilation: [usize; 2],
    /// Smallest u per axis.
    first: [isize; 2],
    /// Padding in front, rows and columns.
    pads: [usize; 2],
    /// Lanes per phase.
    per_phase: usize,
    planar: bool,
}

impl Transposed {
    /// Packs the weights; `pads` in front (rows, columns).
    pub(super) fn new(
        dense: &Dense,
        (out, input): (&Slots, &Slots),
        window: &Window,
        planar: bool,
    ) -> Self {
        let stride = window.stride;
        let mut first = [0; 2];
        let mut kernel = dense.kernel;
        // A dilated kernel without phases stays one; with phases it is taken as a large one with zeros.
        let simple = stride == [1, 1] && !planar;
        for axis in 0..2 {
            let (s, p) = (stride[axis] as isize, window.pads[axis] as isize);
            let k = ((dense.kernel[axis] - 1) * window.dilation[axis] + 1) as isize;
            // ⌈a / s⌉ = −⌊−a / s⌋
            first[axis] = -(-(p - k + 1)).div_euclid(s);
            if !simple {
                kernel[axis] = ((s - 1 + p).div_euclid(s) - first[axis] + 1) as usize;
            }
        }
        let per_phase = if planar {
            input.channels()
        } else {
            input.blocks * LANES
        };
        let blocks = (stride[0] * stride[1] * per_phase).div_ceil(LANES);
        let reach: Vec<Range<usize>> = if planar {
            vec![0..out.blocks; blocks]
        } else {
            dense
                .reach(input, out)
                .into_iter()
                .cycle()
                .take(blocks)
                .collect()
        };
        let mut packed = Packed::zeros(&reach, out.blocks, LANES, kernel);
        // t = φ + p − s u  ⇔  φ = (t − p) mod s, u = (φ + p − t) / s
        let place = |axis: usize, t: usize| {
            if simple {
                return (0, kernel[axis] - 1 - t);
            }
            let (s, p) = (stride[axis] as isize, window.pads[axis] as isize);
            let t = (t * window.dilation[axis]) as isize;
            let phase = (t - p).rem_euclid(s);
            let u = (phase + p - t) / s;
            (phase as usize, (u - first[axis]) as usize)
        };
        let channels = (out.channels(), input.channels());
        dense.for_each(channels, |[o, i], [row, col], value| {
            let (o, i) = (out.of_channel[o] as usize, input.of_channel[i] as usize);
            let ((row_phase, v_row), (col_phase, v_col)) = (place(0, row), place(1, col));
            let phase = row_phase * stride[1] + col_phase;
            packed.set(phase * per_phase + i, o, v_row, v_col, value);
        });
        Self {
            packed,
            stride,
            dilation: if simple { window.dilation } else { [1, 1] },
            first,
            pads: [window.pads[0], window.pads[1]],
            per_phase,
            planar,
        }
    }

    /// For each image the gradient to an input of `at.input` rows and columns from the cotangent of its output,
    /// written or added.
    pub(super) fn run(
        &self,
        mode: Mode,
        at: &Geometry,
        images: &mut [(&[f32], &mut [f32])],
        add: bool,
        scratch: &mut Scratch,
    ) {
        // Where only parts of the maps are held, the first window may lie elsewhere than the padding says.
        let moved = [0, 1].map(|axis| self.pads[axis] as isize - at.before[axis]);
        let mut back = Geometry {
            input: at.output,
            before: [0, 1].map(|axis| moved[axis] - self.first[axis]),
            output: at.input,
            stride: [1, 1],
            dilation: self.dilation,
        };
        if self.stride == [1, 1] && !self.planar {
            let finish = if add { Finish::Add } else { Finish::Plain };
            convolve(mode, &self.packed, &back, images, finish, scratch);
            return;
        }
        debug_assert_eq!(moved, [0, 0], "phases are those of whole maps");
        back.output = [0, 1].map(|axis| at.input[axis].div_ceil(self.stride[axis]));
        let pixels = back.output[0] * back.output[1];
        let len = self.packed.out_blocks * pixels * LANES;
        let mut phases = std::mem::take(&mut scratch.phases);
        grown(&mut phases, images.len() * len);
        let parts = images.iter().zip(phases.chunks_exact_mut(len));
        let mut parts: Vec<(&[f32], &mut [f32])> = parts.map(|((g, _), to)| (*g, to)).collect();
        convolve(
            mode,
            &self.packed,
            &back,
            &mut parts,
            Finish::Plain,
            scratch,
        );
        for ((_, gx), phases) in images.iter_mut().zip(phases.chunks_exact(len)) {
            self.spread(at.input, back.output, phases, (gx, add));
        }
        scratch.phases = phases;
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
        for (line, gx) in gx.chunks_exact_mut(size[1] * width).enumerate() {
            let (plane, row) = (line / size[0], line % size[0]);
            debug_assert!(plane < planes);
            for col_phase in 0..self.stride[1].min(size[1]) {
                let phase = row % self.stride[0] * self.stride[1] + col_phase;
                let lane = phase * self.per_phase + plane * width;
                let first = lane / LANES * pixels + row / self.stride[0] * coarse[1];
                let from = phases[first * LANES..].chunks_exact(LANES);
                let to = gx.chunks_mut(width).skip(col_phase).step_by(self.stride[1]);
                for (to, from) in to.zip(from) {
                    let from = &from[lane % LANES..lane % LANES + width];
                    for (to, from) in to.iter_mut().zip(from) {
                        *to = if add { *to + from } else { *from };
                    }
                }
            }
        }
    }
}
