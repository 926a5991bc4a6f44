//! Activations made ready for distances, without a copy of them.

use super::LayoutError;
use crate::atlas::LayoutMetric;
use crate::math::moments;
use ndarray::linalg::general_mat_mul;
use ndarray::parallel::prelude::*;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip, s};

/// Rows that are prepared at a time for a product.
const ROWS: usize = 512;

/// Rows whose scalar products give distances: unit vectors for the cosine, centred ones (which cost fewer
/// digits) for the euclidean metric. A million activations are not held twice: blocks are made on demand.
#[derive(Debug, Clone)]
pub struct Points<'a> {
    /// n × depth, as given.
    activations: ArrayView2<'a, f32>,
    preparation: Preparation,
    /// |row|² of the prepared rows. Under the cosine metric it is 1, or 0 for a zero vector.
    squares: Vec<f32>,
}

/// From an activation to the row that products are taken of.
#[derive(Debug, Clone)]
enum Preparation {
    /// Times 1 / |row|, or 0 for a zero vector.
    Unit(Vec<f32>),
    /// Minus the mean row.
    Centred(Array1<f32>),
}

impl<'a> Points<'a> {
    /// Checks `activations` (n × depth).
    ///
    /// # Errors
    /// [`LayoutError::NotFinite`] with the first row that holds a NaN or an infinity.
    pub fn new(
        activations: &ArrayView2<'a, f32>,
        metric: LayoutMetric,
    ) -> Result<Self, LayoutError> {
        let preparation = match metric {
            LayoutMetric::Cosine => Preparation::Unit(Vec::new()),
            LayoutMetric::Euclidean => {
                Preparation::Centred(moments::mean(activations).mapv(|v| v as f32))
            }
        };
        Self::prepared(activations, preparation)
    }

    /// Points to be compared with these; a euclidean metric's centre is taken from here.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn like<'b>(
        &self,
        activations: &ArrayView2<'b, f32>,
    ) -> Result<Points<'b>, LayoutError> {
        Points::prepared(activations, self.preparation.clone())
    }

    fn prepared(
        activations: &ArrayView2<'a, f32>,
        mut preparation: Preparation,
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
        let each = || activations.axis_iter(Axis(0)).into_par_iter();
        let squares = match &mut preparation {
            Preparation::Unit(scale) => {
                *scale = each().map(|row| inverse_norm(&row)).collect();
                let length = |&scale: &f32| if scale > 0.0 { 1.0 } else { 0.0 };
                scale.iter().map(length).collect()
            }
            Preparation::Centred(mean) => each()
                .map(|row| {
                    Zip::from(&row)
                        .and(&*mean)
                        .fold(0.0, |sum, v, m| sum + (v - m).powi(2))
                })
                .collect(),
        };
        Ok(Self {
            activations: *activations,
            preparation,
            squares,
        })
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.squares.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.squares.is_empty()
    }

    /// Channels.
    pub(crate) fn depth(&self) -> usize {
        self.activations.ncols()
    }

    /// The prepared rows of `members`, one after another: members × depth.
    pub(crate) fn gather(&self, members: impl ExactSizeIterator<Item = usize>) -> Array2<f32> {
        let mut block = Array2::zeros((members.len(), self.depth()));
        for (mut to, member) in block.axis_iter_mut(Axis(0)).zip(members) {
            self.prepare(member, &mut to);
        }
        block
    }

    /// The prepared rows `range` into the top of `block`, whose other rows stay.
    pub(crate) fn fill(&self, block: &mut Array2<f32>, range: std::ops::Range<usize>) {
        let mut top = block.slice_mut(s![..range.len(), ..]);
        for (mut to, member) in top.axis_iter_mut(Axis(0)).zip(range) {
            self.prepare(member, &mut to);
        }
    }

    /// Scalar products of prepared `rows` (m × depth) with all points: m × n.
    pub(crate) fn products(&self, rows: &Array2<f32>) -> Array2<f32> {
        let mut products = Array2::<f32>::zeros((rows.nrows(), self.len()));
        let mut block = Array2::<f32>::zeros((ROWS.min(self.len()), self.depth()));
        for first in (0..self.len()).step_by(ROWS) {
            let range = first..(first + ROWS).min(self.len());
            self.fill(&mut block, range.clone());
            let top = block.slice(s![..range.len(), ..]);
            let mut out = products.slice_mut(s![.., range]);
            general_mat_mul(1.0, rows, &top.t(), 0.0, &mut out);
        }
        products
    }

    /// Coordinates along `components` (k × depth) after subtracting `mean` from the prepared rows: n × k.
    pub(crate) fn project(
        &self,
        mean: &ArrayView1<'_, f32>,
        components: &ArrayView2<'_, f32>,
    ) -> Array2<f32> {
        let mut coordinates = Array2::<f32>::zeros((self.len(), components.nrows()));
        coordinates
            .axis_chunks_iter_mut(Axis(0), ROWS)
            .into_par_iter()
            .enumerate()
            .for_each(|(chunk, mut out)| {
                let first = chunk * ROWS;
                let rows = self.gather(first..first + out.nrows()) - mean;
                out.assign(&rows.dot(&components.t()));
            });
        coordinates
    }

    #[inline]
    fn prepare(&self, member: usize, to: &mut ndarray::ArrayViewMut1<'_, f32>) {
        let from = self.activations.row(member);
        match &self.preparation {
            Preparation::Unit(scale) => {
                let scale = scale[member];
                to.zip_mut_with(&from, |to, &v| *to = v * scale);
            }
            Preparation::Centred(mean) => Zip::from(to)
                .and(&from)
                .and(mean)
                .for_each(|to, &v, &m| *to = v - m),
        }
    }

    /// An order-preserving stand-in for the distance of `i` and `j` whose scalar product is `dot`: 1 − cosine,
    /// or the squared euclidean distance. Never negative.
    #[inline]
    pub(crate) fn rank_distance(&self, i: usize, j: usize, dot: f32) -> f32 {
        self.rank_between(self.squares[i], j, dot)
    }

    /// [`Self::rank_distance`] of a point with the given [`Self::square`] that need not be among these.
    #[inline]
    pub(crate) fn rank_between(&self, square: f32, j: usize, dot: f32) -> f32 {
        match self.preparation {
            // Zero vectors: alike among themselves, at distance 1 from all others.
            Preparation::Unit(_) => (square.max(self.squares[j]) - dot).max(0.0),
            Preparation::Centred(_) => (square + self.squares[j] - 2.0 * dot).max(0.0),
        }
    }

    /// |row|² of a prepared row.
    #[inline]
    pub(crate) fn square(&self, i: usize) -> f32 {
        self.squares[i]
    }

    /// The distance that a rank distance stands for.
    #[inline]
    pub(crate) fn distance(&self, rank_distance: f32) -> f32 {
        match self.preparation {
            Preparation::Unit(_) => rank_distance,
            Preparation::Centred(_) => rank_distance.sqrt(),
        }
    }
}

/// 1 / |row|, or 0 for a zero vector. The sum is taken in double precision, so that squares of large
/// activations do not overflow; lengths that a float cannot invert are taken for the nearest that it can.
fn inverse_norm(row: &ArrayView1<'_, f32>) -> f32 {
    let square: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if square == 0.0 {
        return 0.0;
    }
    (1.0 / square.sqrt()).clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    fn distance(points: &Points<'_>, i: usize, j: usize) -> f32 {
        let rows = points.gather([i, j].into_iter());
        let dot = rows.row(0).dot(&rows.row(1));
        points.distance(points.rank_distance(i, j, dot))
    }

    #[test]
    fn distances_by_hand() {
        let rows = arr2(&[[3.0, 4.0], [0.0, 0.0], [4.0, -3.0], [6.0, 8.0], [0.0, 0.0]]);
        let view = rows.view();
        let cosine = Points::new(&view, LayoutMetric::Cosine).unwrap();
        for (i, j, expected) in [(0, 2, 1.0), (0, 3, 0.0), (0, 1, 1.0), (1, 4, 0.0)] {
            assert!((distance(&cosine, i, j) - expected).abs() < 1e-6);
        }
        let euclidean = Points::new(&view, LayoutMetric::Euclidean).unwrap();
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
    fn new_points_are_compared_in_the_same_frame() {
        let rows = arr2(&[[3.0, 4.0], [1.0, 1.0]]);
        let new = arr2(&[[6.0, 8.0]]);
        for (metric, expected) in [(LayoutMetric::Cosine, 0.0), (LayoutMetric::Euclidean, 5.0)] {
            let view = rows.view();
            let points = Points::new(&view, metric).unwrap();
            let new_view = new.view();
            let others = points.like(&new_view).unwrap();
            let dot = others
                .gather([0].into_iter())
                .row(0)
                .dot(&points.gather([0].into_iter()).row(0));
            let found = points.distance(points.rank_between(others.square(0), 0, dot));
            assert!((found - expected).abs() < 1e-6, "{metric:?}: {found}");
        }
    }

    #[test]
    fn huge_and_tiny_rows_keep_their_direction() {
        let rows = arr2(&[[3e30, 4e30], [3e-30, 4e-30], [4.0, -3.0]]);
        let view = rows.view();
        let points = Points::new(&view, LayoutMetric::Cosine).unwrap();
        assert!(distance(&points, 0, 1) < 1e-6);
        assert!((distance(&points, 0, 2) - 1.0).abs() < 1e-6);
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
