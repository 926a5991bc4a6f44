//! Operators: one file each, with forward, vjp and jvp side by side.

use candle_core::Tensor;

/// 2-D convolution.
#[derive(Debug, Clone)]
pub struct Conv {
    /// `[out, in / groups, kernel rows, kernel columns]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Zeros added at top, left, bottom, right.
    pub pads: [usize; 4],
    /// Channel groups; 1 = dense, `in` = depthwise.
    pub groups: usize,
}

/// Max pooling; padding never wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPool {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    /// Round the output size up (a last window may hang over the edge, but must start inside the padded input).
    pub ceil: bool,
}

/// Average pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvgPool {
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows, columns.
    pub stride: [usize; 2],
    /// Top, left, bottom, right.
    pub pads: [usize; 4],
    /// Padding counts in the divisor.
    pub count_include_pad: bool,
}

/// Local response normalisation: `y = x / (k + alpha / size · Σ x²)^beta` over `size` neighbouring channels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lrn {
    /// Number of channels in the window (odd).
    pub size: usize,
    /// Scale of the sum of squares, divided by `size`.
    pub alpha: f64,
    /// Exponent.
    pub beta: f64,
    /// Additive constant.
    pub k: f64,
}

/// Fully connected layer.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}
