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

/// A value that belongs to a background and a piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// Number of the background.
    pub background: usize,
    /// Number of the piece; 0 where there is only one.
    pub piece: usize,
    /// What was measured.
    pub value: f32,
}

/// Means of an intervention, of its controls and of their difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The intervention.
    pub own: Mean,
    /// Its controls.
    pub controls: Mean,
    /// The difference.
    pub contrast: Mean,
    /// Standard error of the difference.
    pub error: f32,
}

impl Compared {
    /// Whether the difference is so far from a value that no further background is needed.
    pub fn is_clear(&self, from: f32) -> bool {
        let apart = f64::from(self.contrast.mean - from).abs();
        apart > CLEAR * f64::from(self.error).max(1e-9)
    }
}

/// Numbers drawn with replacement, as counts.
fn counts(n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut counts = vec![0.0; n];
    for _ in 0..n {
        counts[rng.below(n)] += 1.0;
    }
    counts
}

/// Compares an intervention with its controls on the same backgrounds. Backgrounds and pieces are both samples, and
/// each piece lies on several backgrounds, so both are resampled (Owen 2007, "The pigeonhole bootstrap"); every control
/// is a piece of its own.
pub fn compare(own: &[Unit], controls: &[Unit], seed: u64) -> Compared {
    let count = |of: fn(&Unit) -> usize| own.iter().map(of).max().map_or(0, |most| most + 1);
    let n_backgrounds = count(|unit| unit.background);
    let n_pieces = count(|unit| unit.piece);
    let weighted = |units: &[Unit], weight: &dyn Fn(&Unit) -> f64| {
        let (mut sum, mut total) = (0.0, 0.0);
        for unit in units {
            let weight = weight(unit);
            sum += weight * f64::from(unit.value);
            total += weight;
        }
        (total > 0.0).then(|| sum / total)
    };
    let plain = |units: &[Unit]| weighted(units, &|_| 1.0).unwrap_or(0.0);
    let centres = [plain(own), plain(controls), plain(own) - plain(controls)];
    let smallest = if n_pieces > 1 {
        n_backgrounds.min(n_pieces)
    } else {
        n_backgrounds
    };
    if smallest < 2 {
        let mean = |centre: f64| Mean {
            mean: centre as f32,
            ci: [f32::MIN, f32::MAX],
        };
        return Compared {
            own: mean(centres[0]),
            controls: mean(centres[1]),
            contrast: mean(centres[2]),
            error: f32::INFINITY,
        };
    }
    let mut rng = Rng::stream(seed, own.len() as u64);
    let mut resampled: [Vec<f64>; 3] = Default::default();
    for _ in 0..RESAMPLES {
        let backgrounds = counts(n_backgrounds, &mut rng);
        let pieces = counts(n_pieces, &mut rng);
        let both = |unit: &Unit| backgrounds[unit.background] * pieces[unit.piece];
        let one = |unit: &Unit| backgrounds.get(unit.background).copied().unwrap_or(0.0);
        // A draw that leaves nothing says nothing.
        let Some(own) = weighted(own, &both) else {
            continue;
        };
        let controls = weighted(controls, &one).unwrap_or(0.0);
        for (all, value) in resampled.iter_mut().zip([own, controls, own - controls]) {
            all.push(value);
        }
    }
    let widen = t_quantile(smallest - 1) / Z * (smallest as f64 / (smallest - 1) as f64).sqrt();
    let mean = |which: usize| {
        let mut means = resampled[which].clone();
        means.sort_by(f64::total_cmp);
        let (centre, n) = (centres[which], means.len());
        let end = |at: usize| (centre + (means[at] - centre) * widen) as f32;
        Mean {
            mean: centre as f32,
            ci: [end(n / 40), end(n - 1 - n / 40)],
        }
    };
    let middle = resampled[2].iter().sum::<f64>() / resampled[2].len() as f64;
    let squares = resampled[2]
        .iter()
        .map(|v| (v - middle).powi(2))
        .sum::<f64>();
    let error = (squares / resampled[2].len() as f64).sqrt() * widen;
    Compared {
        own: mean(0),
        controls: mean(1),
        contrast: mean(2),
        error: error as f32,
    }
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
    }

    fn units(values: &[f32], n_pieces: usize) -> Vec<Unit> {
        let unit = |(at, &value): (usize, &f32)| Unit {
            background: at,
            piece: at % n_pieces,
            value,
        };
        values.iter().enumerate().map(unit).collect()
    }

    #[test]
    fn a_difference_far_from_zero_is_clear() {
        let none = units(&[0.0; 12], 1);
        let far: Vec<f32> = (0..12).map(|at| 2.0 + 0.1 * (at % 3) as f32).collect();
        let found = compare(&units(&far, 1), &none, 1);
        assert!(found.is_clear(0.0) && (found.contrast.mean - 2.1).abs() < 1e-6);
        assert!(found.contrast.ci[0] > 2.0 && found.contrast.ci[1] < 2.2);
        let mixed: Vec<f32> = (0..12)
            .map(|at| if at % 2 == 0 { 2.0 } else { -1.0 })
            .collect();
        assert!(!found.is_clear(2.0));
        assert!(!compare(&units(&mixed, 1), &none, 1).is_clear(0.0));
        let one = compare(&units(&[5.0], 1), &[], 1);
        assert!(!one.is_clear(0.0) && one.own.ci[0] < -1e30);
    }

    /// What varies from piece to piece counts: two pieces that differ give a wide interval on any number of backgrounds.
    #[test]
    fn pieces_are_resampled_too() {
        let values: Vec<f32> = (0..60)
            .map(|at| if at % 3 == 0 { 3.0 } else { 0.0 })
            .collect();
        let none = units(&[0.0; 60], 1);
        let apart = compare(&units(&values, 3), &none, 1).contrast;
        let together = compare(&units(&values, 1), &none, 1).contrast;
        let width = |mean: Mean| mean.ci[1] - mean.ci[0];
        assert!(
            width(apart) > 3.0 * width(together),
            "{apart:?} {together:?}"
        );
        // No more than 5 % of natural groups stand out by their pieces: 200 groups of 10 pieces on 32 backgrounds.
        let mut rng = Rng::new(9);
        let found = (0..200).filter(|&seed| {
            let pieces: Vec<f32> = (0..10).map(|_| rng.normal()).collect();
            let own: Vec<f32> = (0..32)
                .map(|at| pieces[at % 10] + 0.5 * rng.normal())
                .collect();
            let others: Vec<f32> = (0..32).map(|_| rng.normal() + 0.5 * rng.normal()).collect();
            compare(&units(&own, 10), &units(&others, 1), seed)
                .contrast
                .ci[0]
                > 0.0
        });
        let n = found.count();
        assert!(n <= 12, "{n} of 200");
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
