//! How likely chance alone would give as much, and what that means when thousands are asked.
//!
//! The null is that labels are exchangeable among the images of a class and of the classes that it is easily
//! confused with. Under permuted labels the number of the class's images among those that show a feature is
//! hypergeometric, so the permutations need not be drawn: the tail below is what infinitely many of them give
//! (Fisher's exact test, one-sided).

/// Logarithms of factorials.
pub(super) struct Chance {
    log_factorial: Vec<f64>,
}

impl Chance {
    /// For up to `n` images.
    pub(super) fn new(n: usize) -> Self {
        let mut log_factorial = vec![0.0; n + 1];
        for idx in 1..=n {
            log_factorial[idx] = log_factorial[idx - 1] + (idx as f64).ln();
        }
        Self { log_factorial }
    }

    fn log_choose(&self, n: usize, k: usize) -> f64 {
        self.log_factorial[n] - self.log_factorial[k] - self.log_factorial[n - k]
    }

    /// The chance that at least `hits` of the `drawn` of `total` images belong to a class of `class` images.
    pub(super) fn at_least(&self, hits: usize, drawn: usize, class: usize, total: usize) -> f64 {
        let most = drawn.min(class);
        let least = (drawn + class).saturating_sub(total);
        if hits <= least {
            return 1.0;
        }
        let all = self.log_choose(total, drawn);
        let term = |hits: usize| {
            let ways = self.log_choose(class, hits) + self.log_choose(total - class, drawn - hits);
            (ways - all).exp()
        };
        (hits..=most).map(term).sum::<f64>().min(1.0)
    }
}

/// The false discovery rate at which each test would be reported (Benjamini and Hochberg 1995), in the order of the
/// given p-values.
pub(super) fn false_discovery_rates(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]).then(a.cmp(&b)));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (rank, &idx) in order.iter().enumerate().rev() {
        least = least.min(p[idx] * p.len() as f64 / (rank + 1) as f64);
        q[idx] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Rng;

    #[test]
    fn tails_are_those_of_drawn_permutations() {
        let chance = Chance::new(60);
        // 12 of 60 images belong to the class, 9 show the feature, 5 of them are of the class.
        let exact = chance.at_least(5, 9, 12, 60);
        let mut rng = Rng::new(4);
        let mut labels: Vec<bool> = (0..60).map(|idx| idx < 12).collect();
        let rounds = 20_000;
        let hits = (0..rounds)
            .filter(|_| {
                rng.shuffle(&mut labels);
                labels[..9].iter().filter(|&&own| own).count() >= 5
            })
            .count();
        let drawn = hits as f64 / f64::from(rounds);
        assert!(
            (drawn - exact).abs() < 4.0 * (exact / f64::from(rounds)).sqrt(),
            "{drawn} {exact}"
        );
        assert!((chance.at_least(0, 9, 12, 60) - 1.0).abs() < 1e-12);
        assert!((chance.at_least(1, 60, 12, 60) - 1.0).abs() < 1e-12);
        assert!((chance.at_least(2, 2, 2, 60) - 2.0 / (60.0 * 59.0)).abs() < 1e-12);
    }

    #[test]
    fn rates_by_hand() {
        let q = false_discovery_rates(&[0.01, 0.04, 0.03, 0.5]);
        let expected = [0.04, 0.16 / 3.0, 0.16 / 3.0, 0.5];
        assert!(
            q.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12),
            "{q:?}"
        );
        assert!(false_discovery_rates(&[]).is_empty());
    }

    #[test]
    fn noise_is_reported_as_rarely_as_promised() {
        let mut rng = Rng::new(8);
        let (mut reported, rounds) = (0, 400);
        for _ in 0..rounds {
            let p: Vec<f64> = (0..50).map(|_| f64::from(rng.uniform())).collect();
            reported += usize::from(false_discovery_rates(&p).iter().any(|&q| q <= 0.05));
        }
        // 20 expected; four standard deviations are 17.
        assert!(reported <= 38, "{reported} of {rounds}");
    }
}
