//! Percentiles with linear interpolation.

/// The `percent`-th percentile (0..=100) of `values` by linear interpolation between order statistics, as
/// numpy's default (Hyndman & Fan 1996, type 7). NaN when `values` is empty; NaNs sort last.
pub fn percentile(values: &[f32], percent: f64) -> f32 {
    percentiles(values, &[percent])[0]
}

/// Several percentiles for the price of one sort; see [`percentile`].
pub fn percentiles(values: &[f32], percents: &[f64]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    percents.iter().map(|&p| of_sorted(&sorted, p)).collect()
}

fn of_sorted(sorted: &[f32], percent: f64) -> f32 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f32::NAN;
    };
    let rank = last as f64 * (percent / 100.0).clamp(0.0, 1.0);
    let below = rank.floor() as usize;
    let (lo, hi) = (
        f64::from(sorted[below]),
        f64::from(sorted[(below + 1).min(last)]),
    );
    (lo + (hi - lo) * (rank - below as f64)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [0, 1, 25, 50, 90, 99, 100])
    #[test]
    fn agrees_with_numpy() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let found = percentiles(&values, &[0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 100.0]);
        let expected = [1.0, 1.0, 1.75, 3.5, 6.9, 8.79, 9.0];
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn few_values() {
        assert!(percentile(&[], 50.0).is_nan());
        assert_eq!(percentile(&[7.0], 1.0), 7.0);
        assert_eq!(percentile(&[0.0, 10.0], 25.0), 2.5);
    }
}
