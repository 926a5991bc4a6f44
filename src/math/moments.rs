//! Mean and second moment of many vectors.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};
use rayon::prelude::*;

/// Rows that are converted to double precision at a time.
const ROWS: usize = 1024;
/// Columns of one task; products of column blocks are computed once and mirrored.
const COLUMNS: usize = 128;

/// The mean row of `rows` (n × depth); zeros when there is none.
pub fn mean(rows: &ArrayView2<'_, f32>) -> Array1<f64> {
    let partial: Vec<Array1<f64>> = rows
        .axis_chunks_iter(Axis(0), ROWS)
        .into_par_iter()
        .map(|chunk| {
            let mut sum = Array1::<f64>::zeros(chunk.ncols());
            for row in chunk.rows() {
                Zip::from(&mut sum)
                    .and(row)
                    .for_each(|s, &v| *s += f64::from(v));
            }
            sum
        })
        .collect();
    let mut total = Array1::zeros(rows.ncols());
    for sum in &partial {
        total += sum;
    }
    total / rows.nrows().max(1) as f64
}

/// The uncentred second moment XᵀX / n of `rows` (n × depth), depth × depth, in double precision; zeros when
/// there is no row. Works through blocks of rows, so a large input is never copied as a whole.
pub fn second_moment(rows: &ArrayView2<'_, f32>) -> Array2<f64> {
    let (n, depth) = rows.dim();
    let n_blocks = depth.div_ceil(COLUMNS);
    let columns = |block: usize| block * COLUMNS..((block + 1) * COLUMNS).min(depth);
    let mut tasks: Vec<(usize, usize, Array2<f64>)> = (0..n_blocks)
        .flat_map(|i| (i..n_blocks).map(move |j| (i, j)))
        .map(|(i, j)| (i, j, Array2::zeros((columns(i).len(), columns(j).len()))))
        .collect();
    let mut wide = Array2::<f64>::zeros((ROWS.min(n), depth));
    for chunk in rows.axis_chunks_iter(Axis(0), ROWS) {
        let mut block = wide.slice_mut(s![..chunk.nrows(), ..]);
        Zip::from(&mut block)
            .and(&chunk)
            .par_for_each(|wide, &narrow| *wide = f64::from(narrow));
        let block = block.view();
        tasks.par_iter_mut().for_each(|(i, j, sum)| {
            let left = block.slice(s![.., columns(*i)]);
            let right = block.slice(s![.., columns(*j)]);
            general_mat_mul(1.0, &left.t(), &right, 1.0, sum);
        });
    }
    let mut moment = Array2::zeros((depth, depth));
    let scale = 1.0 / n.max(1) as f64;
    for (i, j, sum) in tasks {
        let scaled = sum * scale;
        moment
            .slice_mut(s![columns(j), columns(i)])
            .assign(&scaled.t());
        moment.slice_mut(s![columns(i), columns(j)]).assign(&scaled);
    }
    moment
}

/// The covariance that belongs to a second moment and a mean: M − μμᵀ.
pub fn covariance(second_moment: &Array2<f64>, mean: &Array1<f64>) -> Array2<f64> {
    let mut covariance = second_moment.clone();
    for (mut row, &m) in covariance.rows_mut().into_iter().zip(mean) {
        row.scaled_add(-m, mean);
    }
    covariance
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn agree_with_the_definition() {
        let mut rng = Rng::new(5);
        let (n, depth) = (ROWS + 77, COLUMNS + 9);
        let rows = Array2::from_shape_fn((n, depth), |_| rng.normal() + 0.3);
        let moment = second_moment(&rows.view());
        let average = mean(&rows.view());
        for (i, j) in [(0, 0), (3, COLUMNS + 2), (COLUMNS + 2, 3), (depth - 1, 1)] {
            let sum: f64 = rows
                .rows()
                .into_iter()
                .map(|row| f64::from(row[i]) * f64::from(row[j]))
                .sum();
            assert!((moment[(i, j)] - sum / n as f64).abs() < 1e-12);
        }
        let sum: f64 = rows.column(7).iter().map(|&v| f64::from(v)).sum();
        assert!((average[7] - sum / n as f64).abs() < 1e-12);
        let spread = covariance(&moment, &average);
        assert!((spread[(4, 4)] - 1.0).abs() < 0.15);
    }

    #[test]
    fn nothing_gives_zeros() {
        let rows = Array2::<f32>::zeros((0, 3));
        assert_eq!(second_moment(&rows.view()), Array2::<f64>::zeros((3, 3)));
        assert_eq!(mean(&rows.view()), Array1::<f64>::zeros(3));
    }
}
