//! Activations made ready for distances.

use super::LayoutError;
use crate::atlas::LayoutMetric;
use crate::math::moments;
use ndarray::parallel::prelude::*;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, s};

/// Rows whose scalar products give distances: unit vectors for the cosine, centred ones (which cost fewer
/// digits) for the euclidean metric.
#[derive(Debug, Clone)]
pub struct Points {
    /// n × width. With zero vectors under the cosine metric width is depth + 1: the extra coordinate is 1 for
    /// them, which makes them alike among themselves and orthogonal to all others.
    rows: Array2<f32>,
    /// |row|² for the euclidean metric; 1 for the cosine.
    squares: Vec<f32>,
    metric: LayoutMetric,
}

impl Points {
    /// Checks and prepares `activations` (n × depth).
    ///
    /// # Errors
    /// [`LayoutError::NotFinite`] with the first row that holds a NaN or an infinity.
    pub fn new(
        activations: &ArrayView2<'_, f32>,
        metric: LayoutMetric,
    ) -> Result<Self, LayoutError> {
        let bad = activations
            .axis_iter(Axis(0))
            .into_par_iter()
            .enumerate()
            .filter_map(|(row, v)| Some((row, v.iter().position(|x| !x.is_finite())?)))
            .min();
        if let Some((row, channel)) = bad {
            return Err(LayoutError::NotFinite { row, channel });
        }
        Ok(match metric {
            LayoutMetric::Cosine => Self::unit(activations),
            LayoutMetric::Euclidean => Self::centred(activations),
        })
    }

    fn unit(activations: &ArrayView2<'_, f32>) -> Self {
        let norms: Vec<f64> = activations
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|row| norm(&row))
            .collect();
        let (n, depth) = activations.dim();
        let extra = usize::from(norms.contains(&0.0));
        let mut rows = Array2::<f32>::zeros((n, depth + extra));
        rows.axis_iter_mut(Axis(0))
            .into_par_iter()
            .zip(activations.axis_iter(Axis(0)))
            .zip(&norms)
            .for_each(|((mut to, from), &norm)| {
                if norm == 0.0 {
                    to[depth] = 1.0;
                } else {
                    let scaled = from.mapv(|v| (f64::from(v) / norm) as f32);
                    to.slice_mut(s![..depth]).assign(&scaled);
                }
            });
        Self {
            rows,
            squares: vec![1.0; n],
            metric: LayoutMetric::Cosine,
        }
    }

    fn centred(activations: &ArrayView2<'_, f32>) -> Self {
        let mean = moments::mean(activations).mapv(|v| v as f32);
        let mut rows = activations.to_owned();
        rows.axis_iter_mut(Axis(0))
            .into_par_iter()
            .for_each(|mut row| row -= &mean);
        let squares = rows
            .axis_iter(Axis(0))
            .into_par_iter()
            .map(|row| row.dot(&row))
            .collect();
        Self {
            rows,
            squares,
            metric: LayoutMetric::Euclidean,
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.squares.is_empty()
    }

    /// The prepared vectors, n × width.
    pub fn rows(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }

    /// An order-preserving stand-in for the distance of `i` and `j` whose scalar product is `dot`: 1 − cosine,
    /// or the squared euclidean distance. Never negative.
    #[inline]
    pub(crate) fn rank_distance(&self, i: usize, j: usize, dot: f32) -> f32 {
        match self.metric {
            LayoutMetric::Cosine => (1.0 - dot).max(0.0),
            LayoutMetric::Euclidean => (self.squares[i] + self.squares[j] - 2.0 * dot).max(0.0),
        }
    }

    /// The distance that a rank distance stands for.
    #[inline]
    pub(crate) fn distance(&self, rank_distance: f32) -> f32 {
        match self.metric {
            LayoutMetric::Cosine => rank_distance,
            LayoutMetric::Euclidean => rank_distance.sqrt(),
        }
    }
}

/// Euclidean norm in double precision: squares of large activations must not overflow.
fn norm(row: &ArrayView1<'_, f32>) -> f64 {
    row.iter()
        .map(|&v| f64::from(v) * f64::from(v))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn distance(points: &Points, i: usize, j: usize) -> f32 {
        let dot = points.rows.row(i).dot(&points.rows.row(j));
        points.distance(points.rank_distance(i, j, dot))
    }

    #[test]
    fn distances_by_hand() {
        let rows = arr2(&[[3.0, 4.0], [0.0, 0.0], [4.0, -3.0], [6.0, 8.0], [0.0, 0.0]]);
        let cosine = Points::new(&rows.view(), LayoutMetric::Cosine).unwrap();
        for (i, j, expected) in [(0, 2, 1.0), (0, 3, 0.0), (0, 1, 1.0), (1, 4, 0.0)] {
            assert!((distance(&cosine, i, j) - expected).abs() < 1e-6);
        }
        let euclidean = Points::new(&rows.view(), LayoutMetric::Euclidean).unwrap();
        for (i, j, expected) in [
            (0, 1, 5.0),
            (0, 3, 5.0),
            (1, 4, 0.0),
            (2, 3, 125_f32.sqrt()),
        ] {
            assert!((distance(&euclidean, i, j) - expected).abs() < 1e-4);
        }
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let mut rows = Array2::<f32>::zeros((5, 3));
        rows[(4, 0)] = f32::INFINITY;
        rows[(2, 1)] = f32::NAN;
        let error = Points::new(&rows.view(), LayoutMetric::Cosine).unwrap_err();
        assert_eq!(error, LayoutError::NotFinite { row: 2, channel: 1 });
    }
}
