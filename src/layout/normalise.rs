//! Positions to the unit square, as the article's code does (lucid, `normalize_layout`).

use crate::math::percentiles;
use ndarray::{Array2, ArrayView2, Axis};

/// Share of the range that is left free beyond the percentiles.
const MARGIN: f32 = 0.1;

/// Each axis on its own: the range from the 1st to the 99th percentile, lowered by a tenth of itself and then
/// raised by a tenth of what it has become (so 10 % below and 11 % above, as in the original code); what lies
/// outside is moved to the border; the result is stretched to `[0, 1]`. An axis without extent becomes 0.5.
/// Axes are not flipped: y grows down.
pub fn normalise(raw: &ArrayView2<'_, f32>) -> Array2<f32> {
    Frame::of(raw).place(raw)
}

/// What of the plane becomes the unit square.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// Per axis the coordinates that become 0 and 1.
    bounds: [(f32, f32); 2],
}

impl Frame {
    /// The frame of the positions `raw` (n × 2); see [`normalise`].
    pub fn of(raw: &ArrayView2<'_, f32>) -> Self {
        let bounds = [0, 1].map(|axis| {
            let values = raw.column(axis).to_vec();
            let percentiles = percentiles(&values, &[1.0, 99.0]);
            let (mut lo, mut hi) = (percentiles[0], percentiles[1]);
            lo -= MARGIN * (hi - lo);
            hi += MARGIN * (hi - lo);
            let (lo, hi) = (lo.min(hi), hi.max(lo));
            let clamped = values.iter().map(|v| v.clamp(lo, hi));
            clamped.fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), v| {
                (min.min(v), max.max(v))
            })
        });
        Self { bounds }
    }

    /// Raw positions (n × 2) in the unit square.
    pub fn place(&self, raw: &ArrayView2<'_, f32>) -> Array2<f32> {
        let mut position = raw.to_owned();
        for (mut axis, &(min, max)) in position.axis_iter_mut(Axis(1)).zip(&self.bounds) {
            let extent = max - min;
            axis.map_inplace(|v| {
                *v = if extent > 0.0 {
                    ((*v - min) / extent).clamp(0.0, 1.0)
                } else {
                    0.5
                }
            });
        }
        position
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    /// 101 points 0..=100: p1 = 1, p99 = 99, lo = 1 − 9.8 = −8.8, hi = 99 + 10.78 = 109.78: nothing is
    /// clipped. With an outlier at 1000 instead of 100, it lands on hi = 109.78.
    #[test]
    fn percentiles_margins_and_clip_by_hand() {
        let mut raw = Array2::from_shape_fn((101, 2), |(r, _)| r as f32);
        raw[(100, 1)] = 1000.0;
        let position = normalise(&raw.view());
        assert!((position[(50, 0)] - 0.5).abs() < 1e-6);
        assert_eq!(position[(100, 1)], 1.0);
        assert!((position[(99, 1)] - 99.0 / 109.78).abs() < 1e-5);
        assert_eq!(position[(0, 1)], 0.0);
    }

    #[test]
    fn degenerate_axes() {
        let position = normalise(&ndarray::arr2(&[[1.0, 2.0], [1.0, 3.0]]).view());
        assert_eq!(position, ndarray::arr2(&[[0.5, 0.0], [0.5, 1.0]]));
        assert_eq!(normalise(&Array2::zeros((0, 2)).view()).nrows(), 0);
        assert_eq!(normalise(&Array2::zeros((1, 2)).view())[(0, 1)], 0.5);
    }
}
