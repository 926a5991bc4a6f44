//! Means with intervals that are resampled over backgrounds.

use crate::math::rng::Rng;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 2000;

/// Two-sided 95 % of a normal.
const Z: f64 = 1.959_964;

/// Standard errors that an interim look must clear (Haybittle 1971, Peto et al. 1976 use 3; with the few backgrounds
/// of a first look 4 correspond to p ≈ 0.001), so that looking often costs the last interval nothing.
const CLEAR: f64 = 4.0;

/// A mean with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// The mean; 0 of nothing.
    pub mean: f32,
    /// Its interval.
    pub ci: [f32; 2],
}

/// The mean of values.
pub fn mean(values: &[f32]) -> f64 {
    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
    sum / values.len().max(1) as f64
}

/// The mean of `values` with the percentile interval of a bootstrap, widened for few values (Hesterberg 2015, "What
/// teachers should know about the bootstrap": by `t / z · √(n / (n − 1))`). Of fewer than two values the interval is
/// the whole line.
pub fn bootstrap(values: &[f32], seed: u64) -> Mean {
    let n = values.len();
    let centre = mean(values);
    if n < 2 {
        return Mean {
            mean: centre as f32,
            ci: [f32::MIN, f32::MAX],
        };
    }
    let mut rng = Rng::stream(seed, n as u64);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..n).map(|_| f64::from(values[rng.below(n)])).sum();
            sum / n as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let widen = t_quantile(n - 1) / Z * (n as f64 / (n - 1) as f64).sqrt();
    let end = |at: usize| (centre + (means[at] - centre) * widen) as f32;
    Mean {
        mean: centre as f32,
        ci: [end(RESAMPLES / 40), end(RESAMPLES - 1 - RESAMPLES / 40)],
    }
}

/// The 97.5 % quantile of Student's t (Cornish and Fisher's expansion, to 1/ν³; within 2 % from ν = 2 on).
fn t_quantile(freedom: usize) -> f64 {
    let v = freedom as f64;
    let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
    Z + (z3 + Z) / (4.0 * v)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * v * v)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * v * v * v)
}

/// Whether differences are so far from zero that no further background is needed.
pub fn is_clear(differences: &[f32]) -> bool {
    let n = differences.len() as f64;
    if n < 2.0 {
        return false;
    }
    let centre = mean(differences);
    let squares = differences.iter().map(|&v| (f64::from(v) - centre).powi(2));
    let error = (squares.sum::<f64>() / (n - 1.0) / n).sqrt();
    centre.abs() > CLEAR * error.max(1e-9)
}

/// The bootstrap of the difference of two means of independent groups.
pub fn bootstrap_difference(a: &[f32], b: &[f32], seed: u64) -> Mean {
    let (a, b) = (bootstrap(a, seed), bootstrap(b, seed ^ 1));
    // Both means are nearly normal, so half-widths add in squares, each on its side.
    let side = |end: usize, other: usize| {
        let own = f64::from(a.ci[end] - a.mean);
        let theirs = f64::from(b.ci[other] - b.mean);
        own.hypot(theirs)
    };
    let centre = f64::from(a.mean - b.mean);
    Mean {
        mean: centre as f32,
        ci: [(centre - side(0, 1)) as f32, (centre + side(1, 0)) as f32],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_t() {
        // Tables: 4.303, 3.182, 2.365, 2.040.
        for (freedom, expected) in [(2, 4.303), (3, 3.182), (7, 2.365), (31, 2.040)] {
            let found = t_quantile(freedom);
            assert!(
                (found / expected - 1.0_f64).abs() < 0.05,
                "{freedom}: {found}"
            );
        }
    }

    /// Of 400 samples of 12 normal values about 95 % of the intervals hold the true mean.
    #[test]
    fn intervals_cover_what_they_promise() {
        let mut rng = Rng::new(5);
        let covered = (0..400).filter(|&seed| {
            let values: Vec<f32> = (0..12).map(|_| 3.0 + 2.0 * rng.normal()).collect();
            let [low, high] = bootstrap(&values, seed).ci;
            low <= 3.0 && 3.0 <= high
        });
        let n = covered.count();
        assert!((366..=394).contains(&n), "{n} of 400");
    }

    #[test]
    fn a_constant_has_no_width_and_one_value_no_interval() {
        let same = bootstrap(&[2.0; 9], 1);
        assert!(same.ci.iter().all(|v| (v - 2.0).abs() < 1e-6));
        let one = bootstrap(&[2.0], 1);
        assert!(one.ci[0] < -1e30 && one.ci[1] > 1e30);
        assert!(is_clear(&[2.0, 2.1, 1.9, 2.0]));
        assert!(!is_clear(&[2.0, -2.1, 1.9, -2.0]));
        assert!(!is_clear(&[5.0]));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = [0.1, 0.5, 0.2, 0.9, -0.4];
        assert_eq!(bootstrap(&values, 3), bootstrap(&values, 3));
        assert_ne!(bootstrap(&values, 3), bootstrap(&values, 4));
        let apart = bootstrap_difference(&[1.0; 5], &[0.25; 4], 1);
        assert_eq!((apart.mean, apart.ci), (0.75, [0.75, 0.75]));
    }
}
