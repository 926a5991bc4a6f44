//! Max and average pooling with padding and rounded-up sizes.
//!
//! Ties of a max pool go to the first element of the window in row-major order, forward and backward alike.

mod host;
mod slices;

use super::tensor::on_host;
use super::window::Window;
use crate::atlas::Relaxation;
use crate::network::{NetworkError, Result};
use candle_core::Tensor;

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
    /// Round the output size up, as for [`MaxPool`]; what hangs over the padding does not count.
    pub ceil: bool,
}

impl MaxPool {
    /// Where its windows lie.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            pads: self.pads,
            ceil: self.ceil,
        }
    }

    /// `[b, c, h, w]` → `[b, c, h', w']`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let max = if on_host(x) { host::max } else { slices::max };
        max(self.window(), x)
    }

    /// Cotangent of the output → gradient to the input: each window's cotangent goes to its winner in `x`.
    pub fn vjp(&self, x: &Tensor, cotangent: &Tensor) -> Result<Tensor> {
        let scatter = if on_host(x) {
            host::scatter
        } else {
            slices::scatter
        };
        scatter(self.window(), x, cotangent)
    }

    /// Tangents `[p, c, h, w]` → tangents of the output, linearised at `x` of `[1, c, h, w]` or `[p, …]`.
    ///
    /// [`Relaxation::Plain`] is the derivative: the winner's tangent. [`Relaxation::Average`] replaces it by
    /// the mean tangent of the window, where elements of the padding do not count.
    pub fn jvp(&self, x: &Tensor, tangent: &Tensor, relaxation: Relaxation) -> Result<Tensor> {
        match relaxation {
            Relaxation::Average => mean(self.window(), tangent, false),
            Relaxation::Plain if on_host(x) => host::gather(self.window(), x, tangent),
            Relaxation::Plain => slices::gather(self.window(), x, tangent),
        }
    }
}

impl AvgPool {
    /// Where its windows lie.
    pub fn window(&self) -> Window {
        Window {
            kernel: self.kernel,
            stride: self.stride,
            pads: self.pads,
            ceil: self.ceil,
        }
    }

    /// `[b, c, h, w]` → `[b, c, h', w']`; linear, so this is its jvp as well.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        mean(self.window(), x, self.count_include_pad)
    }

    /// Cotangent of the output → gradient to the input of `size` rows and columns.
    pub fn vjp(&self, size: (usize, usize), cotangent: &Tensor) -> Result<Tensor> {
        slices::spread(self.window(), size, cotangent, self.count_include_pad)
    }
}

fn mean(window: Window, x: &Tensor, include_pad: bool) -> Result<Tensor> {
    let mean = if on_host(x) { host::mean } else { slices::mean };
    mean(window, x, include_pad)
}

fn output_of(window: &Window, x: &Tensor) -> Result<(usize, usize)> {
    let (_, _, h, w) = x.dims4()?;
    window.output((h, w)).ok_or_else(|| {
        NetworkError::BadGraph(format!(
            "a {}×{} pool does not fit a {h}×{w} map",
            window.kernel[0], window.kernel[1]
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// Whole numbers of which many are equal, so that ties are met.
    fn noise(shape: (usize, usize, usize, usize), seed: u32) -> Tensor {
        let n = shape.0 * shape.1 * shape.2 * shape.3;
        let value = |i: u32| ((i.wrapping_mul(2_654_435_761) ^ (seed * 77)) >> 13) % 7;
        let values: Vec<f32> = (0..n as u32).map(|i| value(i) as f32 - 3.0).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    fn values(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn windows() -> Vec<Window> {
        let window = |kernel, stride, pads, ceil| Window {
            kernel,
            stride,
            pads,
            ceil,
        };
        vec![
            window([3, 3], [2, 2], [0; 4], true),
            window([3, 3], [1, 1], [1; 4], false),
            window([2, 2], [2, 2], [0; 4], false),
            window([3, 2], [2, 1], [1, 0, 2, 1], false),
            window([2, 3], [3, 2], [0, 1, 1, 2], true),
        ]
    }

    #[test]
    fn slices_and_host_agree() {
        for window in windows() {
            for (h, w) in [(5, 7), (6, 6), (9, 4)] {
                let x = noise((1, 3, h, w), 1);
                let (a, b) = (slices::max(window, &x), host::max(window, &x));
                let (a, b) = (a.unwrap(), b.unwrap());
                assert_eq!(a.dims(), b.dims(), "{window:?} on {h}×{w}");
                assert_eq!(values(&a), values(&b), "{window:?} on {h}×{w}");

                let tangent = noise((4, 3, h, w), 2);
                let a = slices::gather(window, &x, &tangent).unwrap();
                let b = host::gather(window, &x, &tangent).unwrap();
                assert_eq!(values(&a), values(&b), "{window:?} on {h}×{w}");

                let cotangent = noise((1, 3, b.dims()[2], b.dims()[3]), 3);
                let a = slices::scatter(window, &x, &cotangent).unwrap();
                let b = host::scatter(window, &x, &cotangent).unwrap();
                assert_eq!(values(&a), values(&b), "{window:?} on {h}×{w}");

                for include_pad in [false, true] {
                    let a = slices::mean(window, &x, include_pad).unwrap();
                    let b = host::mean(window, &x, include_pad).unwrap();
                    for (a, b) in values(&a).iter().zip(values(&b)) {
                        assert!((a - b).abs() < 1e-5, "{window:?} on {h}×{w}: {a} {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_rounded_up_pool_by_hand() {
        // Four columns, windows of three in steps of two: {0, 1, 2} and {2, 3}.
        let pool = MaxPool {
            kernel: [1, 3],
            stride: [1, 2],
            pads: [0; 4],
            ceil: true,
        };
        let x = Tensor::new(&[[[[1f32, 5.0, 2.0, 2.0]]]], &Device::Cpu).unwrap();
        assert_eq!(values(&pool.forward(&x).unwrap()), [5.0, 2.0]);
        // The tie in the second window goes to its first element.
        let cotangent = Tensor::new(&[[[[10f32, 1.0]]]], &Device::Cpu).unwrap();
        assert_eq!(
            values(&pool.vjp(&x, &cotangent).unwrap()),
            [0.0, 10.0, 1.0, 0.0]
        );
        // The mean of a hanging window is over what lies on the map: (1 + 5 + 2) / 3 and (2 + 2) / 2.
        let mean = pool.jvp(&x, &x, Relaxation::Average).unwrap();
        assert_eq!(values(&mean), [8.0 / 3.0, 2.0]);
    }

    #[test]
    fn padding_never_wins() {
        let pool = MaxPool {
            kernel: [3; 2],
            stride: [1; 2],
            pads: [1; 4],
            ceil: false,
        };
        let x = Tensor::new(&[[[[-3f32, -2.0], [-5.0, -4.0]]]], &Device::Cpu).unwrap();
        assert_eq!(values(&pool.forward(&x).unwrap()), [-2.0; 4]);
    }
}
