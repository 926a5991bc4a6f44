//! Smooth functions of one number, and their slopes, in a form that becomes vector instructions: no branches, no calls.

use super::simd::{LANES, Work};
use crate::network::ops::Unary;

/// A function that is finite at 0, which is what unused lanes hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Curve {
    LeakyRelu(f32),
    Elu(f32),
    Sigmoid,
    HardSigmoid(f32, f32),
    HardSwish,
    Silu,
    Gelu,
    Tanh,
}

impl Curve {
    /// `None` for functions that are rare in convolutional networks.
    pub(super) fn of(unary: &Unary) -> Option<Self> {
        Some(match *unary {
            Unary::LeakyRelu(slope) => Self::LeakyRelu(slope),
            Unary::Elu(alpha) => Self::Elu(alpha),
            Unary::Sigmoid => Self::Sigmoid,
            Unary::HardSigmoid { alpha, beta } => Self::HardSigmoid(alpha, beta),
            Unary::HardSwish => Self::HardSwish,
            Unary::Silu => Self::Silu,
            Unary::Gelu => Self::Gelu,
            Unary::Tanh => Self::Tanh,
            _ => return None,
        })
    }
}

/// eˣ to about 1e-7 relative: 2ⁿ times a polynomial on ±ln 2 / 2 (the coefficients are Cephes').
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Comparisons that NaN passes through.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    // Adding 1.5 · 2²³ rounds to a whole number, which then stands in the low bits.
    let shifted = x * std::f32::consts::LOG2_E + 12_582_912.0;
    let n = shifted - 12_582_912.0;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4 * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    let scale = (shifted.to_bits() << 23).wrapping_add(127 << 23);
    p * f32::from_bits(scale)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn unit(x: f32) -> f32 {
    let x = if x < 0.0 { 0.0 } else { x };
    if x > 1.0 { 1.0 } else { x }
}

/// The normal distribution's Φ, by Abramowitz and Stegun 7.1.26: 1.5e-7 at most off.
#[inline(always)]
fn normal(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4 * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_7;
    let p = p * t + 0.254_829_6;
    let tail = 0.5 * p * t * exp(-z * z);
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// y = f(x).
pub(super) struct Apply<'a> {
    pub curve: Curve,
    pub x: &'a [f32],
    pub y: &'a mut [f32],
}

/// y = f(x) for every element, the function known to the compiler.
#[inline(always)]
fn map(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    for (y, x) in y.chunks_exact_mut(LANES).zip(x.chunks_exact(LANES)) {
        for lane in 0..LANES {
            y[lane] = f(x[lane]);
        }
    }
}

impl Work for Apply<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Self { curve, x, y } = self;
        match curve {
            Curve::LeakyRelu(slope) => map(x, y, |x| if x > 0.0 { x } else { slope * x }),
            Curve::Elu(alpha) => map(x, y, |x| if x > 0.0 { x } else { alpha * (exp(x) - 1.0) }),
            Curve::Sigmoid => map(x, y, sigmoid),
            Curve::HardSigmoid(alpha, beta) => map(x, y, |x| unit(alpha * x + beta)),
            Curve::HardSwish => map(x, y, |x| x * unit(x * (1.0 / 6.0) + 0.5)),
            Curve::Silu => map(x, y, |x| x * sigmoid(x)),
            Curve::Gelu => map(x, y, |x| x * normal(x)),
            Curve::Tanh => map(x, y, |x| 2.0 * sigmoid(2.0 * x) - 1.0),
        }
    }
}

/// y = t · f′(x), written or added.
pub(super) struct Slope<'a> {
    pub curve: Curve,
    pub x: &'a [f32],
    pub t: &'a [f32],
    pub y: &'a mut [f32],
    pub add: bool,
}

#[inline(always)]
fn scale(task: &mut Slope, slope: impl Fn(f32) -> f32) {
    let values = task.x.chunks_exact(LANES).zip(task.t.chunks_exact(LANES));
    for (y, (x, t)) in task.y.chunks_exact_mut(LANES).zip(values) {
        for lane in 0..LANES {
            let before = if task.add { y[lane] } else { 0.0 };
            y[lane] = before + t[lane] * slope(x[lane]);
        }
    }
}

impl Work for Slope<'_> {
    type Output = ();
    #[inline(always)]
    fn run(mut self) {
        match self.curve {
            Curve::LeakyRelu(below) => scale(&mut self, |x| if x > 0.0 { 1.0 } else { below }),
            Curve::Elu(alpha) => scale(&mut self, |x| if x > 0.0 { 1.0 } else { alpha * exp(x) }),
            Curve::Sigmoid => scale(&mut self, |x| {
                let y = sigmoid(x);
                y - y * y
            }),
            Curve::HardSigmoid(alpha, beta) => scale(&mut self, |x| {
                let y = alpha * x + beta;
                if y > 0.0 && y < 1.0 { alpha } else { 0.0 }
            }),
            Curve::HardSwish => scale(&mut self, |x| {
                let inside = if x > -3.0 { x * (1.0 / 3.0) + 0.5 } else { 0.0 };
                if x >= 3.0 { 1.0 } else { inside }
            }),
            Curve::Silu => scale(&mut self, |x| {
                let y = sigmoid(x);
                y + x * y * (1.0 - y)
            }),
            Curve::Gelu => scale(&mut self, |x| {
                let density = 0.398_942_3 * exp(-0.5 * x * x);
                normal(x) + x * density
            }),
            Curve::Tanh => scale(&mut self, |x| {
                let y = 2.0 * sigmoid(2.0 * x) - 1.0;
                1.0 - y * y
            }),
        }
    }
}
